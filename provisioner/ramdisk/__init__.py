"""Builds what hosts boot over the network: kernel, ramdisk with the agent, iPXE, local.efi, their list."""

import base64
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import InputError
from provisioner.ramdisk import initramfs, interpreter, localboot, packages, rootfs
from provisioner.ramdisk.initramfs import Tree
from provisioner.ramdisk.rootfs import RamdiskBase, Recipe
from provisioner.system import file_fault, outputs, shipped
from provisioner.system.checksum import sha256

FORMAT = "ramdisk/1"
LIST = "ramdisk.json"
FILES = ("vmlinuz", "initrd.img", "snponly.efi", "undionly.kpxe", "local.efi")
IPXE_FILES = ("snponly.efi", "undionly.kpxe")
BOOT_PACKAGES = ("ipxe", "grub-efi-amd64-bin")
AGENT_FOLDER = "usr/lib/python3/dist-packages"
AGENT_SOURCES = (
    *("__init__.py", "errors.py", "run.py", "system/__init__.py", "system/disk_hints.py"),
    *("system/disk_names.py", "system/file_fault.py", "system/outputs.py", "system/placeholders.py"),
    *("system/text.py", "system/units.py"),
    *("domain/__init__.py", "domain/identity.py", "domain/restart.py"),
    *("imaging/**/*.py", "agent/**/*.py"),
)
SCRIPTS = {
    "init": "init",
    "etc/udhcpc.script": "udhcpc.script",
}  # place in the ramdisk → file of images/ramdisk
COLLECTORS = ("facts", "pcie", "firmware")  # of ansible/files; the agent's protocol names the same
COLLECTOR_FOLDER = "usr/lib/provisioner/collectors"  # where the agent looks for them
KEY_FOLDER = "etc/provisioner/keys"
_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class RamdiskFiles:
    """A built ramdisk: a folder and, by name, the size and SHA-256 of what hosts fetch from it."""

    folder: Path
    kernel: str  # version, as uname -r prints it
    files: dict[str, tuple[int, str]]  # name → (bytes, hexadecimal SHA-256)

    def path(self, name: str) -> Path:
        """The path of the file `name`."""
        return self.folder / name


def build(
    out: Path,
    *,
    cache: Path,
    kernel: Path | None = None,
    firmware: Path | None = None,
    keys: Sequence[Path] = (),
) -> RamdiskFiles:
    """Write kernel, ramdisk, boot programs and their list into `out`; the same inputs give the same bytes.

    Needs no root, and the network only for packages that `cache` lacks (it also keeps the slow part).
    `kernel` is a linux-image .deb (else Debian's newest), `firmware` a folder whose content becomes
    /lib/firmware, `keys` the minisign public keys that the agent will trust.

    Raises:
        InputError: a key, kernel, firmware folder or list that cannot be used.
        ProgramError: a package cannot be had, or the agent does not load in the ramdisk.
    """
    trusted = trust(keys)
    if firmware and not firmware.is_dir():
        raise InputError(f"{firmware} is no folder of firmware files")
    if kernel and not kernel.is_file():
        raise InputError(f"{kernel} is no file", hint="give the .deb of a linux-image package")
    recipe, cache, out = Recipe.read(), cache.resolve(), out.resolve()
    debs = _fetch(recipe, kernel, cache)
    base = rootfs.provide(recipe, debs, kernel=debs["kernel"], firmware=firmware, cache=cache)
    with rootfs.workplace(cache) as work:
        _boot_programs(debs, work)
        agent = initramfs.segment(_agent(base, work / "agent"))
        initrd = base.segment.read_bytes() + agent + initramfs.segment(trusted)
        (work / "initrd.img").write_bytes(initrd)
        shutil.copy(base.vmlinuz, work / "vmlinuz")
        return _publish(work, out, base.kernel)


def read(folder: Path) -> RamdiskFiles:
    """A ramdisk that was built into `folder`; the sizes are compared, the sums are not.

    Raises:
        InputError: there is none, or one of its files is missing or of another size.
    """
    try:
        listed = json.loads((folder / LIST).read_text())
        files = {
            str(name): (int(entry["size"]), str(entry["sha256"])) for name, entry in listed["files"].items()
        }
        known = listed["format"] == FORMAT and set(FILES) <= set(files)
        ramdisk = RamdiskFiles(folder, str(listed["kernel"]), files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder} holds no ramdisk: {error}", hint="provision ramdisk build") from error
    if not known:
        raise InputError(f"{folder} holds a ramdisk of another format", hint="provision ramdisk build")
    for name, (size, _) in files.items():
        if not ramdisk.path(name).is_file() or ramdisk.path(name).stat().st_size != size:
            raise InputError(
                f"{folder / name} is not the file that {LIST} lists", hint="provision ramdisk build"
            )
    return ramdisk


def trust(keys: Sequence[Path]) -> Tree:
    """The public keys as they lie in the ramdisk: NAME.pub by the file's name.

    Raises:
        InputError: no minisign public key, or two of one name.
    """
    tree: Tree = {}
    for key in keys:
        name = f"{KEY_FOLDER}/{key.stem}.pub"
        if name in tree:
            raise InputError(f"two keys have the name {key.stem}", hint="rename one of the files")
        tree[name] = initramfs.file(_public_key(key))
    return tree


def _public_key(path: Path) -> bytes:
    """A comment line and 42 bytes in base64 that begin with Ed (minisign's format)."""
    try:
        with path.open("rb") as opened:
            data = opened.read(4096)
        raw = base64.b64decode(data.splitlines()[1], validate=True)
    except OSError as fault:
        raise file_fault.explained(fault, path) from fault
    except (IndexError, ValueError):
        raw = b""
    if len(raw) != 42 or raw[:2] != b"Ed":
        hint = "give the .pub file that provision image keygen, or minisign -G, wrote"
        raise InputError(f"{path} is no minisign public key", hint=hint)
    return data


def _fetch(recipe: Recipe, kernel: Path | None, cache: Path) -> dict[str, Path]:
    """All packages, the kernel's under the name `kernel`."""
    wanted = [*(choice.package for choice in recipe.choices), *BOOT_PACKAGES]
    name = "" if kernel else packages.newest_kernel()
    debs = packages.fetch([*wanted, name] if name else wanted, cache / "debs")
    return {**debs, "kernel": kernel or debs[name]}


def _agent(base: RamdiskBase, work: Path) -> Tree:
    """This version's agent and all it imports, source and compiled; loaded here once to prove it whole."""
    place = work / AGENT_FOLDER / "provisioner"
    modules = []
    for source in sorted(path for pattern in AGENT_SOURCES for path in _PACKAGE.glob(pattern)):
        name = source.relative_to(_PACKAGE)
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place / name)
        modules.append(".".join(("provisioner", *name.with_suffix("").parts)).removesuffix(".__init__"))
    interpreter.compile_in(base.root, place, base=work, beside=False)
    loaded = [name for name in modules if not name.endswith(".__main__")]
    interpreter.check_imports(base.root, loaded, path=work / AGENT_FOLDER)
    _collectors(base, work / COLLECTOR_FOLDER)
    return {**initramfs.read_tree(work), **_scripts()}


def _collectors(base: RamdiskBase, folder: Path) -> None:
    """What a verification by the ramdisk runs there; loaded here once, too, to prove it whole."""
    folder.mkdir(parents=True)
    for name in COLLECTORS:
        shutil.copyfile(shipped.file("ansible", f"files/{name}.py"), folder / f"{name}.py")
    interpreter.check_imports(base.root, list(COLLECTORS), path=folder)


def _scripts() -> Tree:
    sources = {place: shipped.file("images", f"ramdisk/{name}") for place, name in SCRIPTS.items()}
    return {place: initramfs.file(path.read_bytes(), program=True) for place, path in sources.items()}


def _boot_programs(debs: dict[str, Path], work: Path) -> None:
    ipxe, grub = (packages.unpack(debs[name], work / name) for name in BOOT_PACKAGES)
    for name in IPXE_FILES:
        shutil.copyfile(ipxe / "usr/lib/ipxe" / name, work / name)
    script = shipped.file("images", "ramdisk/local.cfg").read_text()
    localboot.build(work / "local.efi", config=script, modules=grub / "usr/lib/grub/x86_64-efi")


def _publish(work: Path, out: Path, kernel: str) -> RamdiskFiles:
    """Bring what was built into `out`: all of it, the list last, or nothing."""
    files = {name: ((work / name).stat().st_size, sha256(work / name)) for name in FILES}
    listed = {name: {"size": size, "sha256": digest} for name, (size, digest) in files.items()}
    content = json.dumps({"format": FORMAT, "kernel": kernel, "files": listed}, indent=1)
    with outputs.staging(out, *FILES, LIST) as stage:
        for name in FILES:
            shutil.copyfile(work / name, stage / name)
        (stage / LIST).write_text(content + "\n")
    return RamdiskFiles(out, kernel, files)


def bring(built: RamdiskFiles, out: Path) -> None:
    """Bring a built ramdisk into another folder: all of it, the list last, or nothing. Raises FileError."""
    with outputs.staging(out, *FILES, LIST) as stage:
        for name in (*FILES, LIST):
            shutil.copyfile(built.path(name), stage / name)
