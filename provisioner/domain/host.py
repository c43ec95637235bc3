"""A host and its BMC."""

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Annotated

from pydantic import Field

from provisioner.domain.profile import Hints
from provisioner.domain.values import Fingerprint, FrozenModel, Mac, Name, Text


@dataclass(frozen=True, kw_only=True)
class BmcDriver:
    """What a power driver declares of itself for those who read, check and tell of hosts.

    `port` is where such a BMC listens unless the inventory says otherwise; without one there is no BMC.
    `recorder` is the module that records its serial console, run as a process; empty where it gives none.
    `has_systems`: one such BMC can have several systems, and an inventory may name the host's.
    """

    name: str  # as the inventory says it
    title: str = ""  # as sentences say it
    port: int | None = None
    recorder: str = ""
    has_systems: bool = False

    @property
    def has_bmc(self) -> bool:
        """Whether power is switched over a network at all, and not by a person."""
        return self.port is not None


class Bmc(FrozenModel):
    """How a host is powered. `secret` names a file of the state folder's `secrets/`.

    `driver` is checked, and `port` filled in, where an inventory is applied (`state.inventory.make_host`).
    A certificate for TLS is pinned: to the SHA-256 `fingerprint`, else to what the first login sees.
    `console` names another driver whose serial console this BMC has too, with the same login; `none` leaves
    the serial console to others. `system` names the host's system where the BMC has several: the last part of
    its Redfish path, or all of it.
    """

    driver: str = "manual"
    address: IPv4Address | None = None
    port: int | None = Field(None, ge=1, le=65535)
    verify: bool = True
    fingerprint: Fingerprint = ""
    mac: Mac | None = None
    secret: Annotated[str, Field(pattern=r"^[\w.-]*$")] = ""
    console: str = ""
    system: Annotated[str, Field(pattern=r"^[\w./:-]*$", max_length=200)] = ""


class Host(FrozenModel):
    """One machine. The first MAC is the one that boots from the network."""

    name: Name
    macs: tuple[Mac, ...] = Field(min_length=1)
    profile: Name
    bmc: Bmc = Bmc()
    serial: Text = ""
    uuid: Text = ""
    rack: Text = ""
    disk: Hints | None = None
    locked: bool = False
