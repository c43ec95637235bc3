"""The power drivers by name. A new one is a file beside this one, and its name in `DRIVERS`."""

from provisioner.domain.host import Bmc
from provisioner.errors import InventoryError
from provisioner.power import ipmi, manual, redfish
from provisioner.power.protocol import BmcAddress, Power, PowerDriver

DRIVERS: dict[str, PowerDriver] = {
    driver.name: driver
    for driver in (
        ipmi.DRIVER,
        manual.DRIVER,
        redfish.DRIVER,
    )
}


def find(name: str, host: str) -> PowerDriver:
    """The driver of that name; `host` is for the sentence. Raises InventoryError (PV-110): unknown."""
    if name not in DRIVERS:
        known = ", ".join(sorted(DRIVERS))
        raise InventoryError(f"{host}: unknown power driver {name!r}", hint=f"one of: {known}")
    return DRIVERS[name]


def connect(bmc: BmcAddress) -> Power:
    """The driver for one BMC; nothing is sent yet. Raises InventoryError (PV-110) for an unknown one."""
    return find(bmc.driver, bmc.name).connect(bmc)


def console_driver(bmc: Bmc) -> PowerDriver | None:
    """The driver that gives a host's serial console; None where the inventory or the BMC has none."""
    driver = DRIVERS.get(bmc.driver)
    if driver is None or not driver.has_bmc:
        return None
    other = DRIVERS.get(bmc.console or bmc.driver)  # `none` is no driver's name
    return other if other and other.recorder else None
