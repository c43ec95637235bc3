"""`provision image pack`, `add`, `verify`, `gc`: how images come into the catalogue and out of it."""

import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from provisioner.cli import question, removal
from provisioner.cli.options import output_option, with_client
from provisioner.cli.output import (
    Column,
    console,
    info,
    print_change,
    print_field,
    print_record,
    print_rows,
)
from provisioner.cli.source import FORMATS, SUFFIXES, as_raw, check_file, format_of
from provisioner.errors import InputError
from provisioner.imaging.manifest import pack_files
from provisioner.system.units import size

if TYPE_CHECKING:
    from provisioner.api.images import ImageRemoved, StrayFile
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
@click.option(
    "--raw-sha256",
    is_flag=True,
    help="Say in the manifest what `zstd -dc PACK | sha256sum` prints: one core reads all, holes too.",
)
@format_option
def pack(
    raw: Path,
    out: Path,
    name: str,
    version: str,
    key: Path,
    created: str,
    level: int,
    raw_sha256: bool,
    form: str | None,
) -> None:
    """Pack a disk image: PACK, PACK.json and PACK.json.minisig. `zstd -dc PACK` gives the image back.

    What the root filesystem left free is packed as zeros.
    """
    options = PackOptions(created, level, raw_sha256)
    make_pack(raw, out, form=form or "", name=name, version=version, key=key, options=options)


class PackOptions(NamedTuple):
    """How a disk image is packed: its time (RFC 3339, now where empty), zstd's level, what is hashed."""

    created: str = ""
    level: int = 3
    raw_sha256: bool = False


def make_pack(
    raw: Path,
    out: Path,
    *,
    form: str,
    name: str,
    version: str,
    key: Path,
    options: PackOptions = PackOptions(),  # noqa: B008  it never changes
) -> None:
    """Pack and sign, with a bar on a terminal: all three files, or none.

    Raises InputError, PackError, FileError.
    """
    from provisioner.imaging import pack as packs

    check_file(raw)
    if not key.is_file():
        raise InputError(f"{key}: no such file", code=320)
    stamp = options.created or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    check_outputs(out, raw)
    with as_raw(raw, format_of(raw, form)) as plain, Bar("packing") as moved:
        manifest = packs.build(
            plain,
            out,
            name=name,
            version=version,
            created=stamp,
            key=key,
            progress=moved,
            level=options.level,
            tell=info,
            raw_sha256=options.raw_sha256,
        )
    of_kind = {kind: 0 for kind in ("data", "zero", "free")}
    for chunk in manifest.chunks:
        of_kind[chunk.kind] += chunk.length
    info(f"{out}: {size(manifest.raw_size)} → {size(out.stat().st_size)}")
    print_field("root hash", manifest.root_hash)
    if manifest.raw_sha256:
        print_field("sha256", manifest.raw_sha256)
    info(", ".join(f"{size(number)} {kind}" for kind, number in of_kind.items()))


def check_outputs(out: Path, source: Path) -> None:
    """The pack's three files can lie where -o says. Raises InputError where one would be `source`."""
    if out.is_dir():
        raise InputError(f"{out} is a folder", hint="give the name of the pack: -o NAME.pack")
    if any(target.exists() and target.samefile(source) for target in pack_files(out)):
        raise InputError(f"{source} is read from: the pack would take its place", hint="give -o another name")


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
@output_option
@with_client
def add(
    client: "Client",
    file: Path,
    output: str,
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
        return _add_raw(client, file, output, name=name, version=version, key=key, form=form or "")
    if not iso and (name or version or sha256 or key):
        raise InputError(
            "--name, --version and --sign are for --iso and disk images", hint="a pack says its own"
        )
    if not iso:
        return _report_added(client.add_image(file.resolve()), output)
    image = client.add_image(file.resolve(), iso=True, name=name, version=version, sha256=sha256)
    checked = "as --sha256 says" if sha256 else "compare it with Ubuntu's SHA256SUMS"
    sentence = f"{image.id} added, {size(image.raw_size)}, sha256 {image.raw_sha256}: {checked}"
    return print_record(output, "image", image, lambda: info(sentence), name=image.id)


def _add_raw(
    client: "Client", file: Path, output: str, *, name: str, version: str, key: Path | None, form: str
) -> None:
    if not (name and version and key):
        raise InputError(
            f"{file.name} is a disk image: --name, --version and --sign are missing",
            hint="a pack is signed, whoever adds it",
            code=320,
        )
    with tempfile.TemporaryDirectory(dir=file.resolve().parent, prefix=".pack-") as folder:
        out = Path(folder) / f"{name}.pack"
        make_pack(file, out, form=form, name=name, version=version, key=key)
        _report_added(client.add_image(out.resolve()), output)


def _report_added(image: "CatalogueImage", output: str) -> None:
    sentence = f"{image.id} signed by {image.signed_by}, {size(image.raw_size)} → {size(image.pack_size)}"
    print_record(output, "image", image, lambda: info(sentence), name=image.id)


@click.command()
@click.argument("name", metavar="IMAGE|PACK")
@click.option("--pubkey", type=click.Path(path_type=Path), help="NAME.pub, where PACK is a file here.")
@output_option
@with_client
def verify(client: "Client", name: str, pubkey: Path | None, output: str) -> None:
    """Read an image again: signature and every chunk. The first that is damaged is named.

    IMAGE is one of the catalogue; PACK a file, for which no service is asked.
    """
    if pubkey is None:
        done = client.verify_image(name)
        sentence = f"{done.image}: what is stored is right ({done.chunks} chunks)"
        return print_record(output, "verified", done, lambda: info(sentence), name=done.image)
    from provisioner.api.images import ImageVerified
    from provisioner.imaging import manifest as manifests
    from provisioner.imaging import signature, unpack

    path = Path(name)
    if not path.is_file():
        raise InputError(f"{path}: no such file", code=320)
    listed = path.with_name(path.name + ".json")
    signer = signature.verify(listed, listed.with_name(listed.name + ".minisig"), [pubkey])
    manifest = manifests.load(listed)
    unpack.verify(path, manifest, whole=True)
    unpack.check_layout(path, manifest)
    sentence = f"{path}: signed by {signer}, and every one of {len(manifest.chunks)} chunks is right"
    checked = ImageVerified(image=f"{manifest.name}@{manifest.version}", chunks=len(manifest.chunks))
    return print_record(output, "verified", checked, lambda: info(sentence), name=checked.image)


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask. For scripts.")
@output_option
@with_client
def gc(client: "Client", yes: bool, output: str) -> None:
    """Remove what the state folder's images/ holds and the catalogue does not know: halves of broken copies.

    What is removed is shown first.
    """
    strays = client.image_garbage()
    if not strays:
        info("nothing to remove: every file belongs to an image of the catalogue")
        return _print_gone([], output)
    for stray in strays:
        info(f"{stray.name}  {size(stray.size)}  {stray.why}")
    count = str(len(strays))
    question.require_word(count, "this removes files", yes=yes, wanted="to remove them")
    gone = client.remove_image_garbage([stray.name for stray in strays])
    info(f"{len(gone)} removed, {size(sum(stray.size for stray in gone))}")
    return _print_gone(gone, output)


def _print_gone(gone: "Sequence[StrayFile]", output: str) -> None:
    """For programs; people have seen it before."""
    if output != "table":
        columns = (Column["StrayFile"]("NAME", lambda stray: stray.name),)
        print_rows(output, "removed", gone, columns, name=lambda stray: stray.name)


@click.command()
@click.argument("name", metavar="IMAGE")
@click.option("--yes", is_flag=True, help="Do not ask. For scripts.")
@output_option
@with_client
def remove(client: "Client", name: str, yes: bool, output: str) -> None:
    """Take an image out of the catalogue, with its files; one that a deployment or a profile needs stays."""

    def forget(text: str, dry_run: bool) -> "ImageRemoved":
        return client.remove_image(text, dry_run=dry_run)

    gone = removal.confirmed(forget, name, name=lambda one: one.image, yes=yes)
    sentence = f"{gone.image} is removed; {size(gone.freed)} are free now"
    print_change(output, "removed", gone, sentence, name=gone.image)
