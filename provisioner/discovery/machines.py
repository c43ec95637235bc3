"""The list of machines that nobody knows: sightings and inventories of one machine joined into one row."""

from collections.abc import Iterable
from typing import Any

from provisioner.discovery import records, vendors
from provisioner.discovery.records import Record, usable_uuid
from provisioner.domain.values import parse_mac
from provisioner.errors import InputError, NotFoundError
from provisioner.site.site import Site

Row = dict[str, Any]
SAID = ("serial", "maker", "product", "cpu", "cpus", "memory", "firmware", "disks", "nics", "devices")


def unknown(site: Site) -> list[Row]:
    """One row per machine, the last seen first.

    `mac` (the one last seen), `macs`, `vendor`, `architecture` (words), `uuid`, `address`, `hostname`,
    `port` (of the switch, as its relay says), `note` (why its firmware got no boot file),
    `first_seen`, `last_seen`, `count`; `host` where its UUID is that of a known host; `inventoried` (0 for
    never) and what the inventory said: `serial`, `maker`, `product`, `cpu`, `cpus`, `memory` (bytes),
    `firmware`, `disks`, `nics`, `devices`.
    """
    owners = records.known_uuids(site.database)
    surveys = [record for record in records.every(site.database) if record.body]
    groups = _join(records.sightings(site.database), surveys)
    rows = [_row(seen, record, owners) for seen, record in groups]
    return sorted(rows, key=lambda row: row["last_seen"], reverse=True)


def find(site: Site, text: str) -> Row:
    """By any of its MACs, its UUID or its serial. Raises NotFoundError (PV-129)."""
    try:
        mac = parse_mac(text)
    except InputError:
        mac = ""
    for row in unknown(site):
        if mac in row["macs"] or text.lower() in (row["uuid"], row["serial"].lower()):
            return row
    raise NotFoundError(
        f"no unknown machine with {text} was seen",
        hint="provision host list --unknown shows who asked; power it on with network boot enabled",
        code=129,
    )


def _join(seen: list[Row], surveys: list[Record]) -> list[tuple[list[Row], Record | None]]:
    """Groups by UUID (DHCP option 97, or as inventoried) and by the MACs that an inventory names."""
    by_mac = {mac: record for record in surveys for mac in (record.mac, *record.macs)}
    by_uuid = {record.uuid: record for record in surveys if record.uuid}
    groups: dict[str, tuple[list[Row], Record | None]] = {}
    for row in seen:
        uuid = usable_uuid(row["data"].get("uuid"))
        record = by_mac.get(row["mac"]) or by_uuid.get(uuid)
        key = record.mac if record else uuid or row["mac"]
        groups.setdefault(key, ([], record))[0].append(row)
    for record in surveys:  # its sightings may be older than what is listed
        groups.setdefault(record.mac, ([], record))
    return list(groups.values())


def _row(seen: list[Row], record: Record | None, owners: dict[str, str]) -> Row:
    body = (record.body if record else None) or {}
    macs = list(dict.fromkeys([*(row["mac"] for row in seen), *(record.macs if record else ())]))
    uuid = (record.uuid if record else "") or _first(usable_uuid(row["data"].get("uuid")) for row in seen)
    said = {name: body.get(name, [] if name in ("disks", "nics", "devices") else "") for name in SAID}
    said |= {"cpus": body.get("cpus", 0), "memory": body.get("memory", 0)}
    reported = record.reported if record else 0.0
    return {
        "mac": macs[0],
        "macs": macs,
        "vendor": vendors.maker(macs[0]),
        "architecture": _first(vendors.architecture(row["data"].get("arch")) for row in seen),
        "uuid": uuid,
        "address": _first(row["address"] for row in seen) or (record.address if record else ""),
        "hostname": _first(row["data"].get("hostname", "") for row in seen),
        "port": _first(row["data"].get("circuit", "") for row in seen),
        "note": _first(row["data"].get("note", "") for row in seen),
        "host": owners.get(uuid, ""),
        "first_seen": min((row["first_seen"] for row in seen), default=reported),
        "last_seen": max((row["last_seen"] for row in seen), default=reported),
        "count": sum(row["count"] for row in seen),
        "inventoried": reported,
        **said,
    }


def _first(texts: Iterable[str]) -> str:
    return next((text for text in texts if text), "")
