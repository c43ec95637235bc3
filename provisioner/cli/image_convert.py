"""`provision image convert`: a pack of an older format as one of the present."""

from pathlib import Path

import click

from provisioner.cli.image_pack import Bar, check_outputs
from provisioner.cli.output import info, print_field
from provisioner.errors import InputError
from provisioner.imaging import manifest as manifests
from provisioner.imaging import signature
from provisioner.imaging.convert import convert as convert_pack


@click.command()
@click.argument("pack", metavar="PACK", type=click.Path(path_type=Path))
@click.option("-o", "out", required=True, type=click.Path(path_type=Path), help="The new pack's file.")
@click.option("--pubkey", required=True, type=click.Path(path_type=Path), help="NAME.pub of who signed PACK.")
@click.option("--sign", "key", required=True, type=click.Path(path_type=Path), help="NAME.key of keygen.")
@click.option(
    "--raw-sha256",
    is_flag=True,
    help="Say in the manifest what `zstd -dc PACK | sha256sum` prints, where it does not yet.",
)
def convert(pack: Path, out: Path, pubkey: Path, key: Path, raw_sha256: bool) -> None:
    """Make a pack of today's format of an older one: the same image, with a new manifest.

    Nothing has to be converted to be written: every release reads what the releases before it made. The
    new one is faster to read back, and its root hash is the same.
    """
    former, listed, mark = manifests.pack_files(pack)
    for path in (former, listed, mark, key):
        if not path.is_file():
            raise InputError(f"{path}: no such file", code=320)
    check_outputs(out, pack)
    signer = signature.verify(listed, mark, [pubkey])
    manifest = manifests.load(listed)
    with Bar("converting") as moved:
        made = convert_pack(pack, manifest, out, key=key, raw_sha256=raw_sha256, progress=moved)
    info(f"{out}: {made.name}@{made.version}, signed by {signer}, is {made.format}; it was {manifest.format}")
    print_field("root hash", made.root_hash)
    if made.raw_sha256:
        print_field("sha256", made.raw_sha256)
