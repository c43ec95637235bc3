"""Runs a program of the cube as its Python would: cube_python.py FOLDER LIBRARY[,LIBRARY…] WORD…

FOLDER is where the archive was unpacked; no other code of ours and no library but these can be imported.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

folder, libraries, *words = sys.argv[1:]
ALLOWED = {*libraries.split(","), *sys.stdlib_module_names, "provisioner"}


class OnlyThese:
    """Finds nothing that is not allowed."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] not in ALLOWED and not name.startswith("_"):  # parts of libraries
            raise ModuleNotFoundError(f"{name} is not on a cube", name=name)
        return None


sys.meta_path.insert(0, OnlyThese)
sys.path.insert(0, folder)

import provisioner  # noqa: E402
from provisioner import cli  # noqa: E402

assert str(provisioner.__file__).startswith(folder), provisioner.__file__
cli.main(words)
