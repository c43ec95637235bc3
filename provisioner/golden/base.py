"""Builds the base image: a Debian that boots by UEFI and BIOS from any disk bus; the same bytes each time."""

import hashlib
import json
import os
import shlex
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from provisioner import run
from provisioner.golden import disk, namespace
from provisioner.imaging.manifest import ESP_LABEL
from provisioner.system import outputs, shipped
from provisioner.system.checksum import sha256

EPOCH = 1767225600  # 2026-01-01, every time stamp in the image
SUITE = "bookworm"
NAMESPACE = uuid.UUID("6f4ad6ac-7e1f-5d0e-9d51-0a4bb6a2a5f1")
ROOT_SIZE = 640 << 20  # bytes; the host grows it to its disk
KEYRING = Path("/etc/apt/keyrings/site-mirror.gpg")  # in the image
TREE_LIMIT = 1800.0  # seconds for mmdebstrap
Report = Callable[[str], None]


@dataclass(frozen=True)
class BaseImage:
    """A raw base image with its SHA-256; `size` in bytes, `cached` if it was not built now."""

    path: Path
    sha256: str
    size: int
    seconds: float
    cached: bool


@dataclass(frozen=True)
class AptMirror:
    """A signed apt repository to build from, which the image keeps; `lock` is its lock's SHA-256."""

    url: str
    keyring: Path
    lock: str

    def inputs(self) -> list[str]:
        """What a cached tree depends on: URL, keyring (hexadecimal), the lock's digest."""
        return [self.url, self.keyring.read_bytes().hex(), self.lock]

    def source(self, keyring: Path) -> str:
        """The one-line style of sources.list(5); `keyring` is the file's path where apt runs."""
        return f"deb [signed-by={keyring}] {self.url} {SUITE} main"


def build(
    out: Path,
    *,
    name: str,
    version: str,
    cache: Path,
    mirror: AptMirror | None = None,
    report: Report = lambda _: None,
) -> BaseImage:
    """Build `out`, or copy it from the cache where the inputs are the same. Works without root.

    Packages come from `mirror`, else from where mmdebstrap finds them on this machine.

    Raises:
        ProgramError: a program is missing, or the packages cannot be had.
        FileError: the image's checksum cannot be noted (PV-150, PV-151).
    """
    began = time.monotonic()
    cache.mkdir(parents=True, exist_ok=True)
    recipe = shipped.folder("images") / "base"
    tree = _tree_place(cache, recipe, mirror)
    image = cache / f"base-{_digest([tree.name, name, version, *_disk_inputs(recipe)])}.raw"
    known = image.with_suffix(".json")
    cached = image.exists() and known.exists()
    if not cached:
        packages(cache, report, mirror)
        report("building the disk")
        digest = _make_image(image, tree, recipe, name, version)
        outputs.write(known, json.dumps({"sha256": digest}))
    out.parent.mkdir(parents=True, exist_ok=True)
    _copy_sparse(image, out)
    digest = json.loads(known.read_text())["sha256"]
    return BaseImage(out, digest, out.stat().st_size, time.monotonic() - began, cached)


def packages(cache: Path, report: Report = lambda _: None, mirror: AptMirror | None = None) -> Path:
    """The tar of the base's installed packages, from the cache or made now. Raises as `build`."""
    recipe = shipped.folder("images") / "base"
    tree = _tree_place(cache, recipe, mirror)
    if not tree.exists():
        report("installing packages (about three minutes)")
        _make_tree(tree, recipe, mirror)
    return tree


def _tree_place(cache: Path, recipe: Path, mirror: AptMirror | None) -> Path:
    return cache / f"tree-{_digest([*_tree_inputs(recipe), *(mirror.inputs() if mirror else ())])}.tar"


def _lines(path: Path) -> list[str]:
    lines = [line.split("#")[0].strip() for line in path.read_text().splitlines()]
    return [line for line in lines if line]


def _digest(inputs: list[str]) -> str:
    return hashlib.sha256("\0".join(inputs).encode()).hexdigest()[:20]


def _tree_inputs(recipe: Path) -> list[str]:
    names = ("packages", "excludes", "initramfs-modules", "masked")
    return [SUITE, str(EPOCH), *((recipe / name).read_text() for name in names), _customise.__doc__ or ""]


def _disk_inputs(recipe: Path) -> list[str]:
    files = sorted(path for path in (recipe / "files").rglob("*") if path.is_file())
    sources = [
        Path(__file__),
        Path(disk.__file__),
        Path(__file__).with_name("filesystem.py"),
        recipe / "grub.cfg",
    ]
    return [f"{path.name}\0{path.read_text()}" for path in [*files, *sources]] + [str(ROOT_SIZE), ESP_LABEL]


def _make_tree(target: Path, recipe: Path, mirror: AptMirror | None) -> None:
    """The packages as a sorted tar with fixed times; reproducible by mmdebstrap itself."""
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        partial = Path(work) / "tree.tar"
        hooks = _customise(recipe)
        argv = [
            *("mmdebstrap", "--variant=minbase", "--format=tar", "--aptopt=APT::Install-Recommends false"),
            *(f"--dpkgopt=path-exclude={line}" for line in _lines(recipe / "excludes")),
            "--include=" + ",".join(_lines(recipe / "packages")),
            *hooks,
            *(_keep(mirror) if mirror else ()),
            *(SUITE, str(partial), *([mirror.source(mirror.keyring.resolve())] if mirror else ())),
        ]
        # an ordinary user's mmdebstrap works as another user id, which may not enter his home
        place = {"TMPDIR": work} if os.geteuid() == 0 else {}
        run.run(argv, timeout=TREE_LIMIT, env={"SOURCE_DATE_EPOCH": str(EPOCH), **place})
        partial.rename(target)


def _customise(recipe: Path) -> list[str]:
    """Hooks, version 1: the initramfs' modules before the kernel comes; no host keys; what runs at boot."""
    modules = " ".join(_lines(recipe / "initramfs-modules"))
    masked = " ".join(_lines(recipe / "masked"))
    return [
        '--essential-hook=mkdir -p "$1"/etc/initramfs-tools/conf.d "$1"/usr/share/initramfs-tools/modules.d',
        '--essential-hook=printf "MODULES=list\\nCOMPRESS=zstd\\n" > "$1"/etc/initramfs-tools/conf.d/base',
        f'--essential-hook=printf "%s\\n" {modules} > "$1"/usr/share/initramfs-tools/modules.d/base',
        '--customize-hook=rm -f "$1"/etc/ssh/ssh_host_*',
        '--customize-hook=systemctl --root="$1" --quiet enable systemd-networkd.service',
        f'--customize-hook=systemctl --root="$1" --quiet mask {masked}',
    ]


def _keep(mirror: AptMirror) -> list[str]:
    """Hooks that leave the mirror as the image's one source, with its key."""
    line = shlex.quote(mirror.source(KEYRING))
    return [
        f'--customize-hook=install -D -m 644 {shlex.quote(str(mirror.keyring.resolve()))} "$1"{KEYRING}',
        f'--customize-hook=rm -rf "$1"/etc/apt/sources.list.d/*; echo {line} > "$1"/etc/apt/sources.list',
    ]


def _make_image(target: Path, tree: Path, recipe: Path, name: str, version: str) -> str:
    ids = disk.ImageIds(NAMESPACE, name, version)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        work = Path(folder)
        overlay = work / "overlay"
        shutil.copytree(recipe / "files", overlay)
        grub = (recipe / "grub.cfg").read_text().replace("ROOT_UUID", str(ids.of("root-filesystem")))
        (overlay / "boot" / "grub").mkdir(parents=True)
        (overlay / "boot" / "grub" / "grub.cfg").write_text(grub)
        (overlay / "etc" / "fstab").write_text(
            f"UUID={ids.of('root-filesystem')} / ext4 defaults,errors=remount-ro 0 1\n"
        )
        (overlay / "etc" / "image-id").write_text(f"IMAGE_ID={name}\nIMAGE_VERSION={version}\n")
        root = work / "root.ext4"
        ident = ids.of("root-filesystem")
        namespace.inside("provisioner.golden.filesystem", tree, overlay, root, ident, ROOT_SIZE, EPOCH)
        raw = work / "disk.raw"
        disk.assemble(raw, root, ids, epoch=EPOCH)
        digest = sha256(raw)
        raw.rename(target)
    return digest


def _copy_sparse(source: Path, target: Path) -> None:
    run.run(["cp", "--sparse=always", "--reflink=auto", source, target], timeout=300)


def main(folder: Path, cache: Path) -> None:
    """Write what packer/debian-12-base.pkrvars.hcl begins with: debian-12-base.raw and its SHA256SUMS."""
    raw = folder / "debian-12-base.raw"
    made = build(raw, name=raw.stem, version="1", cache=cache, report=print)
    (folder / "SHA256SUMS").write_text(f"{made.sha256}  {raw.name}\n")
    print(f"{raw}: sha256 {made.sha256}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
