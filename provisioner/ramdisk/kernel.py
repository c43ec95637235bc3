"""Takes a Debian kernel package apart: the kernel, and the listed drivers with all that they need."""

import lzma
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import zstandard

from provisioner.errors import InputError
from provisioner.ramdisk.packages import unpack
from provisioner.run import find, run

INDEXES = ("modules.dep", "modules.alias", "modules.symbols", "modules.builtin", "modules.softdep")


@dataclass(frozen=True)
class ModuleChoice:
    """One line of the module list: names of which a kernel has at least one."""

    names: tuple[str, ...]
    optional: bool = False
    always: bool = False  # loaded at the start of every boot


def parse_modules(table: str) -> list[ModuleChoice]:
    """The module list: alternatives on a line; `+` in front loads always, `-` at the end may be missing."""
    wanted = []
    for line in table.splitlines():
        words = line.split("#")[0].split()
        if words:
            optional, always = words[-1] == "-", words[0].startswith("+")
            names = words[: -1 if optional else None]
            wanted.append(ModuleChoice(tuple(name.removeprefix("+") for name in names), optional, always))
    return wanted


def plain_name(path: str) -> str:
    """The name that the kernel shows for a module's file or a name in a list."""
    return Path(path).name.split(".ko")[0].replace("-", "_")


def parse_dependencies(table: str) -> dict[str, list[str]]:
    """`modules.dep`: a module's path → the paths of all it needs (depmod has already closed the list)."""
    lines = (line.split(":") for line in table.splitlines() if ":" in line)
    return {path: needed.split() for path, needed in lines}


def close(
    wanted: Iterable[ModuleChoice], dependencies: dict[str, list[str]], builtin: Iterable[str]
) -> list[str]:
    """The paths of all modules that the list asks for and that those need, sorted.

    Raises:
        InputError: lines of which this kernel has nothing, neither as a module nor built in.
    """
    by_name = {plain_name(path): path for path in dependencies}
    inside = {plain_name(path) for path in builtin}
    chosen: set[str] = set()
    missing = []
    for line in wanted:
        names = [name.replace("-", "_") for name in line.names]
        paths = [by_name[name] for name in names if name in by_name]
        chosen.update(path for module in paths for path in (module, *dependencies[module]))
        if not paths and not line.optional and not inside.intersection(names):
            missing.append(" or ".join(line.names))
    if missing:
        raise InputError(
            f"this kernel has no module {', '.join(missing)}",
            hint='take it out of images/ramdisk/modules, or end its line with "-"',
        )
    return sorted(chosen)


def take_apart(package: Path, wanted: list[ModuleChoice], root: Path, vmlinuz: Path, work: Path) -> str:
    """Put the drivers into `root` and the kernel at `vmlinuz`; the kernel's version.

    Raises:
        InputError: no kernel package, or one without a wanted module.
    """
    unpacked = unpack(package, work)
    kernels = sorted(unpacked.glob("boot/vmlinuz-*"))
    if len(kernels) != 1:
        raise InputError(
            f"{package.name} holds {len(kernels)} kernels, not one",
            hint="give a linux-image package with a version in its name, not the one that only depends on it",
        )
    version = kernels[0].name.removeprefix("vmlinuz-")
    _index(unpacked, version)
    whole = unpacked / "usr/lib/modules" / version
    part = root / "usr/lib/modules" / version
    dependencies = parse_dependencies((whole / "modules.dep").read_text())
    for path in close(wanted, dependencies, (whole / "modules.builtin").read_text().split()):
        _copy(whole / path, part / path)
    for name in ("modules.builtin", "modules.order"):
        shutil.copy(whole / name, part / name)
    _index(root, version)
    for extra in part.glob("modules.*"):
        if extra.name not in INDEXES:
            extra.unlink()
    shutil.copy(kernels[0], vmlinuz)
    return version


def _index(root: Path, version: str) -> None:
    """Run depmod, which looks below lib only."""
    if not (root / "lib").exists():
        (root / "lib").symlink_to("usr/lib")
    run([find("depmod", "kmod"), "-b", root, version], timeout=300)


def _copy(module: Path, to: Path) -> None:
    """Unpacked: busybox loads no packed modules, and the archive as a whole packs better. Signatures stay."""
    data = module.read_bytes()
    if module.suffix == ".xz":
        data, to = lzma.decompress(data), to.with_suffix("")
    elif module.suffix == ".zst":
        data, to = zstandard.ZstdDecompressor().decompressobj().decompress(data), to.with_suffix("")
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_bytes(data)
