"""Rehearsals as pages tell of them: what can be rehearsed, and the report that one leaves."""

from typing import NamedTuple

from pydantic import ConfigDict

from provisioner.domain.values import FrozenModel, Words


class RehearsalScenario(NamedTuple):
    """What can be rehearsed: its name, what `provision rehearse` is told for it, what happens in it."""

    name: str
    arguments: str
    sentence: str


SCENARIOS = (
    RehearsalScenario(
        "deploy", "", "Nothing goes wrong. Afterwards the host boots from the network once more."
    ),
    RehearsalScenario(
        "power-cut",
        "--fault power-cut",
        "The host loses its power in the middle of writing, once, and stays off: its silence is noticed.",
    ),
    RehearsalScenario(
        "power-cut-older",
        "--fault power-cut-older",
        "The same on a disk that holds an older image; somebody presses the button, disk first.",
    ),
    RehearsalScenario(
        "kills",
        "--fault kills",
        "kill -9 of the web service while netbooting, the worker while writing, the parent while verifying.",
    ),
    RehearsalScenario(
        "corrupt-pack",
        "--fault corrupt-pack",
        "One byte of the image is changed on the server after it was added.",
    ),
    RehearsalScenario(
        "plain-rom",
        "--fault plain-rom",
        "A card under BIOS that is not iPXE: it gets undionly.kpxe by TFTP, at both boots from the network.",
    ),
    RehearsalScenario(
        "two-disks", "--fault two-disks", "Two disks fit the profile's hints: neither may be touched."
    ),
    RehearsalScenario(
        "hinted-disk",
        "--fault hinted-disk",
        "Two disks, and the profile's hint means the second: it is written and booted, the first is not.",
    ),
    RehearsalScenario(
        "4kn",
        "--fault 4kn",
        "The disk has sectors of 4096 bytes, the image was made for 512: it must be refused untouched.",
    ),
    RehearsalScenario(
        "missing-gpu", "--fault missing-gpu", "The profile expects one PCI device more than there is."
    ),
    RehearsalScenario(
        "redeploy",
        "--fault redeploy",
        "The host is deployed, boots, and is deployed twice more: most of what it holds is right already.",
    ),
    RehearsalScenario(
        "foreign-key",
        "--fault foreign-key",
        "The service trusts a key that the ramdisk does not know: what it signed is never written.",
    ),
    RehearsalScenario(
        "verify-ramdisk",
        "--fault verify-ramdisk",
        "After the deployment the host is verified from the ramdisk: nothing on its disk may change.",
    ),
    RehearsalScenario("fleet", "--hosts 3", "All hosts are well."),
    RehearsalScenario(
        "fleet-mixed",
        "--hosts 3 --fault fleet-mixed",
        "The second host's BMC is dead, the third has no disk; the others must not mind.",
    ),
    RehearsalScenario(
        "fleet-power-cut",
        "--hosts 4 --max-parallel 4 --fault fleet-power-cut",
        "All write at once and feed each other; the second loses its power in the middle, once.",
    ),
)


class _Told(FrozenModel):
    """A key that this release does not know is skipped: another one may have written it."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class RehearsalCheck(_Told):
    """One thing that had to hold, and what was seen."""

    name: Words
    ok: bool
    seen: Words = ""


class RehearsalStage(_Told):
    """How many seconds a stage of the deployment took."""

    name: Words
    seconds: float


class RehearsedHost(_Told):
    """How one host fared; `diagnosis` is empty where all is well."""

    name: Words
    mac: Words = ""
    firmware: Words = ""
    disk: Words = ""
    result: Words = ""
    diagnosis: Words = ""
    seconds: float = 0


class RehearsedImage(_Told):
    """What was deployed: NAME@VERSION, bytes unpacked and packed; empty for none."""

    name: Words = ""
    raw: int = 0
    pack: int = 0


class RehearsalReport(_Told):
    """What `provision rehearse` writes; seconds are of the wall clock."""

    scenario: Words
    firmware: Words = ""
    result: Words = ""
    seconds: float = 0
    stages: tuple[RehearsalStage, ...] = ()
    hosts: tuple[RehearsedHost, ...] = ()
    image: RehearsedImage = RehearsedImage()
    accelerator: Words = ""
    checks: tuple[RehearsalCheck, ...] = ()
    versions: dict[Words, Words] = {}
    label: Words = ""

    @property
    def is_good(self) -> bool:
        """Whether every check holds, and there is one."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    @property
    def slowest(self) -> float:
        """Seconds of its longest stage."""
        return max((stage.seconds for stage in self.stages), default=0.0)
