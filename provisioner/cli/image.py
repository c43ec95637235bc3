"""`provision image …`: keys, packs and the catalogue."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from provisioner.cli import image_build
from provisioner.cli.common import (
    Column,
    asks_service,
    console,
    emit,
    local_time,
    prints_data,
    say,
    state_option,
)
from provisioner.client import Client
from provisioner.errors import InputError, RefusedError
from provisioner.story import size


@click.group()
def image() -> None:
    """Images: build, compare, sign, pack, add, list, verify."""


for command in (image_build.build, image_build.builds, image_build.diff):
    image.add_command(command)


COLUMNS: tuple[Column, ...] = (
    ("IMAGE", lambda r: r["id"]),
    ("SIZE", lambda r: size(r["raw_size"])),
    ("ON THE WIRE", lambda r: size(r["pack_size"])),
    ("SIGNED BY", lambda r: r["signed_by"] or "(installer ISO)"),
    ("ADDED", lambda r: local_time(r["added"])),
)


@image.command("list")
@prints_data
@asks_service
def list_(client: Client, form: str) -> None:
    """Every image of the catalogue."""
    emit(form, "images", client.images(), COLUMNS, key="id")


@image.command()
@click.argument("name")
@click.option("--dir", "folder", type=click.Path(path_type=Path), default=Path(), help="Where to.")
def keygen(name: str, folder: Path) -> None:
    """Make a signing key pair, NAME.key and NAME.pub, in minisign's format.

    Keep NAME.key where images are built. Let services trust NAME.pub: provision image trust NAME.pub
    """
    from provisioner.imaging import signature

    folder.mkdir(parents=True, exist_ok=True)
    secret, public = signature.keygen(folder, name)
    say(f"{secret} signs; keep it secret (it has no password)")
    say(f"{public} verifies; next: provision image trust {public}, then provision ramdisk build")


@image.command()
@click.argument("public", type=click.Path(path_type=Path))
@state_option
def trust(public: Path, state: Path) -> None:
    """Trust the images that a key signed; ramdisks that are built from now on do so too."""
    from provisioner import catalogue, ramdisk

    ramdisk.trust([public])  # raises InputError for what is no public key
    catalogue.prepare(state)
    target = state / "keys" / public.name
    if target.exists() and target.read_bytes() != public.read_bytes():
        raise RefusedError(
            f"another key of the name {public.stem} is trusted already", hint=f"remove {target}"
        )
    shutil.copyfile(public, target)
    say(f"{public.stem} is trusted; build the ramdisk again: provision ramdisk build")


@image.command()
@click.argument("raw", type=click.Path(path_type=Path))
@click.option("-o", "out", required=True, type=click.Path(path_type=Path), help="The pack's file.")
@click.option("--name", required=True)
@click.option("--version", required=True)
@click.option("--sign", "key", required=True, type=click.Path(path_type=Path), help="NAME.key of keygen.")
@click.option("--created", default="", help="The time in the manifest, RFC 3339; now unless given.")
def pack(raw: Path, out: Path, name: str, version: str, key: Path, created: str) -> None:
    """Pack a raw disk image: PACK, PACK.json and PACK.json.minisig. `zstd -dc PACK` gives the image back."""
    from provisioner.imaging import pack as packs
    from provisioner.imaging import signature

    for path in (raw, key):
        if not path.is_file():
            raise InputError(f"{path}: no such file", code=320)
    out.parent.mkdir(parents=True, exist_ok=True)
    stamp = created or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    with _bar("packing") as moved:
        manifest = packs.build(raw, out, name=name, version=version, created=stamp, progress=moved)
    signature.sign(out.with_name(out.name + ".json"), key)
    say(f"{out}: {size(manifest.raw_size)} → {size(out.stat().st_size)}, sha256 {manifest.raw_sha256}")


class _bar:
    """A progress bar on a terminal, else nothing."""

    def __init__(self, title: str) -> None:
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        out = console(stderr=True)
        self._progress = Progress(*columns, console=out, disable=not out.file.isatty(), transient=True)
        self._task = self._progress.add_task(title, total=None)

    def __enter__(self) -> Any:
        self._progress.start()
        return lambda done, total: self._progress.update(self._task, completed=done, total=total)

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


@image.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--iso", is_flag=True, help="FILE is Ubuntu's live-server ISO, for method: autoinstall.")
@click.option("--name", default="", help="Of an ISO that does not say it.")
@click.option("--version", default="", help="Of an ISO that does not say it.")
@click.option("--sha256", default="", help="What Ubuntu's SHA256SUMS says of the ISO.")
@asks_service
def add(client: Client, file: Path, iso: bool, name: str, version: str, sha256: str) -> None:
    """Add a pack to the catalogue of the service on this machine: its signature and every chunk are checked.

    With --iso, FILE is an installer. No key of ours signs it: give --sha256.
    """
    if not iso and (name or version or sha256):
        raise InputError("--name, --version and --sha256 are for --iso", hint="a pack says its own")
    more = {"iso": True, "name": name, "version": version, "sha256": sha256} if iso else {}
    row = client.add_image(file.resolve(), **more)
    if iso:
        checked = "as --sha256 says" if sha256 else "compare it with Ubuntu's SHA256SUMS"
        say(f"{row['id']} added, {size(row['raw_size'])}, sha256 {row['raw_sha256']}: {checked}")
        return
    say(f"{row['id']} signed by {row['signed_by']}, {size(row['raw_size'])} → {size(row['pack_size'])}")


@image.command()
@click.argument("name", metavar="IMAGE")
@asks_service
def verify(client: Client, name: str) -> None:
    """Read a stored image again: signature and every chunk."""
    done = client.verify_image(name)
    say(f"{done['image']}: what is stored is right ({done['chunks']} chunks)")
