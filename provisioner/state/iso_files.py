"""The files of installers: Ubuntu's live ISO, its kernel and initrd."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from provisioner import run
from provisioner.domain.image import Image
from provisioner.errors import InputError, PackError
from provisioner.state.image_folders import ISO, image_folder, in_place, incoming
from provisioner.system.checksum import sha256

INSTALLER = {"vmlinuz": "casper/vmlinuz", "initrd": "casper/initrd"}  # our name → place in Ubuntu's live ISO


ISO_LIMIT = 600.0  # seconds for reading an ISO's table and one of its files


@contextmanager
def added_iso(
    state: Path, source: str, now: float, *, name: str, version: str, sha256: str = ""
) -> Iterator[Image]:
    """Copy Ubuntu's live-server ISO into images/, its kernel and initrd beside it; the block registers it.

    There is no signature of ours on it: `sha256`, from Ubuntu's SHA256SUMS, says whether it is the right
    one. Raises InputError (PV-320 no such file, PV-329 no live ISO or another sum), OSError, or pydantic's
    ValidationError for a name or version that an image cannot have. Then, and where the block fails, images/
    is as it was before.
    """
    iso = Path(source)
    _must_exist(iso)
    image = Image(
        name=name,
        version=version,
        raw_size=0,
        raw_sha256="",
        pack_size=0,
        signed_by="",
        added=now,
        kind="iso",
    )
    folder = image_folder(state, image.id)
    with incoming(folder) as made:
        digest = _copy(iso, made, sha256)
        size = (made / ISO).stat().st_size
        with in_place(made, folder):
            yield image.model_copy(update={"raw_size": size, "raw_sha256": digest, "pack_size": size})


def _copy(iso: Path, made: Path, expected: str) -> str:
    """The SHA-256 of what was copied, which must be the `expected` one if that is given."""
    copy = made / ISO
    shutil.copyfile(iso, copy)
    digest = sha256(copy)
    if expected and digest != expected.lower():
        raise InputError(
            f"{iso.name} has the SHA-256 {digest}, not {expected}", hint="download it again", code=329
        )
    for name, place in INSTALLER.items():
        _extract(copy, place, made / name)
    return digest


def _must_exist(iso: Path) -> None:
    if not iso.is_file():
        raise InputError(f"{iso}: no such file", hint="provision image add --iso FILE", code=320)


def _extract(iso: Path, place: str, target: Path) -> None:
    """One file of an ISO, by libarchive's bsdtar, which needs no root and no loop device."""
    done = run.run(["bsdtar", "-xOf", iso, place], check=False, timeout=ISO_LIMIT)
    if done.returncode or not done.stdout:
        raise _no_installer(iso, place)
    target.write_bytes(done.stdout)


def check_iso(source: Path) -> None:
    """See, without reading all of it, that it holds what an installer boots from.

    Raises InputError (PV-320 no such file, PV-329 no live ISO).
    """
    _must_exist(source)
    for place in INSTALLER.values():
        if run.run(["bsdtar", "-tf", source, place], check=False, timeout=ISO_LIMIT).returncode:
            raise _no_installer(source, place)


def _no_installer(iso: Path, place: str) -> InputError:
    return InputError(
        f"{iso.name} holds no {place}: it is no live-server ISO of Ubuntu",
        hint="give ubuntu-NN.NN-live-server-amd64.iso",
        code=329,
    )


def describe_iso(source: Path) -> tuple[str, str]:
    """Name and version of a live ISO as its `.disk/info` says them: `ubuntu`, `24.04.1`; empty where not.

    Raises InputError (PV-320) where there is no such file.
    """
    _must_exist(source)
    done = run.run(["bsdtar", "-xOf", source, ".disk/info"], check=False, timeout=ISO_LIMIT)
    info = re.match(r"Ubuntu\S* (\d+\.\d+(?:\.\d+)?)\b", done.stdout.decode(errors="replace"))
    return ("ubuntu", info[1]) if info else ("", "")


def verify_iso(state: Path, image: Image) -> int:
    """Read the stored ISO again; 1. Raises PackError (PV-321) where it is not what was added."""
    if sha256(image_folder(state, image.id) / ISO) != image.raw_sha256:
        raise PackError(f"{image.id}: its ISO was changed on the disk", hint="add it again", code=321)
    return 1


def installer_file(state: Path, ident: str, name: str) -> Path | None:
    """The file of an installer: `vmlinuz`, `initrd` or the ISO; None for any other name."""
    path = image_folder(state, ident) / name
    return path if name in (*INSTALLER, ISO) and path.is_file() else None
