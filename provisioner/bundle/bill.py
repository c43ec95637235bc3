"""What a bundle says of its origin: the bill of materials (CycloneDX) and the provenance (SLSA)."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from provisioner import __version__
from provisioner.golden import sbom
from provisioner.golden.sbom import InstalledPackage
from provisioner.mirror.locks import DebianPackage
from provisioner.system.checksum import sha256

BUILD_TYPE = "https://vaultcube.example/provisioner/bundle/v1"


def materials(package: Path, needs: Sequence[DebianPackage], lock: Path, created: float) -> str:
    """Every Debian package and every locked Python package, as CycloneDX 1.6 JSON (ECMA-424)."""
    debian = [InstalledPackage("deb", item.name, item.version, item.architecture) for item in needs]
    python = [InstalledPackage("pypi", name, version) for name, version in locked(lock.read_text())]
    return sbom.document(
        sorted({*debian, *python}),
        image="vaultcube-provisioner",
        version=__version__,
        raw_sha256=sha256(package),
        epoch=int(created),
        distribution="debian",
        is_system=False,
    )


def locked(text: str) -> list[tuple[str, str]]:
    """Name and version of each package of a requirements file with hashes."""
    return re.findall(r"^([A-Za-z0-9._-]+)==([^\s\\]+)", text, flags=re.MULTILINE)


def provenance(package: Path, lock: Path, inputs: Sequence[Path], *, commit: str, created: float) -> str:
    """An in-toto statement (v1) with SLSA's provenance (v1) of our package and of what else was put in."""
    moment = datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    source = {"uri": "git+vaultcube-provisioner", "digest": {"gitCommit": commit}} if commit else None
    files = [{"name": path.name, "digest": {"sha256": sha256(path)}} for path in (lock, *inputs)]
    body = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": package.name, "digest": {"sha256": sha256(package)}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"version": __version__},
                "resolvedDependencies": [*([source] if source else []), *files],
            },
            "runDetails": {"builder": {"id": BUILD_TYPE}, "metadata": {"finishedOn": moment}},
        },
    }
    return json.dumps(body, indent=1) + "\n"
