"""`provision ramdisk …`: the small system that hosts boot over the network."""

from contextlib import nullcontext
from pathlib import Path

import click

from provisioner.cli.options import state_option
from provisioner.cli.output import info
from provisioner.system.units import size

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
    from provisioner.state.folder import used_by_command

    target = out or state / "ramdisk"
    with nullcontext() if out else used_by_command(state):
        built = builder.build(
            target,
            cache=cache / "ramdisk",
            kernel=kernel,
            firmware=firmware,
            keys=image_files.trusted_keys(state),
        )
    info(f"kernel {built.kernel}, in {target}:")
    for name, (length, digest) in built.files.items():
        info(f"  {name:<14}{size(length):>9}  sha256 {digest}")
