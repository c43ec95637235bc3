"""Reads bills of materials (CycloneDX, JSON) again, and says which packages two of them differ by."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from provisioner.errors import FileError
from provisioner.golden.sbom import InstalledPackage
from provisioner.system.text import clean

LARGEST = 16 << 20  # bytes of a bill that is read


@dataclass(frozen=True)
class MaterialsBill:
    """The packages of the image whose raw bytes have this SHA-256 (hexadecimal)."""

    raw_sha256: str
    packages: tuple[InstalledPackage, ...]


@dataclass(frozen=True)
class PackageChange:
    """A package whose version differs; empty where it is not there."""

    kind: str
    name: str
    before: str
    after: str

    @property
    def verb(self) -> str:
        """What became of it."""
        if not self.before:
            return "added"
        return "changed" if self.after else "removed"


def read_bill(path: Path) -> MaterialsBill:
    """A bill as `sbom.document` writes it. Raises FileError (PV-150) for another file, or one too large."""
    try:
        if path.stat().st_size > LARGEST:
            raise FileError(f"{path.name}: too large for a bill of materials")
        body = json.loads(path.read_bytes())
        hashes = body["metadata"]["component"].get("hashes", [])
        digest = next((each["content"] for each in hashes if each["alg"] == "SHA-256"), "")
        packages = tuple(_package(each) for each in body.get("components", []))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as fault:
        raise FileError(f"{path.name} is no bill of materials that can be read: {fault}") from fault
    return MaterialsBill(str(digest), packages)


def _package(component: dict[str, object]) -> InstalledPackage:
    purl, properties = str(component["purl"]), component.get("properties") or []
    kind = re.match(r"pkg:([a-z0-9.+-]+)/", purl)
    arch = re.search(r"[?&]arch=([^&#]+)", purl)
    return InstalledPackage(
        kind=kind[1] if kind else "",
        name=clean(str(component["name"])),
        version=clean(str(component["version"])),
        arch=unquote(arch[1]) if arch else "",
        place=_property(properties, "place"),
    )


def _property(properties: object, name: str) -> str:
    for each in properties if isinstance(properties, list) else ():
        if each["name"].endswith(f":{name}"):
            return clean(str(each["value"]))
    return ""


def package_changes(
    before: Sequence[InstalledPackage], after: Sequence[InstalledPackage]
) -> list[PackageChange]:
    """The packages that two images differ by, by name."""
    return sorted(_changes(before, after), key=lambda each: (each.name, each.kind, each.before, each.after))


def _changes(
    before: Sequence[InstalledPackage], after: Sequence[InstalledPackage]
) -> Iterator[PackageChange]:
    old = {(each.kind, each.name, each.arch, each.place): each.version for each in before}
    new = {(each.kind, each.name, each.arch, each.place): each.version for each in after}
    for key in old.keys() | new.keys():
        if old.get(key) != new.get(key):
            yield PackageChange(key[0], key[1], old.get(key, ""), new.get(key, ""))
