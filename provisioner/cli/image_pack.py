"""`provision image pack`, `add`, `verify`, `gc`: how images come into the catalogue and out of it."""

import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioner.cli.options import with_client
from provisioner.cli.output import console, info
from provisioner.cli.source import FORMATS, SUFFIXES, as_raw, check_file, format_of
from provisioner.errors import InputError, RefusedError
from provisioner.system.units import size

if TYPE_CHECKING:
    from provisioner.client import Client
    from provisioner.domain.plan import CatalogueImage

format_option = click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="What the file is, where its name does not end in .raw, .img or .qcow2.",
)


@click.command()
@click.argument("raw", metavar="RAW|QCOW2", type=click.Path(path_type=Path))
@click.option("-o", "out", required=True, type=click.Path(path_type=Path), help="The pack's file.")
@click.option("--name", required=True)
@click.option("--version", required=True)
@click.option("--sign", "key", required=True, type=click.Path(path_type=Path), help="NAME.key of keygen.")
@click.option("--created", default="", help="The time in the manifest, RFC 3339; now unless given.")
@click.option(
    "--level",
    type=click.IntRange(1, 19),
    default=3,
    show_default=True,
    help="zstd's: 9 and more take long once and save some of every host's time.",
)
@format_option
def pack(
    raw: Path, out: Path, name: str, version: str, key: Path, created: str, level: int, form: str | None
) -> None:
    """Pack a disk image: PACK, PACK.json and PACK.json.minisig. `zstd -dc PACK` gives the image back.

    What the root filesystem left free is packed as zeros.
    """
    make_pack(raw, out, form=form or "", name=name, version=version, key=key, created=created, level=level)


def make_pack(
    raw: Path, out: Path, *, form: str, name: str, version: str, key: Path, created: str = "", level: int = 3
) -> None:
    """Pack and sign, with a bar on a terminal: all three files, or none.

    Raises InputError, PackError, FileError.
    """
    from provisioner.imaging import pack as packs

    check_file(raw)
    if not key.is_file():
        raise InputError(f"{key}: no such file", code=320)
    stamp = created or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if out.is_dir():
        raise InputError(f"{out} is a folder", hint="give the name of the pack: -o NAME.pack")
    targets = [out.with_name(out.name + ending) for ending in ("", ".json", ".json.minisig")]
    if any(target.exists() and target.samefile(raw) for target in targets):
        raise InputError(f"{raw} is read from: the pack would take its place", hint="give -o another name")
    with as_raw(raw, format_of(raw, form)) as plain, Bar("packing") as moved:
        manifest = packs.build(
            plain,
            out,
            name=name,
            version=version,
            created=stamp,
            key=key,
            progress=moved,
            level=level,
            tell=info,
        )
    of_kind = {kind: 0 for kind in ("data", "zero", "free")}
    for chunk in manifest.chunks:
        of_kind[chunk.kind] += chunk.length
    info(f"{out}: {size(manifest.raw_size)} → {size(out.stat().st_size)}, sha256 {manifest.raw_sha256}")
    info(", ".join(f"{size(number)} {kind}" for kind, number in of_kind.items()))


class Bar:
    """A progress bar on a terminal, else nothing."""

    def __init__(self, title: str) -> None:
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        out = console(stderr=True)
        self._progress = Progress(*columns, console=out, disable=not out.file.isatty(), transient=True)
        self._task = self._progress.add_task(title, total=None)

    def __enter__(self) -> Callable[[int, int], None]:
        self._progress.start()
        return lambda done, total: self._progress.update(self._task, completed=done, total=total)

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


@click.command()
@click.argument("file", metavar="PACK|RAW|QCOW2|ISO", type=click.Path(path_type=Path))
@click.option("--iso", is_flag=True, help="FILE is Ubuntu's live-server ISO, for method: autoinstall.")
@click.option("--name", default="", help="Of a disk image, or of an ISO that does not say it.")
@click.option("--version", default="", help="Likewise.")
@click.option("--sha256", default="", help="What Ubuntu's SHA256SUMS says of the ISO.")
@click.option("--sign", "key", type=click.Path(path_type=Path), help="NAME.key, to pack a disk image first.")
@format_option
@with_client
def add(
    client: "Client",
    file: Path,
    iso: bool,
    name: str,
    version: str,
    sha256: str,
    key: Path | None,
    form: str | None,
) -> None:
    """Add an image to the catalogue of the service on this machine; its signature and chunks are checked.

    A disk image is packed and signed first. With --iso, FILE is an installer; no key of ours signs it: give
    --sha256.
    """
    if not iso and (form or file.suffix.lower() in SUFFIXES):
        if sha256:
            raise InputError("--sha256 is for --iso", hint="a pack says its own")
        return _add_raw(client, file, name=name, version=version, key=key, form=form or "")
    if not iso and (name or version or sha256 or key):
        raise InputError(
            "--name, --version and --sign are for --iso and disk images", hint="a pack says its own"
        )
    if not iso:
        return _report_added(client.add_image(file.resolve()))
    image = client.add_image(file.resolve(), iso=True, name=name, version=version, sha256=sha256)
    checked = "as --sha256 says" if sha256 else "compare it with Ubuntu's SHA256SUMS"
    return info(f"{image.id} added, {size(image.raw_size)}, sha256 {image.raw_sha256}: {checked}")


def _add_raw(client: "Client", file: Path, *, name: str, version: str, key: Path | None, form: str) -> None:
    if not (name and version and key):
        raise InputError(
            f"{file.name} is a disk image: --name, --version and --sign are missing",
            hint="a pack is signed, whoever adds it",
            code=320,
        )
    with tempfile.TemporaryDirectory(dir=file.resolve().parent, prefix=".pack-") as folder:
        out = Path(folder) / f"{name}.pack"
        make_pack(file, out, form=form, name=name, version=version, key=key)
        _report_added(client.add_image(out.resolve()))


def _report_added(image: "CatalogueImage") -> None:
    info(f"{image.id} signed by {image.signed_by}, {size(image.raw_size)} → {size(image.pack_size)}")


@click.command()
@click.argument("name", metavar="IMAGE|PACK")
@click.option("--pubkey", type=click.Path(path_type=Path), help="NAME.pub, where PACK is a file here.")
@with_client
def verify(client: "Client", name: str, pubkey: Path | None) -> None:
    """Read an image again: signature and every chunk. The first that is damaged is named.

    IMAGE is one of the catalogue; PACK a file, for which no service is asked.
    """
    if pubkey is None:
        done = client.verify_image(name)
        return info(f"{done.image}: what is stored is right ({done.chunks} chunks)")
    from provisioner.imaging import manifest as manifests
    from provisioner.imaging import pack as packs
    from provisioner.imaging import signature

    path = Path(name)
    if not path.is_file():
        raise InputError(f"{path}: no such file", code=320)
    listed = path.with_name(path.name + ".json")
    signer = signature.verify(listed, listed.with_name(listed.name + ".minisig"), [pubkey])
    manifest = manifests.load(listed)
    packs.verify(path, manifest)
    packs.check_layout(path, manifest)
    return info(f"{path}: signed by {signer}, and every one of {len(manifest.chunks)} chunks is right")


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask. For scripts.")
@with_client
def gc(client: "Client", yes: bool) -> None:
    """Remove what the state folder's images/ holds and the catalogue does not know: halves of broken copies.

    What is removed is shown first.
    """
    strays = client.image_garbage()
    if not strays:
        return info("nothing to remove: every file belongs to an image of the catalogue")
    for stray in strays:
        info(f"{stray.name}  {size(stray.size)}  {stray.why}")
    if not yes:
        _ask(len(strays))
    gone = client.remove_image_garbage([stray.name for stray in strays])
    return info(f"{len(gone)} removed, {size(sum(stray.size for stray in gone))}")


def _ask(count: int) -> None:
    if not sys.stdin.isatty():
        raise RefusedError(
            "this removes files, and there is no terminal to ask on; nothing was removed",
            hint="give --yes in a script",
            code=133,
        )
    if click.prompt(f"Type {count} to remove them", err=True) != str(count):
        raise RefusedError("not confirmed, nothing was removed", code=133)
