"""The golden image, booted, judges itself: `provision verify --local`, with eight stand-ins of GPUs."""

import json
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from provisioner import cli, run
from provisioner.certificate import canonical
from provisioner.cli.ramdisk import CACHE
from provisioner.cloudinit import nocloud
from provisioner.domain.acceptance import AcceptanceReport
from provisioner.errors import Exit
from provisioner.golden import inspection
from provisioner.lab import qemu
from tests.ports import free_port
from tests.rehearsal import gpu_host, gpu_plays
from tests.rehearsal.gpu_plays import BY_NAME, HEALTHY, MISSING, Play, Stage

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

IMAGES = Path(os.environ.get("IMAGE_OUT", "dist/image"))  # of `make image`
MAC = "52:54:00:00:00:01"
BOOT_LIMIT = 600.0  # seconds from power-on to sshd, on a loaded machine
PATIENCE = 300.0  # seconds for a command there
NOWHERE = "http://10.0.2.2:9"  # of the service that the host would phone home to
PROFILE = {
    "gpu_driver": 580,
    "gpus": [
        {
            "id": "10de:2330",
            "count": gpu_host.COUNT,
            "name": "H100 SXM",
            "memory_min": "80G",
            "link_width": gpu_plays.LANES,
            "ecc": True,
            "nvlinks": 18,
            "power_limit": 700,
            "mig": False,
            "persistence": True,
            "vbios": ["96.00.89.00.01"],
        }
    ],
}
VERIFY = "verify --local --profile cube.yml"
SIGNED = f"{VERIFY} --key cube.key --to report.json"


class Console:
    """What a machine says on its serial line; a thread reads it, so that it never waits for us."""

    def __init__(self, process: run.Process) -> None:
        self._process, self._said, self._news = process, "", threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def await_line(self, pattern: str, limit: float) -> None:
        """Raises AssertionError with its last words where it does not come in so many seconds."""
        with self._news:
            self._news.wait_for(lambda: re.search(pattern, self._said), limit)
            assert re.search(pattern, self._said), self._said[-4000:]

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            with self._news:
                self._said += line.decode(errors="replace")
                self._news.notify_all()


@dataclass(frozen=True)
class Cube:
    """The booted image, reached by SSH as the deployment's user; `folder` is here."""

    folder: Path
    port: int
    console: Console

    def run(self, command: str, stdin: bytes = b"") -> bytes:
        """What a command prints there. Raises ProgramError."""
        return run.run([*self._ssh(), command], stdin=stdin, timeout=PATIENCE).stdout

    def provision(self, words: str, before: str = "") -> tuple[int, str]:
        """The exit code of the image's own `provision`, as root, and all that it says."""
        command = f"sudo {before} provision {words} 2>&1"
        done = run.run([*self._ssh(), command], timeout=PATIENCE, check=False)
        return done.returncode, done.stdout.decode()

    def fetch(self, name: str) -> Path:
        """A file of root's in the user's folder there, as one here."""
        (self.folder / name).write_bytes(self.run(f"sudo cat {name}"))
        return self.folder / name

    def await_login(self) -> None:
        """Once sshd has begun it may refuse for a moment, as the account is made by another program."""
        self.console.await_line(r"(?i)started .*ssh|login: ", BOOT_LIMIT)
        until = time.monotonic() + PATIENCE
        while run.run([*self._ssh(), "true"], check=False, timeout=60).returncode:
            assert time.monotonic() < until, "nobody can log in"

    def _ssh(self) -> list[str]:
        known = self.folder / "known_hosts"
        options = ("StrictHostKeyChecking=accept-new", f"UserKnownHostsFile={known}", "BatchMode=yes")
        words = [word for option in options for word in ("-o", option)]
        key = str(self.folder / "ssh")
        return ["ssh", "-F", "none", *words, "-i", key, "-p", str(self.port), f"{nocloud.USER}@127.0.0.1"]


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cube]:
    raws = sorted(IMAGES.glob("vault-os-*.raw"))
    if not raws:
        pytest.skip(f"no golden image in {IMAGES}: make image builds it")
    folder = tmp_path_factory.mktemp("cube")
    run.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "ssh"])
    with booted(overlay(raws[-1], folder), folder) as found:
        found.await_login()
        found.run("tee cube.yml", yaml.safe_dump({"cube": PROFILE}).encode())
        yield found


@pytest.fixture(scope="module")
def stage(cube: Cube) -> Stage:
    found = gpu_host.install(cube.run, cube.folder / "nvml")
    assert len(found.gpus) == gpu_host.COUNT
    return found


@pytest.fixture(scope="module")
def public_key(cube: Cube) -> Path:
    """Of a key that was made on the cube, by its own command."""
    code, said = cube.provision("certificate keygen cube")
    assert code == Exit.DONE, said
    return cube.fetch("cube.pub")


def overlay(raw: Path, folder: Path) -> Path:
    """A disk that begins as the image and has the seed of a deployment; nothing is written into the image."""
    seed = nocloud.build(
        deployment="d-TEST",
        hostname="vc-1",
        deploy_mac=MAC,
        server=NOWHERE,
        token="none",
        public_key=(folder / "ssh.pub").read_text().strip(),
    )
    place = next(part for part in inspection.partitions(raw) if part.name == "cidata")
    with raw.open("rb") as file:
        file.seek(place.offset)
        (folder / "cidata").write_bytes(file.read(place.length))
    for name, text in seed.items():
        run.run(["mcopy", "-o", "-i", folder / "cidata", "-", f"::{name}"], stdin=text.encode())
    disk = folder / "disk.qcow2"
    run.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", raw.absolute(), disk, "8G"])
    write = f"write -s {folder / 'cidata'} {place.offset} {place.length}"
    run.run(["qemu-io", "-f", "qcow2", "-c", write, disk])
    return disk


@contextmanager
def booted(disk: Path, folder: Path) -> Iterator[Cube]:
    """A machine that nothing can be reached from: its only way is ours to its SSH (QEMU's restrict=on)."""
    port = free_port()
    shutil.copyfile(qemu.VARIABLES, folder / "variables.fd")
    argv = [
        *(qemu.PROGRAM, "-nodefaults", "-no-user-config", "-display", "none", "-vga", "std"),
        *qemu.base(qemu.choose_accelerator(CACHE / "accelerator.json")),
        *("-m", "2048", "-smp", "2", "-device", "virtio-rng-pci"),
        *("-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={qemu.FIRMWARE}"),
        *("-drive", f"if=pflash,format=raw,unit=1,file={folder / 'variables.fd'}"),
        *("-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"),
        *("-drive", f"if=none,id=disk,format=qcow2,file={disk}"),
        *("-device", "virtio-blk-pci,drive=disk,serial=CUBE1,bootindex=1"),
        *("-netdev", f"user,id=lan,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22"),
        *("-device", f"virtio-net-pci,netdev=lan,mac={MAC},romfile="),
        *(word for one in gpu_host.SLOTS for word in ("-global", one)),
        *(word for device in gpu_host.devices() for word in ("-device", device)),
    ]
    process = run.start(argv, stdout=run.PIPE)
    try:
        yield Cube(folder, port, Console(process))
    finally:
        run.stop(process)


def signed(cube: Cube, public_key: Path) -> AcceptanceReport:
    """The report that the cube has signed: for whom it is given to, by our program and by minisign alone."""
    report = cube.fetch("report.json")
    cube.fetch("report.json.minisig")
    said = run.text(["minisign", "-V", "-p", public_key, "-m", report])
    assert "Signature and comment signature verified" in said
    return canonical.read(report.read_bytes())


def certificate(cube: Cube, public_key: Path) -> int:
    report = cube.folder / "report.json"
    none = ("--state", str(cube.folder / "none"))
    return cli.run(["certificate", "verify", str(report), "--key", str(public_key), *none])


def test_a_healthy_cube_accepts_itself_and_signs_it(cube: Cube, stage: Stage, public_key: Path) -> None:
    gpu_host.put(cube.run, HEALTHY, stage)
    code, said = cube.provision(SIGNED)
    assert code == Exit.DONE, said
    assert "accepted" in said and "signed by the key" in said
    report = signed(cube, public_key)
    assert certificate(cube, public_key) == Exit.DONE
    assert report.verdict.status == "accepted"
    subject = report.subject
    assert (subject.name, subject.image.name) == ("vc-1", "vault-os-debian")
    assert [gpu.pci_bus_id for gpu in report.gpus] == list(stage.gpus)
    assert [gpu.slot for gpu in report.gpus] == [str(number) for number in range(1, gpu_host.COUNT + 1)]
    assert report.started_at < report.finished_at


def test_without_a_key_it_says_the_same_and_signs_nothing(cube: Cube, stage: Stage) -> None:
    """In a network namespace that has nothing but an interface that is down: no network is asked."""
    gpu_host.put(cube.run, HEALTHY, stage)
    code, said = cube.provision(f"{VERIFY} -o json", before="unshare --net")
    assert code == Exit.DONE, said
    found = json.loads(said[said.index("{") :])["verification"]
    assert (found["verdict"], found["report"], found["key_id"]) == ("accepted", "", "")


@pytest.mark.parametrize("play", [MISSING, BY_NAME["not-in-nvml"]], ids=lambda play: play.name)
def test_a_cube_that_lacks_a_gpu_rejects_itself_and_names_the_slots(
    cube: Cube, stage: Stage, public_key: Path, play: Play
) -> None:
    """No report of before is at hand: of one that is nowhere, it says in which slots the others are."""
    gpu_host.put(cube.run, play, stage)
    code, said = cube.provision(SIGNED)
    assert code == Exit.REJECTED and "(PV-501)" in said, said
    report = signed(cube, public_key)
    assert certificate(cube, public_key) == Exit.REJECTED
    assert report.verdict.status == "rejected"
    [check] = [one for one in report.checks if one.status == "fail"]
    wanted = {
        "missing": "8 GPUs 10de:2330 (H100 SXM) expected, NVML shows 7; they are in slot 1, slot 2, slot 4, "
        "slot 5, slot 6, slot 7 and slot 8",
        "not-in-nvml": f"GPU {stage.gpus[2]} in slot 3 (10de:2330, no driver bound) is on the PCI bus and "
        "missing from NVML",
    }[play.name]
    assert check.reason == wanted and wanted in " ".join(said.split())


def test_the_cube_reaches_nobody(cube: Cube) -> None:
    """What was proven above was proven without a network: not even the machine that it runs on answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        there = f"/dev/tcp/10.0.2.2/{server.getsockname()[1]}"
        said = cube.run(f"timeout 5 bash -c 'echo >{there}' 2>/dev/null; echo $?")
        assert said.strip() != b"0"
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()
