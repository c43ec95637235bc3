"""Reads and checks hosts and profiles from an inventory folder that Ansible can read too."""

from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import ValidationError

from provisioner.domain import identity
from provisioner.domain.host import BmcDriver, Host
from provisioner.domain.identity import Match
from provisioner.domain.profile import Profile
from provisioner.errors import InventoryError
from provisioner.settings import sentences
from provisioner.state import groups, yaml_file
from provisioner.state.vars_files import VarsFiles

HOSTS = "hosts.yml"
PROFILES = "profiles.yml"
# what is said of a host; Ansible reserves `serial`, and `name` is the key of the host's entry
KEYS = frozenset(Host.model_fields.keys() - {"name"} | {"serial_number"})


def read(
    folder: Path, drivers: Mapping[str, BmcDriver], advise: Callable[[str], None] = lambda _: None
) -> tuple[list[Host], list[Profile]]:
    """Hosts of `hosts.yml` (an Ansible inventory) and profiles of `profiles.yml`; power `drivers` by name.

    `advise` gets a sentence for each thing that is taken, and better written in another way.

    Raises:
        InventoryError: with the file and the host or profile that is wrong, and why.
    """
    hosts = [_host(name, body, drivers) for name, body in _host_entries(folder / HOSTS, advise).items()]
    profiles = [_profile(name, body) for name, body in _profile_entries(folder / PROFILES).items()]
    check(hosts, {profile.name for profile in profiles})
    return hosts, profiles


def _host_entries(path: Path, advise: Callable[[str], None]) -> dict[str, dict[str, object]]:
    document = yaml_file.load(path)
    try:
        tree = groups.read(document)
    except InventoryError as fault:
        raise InventoryError(f"{path.name}: {fault}", hint=fault.hint) from fault
    entries = groups.host_variables(tree, VarsFiles(path.parent, KEYS))
    if old := [name for name, body in entries.items() if body.get("serial") is not None]:
        advise(
            f"{path.name}: write `serial_number` for `serial` of {old[0]}{' and others' if old[1:] else ''}: "
            "Ansible reserves that name (how many hosts a play takes at a time)"
        )
    return entries


def _profile_entries(path: Path) -> dict[str, object]:
    return _mapping(yaml_file.load(path), path.name)


def _mapping(value: object, place: str) -> dict[str, object]:
    if value in (None, ""):
        return {}
    if not isinstance(value, dict):
        raise InventoryError(f"{place}: a mapping is expected, this is no mapping: {str(value)[:40]!r}")
    return value


def _said(body: Mapping[str, object], owner: str) -> dict[str, object]:
    """The keys that are not null, which is what nobody said; in all of what is below, too."""
    return {key: _value(value, owner) for key, value in body.items() if value is not None}


def _value(value: object, owner: str) -> object:
    if isinstance(value, yaml_file.Encrypted):
        raise InventoryError(
            f"{owner}: {value.file}: line {value.line}: encrypted by ansible-vault, and the service has no "
            "vault password",
            hint="write it in the open; a BMC's login is kept by provision bmc secret",
        )
    if isinstance(value, dict):
        return _said(value, owner)
    return [_value(inner, owner) for inner in value] if isinstance(value, list) else value


def check(hosts: list[Host], profiles: set[str], known: list[Host] | None = None) -> None:
    """Refuse what no two hosts may share: MAC, BMC address, serial; and a profile that is not there.

    `profiles` are names; `known` are the hosts of before, which those of the same name replace. Raises
    InventoryError (PV-110).
    """
    owners: dict[tuple[str, str], Host] = {}
    names = {host.name for host in hosts}
    for host in [*hosts, *(host for host in known or [] if host.name not in names)]:
        if host.profile not in profiles:
            listed = ", ".join(sorted(profiles)) or "none is known"
            raise InventoryError(f"{host.name}: unknown profile {host.profile!r}", hint=f"one of: {listed}")
        for what, value in _unique(host):
            other = owners.setdefault((what, value.lower()), host)
            if other.name == host.name or (what == "serial" and _differ(host, other)):
                continue
            raise InventoryError(f"{host.name} and {other.name} have the same {what} {value}")


def _differ(one: Host, other: Host) -> bool:
    """Whether their UUIDs tell two hosts apart: blades may have the serial of their chassis."""
    return identity.compare_uuids(one.uuid, other.uuid) is Match.DIFFERENT


def _unique(host: Host) -> list[tuple[str, str]]:
    claims = [("MAC", mac) for mac in host.macs]
    if host.bmc.mac:
        claims.append(("MAC", host.bmc.mac))
    if host.bmc.address:
        claims.append(("BMC address", f"{host.bmc.address}:{host.bmc.port}"))
    if serial := identity.serial(host.serial):
        claims.append(("serial", serial))
    return claims


def _host(name: str, body: Mapping[str, object], drivers: Mapping[str, BmcDriver]) -> Host:
    own = _said({key: value for key, value in body.items() if not key.startswith("ansible_")}, name)
    if "name" in own:
        raise InventoryError(
            f"{name}: name: is not a known key", hint="a host's name is the key of its entry"
        )
    if "serial_number" in own:
        if "serial" in own:
            raise InventoryError(f"{name}: serial and serial_number are both there", hint="leave serial out")
        own["serial"] = own.pop("serial_number")
    return make_host({"name": name, **own}, drivers)


def make_host(body: Mapping[str, object], drivers: Mapping[str, BmcDriver]) -> Host:
    """A host from plain data with the keys of `domain.host.Host`, its BMC checked against the `drivers`.

    Raises InventoryError (PV-110).
    """
    try:
        host = Host.model_validate(body)
    except ValidationError as fault:
        raise InventoryError(
            f"{_place(body, fault)}{body.get('name')}: {sentences(fault)}",
            hint=_hint(fault, "see inventory/hosts.yml"),
        ) from fault
    _refuse_placeholders(host)
    return _with_driver(host, drivers)


def _refuse_placeholders(host: Host) -> None:
    """What identifies no machine would be believed to, and hold nobody back."""
    for what, value, known in (
        ("serial", host.serial, identity.serial(host.serial)),
        ("uuid", host.uuid, identity.uuid(host.uuid)),
    ):
        if value and not known:
            raise InventoryError(
                f"{host.name}: {what} {value!r} identifies no machine: many have it, or it is none",
                hint=f"leave {what} out, or copy it from provision host show once the host has reported",
            )


def _with_driver(host: Host, drivers: Mapping[str, BmcDriver]) -> Host:
    """Check what only the drivers know, and fill in their port where none is given."""
    bmc = host.bmc
    if bmc.driver not in drivers:
        known = ", ".join(sorted(drivers))
        raise InventoryError(
            f"{host.name}: bmc.driver: Input should be {_alternatives(sorted(drivers))}",
            hint=f"one of: {known}",
        )
    consoles = ["", *sorted(name for name, driver in drivers.items() if driver.recorder), "none"]
    if bmc.console not in consoles:
        raise InventoryError(
            f"{host.name}: bmc.console: Input should be {_alternatives(consoles)}",
            hint="see inventory/hosts.yml",
        )
    if bmc.system and not drivers[bmc.driver].has_systems:
        able = ", ".join(sorted(name for name, driver in drivers.items() if driver.has_systems))
        raise InventoryError(
            f"{host.name}: bmc.system: a BMC by {bmc.driver} has one system, not {bmc.system!r}",
            hint=f"leave it out; drivers that know several: {able}",
        )
    port = bmc.port or drivers[bmc.driver].port
    if port == bmc.port:
        return host
    return host.model_copy(update={"bmc": bmc.model_copy(update={"port": port})})


def _alternatives(names: list[str]) -> str:
    """As pydantic lists them."""
    *most, last = map(repr, names)
    return f"{', '.join(most)} or {last}"


def _profile(name: str, body: object) -> Profile:
    return make_profile({"name": name, **_said(_mapping(body, f"{PROFILES}: {name}"), f"profile {name}")})


def make_profile(body: Mapping[str, object]) -> Profile:
    """A profile from plain data with the keys of `domain.profile.Profile`. Raises InventoryError (PV-110)."""
    try:
        return Profile.model_validate(body)
    except ValidationError as fault:
        hint = _hint(fault, "see inventory/profiles.yml")
        raise InventoryError(
            f"{_place(body, fault)}profile {body.get('name')}: {sentences(fault)}", hint=hint
        ) from fault


def _place(body: object, fault: ValidationError) -> str:
    """File and line of the first value that is wrong, before the sentence; empty for what is in no file."""
    place = ""
    for part in fault.errors()[0]["loc"]:
        if isinstance(body, dict):
            key = next((key for key in body if key == part), None)
            place = f"{key.file}: line {key.line}: " if isinstance(key, yaml_file.Key) else place
            body = body.get(part)
        elif isinstance(body, list) and isinstance(part, int) and part < len(body):
            body = body[part]
    return place


def _hint(fault: ValidationError, otherwise: str) -> str:
    if any(error["type"] == "string_type" and isinstance(error["input"], bool) for error in fault.errors()):
        return "to YAML yes, no, on and off without quotes are true and false: put the text in quotes"
    return otherwise
