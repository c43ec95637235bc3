"""What the machines of a site are made of: two releases' bundles, disks, the inventory of a lab host."""

import json
import re
import shutil
import sys
from pathlib import Path

from provisioner import __version__, ramdisk, run
from provisioner.cli.ramdisk import CACHE
from provisioner.domain.profile import Hints
from provisioner.domain.stage import Stage
from provisioner.golden import base
from provisioner.imaging import signature
from provisioner.lab import inventory, supplies

ROOT = Path(__file__).parents[2]
SCRIPTS = tuple(Path(__file__).with_name(name) for name in ("installed.sh", "restored.sh", "site_steps.sh"))
NEXT = "0.1.1"
SIZE = 8 << 30  # bytes of the system's disk, most of them holes
CARRIED = 2 << 30  # bytes of the disk that carries a backup
HOST, MAC, SERIAL = "vault-1", "52:54:00:77:05:01", "LAB0501"
BMC = "10.77.1.1"
# seconds; a service in an emulated machine beside another one is slower than any server
DEADLINES = {
    Stage.POWERING: 900,
    Stage.NETBOOTING: 1800,
    Stage.WRITING: 3600,
    Stage.RESTARTING: 1800,
    Stage.VERIFYING: 1800,
}
CARD = "52:54:00:77:05:99"  # of each machine of the site
NETWORK = f"""version: 2
ethernets:
  lan:
    match: {{macaddress: "{CARD}"}}
    addresses: [10.77.0.1/24]
    accept-ra: false
"""


def make(folder: Path, password: str) -> None:
    """The disks PACKAGES and CARRY, and a system's for each of two machines; some minutes."""
    signature.keygen(folder, "release")
    stocked = supplies.provide(CACHE, print)
    for ending in ("", ".json", ".json.minisig"):
        shutil.copyfile(f"{stocked.pack}{ending}", folder / f"lab.pack{ending}")
    ramdisk.build(folder / "ramdisk", cache=CACHE / "ramdisk", keys=[stocked.public_key])
    more = ("--image", folder / "lab.pack", "--trust", stocked.public_key, "--ramdisk", folder / "ramdisk")
    site = bundle(folder / "site.bundle", package(ROOT, folder / "first"), folder / "release.key", more)
    later = package(next_release(folder / "next"), folder / "second")
    upgrade = bundle(folder / "next.bundle", later, folder / "release.key", ())
    (folder / "password").write_text(password)
    write_inventory(folder / "inventory", stocked.image.partition("@")[0])
    given = (site, upgrade, folder / "release.pub", folder / "password", folder / "inventory", *SCRIPTS)
    fat(folder / "packages.raw", "PACKAGES", sum(map(_size, given)) + (64 << 20), given)
    fat(folder / "carry.raw", "CARRY", CARRIED, ())
    bare = folder / "bare.raw"
    base.build(bare, name="test-os", version="1", cache=CACHE / "base")
    for role in ("installed", "restored"):
        run.run(["cp", "--sparse=always", bare, folder / f"{role}.raw"], timeout=600)
        seed(folder / f"{role}.raw", role)


def package(checkout: Path, out: Path) -> Path:
    """The Debian package of a checkout; its own modules come before this process's."""
    argv = [sys.executable, checkout / "debian" / "build.py", "--out", out, "--level", "1"]
    made = run.run(argv, timeout=1800, cwd=checkout, env={"PYTHONPATH": str(checkout)})
    return Path(made.stdout.decode().splitlines()[-1])


def next_release(target: Path) -> Path:
    """A copy of this checkout with a later version, and with another file of settings."""
    listed = run.text(["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
    for name in ("pyproject.toml", "provisioner/__init__.py"):
        text, count = re.subn(
            rf'(version_* = )"{re.escape(__version__)}"', rf'\1"{NEXT}"', (target / name).read_text()
        )
        assert count == 1, name
        (target / name).write_text(text)
    with (target / "systemd" / "provisioner.toml").open("a") as file:
        file.write("\n# A line that the release before had not.\n")
    for words in (
        ("init", "-q"),
        ("add", "-A"),
        ("-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x"),
    ):
        run.run(["git", "-C", target, *words])
    return target


def bundle(out: Path, deb: Path, key: Path, more: tuple[str | Path, ...]) -> Path:
    """A signed bundle, made by the command."""
    words = ("bundle", "make", out, "--deb", deb, "--sign", key, *more)
    run.run([sys.executable, "-m", "provisioner", *words], timeout=1800, cwd=ROOT)
    return out


def write_inventory(folder: Path, image: str) -> None:
    """The lab's host, as an operator writes it."""
    folder.mkdir()
    host = {
        "macs": [MAC],
        "profile": inventory.PROFILE,
        "serial_number": SERIAL,
        "bmc": {"driver": "ipmi", "address": BMC, "secret": inventory.USER},
    }
    whole = inventory.profile(image, Hints(), 1, DEADLINES)
    profile = whole.model_dump(mode="json", exclude_defaults=True, exclude={"name"})
    hosts = {"all": {"children": {"lab": {"hosts": {HOST: host}}}}}
    (folder / "hosts.yml").write_text(json.dumps(hosts, indent=1))
    (folder / "profiles.yml").write_text(json.dumps({inventory.PROFILE: profile}, indent=1))


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 1 << 20


def fat(path: Path, label: str, size: int, given: tuple[Path, ...]) -> None:
    """A disk without partitions that holds the files and folders."""
    with path.open("wb") as disk:
        disk.truncate(size >> 20 << 20)
    run.run(["mkfs.vfat", "-F", "32", "-n", label, path])
    if given:
        run.run(["mcopy", "-s", "-i", path, *given, "::"], timeout=600)


def seed(path: Path, role: str) -> None:
    """Make the first start of a system's disk run the script ROLE.sh of the disk PACKAGES."""
    user_data = f"""#cloud-config
runcmd:
- [mkdir, -p, /mnt/packages, /mnt/carry]
- [mount, -o, ro, LABEL=PACKAGES, /mnt/packages]
- [mount, LABEL=CARRY, /mnt/carry]
- [sh, /mnt/packages/{role}.sh]
"""
    texts = {
        "user-data": user_data,
        "meta-data": f"instance-id: i-{role}\nlocal-hostname: {role}\n",
        "network-config": NETWORK,
    }
    folder = path.with_name(f"{role}-seed")
    folder.mkdir()
    for name, text in texts.items():
        (folder / name).write_text(text)
    listed = run.text(["sfdisk", "--json", path])
    parts = {
        match[2].lower(): int(match[1])
        for match in re.finditer(r'"start": (\d+),[^}]*?"name": "([^"]+)"', listed, flags=re.DOTALL)
    }
    place = f"{path}@@{parts['cidata'] * 512}"
    run.run(["mcopy", "-o", "-i", place, *(folder / name for name in texts), "::"])
    with path.open("r+b") as disk:
        disk.truncate(SIZE)
