"""The inventory of a rehearsal: its hosts and the one profile that they have."""

from collections.abc import Mapping
from ipaddress import IPv4Address

from provisioner.domain.host import Bmc, Host
from provisioner.domain.profile import Gpu, Hints, Profile
from provisioner.domain.restart import Restart
from provisioner.domain.stage import Stage
from provisioner.lab.machine import Machine

USER = "lab"  # of the BMCs, and the name of their login
PROFILE = "lab"
GPU = "1234:11e8"  # QEMU's `edu` device, in a GPU's place
MEMORY_MIN = 900 << 20  # bytes
# seconds; generous: an emulated machine on two busy cores is slower than any server
DEADLINES = {
    Stage.POWERING: 300,
    Stage.NETBOOTING: 600,
    Stage.WRITING: 1800,
    Stage.RESTARTING: 900,
    Stage.VERIFYING: 900,
}


def host(machine: Machine) -> Host:
    """A machine as the inventory describes it."""
    return Host(
        name=machine.name,
        macs=(machine.mac,),
        profile=PROFILE,
        rack="lab",
        serial=machine.spec.serial_number,
        bmc=Bmc(driver=machine.bmc.driver, address=IPv4Address(machine.bmc_address), secret=USER),
    )


def profile(
    image: str, hints: Hints, gpus: int, deadlines: Mapping[Stage, int], restart: Restart = "firmware"
) -> Profile:
    """What the hosts must be: `hints` mean the disk to write, `gpus` is how many they must show."""
    return Profile(
        name=PROFILE,
        image=image,
        disks=(hints,),
        memory_min=MEMORY_MIN,
        gpus=(Gpu(id=GPU, count=gpus, name="edu"),),
        deadlines=dict(deadlines),
        restart=restart,
    )
