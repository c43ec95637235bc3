"""Packs what of this program a finished cube needs, to be judged without a service: `python -m` prints it.

That is `provision verify --local`, `certificate` and `explain`: their modules with all that these import, the
scripts of `ansible/files`, and what a certificate is drawn with. Libraries are not in it: the role that
unpacks it has wheels of its own. The same tree gives the same bytes.
"""

import ast
import base64
import io
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from provisioner.system import shipped

PACKAGE = Path(__file__).parents[1]
NAME = PACKAGE.name
COMMANDS = ("__main__", "cli", "cli.verify", "cli.certificate", "cli.explanation")
# A finished cube judges itself: it has no use for the modules by which `verify` asks a service.
LEFT_OUT = ("cli.verify_host", "cli.verify_ramdisk")
DATA = ("certificate",)  # packages of which other files than modules are needed, too
WHEN = (1980, 1, 1, 0, 0, 0)  # the first that a zip file can tell


def build() -> bytes:
    """The archive, whose folder `provisioner` is to lie on Python's path. Raises ServiceError."""
    files = {f"{NAME}/{path.relative_to(PACKAGE)}": path for path in _wanted()}
    scripts = shipped.folder("ansible") / "files"
    for path in scripts.rglob("*.py"):
        place = path.relative_to(scripts)
        files[f"{NAME}/share/ansible/files/{place}"] = shipped.file("ansible", f"files/{place}")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in sorted(files.items()):
            entry = zipfile.ZipInfo(name, WHEN)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16  # 3: Unix
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    return packed.getvalue()


def _wanted() -> set[Path]:
    """The modules that the commands come down to, by what each imports, and their packages' data."""
    found: set[Path] = set()
    left_out = {_path(name) for name in LEFT_OUT}
    waiting = [path for name in COMMANDS if (path := _path(name))]
    while waiting:
        path = waiting.pop()
        if path not in found and path not in left_out:
            found.add(path)
            waiting += [*_above(path), *_imported(path)]
    data = {path for name in DATA for path in (PACKAGE / name).rglob("*") if path.is_file()}
    return found | {path for path in data if path.suffix not in (".py", ".pyc")}


def _path(name: str) -> Path | None:
    """The file of a module of ours, by its name within the package; None where there is none."""
    place = PACKAGE.joinpath(*name.split(".")) if name else PACKAGE
    for path in (place / "__init__.py", place.with_suffix(".py")):
        if path.is_file():
            return path
    return None


def _above(path: Path) -> Iterator[Path]:
    """The packages that a module lies in, which Python imports before it."""
    for folder in path.parents:
        if folder == PACKAGE.parent:
            return
        yield folder / "__init__.py"


def _imported(path: Path) -> Iterator[Path]:
    """The modules of ours that a module imports, also within its functions; not those for types alone."""
    waiting: list[ast.AST] = [ast.parse(path.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            first, _, rest = name.partition(".")
            if first == NAME and (found := _path(rest)):
                yield found
        waiting += ast.iter_child_nodes(node)


if __name__ == "__main__":
    sys.stdout.write(base64.b64encode(build()).decode())
