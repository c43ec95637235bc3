"""The image's software bill of materials (CycloneDX 1.6, JSON) from dpkg's status and Python's metadata."""

import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyclonedx.model.component import Component
    from packageurl import PackageURL

SUFFIX = ".cdx.json"
STATUS = "var/lib/dpkg/status"
# where Python looks for packages that pip installed; Debian's own are dpkg's already
PYTHON_PLACES = ("usr/local/lib", "opt", "srv")
NAMESPACE = uuid.UUID("2b4ae8f2-4a4f-5c0e-9a31-6f0f3c0a7f11")


@dataclass(frozen=True, order=True)
class InstalledPackage:
    """One installed package: `kind` is deb or pypi, `arch` and `source` (package) of a Debian one.

    `place` is the folder of a Python one, relative to the image's root.
    """

    kind: str
    name: str
    version: str
    arch: str = ""
    source: str = ""
    place: str = ""


def packages(root: Path) -> list[InstalledPackage]:
    """What dpkg (its status file) and pip (core metadata, PEP 566) installed in the tree, sorted."""
    return sorted({*_debian(root), *_python(root)})


def _debian(root: Path) -> Iterator[InstalledPackage]:
    status = root / STATUS
    if not status.is_file():
        return
    for paragraph in status.read_text(encoding="utf-8", errors="replace").split("\n\n"):
        stanza = HeaderParser().parsestr(paragraph.lstrip("\n"))
        if stanza.get("Status", "").endswith(" installed"):
            source = stanza.get("Source", stanza["Package"]).split()[0]
            yield InstalledPackage(
                "deb", stanza["Package"], stanza["Version"], stanza.get("Architecture", ""), source
            )


def _python(root: Path) -> Iterator[InstalledPackage]:
    for folder in PYTHON_PLACES:
        for metadata in sorted((root / folder).rglob("*.dist-info/METADATA")):
            fields = HeaderParser().parsestr(metadata.read_text(encoding="utf-8", errors="replace"))
            if fields.get("Name") and fields.get("Version"):
                name = re.sub(r"[-_.]+", "-", fields["Name"]).lower()  # PEP 503
                place = str(metadata.parent.parent.relative_to(root))
                yield InstalledPackage("pypi", name, fields["Version"], place=place)


def document(
    packages: Sequence[InstalledPackage],
    *,
    image: str,
    version: str,
    raw_sha256: str,
    epoch: int,
    distribution: str,
    is_system: bool = True,
) -> str:
    """The bill as CycloneDX 1.6 JSON (ECMA-424); the same arguments give the same text.

    `raw_sha256` is the digest of what is described, in hexadecimal, `epoch` its time stamp in seconds since
    1970, `distribution` os-release's ID, which is the namespace of a Debian package's URL (purl
    specification), `is_system` whether it is an image, else a program.
    """
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6

    described = Component(
        type=ComponentType.OPERATING_SYSTEM if is_system else ComponentType.APPLICATION,
        bom_ref=f"image:{image}@{version}",
        name=image,
        version=version,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=raw_sha256)],
    )
    bom = Bom(serial_number=uuid.uuid5(NAMESPACE, f"{image}@{version}/{raw_sha256}"))
    bom.metadata.timestamp = datetime.fromtimestamp(epoch, UTC)
    bom.metadata.component = described
    bom.components.update(_component(package, distribution) for package in packages)
    bom.register_dependency(described, bom.components)
    return JsonV1Dot6(bom).output_as_string(indent=1) + "\n"


def _component(package: InstalledPackage, distribution: str) -> "Component":
    from cyclonedx.model import Property
    from cyclonedx.model.component import Component, ComponentType

    purl = _package_url(package, distribution)
    properties = {"source": package.source, "place": package.place}
    return Component(
        type=ComponentType.LIBRARY,
        bom_ref=f"{purl}#{package.place}" if package.place else str(purl),
        name=package.name,
        version=package.version,
        purl=purl,
        properties=[
            Property(name=f"vaultcube-provisioner:{name}", value=value)
            for name, value in properties.items()
            if value
        ],
    )


def _package_url(package: InstalledPackage, distribution: str) -> "PackageURL":
    from packageurl import PackageURL

    if package.kind == "pypi":
        return PackageURL("pypi", name=package.name, version=package.version)
    return PackageURL("deb", distribution, package.name, package.version, {"arch": package.arch})
