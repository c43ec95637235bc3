"""What is wrong with hosts and profiles, each for itself and with each other: a sentence for each fault."""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import IPv4Address, IPv4Network

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from provisioner.domain import identity
from provisioner.domain.bmc_driver import BmcDriver
from provisioner.domain.host import Host
from provisioner.domain.identity import Match
from provisioner.errors import InventoryError
from provisioner.validation import sentence_of

BMC_HINT = "nodes of one BMC have a bmc.system each; BMCs behind one address one driver, and a bmc.port each"
NAME_HINT = "a host is found by its name, serial and MAC: give it another name"
RESERVED: Mapping[str, str] = {"localhost": "every machine for itself", "provisioner": "the service"}
_THIS_NETWORK = IPv4Network("0.0.0.0/8")
Way = tuple[int | str, ...]  # keys, and numbers of items, that lead to a value of a host or profile


@dataclass(frozen=True)
class Complaint:
    """One fault. `subject`: the host or profile that it is about.

    `is_absence`: something is not there; files that could not be read may have it. `other` is a second host,
    which says the same at `other_way`: then the sentence names both.
    """

    subject: str
    way: Way
    sentence: str
    hint: str = ""
    is_absence: bool = False
    other: str = ""
    other_way: Way = ()

    def error(self) -> InventoryError:
        """What is raised for it where no file is known."""
        words = self.sentence if self.other else f"{self.subject}: {self.sentence}"
        return InventoryError(words, hint=self.hint or (self.other and f"provision host show {self.other}"))


def of_validation(
    fault: ValidationError, subject: str, model: type[BaseModel], hint: str
) -> Iterator[Complaint]:
    """Pydantic's complaints of a host or profile, a sentence each; `hint` where none of its own helps."""
    errors = fault.errors()
    around = {error["loc"][:length] for error in errors for length in range(len(error["loc"]))}
    for error in errors:
        if error["type"] == "too_short" and error["loc"] in around:
            continue  # only because what is in it is wrong
        sentence, better = _in_words(error, model)
        yield Complaint(subject, error["loc"], sentence, better or hint, error["type"] == "missing")


def _in_words(error: ErrorDetails, model: type[BaseModel]) -> tuple[str, str]:
    """The sentence, and what to do; the latter may be empty."""
    kind, value, way = error["type"], error["input"], error["loc"]
    place = ".".join(map(str, way))
    if kind == "tuple_type":
        return f"{place}: a list is expected", f"put it in brackets: {way[-1]}: [{_example(value)}]"
    if kind == "too_short":
        return f"{place}: is empty, at least one is needed", ""
    if kind in ("model_type", "dict_type"):
        return f"{place}: a mapping is expected", "write KEY: VALUE below it, or in braces"
    if kind == "ip_v4_address":
        hint = "the address alone, as 10.20.0.42; https is driver: redfish, and a port is port: NUMBER"
        return f"{place}: {str(value)[:60]!r} is no IPv4 address", hint
    if kind == "string_pattern_mismatch" and way == ("name",):
        owner = "host" if model is Host else "profile"
        hint = "a DNS label: a to z, 0 to 9, and - within; 63 letters at most, and no domain"
        return f"{str(value)[:80]!r} can be no {owner}'s name", hint
    if kind == "string_type" and isinstance(value, bool):
        hint = "to YAML yes, no, on and off without quotes are true and false: put the text in quotes"
        return sentence_of(error), hint
    if kind == "extra_forbidden":
        return sentence_of(error), _similar(way, model)
    return sentence_of(error), ""


def _example(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else "…"


def _similar(way: Way, model: type[BaseModel]) -> str:
    """Another key that may be meant; and where one belongs that is none of ours."""
    word = str(way[-1])
    is_of_host = model is Host and len(way) == 1
    known = [*model.model_fields, *(["serial_number"] if is_of_host else [])] if len(way) == 1 else []
    close = get_close_matches(word, known, n=1)
    meant = f"is {close[0]} meant? " if close else ""
    if is_of_host:
        return f"{meant}Variables that only playbooks use belong into group_vars/ or host_vars/"
    return meant.strip()


def of_host(host: Host, drivers: Mapping[str, BmcDriver]) -> Iterator[Complaint]:
    """What cannot be right of a host whose keys and values are: its numbers, and what its driver knows."""
    yield from _placeholders(host)
    for number, mac in enumerate(host.macs):
        if mac and mac in host.macs[:number]:
            yield Complaint(host.name, ("macs", number), f"the MAC {mac} is there twice", "leave one out")
    bmc = host.bmc
    if bmc.mac and bmc.mac in host.macs:
        words = f"bmc.mac: {bmc.mac} is one of the host's own cards"
        yield Complaint(host.name, ("bmc", "mac"), words, "read the BMC's MAC from its label")
    if bmc.address and (reason := _never_a_bmc(bmc.address)):
        words = f"bmc.address: {bmc.address} is no machine's address: {reason}"
        yield Complaint(host.name, ("bmc", "address"), words, "read it from the BMC's own page or its label")
    driver = drivers.get(bmc.driver)
    if driver is None:
        known = sorted(drivers)
        words = f"bmc.driver: {bmc.driver!r} is none of {_alternatives(known)}"
        yield Complaint(host.name, ("bmc", "driver"), words, f"one of: {', '.join(known)}")
        return
    if bmc.address and not driver.has_bmc:
        able = ", ".join(sorted(name for name, other in drivers.items() if other.has_bmc))
        words = (
            f"bmc.address: {bmc.address} would never be asked: by the driver {bmc.driver} a person switches"
        )
        yield Complaint(host.name, ("bmc", "address"), words, f"leave it out, or one of: {able}")
    consoles = ["", *sorted(name for name, driver in drivers.items() if driver.recorder), "none"]
    if bmc.console not in consoles:
        words = f"bmc.console: {bmc.console!r} is none of {_alternatives(consoles)}"
        yield Complaint(host.name, ("bmc", "console"), words, "see inventory/hosts.yml")
    if bmc.system and not driver.has_systems:
        able = ", ".join(sorted(name for name, driver in drivers.items() if driver.has_systems))
        words = f"bmc.system: a BMC by {bmc.driver} has one system, not {bmc.system!r}"
        yield Complaint(
            host.name, ("bmc", "system"), words, f"leave it out; drivers that know several: {able}"
        )


def _never_a_bmc(address: IPv4Address) -> str:
    """Why no packet to this address reaches one machine (RFC 6890); empty where it may."""
    if address in _THIS_NETWORK:
        return "0.0.0.0 to 0.255.255.255 stand for none"
    if address.is_multicast:
        return "224.0.0.0 to 239.255.255.255 are groups (multicast)"
    if address.is_reserved:
        return "240.0.0.0 and above are reserved, 255.255.255.255 means all of a network"
    return ""


def _placeholders(host: Host) -> Iterator[Complaint]:
    """What identifies no machine would be believed to, and hold nobody back."""
    for what, value, known in (
        ("serial", host.serial, identity.serial(host.serial)),
        ("uuid", host.uuid, identity.uuid(host.uuid)),
    ):
        if value and not known:
            yield Complaint(
                host.name,
                (what,),
                f"{what} {value!r} identifies no machine: many have it, or it is none",
                f"leave {what} out, or copy it from provision host show once the host has reported",
            )


def _alternatives(names: list[str]) -> str:
    """As pydantic lists them."""
    *most, last = map(repr, names)
    return f"{', '.join(most)} or {last}"


def between(hosts: Iterable[Host], profiles: set[str], known: Iterable[Host]) -> Iterator[Complaint]:
    """What no two hosts may share: MAC, BMC, serial; and a profile that is not there.

    `known` are hosts of before, which those of the same name replace.
    """
    new = {host.name: host for host in hosts}
    owners: dict[tuple[str, str], list[tuple[Host, Way]]] = {}
    everyone = [*(host for host in known if host.name not in new), *new.values()]
    yield from of_names(everyone, new)
    for host in everyone:
        if host.name in new and host.profile and host.profile not in profiles:
            listed = ", ".join(sorted(profiles)) or "none is known"
            words = f"unknown profile {host.profile!r}"
            yield Complaint(host.name, ("profile",), words, f"one of: {listed}", is_absence=True)
        for what, value, way in _claims(host):
            others = owners.setdefault((what, value.lower()), [])
            for other, other_way in others:
                if host.name in new and other.name != host.name and not _may_share(what, host, other):
                    shared = _shared(what, value, host, other)
                    words = f"{host.name} and {other.name} have the same {what} {shared}"
                    hint = BMC_HINT if what == "BMC address" else ""
                    yield Complaint(host.name, way, words, hint, other=other.name, other_way=other_way)
                    break
            others.append((host, way))


def _shared(what: str, value: str, one: Host, other: Host) -> str:
    """The value that two have; of a BMC with the port, where they say the same one."""
    is_port = what == "BMC address" and one.bmc.port and one.bmc.port == other.bmc.port
    return f"{value}:{one.bmc.port}" if is_port else value


def of_names(everyone: Iterable[Host], new: Container[str]) -> Iterator[Complaint]:
    """A name that is our own, or also the serial, MAC or UUID of another host: typed, it would mean both.

    `new` are the names of the hosts that are asked about, alone or with others.
    """
    everyone = list(everyone)
    for host in everyone:
        if host.name in new and host.name in RESERVED:
            words = f"{host.name!r} can be no host's name: it is the name of {RESERVED[host.name]}"
            yield Complaint(host.name, ("name",), words, "give it another name")
    named = {host.name: host for host in everyone}
    bare = {host.name.replace("-", ""): host for host in everyone}
    for owner in everyone:
        for what, way, found in (
            ("serial", ("serial",), named.get(identity.serial(owner.serial).lower())),
            ("UUID", ("uuid",), bare.get(identity.uuid(owner.uuid).replace("-", ""))),
            *(("MAC", way, bare.get(mac.replace(":", ""))) for mac, way in _macs(owner)),
        ):
            if found is None or found.name == owner.name or not (found.name in new or owner.name in new):
                continue
            subject, other = (found, owner) if found.name in new else (owner, found)
            ways: tuple[Way, Way] = (("name",), way) if subject is found else (way, ("name",))
            words = f"{found.name} is a host's name, and the {what} of {owner.name}"
            yield Complaint(subject.name, ways[0], words, NAME_HINT, other=other.name, other_way=ways[1])


def _macs(host: Host) -> Iterator[tuple[str, Way]]:
    """Each MAC that is said, and where; what stands for one that is none is left out."""
    for number, mac in enumerate(host.macs):
        if mac:
            yield mac, ("macs", number)
    if host.bmc.mac:
        yield host.bmc.mac, ("bmc", "mac")


def _claims(host: Host) -> Iterator[tuple[str, str, Way]]:
    """What a host says that no other may say: what it is, its value, and where."""
    for mac, way in _macs(host):
        yield "MAC", mac, way
    if host.bmc.address:
        yield "BMC address", str(host.bmc.address), ("bmc", "address")
    if serial := identity.serial(host.serial):
        yield "serial", serial, ("serial",)


def _may_share(what: str, one: Host, other: Host) -> bool:
    """Blades may have the serial of their chassis if their UUIDs differ; nodes a BMC that names each.

    BMCs behind one address (a port of it forwarded to each) are two where the same driver is told other
    ports. Another driver is no other BMC: most speak IPMI and Redfish at the same time.
    """
    if what == "serial":
        return identity.compare_uuids(one.uuid, other.uuid) is Match.DIFFERENT
    if what != "BMC address":
        return False
    if one.bmc.driver == other.bmc.driver and one.bmc.port != other.bmc.port:
        return True
    systems = {host.bmc.system.rstrip("/").rpartition("/")[2] for host in (one, other)}
    return "" not in systems and len(systems) == 2
