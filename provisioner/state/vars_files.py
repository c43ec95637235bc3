"""`group_vars/` and `host_vars/` beside an inventory: variables of a group or host in files of its name."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from provisioner.state import yaml_file
from provisioner.state.inventory_faults import Faults, Place, PlacedError

EXTENSIONS = ("", ".yml", ".yaml", ".json")  # in the order in which Ansible looks for them


@dataclass(frozen=True)
class VarsFiles:
    """The files beside an inventory in `folder`; what they say but for `keys` is for Ansible alone."""

    folder: Path
    keys: frozenset[str]

    def of_group(self, name: str, faults: Faults) -> dict[str, object]:
        """What the files of a group say, as far as they can be read; the rest is kept in `faults`."""
        return self._variables("group_vars", name, faults)

    def of_host(self, name: str, faults: Faults) -> dict[str, object]:
        """What the files of a host say, likewise."""
        return self._variables("host_vars", name, faults)

    def _variables(self, kind: str, name: str, faults: Faults) -> dict[str, object]:
        merged: dict[str, object] = {}
        with faults.gather():
            for path in self._files(kind, name):
                said = yaml_file.load(path, self._name(path), self.keys, faults)
                if isinstance(said, dict):
                    merged = yaml_file.overlaid(merged, said)
                elif said is not None:
                    faults.add(PlacedError(Place(self._name(path), 1), "a mapping of variables is expected"))
        return merged

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self.folder))

    def _files(self, kind: str, name: str) -> Iterator[Path]:
        """The file of this name with the first extension that is there; of a folder, all that is in it."""
        if not name or name in (".", "..") or "/" in name:
            return  # no name of a file
        for extension in EXTENSIONS:
            path = self.folder / kind / f"{name}{extension}"
            if os.path.isdir(path):  # noqa: PTH112  unlike Path's it holds for a name that no file can have
                yield from self._below(path)
                return
            if os.path.exists(path):  # noqa: PTH110  likewise
                yield path
                return

    def _below(self, folder: Path) -> Iterator[Path]:
        """As Ansible takes them: by name, no hidden files, no backups; of folders those without a dot."""
        try:
            paths = sorted(folder.iterdir())
        except OSError as fault:
            raise PlacedError(Place(self._name(folder)), fault.strerror or str(fault)) from fault
        for path in paths:
            if path.name.startswith(".") or path.name.endswith("~"):
                continue
            extension = os.path.splitext(path.name)[1]  # noqa: PTH122  as Ansible: "a." has one
            if path.is_dir() and not extension:
                yield from self._below(path)
            elif path.is_file() and extension in EXTENSIONS:
                yield path
