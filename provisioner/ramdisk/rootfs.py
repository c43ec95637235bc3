"""The slow part of the ramdisk, kept in a cache by its inputs: Debian's programs, Python, drivers."""

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from provisioner.ramdisk import initramfs, interpreter
from provisioner.ramdisk import kernel as kernels
from provisioner.ramdisk.initramfs import Tree
from provisioner.ramdisk.packages import PackageChoice, parse_choices, select, unpack
from provisioner.run import text
from provisioner.system import shipped
from provisioner.system.checksum import sha256

# what decides the bytes besides the inputs
BUILDERS = ("rootfs.py", "initramfs.py", "kernel.py", "packages.py", "interpreter.py")
EMPTY_FOLDERS = ("dev", "proc", "sys", "run", "tmp", "root", "mnt", "var/lib", "etc/provisioner/keys")
MERGED = {name: initramfs.link(f"usr/{name}") for name in ("bin", "sbin", "lib", "lib64")}
DEVICES = {
    "dev/console": initramfs.device(5, 1),
    "dev/null": initramfs.device(1, 3),
    "dev/kmsg": initramfs.device(1, 11),
}
ACCOUNTS = {
    "etc/passwd": initramfs.file(b"root:x:0:0:root:/root:/bin/sh\n"),
    "etc/group": initramfs.file(b"root:x:0:\n"),
    "etc/hosts": initramfs.file(b"127.0.0.1 localhost\n"),
}


@dataclass(frozen=True)
class Recipe:
    """The lists of images/ramdisk that decide the slow part, as text."""

    packages: str
    modules: str

    @classmethod
    def read(cls) -> "Recipe":
        """The recipe as edited in /etc/provisioner, else as shipped."""
        return cls(
            *(shipped.file("images", f"ramdisk/{name}").read_text() for name in ("packages", "modules"))
        )

    @property
    def choices(self) -> list[PackageChoice]:
        """Which packages are wanted, and which files of each."""
        return parse_choices(self.packages)


@dataclass(frozen=True)
class RamdiskBase:
    """A cached slow part: `root` is its unpacked tree, whose Python runs here too."""

    folder: Path

    @property
    def vmlinuz(self) -> Path:
        """The path of the kernel image."""
        return self.folder / "vmlinuz"

    @property
    def segment(self) -> Path:
        """The path of the initramfs' first segment."""
        return self.folder / "base.img"

    @property
    def root(self) -> Path:
        """The folder of programs and Python, as the ramdisk has them."""
        return self.folder / "root"

    @property
    def kernel(self) -> str:
        """The kernel's version, as `uname -r` prints it."""
        return (self.folder / "kernel").read_text()


@contextmanager
def workplace(cache: Path) -> Iterator[Path]:
    """A temporary folder on the cache's file system, for the time of the block."""
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="work-") as folder:
        yield Path(folder)


def provide(
    recipe: Recipe, debs: dict[str, Path], *, kernel: Path, firmware: Path | None, cache: Path
) -> RamdiskBase:
    """The base for these inputs, from the cache or built now (half a minute or two)."""
    place = cache / "base" / _key(recipe, debs, kernel, firmware)
    if not (place / "kernel").is_file():
        with workplace(cache) as work:
            made = work / "base"
            _build(recipe, debs, kernel, firmware, made, work)
            place.parent.mkdir(exist_ok=True)
            # whoever builds the same at the same time may come first: then theirs is as good
            if not place.exists():
                made.rename(place)
    return RamdiskBase(place)


def _key(recipe: Recipe, debs: dict[str, Path], kernel: Path, firmware: Path | None) -> str:
    here = Path(__file__).resolve().parent
    inputs = {
        "recipe": [recipe.packages, recipe.modules],
        "packages": {choice.package: sha256(debs[choice.package]) for choice in recipe.choices},
        "kernel": sha256(kernel),
        "firmware": {name: sha256(path) for name, path in _files(firmware)},
        "builders": [sha256(here / name) for name in BUILDERS],
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:24]


def _files(folder: Path | None) -> list[tuple[str, Path]]:
    paths = sorted(folder.rglob("*")) if folder else []
    return [(str(path.relative_to(folder)), path) for path in paths if folder and path.is_file()]


def _build(
    recipe: Recipe, debs: dict[str, Path], kernel: Path, firmware: Path | None, made: Path, work: Path
) -> None:
    root = made / "root"
    root.mkdir(parents=True)
    for choice in recipe.choices:
        select(choice, unpack(debs[choice.package], work / choice.package), root)
    interpreter.check_libraries(root)
    for folder in ("usr/lib/python3.11", "usr/lib/python3"):
        interpreter.compile_in(root, root / folder, base=root, beside=True)
    tree = {**MERGED, **_system(root, recipe)}
    wanted = kernels.parse_modules(recipe.modules)
    version = kernels.take_apart(kernel, wanted, work / "drivers", made / "vmlinuz", work / "kernel")
    tree |= initramfs.read_tree(work / "drivers/usr", below="usr")
    if firmware:
        tree |= initramfs.read_tree(firmware, below="usr/lib/firmware")
    (made / "base.img").write_bytes(initramfs.segment(tree))
    (made / "kernel").write_text(version)


def _system(root: Path, recipe: Recipe) -> Tree:
    always = [" ".join(wanted.names) for wanted in kernels.parse_modules(recipe.modules) if wanted.always]
    return {
        **{name: initramfs.folder() for name in EMPTY_FOLDERS},
        **DEVICES,
        **ACCOUNTS,
        **_applets(root),
        **initramfs.read_tree(root),
        "usr/bin/python3": initramfs.link(interpreter.VERSION),
        "etc/modules.always": initramfs.file(("\n".join(always) + "\n").encode()),
    }


def _applets(root: Path) -> Tree:
    """A link to busybox for each of its programs."""
    listed = text([root / "usr/bin/busybox", "--list-full"]).split()
    places = [name if name.startswith("usr/") else f"usr/{name}" for name in listed if "/" in name]
    return {place: initramfs.link("/usr/bin/busybox") for place in places}
