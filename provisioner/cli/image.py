"""`provision image …`: the catalogue and its keys."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioner.cli import question
from provisioner.cli.lazy import Lazy, Places
from provisioner.cli.options import output_option, state_option, with_client
from provisioner.cli.output import Column, info, local_time, print_change, print_rows
from provisioner.errors import InputError, NotFoundError, RefusedError
from provisioner.system import file_fault, outputs
from provisioner.system.units import size

if TYPE_CHECKING:
    from provisioner.client import Client
    from provisioner.domain.plan import CatalogueImage

PLACES: Places = {
    "list": ("image:list_", "Every image of the catalogue."),
    "keygen": ("image:keygen", "Make a signing key pair, NAME.key and NAME.pub, in minisign's format."),
    "trust": (
        "image:trust",
        "Trust the images that a key signed; ramdisks that are built from now on do so too.",
    ),
    "untrust": ("image:untrust", "Trust a key no more; ramdisks that are built from now on do not either."),
    "build": (
        "image_build:build",
        "Build the golden image with Packer and Ansible: raw, qcow2, vmdk, pack, manifests, SHA256SUMS.",
    ),
    "builds": (
        "image_build:builds",
        "All builds of this machine, and what they come to: success rate and medians against the targets.",
    ),
    "diff": ("image_build:diff", "Explain how two images differ, file by file."),
    "pack": ("image_pack:pack", "Pack a disk image: PACK, PACK.json and PACK.json.minisig."),
    "convert": (
        "image_convert:convert",
        "Make a pack of today's format of an older one: the same image, with a new manifest.",
    ),
    "add": ("image_pack:add", "Add an image to the catalogue of the service on this machine"),
    "write": (
        "image_write:write",
        "Write a pack to a disk of this machine: verified, read back, bootable last.",
    ),
    "verify": ("image_pack:verify", "Read an image again: signature and every chunk."),
    "remove": (
        "image_pack:remove",
        "Take an image out of the catalogue, with its files; one that a deployment or a profile needs stays.",
    ),
    "gc": ("image_pack:gc", "Remove what the state folder's images/ holds and the catalogue does not know"),
}


@dataclass(frozen=True)
class SigningKey:
    """A public key of the state folder, `file`, and whether what it signed may be written."""

    name: str
    file: str
    trusted: bool


@click.group(cls=Lazy, places=PLACES)
def image() -> None:
    """Images: build, compare, sign, pack, add, list, verify, write."""


def _signed_by(image: "CatalogueImage") -> str:
    trust = "" if image.trusted else ", trusted no more"
    return f"{image.signed_by}{trust}" if image.signed_by else "(installer ISO)"


COLUMNS: "tuple[Column[CatalogueImage], ...]" = (
    Column("IMAGE", lambda image: image.id),
    Column("SIZE", lambda image: size(image.raw_size)),
    Column("ON THE WIRE", lambda image: size(image.pack_size)),
    Column("SIGNED BY", _signed_by),
    Column("ADDED", lambda image: local_time(image.added)),
)


@image.command("list")
@output_option
@with_client
def list_(client: "Client", output: str) -> None:
    """Every image of the catalogue."""
    print_rows(output, "images", client.images(), COLUMNS, name=lambda image: image.id)


@image.command()
@click.argument("name")
@click.option("--dir", "folder", type=click.Path(path_type=Path), default=Path(), help="Where to.")
def keygen(name: str, folder: Path) -> None:
    """Make a signing key pair, NAME.key and NAME.pub, in minisign's format.

    Keep NAME.key where images are built. Let services trust NAME.pub: provision image trust NAME.pub
    """
    from provisioner.imaging import signature

    if Path(name).name != name:
        raise InputError(f"{name!r} is no name for a key", hint="--dir says where to")
    secret, public = signature.keygen(folder, name)
    info(f"{secret} signs; keep it secret (it has no password)")
    info(f"{public} verifies; next: provision image trust {public}, then provision ramdisk build")


@image.command()
@click.argument("public", type=click.Path(path_type=Path))
@output_option
@state_option
def trust(public: Path, state: Path, output: str) -> None:
    """Trust the images that a key signed; ramdisks that are built from now on do so too."""
    from provisioner import ramdisk
    from provisioner.state.folder import used_by_command

    ramdisk.trust([public])  # raises InputError for what is no public key
    content, target = public.read_bytes(), state / "keys" / public.name
    with used_by_command(state):
        if target.exists() and target.read_bytes() != content:
            raise RefusedError(
                f"another key of the name {public.stem} is trusted already", hint=f"remove {target}"
            )
        outputs.write(target, content)
    sentence = f"{public.stem} is trusted; build the ramdisk again: provision ramdisk build"
    print_change(
        output, "key", SigningKey(public.stem, str(target), trusted=True), sentence, name=public.stem
    )


@image.command()
@click.argument("name", metavar="NAME")
@click.option("--yes", is_flag=True, help="Do not ask. For scripts.")
@output_option
@state_option
def untrust(name: str, state: Path, yes: bool, output: str) -> None:
    """Trust a key no more; ramdisks that are built from now on do not either.

    NAME is that of NAME.pub. What it signed stays in the catalogue, and is not ordered any more; such
    ramdisks refuse it, as does `image verify`.
    """
    key_name, folder = name.removesuffix(".pub"), state / "keys"
    known = sorted(path.stem for path in folder.glob("*.pub"))
    if key_name not in known:
        raise NotFoundError(
            f"no key called {key_name!r} is trusted here",
            hint=f"trusted keys: {', '.join(known) or 'none'}",
            code=120,
        )
    question.require_word(key_name, f"this ends the trust in {key_name}", yes=yes, wanted="to go on")
    key = folder / f"{key_name}.pub"
    try:
        key.unlink()
    except OSError as fault:
        raise file_fault.explained(fault, key) from fault
    sentence = f"{key_name} is trusted no more; build the ramdisk again: provision ramdisk build"
    print_change(output, "key", SigningKey(key_name, str(key), trusted=False), sentence, name=key_name)
