"""Reads and checks hosts and profiles from an inventory folder that Ansible can read too."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from provisioner.domain.bmc_driver import BmcDriver
from provisioner.domain.host import Host
from provisioner.domain.profile import Profile
from provisioner.errors import InventoryError, ProvisionError, raise_together
from provisioner.state import complaints, inventory_csv, inventory_entries
from provisioner.state.complaints import Complaint
from provisioner.state.inventory_csv import CsvTable
from provisioner.state.inventory_entries import Entry
from provisioner.state.inventory_faults import Faults, Place, PlacedError
from provisioner.state.yaml_file import Encrypted
from provisioner.system.units import named

_STAND_IN = "02:00:00:00:00:00"  # for a MAC that is none
SEE_HOSTS, SEE_PROFILES = "see inventory/hosts.yml", "see inventory/profiles.yml"


def read(
    folder: Path,
    drivers: Mapping[str, BmcDriver],
    advise: Callable[[str], None] = lambda _: None,
    known: Callable[[], Sequence[Host]] = lambda: (),
) -> tuple[list[Host], list[Profile]]:
    """Hosts of `hosts.yml` (an Ansible inventory) and profiles of `profiles.yml`; power `drivers` by name.

    `advise` gets a sentence for each thing that is taken, and better written in another way. `known` gives
    the hosts of before; what it raises counts where nothing else is wrong.

    Raises:
        InventoryError: PV-110, with file and line and the host or profile that is wrong, and why; every
            other fault is in its `also`.
    """
    faults = Faults()
    said, profile_entries = (
        inventory_entries.of_hosts(folder, faults),
        inventory_entries.of_profiles(folder, faults),
    )
    check = _Check(faults, is_whole=faults.leave_all_read())
    _advise_serials(said, advise)
    host_entries = [inventory_entries.as_host(entry, faults) for entry in said]
    hosts = [host for entry in host_entries if (host := check.host(entry, drivers))]
    _advise_bmcs(hosts, host_entries, drivers, advise)
    profiles = [profile for entry in profile_entries if (profile := check.profile(entry))]
    _advise_disks(profiles, profile_entries, advise)
    names = {entry.name for entry in profile_entries}
    try:
        before = known()
    except ProvisionError:
        check.together(hosts, host_entries, names, ())
        faults.end()
        raise
    check.together(hosts, host_entries, names, before)
    faults.end()
    return hosts, profiles


def read_table(
    table: CsvTable,
    drivers: Mapping[str, BmcDriver],
    profiles: set[str],
    known: Sequence[Host],
    *,
    profile: str = "",
    advise: Callable[[str], None] = lambda _: None,
) -> list[Host]:
    """The hosts of a CSV table, checked as those of an inventory are; `profile` is that of those without one.

    `profiles` are the names of those that there are, `known` the hosts of before. Raises InventoryError as
    `read` does.
    """
    faults = Faults()
    rows = inventory_csv.entries(table, faults, profile=profile, known=known)
    check = _Check(faults, is_whole=faults.leave_all_read(), table=table.name)
    hosts = [host for entry in rows if (host := check.host(entry, drivers))]
    _advise_bmcs(hosts, rows, drivers, advise)
    check.together(hosts, rows, profiles, known)
    faults.end()
    return hosts


def _advise_serials(entries: list[Entry], advise: Callable[[str], None]) -> None:
    if old := [entry for entry in entries if entry.body.get("serial") is not None]:
        advise(
            f"{old[0].place_of(('serial',))}: write `serial_number` for `serial` of {_names(old)}: Ansible "
            "reserves that name (how many hosts a play takes at a time)"
        )


def _advise_bmcs(
    hosts: list[Host],
    entries: list[Entry],
    drivers: Mapping[str, BmcDriver],
    advise: Callable[[str], None],
) -> None:
    unreachable = {
        host.name
        for host in hosts
        if (driver := drivers.get(host.bmc.driver))
        and driver.has_bmc
        and not (host.bmc.address or host.bmc.mac)
    }
    nameless = {
        host.name
        for host in hosts
        if (driver := drivers.get(host.bmc.driver)) and driver.has_bmc and not host.bmc.secret
    }
    silent = {entry.name for entry in entries if not _says_where(entry)}
    if unnamed := [entry for entry in entries if entry.name in nameless - unreachable]:
        place = unnamed[0].place_of(("bmc",))
        advise(
            f"{place}: no login is named for the BMC of {_names(unnamed)}: write secret: NAME, and keep it "
            "by provision bmc secret NAME --user USER; until then it cannot be powered (PV-205)"
        )
    if lost := [entry for entry in entries if entry.name in unreachable & silent]:
        place = lost[0].place_of(("bmc",))
        advise(
            f"{place}: the BMC of {_names(lost)} has neither address nor mac: it cannot be powered (PV-206)"
        )


def _says_where(entry: Entry) -> bool:
    bmc = entry.body.get("bmc")
    return isinstance(bmc, Mapping) and any(bmc.get(key) is not None for key in ("address", "mac"))


def _advise_disks(profiles: list[Profile], entries: list[Entry], advise: Callable[[str], None]) -> None:
    several = {profile.name for profile in profiles if profile.disks[1:]}
    for entry in entries:
        if entry.name in several:
            advise(
                f"{entry.place_of(('disks', 1))}: only the first of the `disks` of {entry.subject} counts: "
                "an image is written to one disk; one host's own disk is `disk` in hosts.yml"
            )


def _names(entries: list[Entry]) -> str:
    return named((entry.name for entry in entries), 1)


@dataclass(frozen=True)
class _Check:
    """Makes hosts and profiles of entries, and keeps what is wrong. `is_whole`: every file could be read.

    `table` is the name of the file where that is a CSV.
    """

    faults: Faults
    is_whole: bool
    table: str = ""

    def host(self, entry: Entry, drivers: Mapping[str, BmcDriver]) -> Host | None:
        """The host, or what is right of it; None where even that is none."""
        body, hidden = self._said(inventory_entries.without_name(entry, self.faults))
        try:
            host = Host.model_validate({"name": entry.name, **body})
        except ValidationError as fault:
            self._complain(entry, complaints.of_validation(fault, entry.name, Host, SEE_HOSTS), hidden)
            rest = _remainder(entry.name, body, fault)
            if rest:
                self._complain(entry, complaints.of_host(rest, drivers), hidden)
            return rest and _with_port(rest, drivers)
        self._complain(entry, complaints.of_host(host, drivers))
        return _with_port(host, drivers)

    def profile(self, entry: Entry) -> Profile | None:
        """The profile; None where it is none."""
        body, hidden = self._said(inventory_entries.without_name(entry, self.faults))
        try:
            return Profile.model_validate({"name": entry.name, **body})
        except ValidationError as fault:
            self._complain(entry, complaints.of_validation(fault, entry.name, Profile, SEE_PROFILES), hidden)
            return None

    def together(
        self, hosts: list[Host], entries: list[Entry], profiles: set[str], known: Sequence[Host]
    ) -> None:
        """What the hosts, and those that are known, may not share; with the profiles that are there."""
        places = {entry.name: entry for entry in entries}
        for complaint in complaints.between(hosts, profiles, known):
            entry, other = places[complaint.subject], places.get(complaint.other)
            if complaint.other:
                where = f"in {other.place_of(complaint.other_way)}" if other else "known to the service"
                hint = "; ".join(filter(None, (f"{complaint.other} is {where}", complaint.hint)))
                fault = PlacedError(entry.place_of(complaint.way), complaint.sentence, hint=hint)
                self.faults.add(fault)
            elif self.is_whole or not complaint.is_absence:
                self.faults.add(entry.fault(complaint))

    def _complain(
        self, entry: Entry, found: Iterator[Complaint], hidden: frozenset[str] = frozenset()
    ) -> None:
        """Unless it may be right in what could not be read; `hidden` are keys of that."""
        for complaint in found:
            is_hidden = bool(complaint.way) and complaint.way[0] in hidden
            if not is_hidden and (self.is_whole or not complaint.is_absence):
                self.faults.add(entry.fault(self._for_table(complaint)))

    def _for_table(self, complaint: Complaint) -> Complaint:
        """In a table's words: it has columns, and a profile for whom none is written is an option."""
        if self.table and complaint.way == ("profile",) and complaint.is_absence:
            hint = "fill in the column profile, or give --profile NAME"
            return replace(complaint, sentence="has no profile", hint=hint)
        if self.table and complaint.hint == SEE_HOSTS:
            return replace(complaint, hint=f"correct this line of {self.table}")
        return complaint

    def _said(self, entry: Entry) -> tuple[dict[str, object], frozenset[str]]:
        """What is said and can be read; and the keys of the rest. Null is what nobody said, also below."""
        body: dict[str, object] = {}
        hidden: set[str] = set()
        for key, value in entry.body.items():
            if secrets := list(_encrypted(value)):
                hidden.add(key)
                for secret in secrets:
                    self.faults.add(_unreadable(secret, entry.subject))
            elif value is not None:
                body[key] = without_nulls(value)
        return body, frozenset(hidden)


def _remainder(name: str, body: Mapping[str, object], fault: ValidationError) -> Host | None:
    """A host without what is wrong of it, to be compared with others; None where too little is left.

    Empty are a profile and MACs that are none: the other MACs keep their numbers, and so their places.
    """
    ways = [error["loc"] for error in fault.errors() if error["loc"]]
    whole = {way[0] for way in ways if len(way) == 1}
    said = {key: value for key, value in body.items() if key not in whole and key in Host.model_fields}
    bmc, macs = said.get("bmc"), body.get("macs")
    wrong = {way[1] for way in ways if way[0] == "macs" and len(way) > 1}
    if isinstance(bmc, Mapping):
        lost = {way[1] for way in ways if way[0] == "bmc" and len(way) > 1}
        kept = {key: value for key, value in bmc.items() if key not in lost}
        said["bmc"] = {} if "driver" in lost else {"driver": "ipmi", **kept} if bmc.get("address") else kept
    if any(way[0] == "disk" for way in ways):
        said.pop("disk", None)
    numbered = list(enumerate(macs)) if isinstance(macs, list) else []
    said["macs"] = [_STAND_IN if number in wrong else mac for number, mac in numbered] or [_STAND_IN]
    try:
        host = Host.model_validate({"profile": "none", **said, "name": "none"})
    except ValidationError:
        return None
    right = tuple("" if number in wrong else mac for number, mac in enumerate(host.macs)) if numbered else ()
    return host.model_copy(update={"name": name, "macs": right, "profile": said.get("profile", "")})


def _encrypted(value: object) -> Iterator[Encrypted]:
    if isinstance(value, Encrypted):
        yield value
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for inner in below:
        yield from _encrypted(inner)


def _unreadable(secret: Encrypted, subject: str) -> PlacedError:
    return PlacedError(
        Place(secret.file, secret.line),
        "encrypted by ansible-vault, and the service has no vault password",
        hint="write it in the open; a BMC's login is kept by provision bmc secret",
        subject=subject,
    )


def without_nulls(value: object) -> object:
    """What was read of YAML without the keys that say nothing, at any depth."""
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


def check(hosts: list[Host], profiles: set[str], known: list[Host] | None = None) -> None:
    """Refuse what no two hosts may share: MAC, BMC, serial; and a profile that is not there.

    `profiles` are names; `known` are the hosts of before, which those of the same name replace. Raises
    InventoryError (PV-110), with what else is wrong behind it (`also`).
    """
    raise_together([complaint.error() for complaint in complaints.between(hosts, profiles, known or [])])


def make_host(body: Mapping[str, object], drivers: Mapping[str, BmcDriver]) -> Host:
    """A host from plain data with the keys of `domain.host.Host`, its BMC checked against the `drivers`.

    Raises InventoryError (PV-110).
    """
    name = str(body.get("name"))
    try:
        host = Host.model_validate(body)
    except ValidationError as fault:
        raise _joined(complaints.of_validation(fault, name, Host, SEE_HOSTS), SEE_HOSTS) from fault
    for complaint in complaints.of_host(host, drivers):
        raise complaint.error()
    return _with_port(host, drivers)


def make_profile(body: Mapping[str, object]) -> Profile:
    """A profile from plain data with the keys of `domain.profile.Profile`. Raises InventoryError (PV-110)."""
    subject = f"profile {body.get('name')}"
    try:
        return Profile.model_validate(body)
    except ValidationError as fault:
        found = complaints.of_validation(fault, subject, Profile, SEE_PROFILES)
        raise _joined(found, SEE_PROFILES) from fault


def _joined(found: Iterator[Complaint], usual: str) -> InventoryError:
    """All of them in one sentence, with the first hint that says more than the usual one."""
    said = list(found)
    hints = [complaint.hint for complaint in said if complaint.hint != usual]
    sentences = "; ".join(complaint.sentence for complaint in said)
    return InventoryError(f"{said[0].subject}: {sentences}", hint=hints[0] if hints else usual)


def _with_port(host: Host, drivers: Mapping[str, BmcDriver]) -> Host:
    """Its BMC's port is that of the driver where none is given."""
    bmc, driver = host.bmc, drivers.get(host.bmc.driver)
    if driver is None or bmc.port or not driver.port:
        return host
    return host.model_copy(update={"bmc": bmc.model_copy(update={"port": driver.port})})
