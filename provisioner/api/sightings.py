"""MACs that asked for an address on the deployment LAN."""

from typing import Annotated

from provisioner.api.answer import Resource, ServiceAnswer
from provisioner.domain.sparse import OnlySet


class DhcpFacts(Resource):
    """What a client's DHCP packet says of its machine.

    `arch` is option 93 (RFC 4578), `uuid` option 97, `undi` option 94; `relay`, `circuit` and `remote` come
    from giaddr and option 82 (RFC 3046); `note` says why its firmware was given no boot file.
    """

    mac: str = ""
    message: str = ""
    when: float = 0
    arch: int | None = None
    vendor_class: str = ""
    user_class: str = ""
    uuid: str = ""
    undi: str = ""
    relay: str = ""
    relay_info: str = ""
    circuit: str = ""
    remote: str = ""
    hostname: str = ""
    ip: str = ""
    boots: bool = False
    note: str = ""


class DhcpSighting(Resource):
    """One MAC; times in seconds since 1970. `host` and `role` are null where nobody knows it."""

    mac: str
    first_seen: float
    last_seen: float
    count: int
    address: str
    data: Annotated[DhcpFacts, OnlySet]
    host: str | None = None
    role: str | None = None


class SightingList(ServiceAnswer):
    """The MACs that asked last, newest first."""

    sightings: tuple[Annotated[DhcpSighting, OnlySet], ...]
