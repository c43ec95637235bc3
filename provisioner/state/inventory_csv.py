"""A table of hosts as spreadsheets write it (RFC 4180, and what they do otherwise): a host a line."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from provisioner.domain.host import Host
from provisioner.state.inventory_entries import Entry
from provisioner.state.inventory_faults import Faults, Place, PlacedError, not_utf8
from provisioner.system import file_fault

LARGEST = 16 << 20  # bytes of a file that are read
# the headings of columns, without case, blanks, hyphens and underscores → the host's key
HEADINGS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("name", "host", "hostname"), ("name",)),
    **dict.fromkeys(("mac", "macs", "macaddress", "macaddresses"), ("macs",)),
    **dict.fromkeys(("serial", "serialnumber", "sn", "servicetag"), ("serial",)),
    "uuid": ("uuid",),
    "rack": ("rack",),
    "profile": ("profile",),
    **dict.fromkeys(("bmc", "bmcaddress", "bmcip", "ipmi", "ipmiaddress", "ipmiip"), ("bmc", "address")),
    **dict.fromkeys(("bmcmac", "ipmimac", "bmcmacaddress"), ("bmc", "mac")),
    "bmcport": ("bmc", "port"),
    "bmcdriver": ("bmc", "driver"),
    **dict.fromkeys(("bmcsecret", "secret", "bmclogin", "login"), ("bmc", "secret")),
    "bmcsystem": ("bmc", "system"),
}
WORDS = (
    "name, mac, serial, uuid, rack, profile, "
    "bmc_address, bmc_driver, bmc_secret, bmc_mac, bmc_port, bmc_system"
)
DRIVER = "ipmi"  # of a BMC whose driver no column names
Cell = tuple[tuple[str, ...], str]  # a host's key, () for none, and what stands there
AS_TEXT = "make the column one of text in the spreadsheet, and type the value again, from the label"
_EXPONENT = re.compile(r"[0-9]+(?:[.,][0-9]+)?E\+[0-9]+", re.IGNORECASE)  # as 1.23E+11
_SHORT_NUMBER = re.compile(r"[0-9]{6,11}")
_MAC = re.compile(r"(?:[0-9a-fA-F][-:. ]?){11}[0-9a-fA-F]")


@dataclass(frozen=True)
class CsvTable:
    """The bytes of a table, and the name by which sentences call it."""

    name: str
    data: bytes

    @classmethod
    def at(cls, path: Path) -> "CsvTable":
        """That of a file; no more of it than LARGEST, and one byte. Raises FileError (PV-150)."""
        try:
            with path.open("rb") as file:
                return cls(path.name, file.read(LARGEST + 1))
        except OSError as fault:
            raise file_fault.explained(fault, path) from fault


def entries(table: CsvTable, faults: Faults, *, profile: str = "", known: Sequence[Host] = ()) -> list[Entry]:
    """What each line says of a host; `profile` is that of those that name none.

    A host that is `known` stays as it is in all that its line does not say. The separator is a comma, a
    semicolon or a tab, as the first line has it. Empty lines and cells say nothing. What is wrong is
    kept in `faults`.
    """
    name = table.name
    with faults.gather():
        text = text_of(table, faults)
        if text is None:
            return []
        rows = list(_rows(text, name))
        if not rows:
            raise PlacedError(
                Place(name), "there is nothing in it", hint=f"the first line names columns: {WORDS}"
            )
        (line, headings), *below = rows
        columns = _columns(headings, Place(name, line), faults)
        before = {host.name: host for host in known}
        found = list(_unique(_entries(below, columns, name, faults), faults))
        return [replace(one, body=_completed(one.body, before.get(one.name), profile)) for one in found]
    return []


def text_of(table: CsvTable, faults: Faults) -> str | None:
    """None where lines of it are no text. Raises PlacedError for what is no table."""
    raw, place = table.data, Place(table.name)
    if len(raw) > LARGEST:
        raise PlacedError(place, f"is larger than {LARGEST >> 20} MiB", hint="split it")
    if raw.startswith(b"PK\x03\x04"):
        raise PlacedError(place, "is a spreadsheet's own file", hint="save it as CSV")
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _utf16(raw, table.name)
    if not (wrong := not_utf8(raw)):
        return raw.decode("utf-8-sig")
    lines = raw.split(b"\n")
    for number in wrong:
        words = f"is not UTF-8: {lines[number - 1].decode('cp1252', 'replace').strip()[:40]!r}"
        faults.add(PlacedError(Place(table.name, number), words, hint="save it as CSV UTF-8"))
    return None


def _utf16(raw: bytes, name: str) -> str:
    """As its byte order mark says."""
    try:
        return raw.decode("utf-16")
    except UnicodeError as fault:
        raise PlacedError(Place(name), "is not UTF-16", hint="save it as CSV UTF-8") from fault


def _rows(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Each line that says something, by its number; `sep=;`, which spreadsheets write before it, is none."""
    first = next(filter(None, map(str.strip, text.splitlines())), "")
    told = re.fullmatch(r"(?i)sep=(.)", first)
    separator = told[1] if told else max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as fault:
            raise PlacedError(
                Place(name, line), f"is no line of a table: {fault}", hint="quote texts in pairs"
            ) from fault
        if any(cells) and not (told and line == 1):
            yield line, cells


def _columns(headings: list[str], place: Place, faults: Faults) -> list[tuple[str, ...]]:
    """The key that each column says; () for one that says none. Raises PlacedError without name and mac."""
    columns: list[tuple[str, ...]] = []
    for heading in headings:
        key = HEADINGS.get(re.sub(r"[\s_.-]+", "", heading.lower()), ())
        if heading and not key:
            faults.add(PlacedError(place, f"there is no column {heading[:80]!r}", hint=f"one of: {WORDS}"))
        if key and key != ("macs",) and key in columns:
            faults.add(
                PlacedError(place, f"two columns say the same: {heading[:80]!r}", hint="leave one out")
            )
        columns.append(key)
    for needed in (("name",), ("macs",)):
        if needed not in columns:
            word = "mac" if needed == ("macs",) else "name"
            raise PlacedError(
                place, f"there is no column {word!r}", hint=f"the first line names columns: {WORDS}"
            )
    return columns


def _entries(
    rows: list[tuple[int, list[str]]],
    columns: list[tuple[str, ...]],
    name: str,
    faults: Faults,
) -> Iterator[Entry]:
    for line, cells in rows:
        place = Place(name, line)
        if any(cells[len(columns) :]):
            words = f"has {len(cells)} cells, the first line {len(columns)}"
            faults.add(PlacedError(place, words, hint="put a text with a separator in quotes"))
            continue
        if not (typed := _as_typed(zip(columns, cells, strict=False), place, faults)):
            continue
        body = _body(typed)
        host = str(body.pop("name", ""))
        if not host:
            faults.add(PlacedError(place, "the host has no name", hint="fill in the column name"))
            continue
        yield Entry(host, host, body, place)


def _as_typed(cells: Iterable[Cell], place: Place, faults: Faults) -> list[Cell]:
    """The cells that are as somebody typed them; what a spreadsheet has made a number is told and left out.

    None are left where it was the name or a MAC: without it, there is no host to be checked.
    """
    kept: list[Cell] = []
    lost: set[tuple[str, ...]] = set()
    for key, cell in cells:
        if key and (words := _rounded(key, cell)):
            sentence = f"{'.'.join(key)}: {cell[:40]!r} {words}"
            faults.add(PlacedError(place, sentence, hint=AS_TEXT, is_read=True))
            lost.add(key)
        else:
            kept.append((key, cell))
    return [] if lost & {("name",), ("macs",)} else kept


def _rounded(key: tuple[str, ...], cell: str) -> str:
    """What a spreadsheet has done to a text of digits; empty where it has done nothing."""
    if _EXPONENT.fullmatch(cell):
        return "is a number that a spreadsheet has rounded: digits are lost"
    if key[-1] in ("macs", "mac") and _SHORT_NUMBER.fullmatch(cell):
        return "is a number: a spreadsheet has taken the zeros at its beginning"
    return ""


def _body(cells: Iterable[Cell]) -> dict[str, object]:
    """What a host's cells say, by the keys of an inventory."""
    body: dict[str, object] = {}
    bmc: dict[str, object] = {}
    macs: list[str] = []
    for key, cell in cells:
        if not key or not cell:
            continue
        if key == ("macs",):
            macs += [cell] if _MAC.fullmatch(cell) else re.split(r"[\s,;|]+", cell)
        elif key[0] == "bmc":
            bmc[key[1]] = int(cell) if key[1] == "port" and cell.isdecimal() else cell
        else:
            body[key[0]] = cell
    if bmc:
        body["bmc"] = bmc
    return body | {"macs": macs}


def _completed(body: Mapping[str, object], before: Host | None, profile: str) -> dict[str, object]:
    """With what the host of before says besides, key by key; else with the `profile` and the usual driver."""
    fields = set(Host.model_fields) - {"name"}
    kept = before.model_dump(mode="json", include=fields, exclude_defaults=True) if before else {}
    usual: dict[str, object] = {"profile": profile} if profile else {}
    whole = {**kept, **usual, **body}
    bmc, given = kept.get("bmc") or {}, body.get("bmc")
    if isinstance(given, dict):
        if given.get("driver", bmc.get("driver")) != bmc.get("driver"):
            bmc = {key: value for key, value in bmc.items() if key != "port"}  # it was the other driver's
        whole["bmc"] = {"driver": DRIVER, **bmc, **given}
    return whole


def _unique(found: Iterator[Entry], faults: Faults) -> Iterator[Entry]:
    """Each host once."""
    first: dict[str, Place] = {}
    for entry in found:
        if entry.name in first:
            faults.add(
                PlacedError(entry.place, f"{entry.name} is there twice", hint=f"first in {first[entry.name]}")
            )
        else:
            first[entry.name] = entry.place
            yield entry
