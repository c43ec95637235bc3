"""`provision image …`: the catalogue and its keys."""

import shutil
from pathlib import Path

import click

from provisioner.cli import image_build, image_pack, image_write
from provisioner.cli.common import Column, asks_service, emit, local_time, prints_data, say, state_option
from provisioner.client import Client
from provisioner.errors import RefusedError
from provisioner.story import size


@click.group()
def image() -> None:
    """Images: build, compare, sign, pack, add, list, verify, write."""


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


for command in (
    *(image_build.build, image_build.builds, image_build.diff),
    *(image_pack.pack, image_pack.add, image_write.write, image_pack.verify, image_pack.gc),
):
    image.add_command(command)
