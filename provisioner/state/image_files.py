"""The packs of the catalogue as files: added, verified, found by part."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from provisioner.domain.image import Image
from provisioner.errors import InputError, NotFoundError, PackError
from provisioner.imaging import manifest as manifests
from provisioner.imaging import signature, unpack
from provisioner.state.image_folders import image_folder, in_place, incoming

# what a part is called in a URL → its file in the image's folder
PARTS = {"pack": "pack", "manifest": "pack.json", "manifest.minisig": "pack.json.minisig"}

BILL = "sbom.cdx.json"  # beside them, where the build's bill of materials was added, too


def bill_file(state: Path, ident: str) -> Path | None:
    """The bill of materials (CycloneDX, JSON) that is kept of an image; None for none."""
    path = image_folder(state, ident) / BILL
    return path if path.is_file() else None


def part_file(state: Path, ident: str, part: str) -> Path:
    """The file of an image's part, one of PARTS. Raises NotFoundError (PV-120)."""
    path = image_folder(state, ident) / PARTS.get(part, "?")
    if part not in PARTS or not path.is_file():
        raise NotFoundError(f"{ident} has no {part}")
    return path


def trusted_keys(state: Path) -> list[Path]:
    """The public keys (minisign) whose signatures this site trusts."""
    return sorted((state / "keys").glob("*.pub"))


def is_trusted(state: Path, image: Image) -> bool:
    """Whether the key that signed it is among those that are trusted now; nobody has signed an ISO.

    It is known by its number, as another key may have its name by now; where the signature is gone, by name.
    """
    keys = trusted_keys(state)
    number = signature.key_id(image_folder(state, image.id) / PARTS["manifest.minisig"])
    if not image.signed_by:
        return True
    return any(signature.key_id(key) == number if number else key.stem == image.signed_by for key in keys)


@contextmanager
def added_pack(state: Path, source: str, now: float) -> Iterator[Image]:
    """Check a pack and copy it into images/, manifest and signature beside it; the block registers it.

    A bill of materials is copied, too, where there is a file BILL beside it.

    Raises InputError (PV-320) where a file is missing, PackError where signature, manifest or content are
    wrong, or no host could take the image (PV-322, PV-324), OSError. Then, and where the block fails, images/
    is as it was before.
    """
    files = _beside(Path(source))
    key = signature.verify(files["manifest"], files["manifest.minisig"], trusted_keys(state))
    manifest = manifests.load(files["manifest"])
    try:
        unpack.check_layout(files["pack"], manifest)
    except PackError as fault:
        raise PackError(f"{files['pack'].name}: {fault}", hint=fault.hint, code=fault.code) from fault
    folder = image_folder(state, f"{manifest.name}@{manifest.version}")
    with incoming(folder) as made:
        _copy(files, made, manifest)
        _copy_bill(Path(source).with_name(BILL), made)
        image = Image(
            name=manifest.name,
            version=manifest.version,
            raw_size=manifest.raw_size,
            raw_sha256=manifest.raw_sha256,
            root_hash=manifest.root_hash,
            pack_size=(made / PARTS["pack"]).stat().st_size,
            signed_by=key,
            added=now,
        )
        with in_place(made, folder):
            yield image


def _beside(pack: Path) -> dict[str, Path]:
    """The files of a pack by part."""
    files = dict(zip(PARTS, manifests.pack_files(pack), strict=True))
    for path in files.values():
        if not path.is_file():
            raise InputError(
                f"{path}: no such file", hint="provision image pack RAW -o PACK --sign KEY", code=320
            )
    return files


def _copy(files: dict[str, Path], made: Path, manifest: manifests.Manifest) -> None:
    """What is copied is verified before it takes its place."""
    for part, path in files.items():
        shutil.copyfile(path, made / PARTS[part])
        (made / PARTS[part]).chmod(0o644)
    unpack.verify(made / PARTS["pack"], manifest)


def _copy_bill(bill: Path, made: Path) -> None:
    """It is not signed: whoever reads it holds it against the image's hash, which is in it."""
    if bill.is_file():
        shutil.copyfile(bill, made / BILL)
        (made / BILL).chmod(0o644)


def verify_pack(state: Path, ident: str) -> int:
    """Read the stored pack again, signature included; the number of chunks.

    Raises PackError, also where no host could take the image (PV-322, PV-324).
    """
    path = part_file(state, ident, "manifest")
    signature.verify(path, part_file(state, ident, "manifest.minisig"), trusted_keys(state))
    manifest = manifests.load(path)
    pack = part_file(state, ident, "pack")
    unpack.verify(pack, manifest, whole=True)
    unpack.check_layout(pack, manifest)
    return len(manifest.chunks)
