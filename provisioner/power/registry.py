"""The power drivers by name."""

from collections.abc import Callable

from provisioner.errors import InventoryError
from provisioner.power import ipmi, manual, redfish
from provisioner.power.protocol import BmcAddress, Power

DRIVERS: dict[str, Callable[[BmcAddress], Power]] = {
    "ipmi": ipmi.Ipmi,
    "manual": manual.Manual,
    "redfish": redfish.Redfish,
}


def connect(bmc: BmcAddress) -> Power:
    """The driver for a BMC; nothing is sent yet. Raises InventoryError for an unknown one."""
    if bmc.driver not in DRIVERS:
        known = ", ".join(sorted(DRIVERS))
        raise InventoryError(f"{bmc.name}: unknown power driver {bmc.driver!r}", hint=f"one of: {known}")
    return DRIVERS[bmc.driver](bmc)
