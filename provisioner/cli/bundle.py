"""`provision bundle …`: all that an air-gapped site installs from, as one signed file."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioner.cli.options import output_option, state_option
from provisioner.cli.output import info, print_field, print_record
from provisioner.cli.times import utc
from provisioner.errors import InputError
from provisioner.system.units import counted, named, size

if TYPE_CHECKING:
    from provisioner.bundle.contents import Bundle, BundleManifest

FILE = click.Path(path_type=Path)
CHECKOUT = Path(__file__).resolve().parents[2]
DOCUMENTS = Path("/usr/share/doc/provisioner")  # where the package has lock and pages
LOCK = "requirements.lock"


@click.group()
def bundle() -> None:
    """The bundle for an air-gapped site: make, verify, install."""


@bundle.command()
@click.argument("out", type=FILE)
@click.option("--deb", required=True, type=FILE, help="Our package, of make deb.")
@click.option("--sign", "key", required=True, type=FILE, help="NAME.key of provision image keygen.")
@click.option("--ramdisk", type=FILE, help="The folder that provision ramdisk build --out wrote.")
@click.option("--image", "images", multiple=True, type=FILE, help="A pack. Repeat it.")
@click.option(
    "--trust", "keys", multiple=True, type=FILE, help="A public key of images, NAME.pub. Repeat it."
)
@click.option("--mirror", type=FILE, help="The folder of provision mirror make.")
@click.option("--lock", type=FILE, help="requirements.lock; the program's own unless given.")
@click.option("--docs", type=FILE, help="The pages; the program's own unless given.")
@click.option("--suite", default="bookworm", show_default=True, help="The release of the site's machine.")
@click.option("--sources", type=FILE, help="apt sources (.list or .sources) instead of this machine's.")
@click.option("--commit", default="", help="The Git commit of --deb, for the provenance.")
@output_option
def make(
    out: Path,
    deb: Path,
    key: Path,
    ramdisk: Path | None,
    images: tuple[Path, ...],
    keys: tuple[Path, ...],
    mirror: Path | None,
    lock: Path | None,
    docs: Path | None,
    suite: str,
    sources: Path | None,
    commit: str,
    output: str,
) -> None:
    """Write one signed file on a connected machine: the package, what it needs of Debian, and what is given.

    Beside them lie a bill of materials (CycloneDX), the provenance (SLSA), and SHA256SUMS with its signature
    for a machine on which no program of ours is yet. apt resolves in a state of its own: root is not needed.
    """
    from provisioner.bundle import make as making

    of = making.Ingredients(
        package=deb,
        lock=lock or _own(LOCK),
        key=key,
        docs=docs or _own("docs"),
        ramdisk=ramdisk,
        images=images,
        mirror=mirror,
        keys=keys,
        sources=sources,
        suite=suite,
        commit=commit,
    )
    _print(output, making.make(out, of, info), out)
    info(f"{out}, {size(out.stat().st_size)}; next: provision bundle verify {out} --key {key.stem}.pub")


def _own(name: str) -> Path:
    """What lies in the checkout, or where the package puts it."""
    for place in (CHECKOUT / name, DOCUMENTS / name):
        if place.exists():
            return place
    raise InputError(f"{name} is not found beside this program", hint="give --lock and --docs", code=150)


@bundle.command()
@click.argument("file", type=FILE)
@click.option("--key", required=True, type=FILE, help="The public key that must have signed it, NAME.pub.")
@output_option
def verify(file: Path, key: Path, output: str) -> None:
    """Read all of a bundle: its signature, and each file against its SHA-256."""
    from provisioner.bundle import contents, install
    from provisioner.state import sealed_file

    with sealed_file.opened(file, contents.BUNDLE) as opened:
        opened.verify_signature(key)
        install.check(opened)
        _print(output, opened.manifest, file)
    info(f"{file} is whole, and signed by {key.stem}")


@bundle.command("install")
@click.argument("file", type=FILE)
@click.option("--key", required=True, type=FILE, help="The public key that must have signed it, NAME.pub.")
@click.option("--no-packages", is_flag=True, help="Not the Debian packages: they are installed already.")
@click.option("--images", type=FILE, help="A folder for the packs, which provision image add takes.")
@click.option("--mirror", type=FILE, help="A folder for the mirror, which [mirror] of the settings names.")
@output_option
@state_option
def install_bundle(
    file: Path,
    key: Path,
    no_packages: bool,
    images: Path | None,
    mirror: Path | None,
    state: Path,
    output: str,
) -> None:
    """Install from a bundle, as root: package, ramdisk, trusted keys; packs and mirror where you say.

    All of it is read and held against its manifest before anything is changed. On a machine without this
    program: docs/install.md, by tar, minisign, sha256sum and apt.
    """
    from provisioner.bundle import contents, install
    from provisioner.state import sealed_file

    with sealed_file.opened(file, contents.BUNDLE) as opened:
        opened.verify_signature(key)
        install.check(opened)
        if not no_packages:
            install.install_packages(opened, info)
        _install(opened, state, images, mirror)
        _print(output, opened.manifest, file)


def _install(opened: "Bundle", state: Path, images: Path | None, mirror: Path | None) -> None:
    from provisioner.bundle import contents, install

    if added := install.install_keys(opened, state):
        info(f"trusted: {named(added)}")
    if opened.manifest.has_ramdisk:
        number = install.install_ramdisk(opened, state)
        info(f"{counted(number, 'file')} in {state / 'ramdisk'}")
    for target, place, wanted in (
        (images, contents.IMAGES, bool(opened.manifest.images)),
        (mirror, contents.MIRROR, opened.manifest.has_mirror),
    ):
        if target:
            info(f"{counted(install.extract(opened, place, target), 'file')} in {target}")
        elif wanted:
            info(f"{place} stays in the bundle: --{place} DIR says where to")
    for pack in opened.manifest.images if images else ():
        info(f"next, once the service runs: provision image add {images}/{pack}")


def _print(output: str, manifest: "BundleManifest", file: Path) -> None:
    def show() -> None:
        print_field("Made", f"{utc(manifest.created)} on {manifest.machine}, by {manifest.version}")
        print_field("For", f"{manifest.suite} on {manifest.architecture}: {manifest.package}")
        total = sum(part.size for part in manifest.files)
        print_field("Files", f"{counted(len(manifest.files), 'file')}, {size(total)}")
        print_field("Images", named(manifest.images) or "none")
        also = [
            word for word, has in (("ramdisk", manifest.has_ramdisk), ("mirror", manifest.has_mirror)) if has
        ]
        print_field("Also", ", ".join(also) or "nothing else")

    print_record(output, "bundle", manifest, show, name=str(file))
