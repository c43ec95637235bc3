"""The files of the images: added, verified, removed."""

import shutil
import tempfile
from pathlib import Path

from provisioner.domain.image import Image
from provisioner.errors import InputError, NotFoundError, PackError
from provisioner.imaging import manifest as manifests
from provisioner.imaging import pack as packs
from provisioner.imaging import signature
from provisioner.state.image_folders import image_folder

PARTS = {"pack": "pack", "manifest": "pack.json", "manifest.minisig": "pack.json.minisig"}


def part(state: Path, ident: str, name: str) -> Path:
    """The file of an image by its part's name. Raises NotFoundError."""
    path = image_folder(state, ident) / PARTS.get(name, "?")
    if name not in PARTS or not path.is_file():
        raise NotFoundError(f"{ident} has no {name}")
    return path


def keys(state: Path) -> list[Path]:
    """The public keys whose signatures this site trusts."""
    return sorted((state / "keys").glob("*.pub"))


def add(state: Path, source: str, now: float) -> Image:
    """Check a pack and copy it into the catalogue. Raises PackError, InputError; nothing is left behind."""
    pack = Path(source)
    names = [pack, pack.with_name(pack.name + ".json"), pack.with_name(pack.name + ".json.minisig")]
    for path in names:
        if not path.is_file():
            raise InputError(
                f"{path}: no such file", hint="provision image pack RAW -o PACK --sign KEY", code=320
            )
    key = signature.verify(names[1], names[2], keys(state))
    manifest = manifests.load(names[1])
    if not any(p.role == "esp" and p.label == manifests.ESP_LABEL for p in manifest.partitions):
        raise PackError(
            f"{pack.name}: its ESP is not labelled {manifests.ESP_LABEL}",
            hint="hosts could not find it",
            code=322,
        )
    ident = f"{manifest.name}@{manifest.version}"
    target = image_folder(state, ident)
    with tempfile.TemporaryDirectory(dir=state / "images") as work:
        for path, name in zip(names, PARTS.values(), strict=True):
            shutil.copyfile(path, Path(work) / name)
            (Path(work) / name).chmod(0o644)  # for nginx; the state folder itself lets nobody in
        packs.verify(Path(work) / "pack", manifest)
        shutil.rmtree(target, ignore_errors=True)
        Path(work).rename(target)
        Path(work).mkdir()  # for the context manager to remove
    target.chmod(0o755)
    size = (target / "pack").stat().st_size
    return Image(
        name=manifest.name,
        version=manifest.version,
        raw_size=manifest.raw_size,
        raw_sha256=manifest.raw_sha256,
        pack_size=size,
        signed_by=key,
        added=now,
    )


def verify(state: Path, ident: str) -> int:
    """Read the stored pack again, signature included; the number of chunks. Raises PackError."""
    path = part(state, ident, "manifest")
    signature.verify(path, part(state, ident, "manifest.minisig"), keys(state))
    manifest = manifests.load(path)
    packs.verify(part(state, ident, "pack"), manifest)
    return len(manifest.chunks)
