"""`provision rehearse`: deploy a virtual machine as the real ones are deployed."""

import click


@click.command()
def rehearse() -> None:
    """Deploy a QEMU machine through real firmware, IPMI, PXE and SSH."""
