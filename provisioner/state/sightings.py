"""Who asked by DHCP, and what the packet said of the machine."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields

from provisioner.state.connection import SqlValue, Table, first_of
from provisioner.state.reading import check_types

LISTED = 500  # rows that a list has at most
NUMBER = (int, float)


@dataclass(frozen=True)
class ClientPacket:
    """What one DHCP packet says of its sender. `when` in seconds since 1970; texts are printable."""

    mac: str
    message: str = ""  # of option 53, in lower case: discover, request, inform
    when: float = 0.0
    arch: int | None = None  # option 93 (RFC 4578, 2.1)
    vendor_class: str = ""
    user_class: str = ""
    uuid: str = ""
    undi: str = ""  # option 94: type and version of the card's interface
    relay: str = ""
    relay_info: str = ""  # option 82, hexadecimal
    circuit: str = ""  # of it: the switch port, as the switch calls it
    remote: str = ""  # of it: the switch, or the line
    hostname: str = ""
    ip: str = ""
    boots: bool = False  # a PXE, HTTP or iPXE client, not an operating system
    note: str = ""  # why its firmware is not given a boot file
    server: str = ""  # option 54: the server whose offer it takes


@dataclass(frozen=True, slots=True)
class NewSighting:
    """What a MAC has sent since the last writing: `count` packets, the last at `time` (seconds since 1970).

    `address` is the one that it has or asked for, empty for none.
    """

    mac: str
    time: float
    count: int
    address: str
    data: ClientPacket


@dataclass(frozen=True, slots=True)
class Sighting:
    """All that was seen of a MAC; times in seconds since 1970. `host` and `role`: None if unknown."""

    mac: str
    first_seen: float
    last_seen: float
    count: int
    address: str
    data: ClientPacket
    host: str | None = None
    role: str | None = None


SELECT = """SELECT s.mac, s.first_seen, s.last_seen, s.count, s.address, s.data, m.host, m.role
            FROM sightings s LEFT JOIN macs m ON m.mac = s.mac"""
_FIELDS = frozenset(field.name for field in fields(ClientPacket))
KINDS = (str, NUMBER, NUMBER, int, str, str, (str, type(None)), (str, type(None)))
PACKET_KINDS = {"when": NUMBER, "arch": (int, type(None)), "boots": (bool, int)}


class Sightings(Table):
    """MACs that asked by DHCP; what cannot be read of one is as if it had not asked."""

    NOUN = "the sighting of"

    def all(self) -> list[Sighting]:
        """The 500 MACs that asked last, the last first, each with the host that owns it, if any."""
        return self._select("ORDER BY s.last_seen DESC LIMIT ?", LISTED)

    def unknown(self, limit: int = 1000, since: float = 0.0) -> list[Sighting]:
        """MACs that belong to no host and asked at or after `since`, the last first."""
        tail = "WHERE m.mac IS NULL AND s.last_seen >= ? ORDER BY s.last_seen DESC LIMIT ?"
        return self._select(tail, since, limit)

    def get(self, mac: str) -> Sighting | None:
        """How the MAC asked by DHCP last; None if it never did."""
        return next(iter(self._select("WHERE s.mac = ?", mac)), None)

    def _select(self, tail: str, *parameters: str | float) -> list[Sighting]:
        rows = self._connection.tuples(f"{SELECT} {tail}", *parameters)
        return self._readable(rows, _sighting, first_of)

    def put(self, sightings: Iterable[NewSighting]) -> None:
        """Batched evidence of DHCP; counts are added to what is there.

        What a firmware said of itself stays when its system asks later, but for the host name.
        """
        sql = """INSERT INTO sightings VALUES (:mac, :time, :time, :count, :address, :data)
                 ON CONFLICT(mac) DO UPDATE SET last_seen = :time, count = count + :count,
                 data = CASE WHEN NOT :boots AND json_valid(data) AND json_extract(data, '$.boots')
                 THEN json_set(data, '$.hostname', :hostname) ELSE :data END,
                 address = CASE WHEN :address = '' THEN address ELSE :address END"""
        rows = [_parameters(sighting) for sighting in sightings]
        with self._connection.writing() as db:  # no other work between BEGIN and COMMIT: others wait to write
            db.conn.executemany(sql, rows)

    def prune(self, most: int) -> None:
        """Forget strangers, those first that were seen longest ago: a flood fills no disk."""
        sql = """DELETE FROM sightings WHERE mac IN (
                 SELECT s.mac FROM sightings s LEFT JOIN macs m ON m.mac = s.mac WHERE m.mac IS NULL
                 ORDER BY s.last_seen DESC LIMIT -1 OFFSET ?)"""
        with self._connection.writing() as db:
            db.execute(sql, [most])


def _parameters(sighting: NewSighting) -> dict[str, str | float | bool]:
    packet = sighting.data
    return {
        "mac": sighting.mac,
        "time": sighting.time,
        "count": sighting.count,
        "address": sighting.address,
        "data": json.dumps(vars(packet)),
        "boots": packet.boots,
        "hostname": packet.hostname,
    }


def _sighting(row: tuple[SqlValue, ...]) -> Sighting:
    check_types(row, KINDS)
    mac, first, last, count, address, data, host, role = row
    return Sighting(
        str(mac),
        float(first or 0),
        float(last or 0),
        int(count or 0),
        str(address),
        _packet(str(mac), str(data)),
        None if host is None else str(host),
        None if role is None else str(role),
    )


def _packet(mac: str, text: str) -> ClientPacket:
    """A stored packet; keys that another release wrote more or fewer of are dropped or defaulted."""
    known = {key: value for key, value in json.loads(text).items() if key in _FIELDS}
    packet = ClientPacket(**{"mac": mac, **known})
    check_types(
        (getattr(packet, name) for name in _FIELDS), (PACKET_KINDS.get(name, str) for name in _FIELDS)
    )
    return packet
