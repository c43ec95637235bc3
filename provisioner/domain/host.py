"""A host and its BMC."""

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Annotated

from pydantic import Field, model_validator

from provisioner.domain.profile import Hints
from provisioner.domain.values import Boolean, Fingerprint, FrozenModel, Mac, Name, Text, Whole

_DESCRIBED = ("address", "mac", "port", "secret", "system", "fingerprint")  # what only a BMC has


class Bmc(FrozenModel):
    """How a host is powered. `secret` names a file of the state folder's `secrets/`.

    `driver` is checked, and `port` filled in, where an inventory is applied (`state.inventory.make_host`).
    A certificate for TLS is pinned: to the SHA-256 `fingerprint`, else to what the first login sees.
    `console` names another driver whose serial console this BMC has too, with the same login; `none` leaves
    the serial console to others. `system` names the host's system where the BMC has several: the last part of
    its Redfish path, or all of it.
    """

    driver: str = "manual"  # ipmi, where a BMC is described and no driver is named
    address: IPv4Address | None = None
    port: Whole | None = Field(None, ge=1, le=65535)
    verify: Boolean = True
    fingerprint: Fingerprint = ""
    mac: Mac | None = None
    secret: Annotated[str, Field(pattern=r"^[\w.-]*$")] = ""
    console: str = ""
    system: Annotated[str, Field(pattern=r"^[\w./:-]*$", max_length=200)] = ""

    @model_validator(mode="before")
    @classmethod
    def _ipmi_unless_said(cls, value: object) -> object:
        """Who describes a BMC has one: without a driver's name it is IPMI, as in a table of hosts."""
        if isinstance(value, Mapping) and "driver" not in value and any(value.get(key) for key in _DESCRIBED):
            return {**value, "driver": "ipmi"}
        return value


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
    locked: Boolean = False
