"""`group_vars/` and `host_vars/` beside an inventory: variables of a group or host in files of its name."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import InventoryError
from provisioner.state import yaml_file

EXTENSIONS = ("", ".yml", ".yaml", ".json")  # in the order in which Ansible looks for them


@dataclass(frozen=True)
class VarsFiles:
    """The files beside an inventory in `folder`; what they say but for `keys` is for Ansible alone."""

    folder: Path
    keys: frozenset[str]

    def of_group(self, name: str) -> dict[str, object]:
        """Raises InventoryError (PV-110) where a file of the group cannot be read."""
        return self._variables(self.folder / "group_vars" / name)

    def of_host(self, name: str) -> dict[str, object]:
        """Raises InventoryError (PV-110) where a file of the host cannot be read."""
        return self._variables(self.folder / "host_vars" / name)

    def _variables(self, place: Path) -> dict[str, object]:
        merged: dict[str, object] = {}
        for path in _files(place):
            name = str(path.relative_to(self.folder))
            said = yaml_file.load(path, name, self.keys)
            if not isinstance(said, dict | None):
                raise InventoryError(f"{name}: a mapping of variables is expected")
            merged |= said or {}
        return merged


def _files(place: Path) -> Iterator[Path]:
    """The file of this name with the first extension that is there; of a folder, all that is in it."""
    for extension in EXTENSIONS:
        path = place.with_name(place.name + extension)
        if path.is_dir():
            yield from _below(path)
            return
        if path.exists():
            yield path
            return


def _below(folder: Path) -> Iterator[Path]:
    """As Ansible takes them: by name, no hidden files, no backups; of folders those without a dot."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name.endswith("~"):
            continue
        if path.is_dir() and not path.suffix:
            yield from _below(path)
        elif path.is_file() and path.suffix in EXTENSIONS:
            yield path
