"""The image's software bill of materials (CycloneDX 1.6, JSON) from dpkg's status and Python's metadata."""

import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.parser import HeaderParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

SUFFIX = ".cdx.json"
STATUS = "var/lib/dpkg/status"
# where Python looks for packages that pip installed; Debian's own are dpkg's already
PYTHON_PLACES = ("usr/local/lib", "opt", "srv")
NAMESPACE = uuid.UUID("2b4ae8f2-4a4f-5c0e-9a31-6f0f3c0a7f11")


@dataclass(frozen=True, order=True)
class Package:
    """One installed package; `kind` is deb or pypi, `source` the source package, `place` of a Python one."""

    kind: str
    name: str
    version: str
    arch: str = ""
    source: str = ""
    place: str = ""


def packages(root: Path) -> list[Package]:
    """What is installed in the tree, sorted, each once."""
    return sorted({*_debian(root), *_python(root)})


def _debian(root: Path) -> Iterator[Package]:
    status = root / STATUS
    if not status.is_file():
        return
    for paragraph in status.read_text(encoding="utf-8", errors="replace").split("\n\n"):
        said = HeaderParser().parsestr(paragraph.lstrip("\n"))
        if said.get("Status", "").endswith(" installed"):
            source = said.get("Source", said["Package"]).split()[0]
            yield Package("deb", said["Package"], said["Version"], said.get("Architecture", ""), source)


def _python(root: Path) -> Iterator[Package]:
    for place in PYTHON_PLACES:
        for metadata in sorted((root / place).rglob("*.dist-info/METADATA")):
            said = HeaderParser().parsestr(metadata.read_text(encoding="utf-8", errors="replace"))
            if said.get("Name") and said.get("Version"):
                name = re.sub(r"[-_.]+", "-", said["Name"]).lower()  # PEP 503
                where = str(metadata.parent.parent.relative_to(root))
                yield Package("pypi", name, said["Version"], place=where)


def _purl(package: Package, distribution: str) -> str:
    """Package URL (purl specification): who made it, what, which version."""
    version = quote(package.version, safe=".-_~")
    if package.kind == "pypi":
        return f"pkg:pypi/{quote(package.name)}@{version}"
    return f"pkg:deb/{distribution}/{quote(package.name, safe='.-_~')}@{version}?arch={quote(package.arch)}"


def document(
    found: list[Package], *, image: str, version: str, raw_sha256: str, epoch: int, distribution: str
) -> str:
    """The bill as JSON; the same image gives the same text."""
    serial = uuid.uuid5(NAMESPACE, f"{image}@{version}/{raw_sha256}")
    body: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "operating-system",
                "bom-ref": f"image:{image}@{version}",
                "name": image,
                "version": version,
                "hashes": [{"alg": "SHA-256", "content": raw_sha256}],
            },
        },
        "components": [_component(package, distribution) for package in found],
    }
    return json.dumps(body, indent=1, ensure_ascii=True) + "\n"


def _component(package: Package, distribution: str) -> dict[str, Any]:
    purl = _purl(package, distribution)
    said = {"source": package.source, "place": package.place}
    return {
        "type": "library",
        "bom-ref": f"{purl}#{package.place}" if package.place else purl,
        "name": package.name,
        "version": package.version,
        "purl": purl,
        "properties": [
            {"name": f"provisioner:{key}", "value": value} for key, value in said.items() if value
        ],
    }
