"""Reads and checks hosts and profiles from an inventory folder that Ansible can read too."""

import re
from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import ValidationError

from provisioner.domain.host import BmcDriver, Host
from provisioner.domain.profile import Profile
from provisioner.errors import InventoryError
from provisioner.settings import sentences

HOSTS = "hosts.yml"
PROFILES = "profiles.yml"
# what YAML 1.1 (and so Ansible) turns into a number: 52:54:00:12:34:56 is 41135085296
_SEXAGESIMAL = re.compile(r"^[0-9][0-9_]*(:[0-5]?[0-9])+$")


def read(folder: Path, drivers: Mapping[str, BmcDriver]) -> tuple[list[Host], list[Profile]]:
    """Hosts of `hosts.yml` (an Ansible inventory) and profiles of `profiles.yml`; power `drivers` by name.

    Raises:
        InventoryError: with the file and the host or profile that is wrong, and why.
    """
    hosts = [_host(name, body, drivers) for name, body in _host_entries(_load(folder / HOSTS), HOSTS).items()]
    path = folder / PROFILES
    profiles = [_profile(name, body) for name, body in _mapping(_load(path), PROFILES).items()]
    check(hosts, {profile.name for profile in profiles})
    return hosts, profiles


def check(hosts: list[Host], profiles: set[str], known: list[Host] | None = None) -> None:
    """Refuse what no two hosts may share: MAC, BMC address, serial; and a profile that is not there.

    `profiles` are names; `known` are the hosts of before, which those of the same name replace. Raises
    InventoryError (PV-110).
    """
    owners: dict[tuple[str, str], str] = {}
    names = {host.name for host in hosts}
    for host in [*hosts, *(host for host in known or [] if host.name not in names)]:
        if host.profile not in profiles:
            listed = ", ".join(sorted(profiles)) or "none is known"
            raise InventoryError(f"{host.name}: unknown profile {host.profile!r}", hint=f"one of: {listed}")
        for what, value in _unique(host):
            other = owners.setdefault((what, value), host.name)
            if other != host.name:
                raise InventoryError(f"{host.name} and {other} have the same {what} {value}")


def _unique(host: Host) -> list[tuple[str, str]]:
    claims = [("MAC", mac) for mac in host.macs]
    if host.bmc.mac:
        claims.append(("MAC", host.bmc.mac))
    if host.bmc.address:
        claims.append(("BMC address", f"{host.bmc.address}:{host.bmc.port}"))
    if host.serial:
        claims.append(("serial", host.serial))
    return claims


class _Scalars(yaml.BaseLoader):
    """Every scalar a string, and no key twice."""


def _construct_mapping(loader: yaml.BaseLoader, node: yaml.MappingNode) -> dict[object, object]:
    seen: set[str] = set()
    for key, _ in node.value:
        if key.value in seen:
            raise InventoryError(f"line {key.start_mark.line + 1}: {key.value!r} is there twice")
        seen.add(key.value)
    return {
        loader.construct_object(k, deep=True): loader.construct_object(v, deep=True) for k, v in node.value
    }


_Scalars.add_constructor("tag:yaml.org,2002:map", _construct_mapping)


def _load(path: Path) -> object:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as fault:
        raise InventoryError(
            f"{path}: {fault}", hint="an inventory holds hosts.yml and profiles.yml"
        ) from fault
    try:
        node = yaml.compose(text, Loader=_Scalars)
        _refuse_unquoted(node, path.name)
        return yaml.load(text, Loader=_Scalars)  # noqa: S506  a loader that makes strings only
    except yaml.YAMLError as fault:
        raise InventoryError(f"{path.name}: not YAML: {' '.join(str(fault).split())}") from fault
    except RecursionError as fault:
        raise InventoryError(f"{path.name}: an alias refers to itself") from fault
    except InventoryError as fault:
        raise InventoryError(f"{path.name}: {fault}", hint=fault.hint) from fault


def _refuse_unquoted(node: yaml.Node | None, name: str) -> None:
    """Ansible would read an unquoted MAC of digits as one large number."""
    if isinstance(node, yaml.ScalarNode) and node.style is None and _SEXAGESIMAL.match(node.value):
        raise InventoryError(
            f"line {node.start_mark.line + 1}: {node.value} is a number to YAML", hint=f'write "{node.value}"'
        )
    children = node.value if isinstance(node, yaml.MappingNode | yaml.SequenceNode) else []
    for child in children:
        for part in child if isinstance(child, tuple) else (child,):
            _refuse_unquoted(part, name)


def _mapping(value: object, place: str) -> dict[str, object]:
    if value in (None, ""):
        return {}
    if not isinstance(value, dict):
        raise InventoryError(f"{place}: a mapping is expected, this is a {type(value).__name__}")
    return value


def _host_entries(tree: object, place: str) -> dict[str, dict[str, object]]:
    """The variables of every host of an Ansible YAML inventory, group variables below the host's."""
    hosts: dict[str, dict[str, object]] = {}

    def walk(tree: object, inherited: dict[str, object], where: str) -> None:
        group = _mapping(tree, where)
        variables = inherited | _mapping(group.get("vars"), f"{where}.vars")
        for name, body in _mapping(group.get("hosts"), f"{where}.hosts").items():
            hosts[name] = variables | hosts.get(name, {}) | _mapping(body, f"{where}.hosts.{name}")
        for child, body in _mapping(group.get("children"), f"{where}.children").items():
            walk(body, variables, f"{where}.children.{child}")

    for name, group in _mapping(tree, place).items():
        walk(group, {}, f"{place}: {name}")
    return hosts


def _host(name: str, body: Mapping[str, object], drivers: Mapping[str, BmcDriver]) -> Host:
    own = {key: value for key, value in body.items() if not key.startswith("ansible_")}
    return make_host({"name": name, **own}, drivers)


def make_host(body: Mapping[str, object], drivers: Mapping[str, BmcDriver]) -> Host:
    """A host from plain data with the keys of `domain.host.Host`, its BMC checked against the `drivers`.

    Raises InventoryError (PV-110).
    """
    try:
        host = Host.model_validate(body)
    except ValidationError as fault:
        raise InventoryError(
            f"{body.get('name')}: {sentences(fault)}", hint="see inventory/hosts.yml"
        ) from fault
    return _with_driver(host, drivers)


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
    return make_profile({"name": name, **_mapping(body, f"{PROFILES}: {name}")})


def make_profile(body: Mapping[str, object]) -> Profile:
    """A profile from plain data with the keys of `domain.profile.Profile`. Raises InventoryError (PV-110)."""
    try:
        return Profile.model_validate(body)
    except ValidationError as fault:
        raise InventoryError(f"profile {body.get('name')}: {sentences(fault)}") from fault
