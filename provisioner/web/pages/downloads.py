"""Files that a browser saves: each under a name of its own, and as nothing that it would run."""

import re

from flask import Response

UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
LONGEST = 120  # characters of a name


def download(data: bytes, name: str, media_type: str) -> Response:
    """The file as an attachment; what no file system takes in its name is a `-`."""
    response = Response(data, content_type=media_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{file_name(name)}"'
    response.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'; sandbox"
    return response


def file_name(name: str) -> str:
    """The name in letters that any file system takes, and that no header has to quote."""
    return UNSAFE.sub("-", name).strip("-.")[-LONGEST:] or "file"
