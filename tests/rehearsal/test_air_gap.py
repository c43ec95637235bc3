"""The air gap against what image builds run in it: QEMU's user network, and the base image's builder."""

import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from provisioner import run
from provisioner.mirror import make, signing
from provisioner.system import shipped

PROGRAMS = Path(__file__).with_name("programs")

pytestmark = pytest.mark.long
PROVISION = (sys.executable, "-m", "provisioner")
NAME = "apt.vaultcube.local"
# iPXE, QEMU's own ROM, fetches what its DHCP server names: by user-mode networking's resolver and sockets
QEMU = (
    *("qemu-system-x86_64", "-accel", "tcg", "-m", "256", "-nographic", "-no-reboot"),
    *("-boot", "order=n,reboot-timeout=0", "-nic"),
)


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in's mirror, whole, from the committed lock."""
    folder = tmp_path_factory.mktemp("mirror")
    key, _ = signing.keygen(folder, "site")
    make.make(shipped.file("images", "locks/debian-12.yml"), folder / "m", key)
    return folder / "m"


def in_gap(
    mirror: Path, report: Path, *command: str | Path, timeout: float = 100
) -> tuple[int, dict[str, Any], str]:
    words = ["mirror", "airgap", "--mirror", mirror, "--report", report, "--", *command]
    done = run.run([*PROVISION, *words], check=False, timeout=timeout)
    return done.returncode, json.loads(report.read_text()), done.stdout.decode(errors="replace")


@pytest.mark.timeout(200)
@pytest.mark.parametrize(
    ("url", "heard", "attempts"),
    [
        # the mirror's own 404, so that QEMU ends; iPXE's number is "DNS name does not exist"
        (f"http://{NAME}/nothing", "No such file or directory", set()),
        ("http://images.example.net/x", "ipxe.org/3e11613b", {("images.example.net", "dns", 53)}),
        ("http://198.51.100.9:8000/x", "Connection reset", {("198.51.100.9", "tcp", 8000)}),
    ],
)
def test_what_a_guest_asks_through_qemus_network_is_seen(
    mirror: Path, tmp_path: Path, url: str, heard: str, attempts: set[tuple[str, str, int]]
) -> None:
    command = (*QEMU, f"user,model=virtio-net-pci,bootfile={url}")
    code, account, console = in_gap(mirror, tmp_path / "gap.json", *command, timeout=180)
    rows = account["attempts"]
    assert {(row.get("name") or row["address"], row["protocol"], row["port"]) for row in rows} == attempts
    assert code == (6 if attempts else 0), console
    assert url in console and heard in console, console


@pytest.mark.timeout(1800)
def test_the_base_image_is_built_from_the_mirror_alone(mirror: Path, tmp_path: Path) -> None:
    words = (f"http://{NAME}/apt", mirror / "site-mirror.gpg", tmp_path, "mirror")
    command = (sys.executable, PROGRAMS / "base_packages.py", *words)
    code, account, said = in_gap(mirror, tmp_path / "gap.json", *command, timeout=1700)
    assert (code, account["count"]) == (0, 0), account
    with tarfile.open(said.strip()) as tree:
        source = tree.extractfile("./etc/apt/sources.list")
        assert source
        assert source.read().decode() == (
            f"deb [signed-by=/etc/apt/keyrings/site-mirror.gpg] http://{NAME}/apt bookworm main\n"
        )
        key = tree.extractfile("./etc/apt/keyrings/site-mirror.gpg")
        assert key and key.read() == (mirror / "site-mirror.gpg").read_bytes()
