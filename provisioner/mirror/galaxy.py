"""Ansible collections as tarballs: what a list of requirements needs, fetched by ansible-galaxy."""

import json
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from provisioner import run
from provisioner.errors import InputError, ProgramError, UnreachableError
from provisioner.mirror.locks import Collection
from provisioner.system.checksum import sha256

FETCH_LIMIT = 1800.0  # seconds
MANIFEST_LIMIT = 1 << 20  # bytes


def resolve(given: Sequence[Path]) -> list[Collection]:
    """Tarballs as they are, and what requirements.yml files need, dependencies included.

    Raises InputError or UnreachableError (PV-652).
    """
    missing = [str(path) for path in given if not path.is_file()]
    if missing:
        raise InputError(f"{', '.join(missing)}: no such file", hint="--collections FILE")
    tarballs = [path for path in given if path.name.endswith(".tar.gz")]
    with tempfile.TemporaryDirectory(prefix="galaxy-") as folder:
        for path in given:
            if path not in tarballs:
                _galaxy("-r", str(path), into=Path(folder))
        collections = [_read(path) for path in [*tarballs, *Path(folder).glob("*.tar.gz")]]
    return sorted({item.name: item for item in collections}.values(), key=lambda item: item.name)


def fetch(collections: Sequence[Collection], into: Path) -> None:
    """Download just these versions. Raises UnreachableError (PV-652)."""
    _galaxy("--no-deps", *(f"{item.name}:=={item.version}" for item in collections), into=into)


def _galaxy(*words: str, into: Path) -> None:
    beside = Path(sys.executable).with_name("ansible-galaxy")  # ours, where PATH does not lead to it
    program = beside if beside.is_file() else "ansible-galaxy"
    try:
        run.run([program, "collection", "download", *words, "-p", into], timeout=FETCH_LIMIT)
    except ProgramError as fault:
        raise UnreachableError(
            f"collections cannot be fetched: {fault}",
            hint="ansible-galaxy must work on this machine; or give tarballs: --collections, --from",
            code=652,
        ) from fault


def _read(path: Path) -> Collection:
    """What a tarball says of itself."""
    try:
        with tarfile.open(path, "r:gz") as tar:
            member = tar.extractfile("MANIFEST.json")
            info = json.loads(member.read(MANIFEST_LIMIT) if member else b"{}")["collection_info"]
        name, version = f"{info['namespace']}.{info['name']}", info["version"]
    except (OSError, tarfile.TarError, KeyError, TypeError, ValueError) as fault:
        raise InputError(
            f"{path} is no collection: {fault}", hint="ansible-galaxy collection build makes one"
        ) from fault
    return Collection(name=name, version=version, file=path.name, sha256=sha256(path))
