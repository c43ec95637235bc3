"""A host and its BMC."""

from ipaddress import IPv4Address
from typing import Annotated, Literal

from pydantic import Field, model_validator

from provisioner.domain.profile import Hints
from provisioner.domain.values import Fingerprint, FrozenModel, Mac, Name, Text


class Bmc(FrozenModel):
    """How a host is powered. `secret` names a file of the state folder's `secrets/`.

    Redfish's certificate is pinned: to the SHA-256 `fingerprint`, else to what the first login sees.
    `console: ipmi` says that a Redfish BMC speaks IPMI too, with the same login; `none` leaves the serial
    console to others.
    """

    driver: Literal["ipmi", "manual", "redfish"] = "manual"
    address: IPv4Address | None = None
    port: int = Field(623, ge=1, le=65535)
    verify: bool = True
    fingerprint: Fingerprint = ""
    mac: Mac | None = None
    secret: Annotated[str, Field(pattern=r"^[\w.-]*$")] = ""
    console: Literal["", "ipmi", "none"] = ""

    @property
    def has_console(self) -> bool:
        """Whether its serial console can be had, by IPMI's Serial-over-LAN."""
        return self.driver != "manual" and (self.console or self.driver) == "ipmi"

    @model_validator(mode="before")
    @classmethod
    def _redfish_is_https(cls, values: object) -> object:
        if isinstance(values, dict) and values.get("driver") == "redfish":
            return {"port": 443, **values}
        return values


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
