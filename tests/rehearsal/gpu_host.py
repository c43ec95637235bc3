"""What stands for a host's GPUs is put on it over SSH; and the deployed host of rehearse-gpus."""

import io
import json
import shlex
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from provisioner import run, settings
from provisioner.lab import network
from provisioner.lab.rehearsal import Rehearsal
from provisioner.site import opened_secrets
from provisioner.site.site import Site
from provisioner.state import secret_keys
from provisioner.state.database import Database
from provisioner.state.sealed_secrets import SSH_KEY
from provisioner.verify import ssh
from provisioner.worker import verification
from tests.rehearsal import gpu_plays
from tests.rehearsal.gpu_plays import Play, Stage
from tests.rehearsal.programs.stand_for_gpus import Found
from tests.wire import nvmllab

PROGRAM = Path(__file__).with_name("programs") / "stand_for_gpus.py"
SCENARIO = "/run/nvml-scenario"  # of the library, on the host
PLACES = {  # on the host; the first is where an image keeps what only the product needs
    "pynvml.py": "opt/provisioner/python/pynvml.py",
    "libnvidia-ml.so.1": "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1",
}
OURS = "10.77.0.2"  # the rehearsal's own address, which the gate lets through
GATE = "ip saddr %s tcp dport 22 reject with tcp reset"
CHAIN = "table ip gate { chain out { type filter hook output priority 0; %s; }; }"
COUNT = 8
# QEMU's ACPI tables name every slot 0; the kernel's own driver names them as the root ports do
SLOTS = ("ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off",)
OnHost = Callable[[str, bytes], bytes]  # what a command prints there that is given this; raises ProgramError
PATIENT = ("-o", "ConnectionAttempts=30", "-b", OURS)


def devices() -> tuple[str, ...]:
    """Eight slots of sixteen lanes with a device each; two more in the first can be virtual functions."""
    words = []
    for slot in range(1, COUNT + 1):
        words.append(f"pcie-root-port,id=gpu{slot},chassis={slot},slot={slot},x-width=16,x-speed=16")
        words.append(f"edu,bus=gpu{slot},addr=0.0,multifunction=on")
    return (*words, "edu,bus=gpu1,addr=0.4", "edu,bus=gpu1,addr=0.5")


@contextmanager
def gate() -> Iterator[None]:
    """Meanwhile the service does not reach a host by SSH, as if it still booted: its verification waits."""
    run.run(["nft", CHAIN % GATE % network.ADDRESS.partition("/")[0]])
    try:
        yield
    finally:
        run.run(["nft", "delete", "table", "ip", "gate"])


def install(on_host: OnHost, folder: Path) -> Stage:
    """Put the library and nvidia-ml-py on a host; which functions it has, those in slots in their order."""
    built = nvmllab.library(folder, place=SCENARIO)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, place in PLACES.items():
            archive.add(built / name, place)
    on_host("sudo tar -x --no-same-owner -C /", packed.getvalue())
    found: Found = json.loads(_put(on_host, json.dumps(gpu_plays.NOTHING)))
    slots = {f"{address}.0": name for address, name in found["slots"].items()}
    gpus = [place for place in found["functions"] if place in slots]
    others = [place for place in found["functions"] if place not in slots]
    return Stage(tuple(sorted(gpus, key=lambda place: int(slots[place]))), tuple(others))


def put(on_host: OnHost, play: Play, stage: Stage) -> None:
    """Put a play on a host, in place of the one before."""
    _put(on_host, json.dumps(gpu_plays.wanted(play, stage)))
    on_host(f"sudo tee {SCENARIO}", nvmllab.scenario(gpu_plays.case_of(play, stage)).encode())


def _put(on_host: OnHost, wanted: str) -> bytes:
    return on_host(f"sudo python3 - {shlex.quote(wanted)}", PROGRAM.read_bytes())


class GpuHost:
    """The host, reached with the deployment's key from an address that no gate is for."""

    def __init__(self, lab: Rehearsal) -> None:
        lan = {"interface": network.BRIDGE, "address": network.ADDRESS}
        known = settings.load(lab.folder / "provisioner.toml", state=lab.service.state, **lan)
        self.site = Site(known, Database(lab.service.state), opener=secret_keys.look(known))
        self.row = self.site.database.deployments.get(lab.deployment.id)
        self._key = opened_secrets.read(self.site, SSH_KEY, self.row.id)
        self._folder = lab.folder / "gpu-host"
        self._folder.mkdir()
        self.stage = install(self._run, self._folder / "nvml")

    def keep_key(self) -> None:
        """Once more ours: it went with the deployment, which is over; the host still lets it in."""
        with self.site.database.writing():
            self.site.database.secrets.put(SSH_KEY, self.row.id, self._key, now=self.site.clock())

    def play(self, play: Play) -> None:
        """Put a play on the host, in place of the one before."""
        put(self._run, play, self.stage)

    def _run(self, command: str, stdin: bytes) -> bytes:
        """What a command prints there. Raises ProgramError."""
        with (
            verification._target(self.site, self.row) as target,
            ssh.route(target, self._folder) as route,
        ):
            return run.run(["ssh", *PATIENT, *ssh.login(route), command], stdin=stdin, timeout=300).stdout
