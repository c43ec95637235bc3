"""What machines on the deployment LAN did last, by DHCP, TFTP and HTTP: one list, the newest first."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from provisioner.discovery import vendors
from provisioner.domain.event import Event
from provisioner.domain.events import agent, installer, netboot, request
from provisioner.domain.events.payload import Payload
from provisioner.domain.values import parse_mac
from provisioner.errors import InputError
from provisioner.site.site import Site
from provisioner.state.sightings import Sighting
from provisioner.state.transfers import Transfer
from provisioner.system.units import size

Protocol = Literal["dhcp", "tftp", "http", "refused"]
MOST = 200  # entries that are given at one time
DONE = "done"  # how a transfer by TFTP ended well
# kind of an event → by which protocol it came
KINDS: Mapping[type[Payload], Protocol] = {
    netboot.DhcpSeen: "dhcp",
    netboot.DhcpServerSeen: "dhcp",
    netboot.DhcpServerGone: "dhcp",
    netboot.ScriptServed: "http",
    netboot.FileServed: "http",
    netboot.NetbootLooped: "http",
    agent.AgentHello: "http",
    installer.InstallerBegan: "http",
    request.NetbootLooping: "http",
    request.RequestRefused: "refused",
}
BY_NAME: Mapping[str, Protocol] = {data.kind: protocol for data, protocol in KINDS.items()}


@dataclass(frozen=True)
class FeedEntry:
    """One thing that happened; `time` in seconds since 1970, the last of `count` times.

    `mac`, `address` and `host` are empty where they are not known; `is_bad` where it did not go as it should.
    """

    key: str
    time: float
    protocol: Protocol
    sentence: str
    mac: str = ""
    address: str = ""
    host: str = ""
    count: int = 1
    is_bad: bool = False

    def fits(self, text: str) -> bool:
        """Whether a MAC in any notation, or words of any case, are in it."""
        if not text:
            return True
        try:
            return parse_mac(text) == self.mac
        except InputError:
            said = f"{self.protocol} {self.mac} {self.address} {self.host} {self.sentence}".lower()
            return all(word in said for word in text.lower().split())


def newest(site: Site, text: str = "", protocol: str = "") -> list[FeedEntry]:
    """The newest that fit `text` and came by `protocol` (empty: by any); MOST of them at most."""
    database = site.database
    sightings = database.sightings.all()
    owners = _owners(site, sightings)
    found = [
        *map(_of_sighting, sightings),
        *(_of_transfer(row, owners) for row in database.transfers.newest(MOST)),
        *_of_events(database.events.newest_of(tuple(BY_NAME), MOST), owners),
    ]
    fitting = [entry for entry in found if protocol in ("", entry.protocol) and entry.fits(text)]
    return sorted(fitting, key=lambda entry: entry.time, reverse=True)[:MOST]


def _owners(site: Site, sightings: Iterable[Sighting]) -> dict[str, tuple[str, str]]:
    """Address → MAC and host: the fixed ones, and over them those that DHCP has seen last."""
    known = {row.address: (row.mac, row.host) for row in site.database.macs.all() if row.address}
    seen = {row.address: (row.mac, row.host or "") for row in reversed(list(sightings)) if row.address}
    return known | seen


def _of_sighting(row: Sighting) -> FeedEntry:
    packet = row.data
    return FeedEntry(
        key=f"dhcp-{row.mac}",
        time=row.last_seen,
        protocol="dhcp",
        sentence=_asked(row),
        mac=row.mac,
        address=row.address,
        host=row.host or "",
        count=row.count,
        is_bad=bool(packet.note),
    )


def _asked(row: Sighting) -> str:
    """What its last packet says: who asked, for what, and through which relay."""
    packet = row.data
    machine = vendors.architecture(packet.arch) if packet.boots else ""
    who = (
        "its BMC" if row.role == "bmc" else f"{machine or 'network'} firmware" if packet.boots else "a system"
    )
    gets = f", address {row.address}" if row.address else ", no address yet"
    place = f", port {packet.circuit}" if packet.circuit else ""
    relay = f", by relay {packet.relay}" if packet.relay else ""
    note = f": {packet.note}" if packet.note else ""
    return f"{packet.message or 'request'} of {who}{gets}{place}{relay}{note}"


def _of_transfer(row: Transfer, owners: Mapping[str, tuple[str, str]]) -> FeedEntry:
    mac, host = owners.get(row.address, ("", ""))
    is_done = row.result == DONE
    ended = f"fetched, {size(row.bytes)}" if is_done else f"{row.result}, after {size(row.bytes)}"
    return FeedEntry(
        key=f"tftp-{row.address}",
        time=row.time,
        protocol="tftp",
        sentence=f"{row.name or 'no file'}: {ended}",
        mac=mac,
        address=row.address,
        host=host,
        count=row.count,
        is_bad=not is_done,
    )


def _of_events(events: Iterable[Event], owners: Mapping[str, tuple[str, str]]) -> Iterator[FeedEntry]:
    for event in events:
        data = event.data
        address, mac = str(getattr(data, "address", "")), str(getattr(data, "mac", ""))
        known = owners.get(address, ("", ""))
        yield FeedEntry(
            key=f"event-{event.id}",
            time=event.time,
            protocol=BY_NAME[event.kind],
            sentence=event.describe(),
            mac=mac or known[0],
            address=address,
            host=event.host or known[1],
            is_bad=isinstance(
                data,
                netboot.DhcpServerSeen
                | netboot.NetbootLooped
                | request.NetbootLooping
                | request.RequestRefused,
            ),
        )
