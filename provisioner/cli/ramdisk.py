"""`provision ramdisk …`: the small system that hosts boot over the network."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioner.cli.options import state_option
from provisioner.cli.output import info
from provisioner.system.units import size

if TYPE_CHECKING:
    from provisioner.ramdisk import RamdiskFiles

CACHE = Path("~/.cache/provisioner").expanduser()


@click.group()
def ramdisk() -> None:
    """The ramdisk: build."""


@ramdisk.command()
@click.option(
    "--kernel", type=click.Path(path_type=Path), help="A Debian kernel package instead of the listed one."
)
@click.option("--firmware", type=click.Path(path_type=Path), help="A folder of firmware files to add.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Where to; the state folder's ramdisk/ unless given."
)
@state_option
@click.option("--cache", type=click.Path(path_type=Path), default=CACHE, help="Keeps downloaded packages.")
def build(kernel: Path | None, firmware: Path | None, out: Path | None, state: Path, cache: Path) -> None:
    """Build kernel, ramdisk and boot programs; the same inputs give the same bytes."""
    from provisioner import ramdisk as builder
    from provisioner.state import image_files
    from provisioner.state.folder import is_anothers, prepare_folder, used_by_command

    def make(target: Path) -> "RamdiskFiles":
        keys = image_files.trusted_keys(state)
        return builder.build(target, cache=cache / "ramdisk", kernel=kernel, firmware=firmware, keys=keys)

    target = out or state / "ramdisk"
    if out is None and is_anothers(state):
        with tempfile.TemporaryDirectory() as work:
            Path(work).chmod(0o755)
            built = make(Path(work))
            with used_by_command(state):
                builder.bring(built, target)
    else:
        if not out:
            prepare_folder(state)
        built = make(target)
    info(f"kernel {built.kernel}, in {target}:")
    for name, (length, digest) in built.files.items():
        info(f"  {name:<14}{size(length):>9}  sha256 {digest}")
