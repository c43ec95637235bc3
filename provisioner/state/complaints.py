"""What is wrong with hosts and profiles, each for itself and with each other: a sentence for each fault."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from provisioner.domain import identity
from provisioner.domain.host import BmcDriver, Host
from provisioner.domain.identity import Match
from provisioner.errors import InventoryError
from provisioner.settings import sentence_of

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
        return InventoryError(words, hint=self.hint)


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
    bmc = host.bmc
    if bmc.mac and bmc.mac in host.macs:
        words = f"bmc.mac: {bmc.mac} is one of the host's own cards"
        yield Complaint(host.name, ("bmc", "mac"), words, "read the BMC's MAC from its label")
    driver = drivers.get(bmc.driver)
    if driver is None:
        known = sorted(drivers)
        words = f"bmc.driver: Input should be {_alternatives(known)}"
        yield Complaint(host.name, ("bmc", "driver"), words, f"one of: {', '.join(known)}")
        return
    consoles = ["", *sorted(name for name, driver in drivers.items() if driver.recorder), "none"]
    if bmc.console not in consoles:
        words = f"bmc.console: Input should be {_alternatives(consoles)}"
        yield Complaint(host.name, ("bmc", "console"), words, "see inventory/hosts.yml")
    if bmc.system and not driver.has_systems:
        able = ", ".join(sorted(name for name, driver in drivers.items() if driver.has_systems))
        words = f"bmc.system: a BMC by {bmc.driver} has one system, not {bmc.system!r}"
        yield Complaint(
            host.name, ("bmc", "system"), words, f"leave it out; drivers that know several: {able}"
        )


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
    for host in [*(host for host in known if host.name not in new), *new.values()]:
        if host.name in new and host.profile not in profiles:
            listed = ", ".join(sorted(profiles)) or "none is known"
            words = f"unknown profile {host.profile!r}"
            yield Complaint(host.name, ("profile",), words, f"one of: {listed}", is_absence=True)
        for what, value, way in _claims(host):
            others = owners.setdefault((what, value.lower()), [])
            for other, other_way in others:
                if other.name != host.name and not _may_share(what, host, other):
                    words = f"{host.name} and {other.name} have the same {what} {value}"
                    yield Complaint(host.name, way, words, other=other.name, other_way=other_way)
                    break
            others.append((host, way))


def _claims(host: Host) -> Iterator[tuple[str, str, Way]]:
    """What a host says that no other may say: what it is, its value, and where."""
    for number, mac in enumerate(host.macs):
        yield "MAC", mac, ("macs", number)
    if host.bmc.mac:
        yield "MAC", host.bmc.mac, ("bmc", "mac")
    if host.bmc.address:
        yield "BMC address", f"{host.bmc.address}:{host.bmc.port}", ("bmc", "address")
    if serial := identity.serial(host.serial):
        yield "serial", serial, ("serial",)


def _may_share(what: str, one: Host, other: Host) -> bool:
    """Blades may have the serial of their chassis if their UUIDs differ; nodes a BMC that names each."""
    if what == "serial":
        return identity.compare_uuids(one.uuid, other.uuid) is Match.DIFFERENT
    systems = {host.bmc.system.rstrip("/").rpartition("/")[2] for host in (one, other)}
    return what == "BMC address" and "" not in systems and len(systems) == 2
