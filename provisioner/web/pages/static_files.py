"""The files of pages: in the package, each by its own address for ever, and packed for who can unpack it."""

import gzip
import json
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from flask import Response, abort, request

FOLDER = Path(__file__).with_name("static")
LIST = "vendored.json"  # of what is not ours: package, version, licence, SHA-256
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class _File:
    data: bytes
    packed: bytes
    media_type: str
    digest: str


@cache
def _files() -> dict[str, _File]:
    return {path.name: _read(path) for path in sorted(FOLDER.iterdir()) if path.suffix in TYPES}


def _read(path: Path) -> _File:
    data = path.read_bytes()
    packed, digest = gzip.compress(data, 9, mtime=0), sha256(data).hexdigest()[:12]
    return _File(data, packed, TYPES[path.suffix], digest)


def address(name: str) -> str:
    """The path of a file, which is another one once the file is. Raises KeyError for what is none of them."""
    return f"/static/{_files()[name].digest}/{name}"


def serve(digest: str, name: str) -> Response:
    """One of them; nothing of it is secret."""
    found = _files().get(name)
    if found is None or found.digest != digest:
        abort(404)
    can_unpack = "gzip" in request.headers.get("Accept-Encoding", "")
    data = found.packed if can_unpack else found.data
    response = Response(data, content_type=f"{found.media_type}; charset=utf-8")
    if can_unpack:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["Cache-Control"] = FOR_EVER
    return response


def vendored() -> dict[str, dict[str, str]]:
    """Of each file that is not ours: package, version, licence, SHA-256."""
    found: dict[str, dict[str, str]] = json.loads((FOLDER / LIST).read_text())
    return found
