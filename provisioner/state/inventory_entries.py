"""What the files of an inventory say of each host and profile, and the place of each word."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from provisioner.domain.host import Host
from provisioner.state import groups, yaml_file, yaml_syntax
from provisioner.state.complaints import Complaint, Way
from provisioner.state.inventory_faults import Faults, Place, PlacedError
from provisioner.state.vars_files import VarsFiles
from provisioner.state.yaml_file import Items, Key

HOSTS, PROFILES = "hosts", "profiles"  # the names of the two files
ENDINGS = (".yml", ".yaml", ".json")
# what is said of a host; Ansible reserves `serial`, and `name` is the key of the host's entry
KEYS = frozenset(Host.model_fields.keys() - {"name"} | {"serial_number"})


@dataclass(frozen=True)
class Entry:
    """What an inventory says of a host or profile, and where that begins; sentences call it `subject`."""

    name: str
    subject: str
    body: Mapping[str, object]
    place: Place

    def place_of(self, way: Way) -> Place:
        """The place of a value, or of the nearest thing around it that is there."""
        place = self.place
        value: object = self.body
        for step in way:
            if isinstance(value, Mapping) and step in value:
                key = next(key for key in value if key == step)
                place, value = key.place if isinstance(key, Key) else place, value[step]
            elif isinstance(value, Items) and isinstance(step, int) and step < len(value.places):
                place, value = value.places[step], value[step]
            else:
                break
        return place

    def fault(self, complaint: Complaint) -> PlacedError:
        """The complaint with its place."""
        return PlacedError(
            self.place_of(complaint.way), complaint.sentence, hint=complaint.hint, subject=self.subject
        )


def _file(folder: Path, name: str) -> Path:
    """The one file of this name. Raises PlacedError where there are two, or one that is not read.

    What may not be looked at is not there (os.path; Path raises): opening the file says it.
    """
    paths = [path for ending in ENDINGS if os.path.exists(path := folder / f"{name}{ending}")]  # noqa: PTH110
    if len(paths) > 1:
        words = f"{paths[0].name} and {paths[1].name} are both there"
        raise PlacedError(Place(str(folder)), words, hint="keep the one that counts")
    for other in (folder / name, folder / f"{name}.ini"):
        if not paths and os.path.isfile(other):  # noqa: PTH113
            raise PlacedError(Place(str(other)), "only YAML is read", hint=yaml_syntax.AS_YAML)
    return paths[0] if paths else folder / f"{name}{ENDINGS[0]}"


def of_hosts(folder: Path, faults: Faults) -> list[Entry]:
    """Each host of `hosts.yml` and the files beside it, with what its groups say; not yet checked."""
    with faults.gather():
        path = _file(folder, HOSTS)
        document = yaml_file.load(path, faults=faults)
        tree = groups.read(document, Place(path.name, 1), faults)
        bodies = groups.host_variables(tree, VarsFiles(folder, KEYS), faults)
        for fault in tree.contradictions:
            faults.add(fault)
        return [Entry(name, name, body, tree.places[name]) for name, body in bodies.items()]
    return []


def of_profiles(folder: Path, faults: Faults) -> list[Entry]:
    """Each profile of `profiles.yml`, likewise."""
    with faults.gather():
        path = _file(folder, PROFILES)
        document = yaml_file.load(path, faults=faults)
        return [
            Entry(name, f"profile {name}", body, key.place if isinstance(key, Key) else Place(path.name))
            for name, (key, body) in _bodies(document, Place(path.name, 1), faults).items()
        ]
    return []


def _bodies(
    document: object, beginning: Place, faults: Faults
) -> dict[str, tuple[str, Mapping[str, object]]]:
    """The mapping below each key of a document, with the key."""
    found: dict[str, tuple[str, Mapping[str, object]]] = {}
    for key, body in _mapping(document, "the profiles", beginning).items():
        with faults.gather():
            place = key.place if isinstance(key, Key) else beginning
            found[key] = (key, _mapping(body, f"profile {key}", place))
    return found


def _mapping(value: object, what: str, place: Place) -> Mapping[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise PlacedError(place, f"{what}: a mapping is expected, this is no mapping: {str(value)[:40]!r}")
    return value


def as_host(entry: Entry, faults: Faults) -> Entry:
    """Without what is Ansible's alone, and with the serial as `Host` calls it: Ansible reserves that name."""
    body = {key: value for key, value in entry.body.items() if not key.startswith("ansible_")}
    told = [key for key in body if key in ("serial", "serial_number") and body[key] is not None]
    if len(told) > 1:
        words = "serial and serial_number are both there"
        faults.add(entry.fault(Complaint(entry.name, ("serial",), words, "leave serial out")))
    for key in told:
        body[Key.at(entry.place_of((key,)), "serial")] = body.pop(key)
    body.pop("serial_number", None)
    return replace(entry, body=body)


def without_name(entry: Entry, faults: Faults) -> Entry:
    """Refuse a name that is said twice: it is the key."""
    if entry.body.get("name") is None:
        return entry
    hint = f"the name of a {'profile' if entry.subject != entry.name else 'host'} is the key of its entry"
    faults.add(entry.fault(Complaint(entry.name, ("name",), "name: is not a known key", hint)))
    return replace(entry, body={key: value for key, value in entry.body.items() if key != "name"})
