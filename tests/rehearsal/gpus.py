"""`make rehearse-gpus`: eight stand-ins of GPUs on the real path, from deployment to certificate.

One QEMU host is deployed over PXE and accepted with eight healthy GPUs. Then each play of gpu_plays.py is put
on it over SSH, and it is verified again by what the worker itself calls. The product knows of none of this.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from provisioner import run
from provisioner.certificate import canonical
from provisioner.cli import rehearse as command
from provisioner.cli.output import info
from provisioner.cli.ramdisk import CACHE
from provisioner.deployment import acceptance
from provisioner.domain.acceptance import AcceptanceReport, Status
from provisioner.domain.event import Event
from provisioner.domain.profile import Gpu, Profile
from provisioner.lab import handover, inventory, network, supplies
from provisioner.lab.rehearsal import NAME, Options, Rehearsal, Scenario
from provisioner.system import outputs
from provisioner.worker import verification
from tests.rehearsal import gpu_host, gpu_plays
from tests.rehearsal.gpu_host import GpuHost
from tests.rehearsal.gpu_plays import BY_NAME, HEALTHY, PLAYS, Play

LIMIT = 600  # seconds for one verification
STANDS_IN = (
    "libnvidia-ml.so.1 is tests/wire/nvml/nvml.c, which answers from tests/golden/nvml",
    "the GPUs are QEMU's `edu` devices: over what the kernel says of such a function (vendor, device, class, "
    "driver, link, physfn) a folder is mounted; places, root ports and slots are the kernel's own",
    "the line of Xid 79 stands behind the kernel's own log in a file that is mounted over /dev/kmsg",
    "there is no NVIDIA driver (no /sys/module/nvidia), no NVSwitch, no Docker",
)
NO_WORDS: Mapping[str, str] = {}


def profile(image: str) -> Profile:
    """What the host must be; its owner keeps a way in, or nothing could be played once it is accepted."""
    gpu = Gpu(
        id="10de:2330",
        count=gpu_host.COUNT,
        name="H100 SXM",
        memory_min=80 << 30,
        link_width=gpu_plays.LANES,
        ecc=True,
        nvlinks=18,
        power_limit=700,
        mig=False,
        persistence=True,
        vbios=("96.00.89.00.01",),
    )
    return Profile(
        name=inventory.PROFILE,
        image=image,
        memory_min=inventory.MEMORY_MIN,
        gpus=(gpu,),
        gpu_driver="580",
        deadlines=inventory.DEADLINES,
        seal="keep-access",
    )


@dataclass(frozen=True)
class Played:
    """What came of a play: `sentences` are those of the checks that block, `seconds` of the verification."""

    play: str
    played_by: str
    verdict: str
    blocking: tuple[str, ...]
    sentences: tuple[str, ...]
    wanted: tuple[str, ...]
    report: str
    seconds: float
    is_right: bool


class EightGpus(Scenario):
    """Eight healthy GPUs are accepted; then what can be wrong with them is played, each verified again."""

    name = "gpus"
    extra_pci = gpu_host.devices()
    properties = gpu_host.SLOTS

    def __init__(self, plays: Sequence[Play]) -> None:
        self._plays = plays
        self._gate = ExitStack()
        self._host: GpuHost | None = None
        self.played: list[Played] = []

    def before(self, lab: Rehearsal) -> None:
        run.run(["ip", "address", "add", f"{gpu_host.OURS}/24", "dev", network.BRIDGE])
        self._gate.enter_context(gpu_host.gate())

    def on(self, lab: Rehearsal, event: Event) -> None:
        if event.kind == "os.phoned":
            self._host = GpuHost(lab)
            self._host.play(HEALTHY)
            self._gate.close()

    def after(self, lab: Rehearsal) -> None:
        host = self._host
        if host is None or (report := acceptance.last_report(host.site, NAME)) is None:
            lab.check("eight healthy GPUs", False, "the host was not verified")
            return
        self._note(lab, _judged(host, HEALTHY, report, NO_WORDS, 0))
        host.keep_key()
        for play in self._plays:
            lab.options.log(f"playing {play.name}")
            host.play(play)
            self._verify(lab, host, play)

    def _verify(self, lab: Rehearsal, host: GpuHost, play: Play) -> None:
        """By what the worker calls at the stage `verifying`, of a deployment that is at rest."""
        usual = lab._inventory_profile()
        lab.service.client.apply([], [gpu_plays.profile_of(play, usual)])
        before, began = acceptance.last_report(host.site, NAME), time.monotonic()
        seen = verification.examine(host.site, host.row, on_task=lambda task: None, seconds=LIMIT)
        seconds = time.monotonic() - began
        if seen.report is None or before is None:
            lab.check(play.name, False, "; ".join(seen.verdict.sentences))
            return
        with host.site.database.writing():
            host.site.database.acceptance_reports.add(seen.report)
        report = canonical.read(seen.report.body.encode())
        self._note(lab, _judged(host, play, report, _words(before), seconds))
        is_accepted, name = play.verdict == "accepted", f"{play.name}: the certificate"
        handover.check_report(lab, NAME, report.report_id, is_accepted=is_accepted, name=name)

    def _note(self, lab: Rehearsal, played: Played) -> None:
        self.played.append(played)
        told = "; ".join(played.sentences) or "nothing blocks"
        lab.check(played.play, played.is_right, f"{played.verdict}: {told}")


def _judged(
    host: GpuHost, play: Play, report: AcceptanceReport, words: Mapping[str, str], seconds: float
) -> Played:
    """Whether the verdict is the play's, and by its checks and with its sentences alone.

    After a failed sanity check the later ones are left out, which blocks, too, and is not told again.
    """
    found = [check for check in report.checks if check.is_blocking and check.status is not Status.SKIPPED]
    sentences = tuple(check.reason for check in found)
    wanted = tuple(gpu_plays.sentences(play, host.stage, **words))
    blocking = tuple(dict.fromkeys(check.id for check in found))
    is_right = (report.verdict.status, set(blocking)) == (play.verdict, set(play.blocking))
    is_right = is_right and set(wanted) == set(sentences)
    return Played(
        *(play.name, play.by, report.verdict.status, blocking, sentences, wanted),
        *(report.report_id, round(seconds, 1), is_right),
    )


def _words(before: AcceptanceReport) -> dict[str, str]:
    """What sentences say of the last report, and of the BIOS as it was read then."""
    bios = next(one for one in before.host.firmware if one.part == "bios")
    return {"report": before.report_id, "bios": bios.place, "bios_version": bios.version}


class GpuRehearsal(Rehearsal):
    """One host whose profile names eight GPUs and their driver."""

    def _inventory_profile(self) -> Profile:
        return profile(self.report.image.name.partition("@")[0])


def table(played: Sequence[Played]) -> list[str]:
    """For people: what was played, by what, what came of it."""
    lines = []
    for one in played:
        sign, blocking = "✓" if one.is_right else "✗", ", ".join(one.blocking) or "-"
        lines.append(f"{sign} {one.play:<18} {one.played_by:<18} {one.verdict:<9} {blocking}")
        lines += [f"    {sentence}" for sentence in one.sentences]
    return lines


def rehearse(plays: Sequence[Play], options: Options, target: Path | None) -> bool:
    """Deploy, play, print; `target` gets all of it as JSON. Whether it went as it must."""
    scenario = EightGpus(plays)
    report = GpuRehearsal(options, scenario).run()
    body = report.as_data() | {
        "stands_in": STANDS_IN,
        "plays": [asdict(one) for one in scenario.played],
    }
    if target:
        outputs.write(target, json.dumps(body, indent=2, ensure_ascii=False) + "\n")
    for line in (*report.lines(), "", *table(scenario.played), "", "What stands in:", *STANDS_IN):
        info(line)
    is_good = report.is_good and len(scenario.played) == len(plays) + 1
    if not is_good:
        kept = options.cache / "failed" / time.strftime("%Y%m%d-%H%M%S")
        info(f"the logs are kept in {command._rescue(options.folder, kept)}")
        command._autopsy(report, options.folder)
    return is_good


def main(argv: list[str]) -> int:
    """0 where every play has its verdict, its checks and its sentences, else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plays", nargs="*", metavar="PLAY", help="all, unless some are named")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--label", default="", help="the commit")
    parser.add_argument("--report", type=Path, help="write the result as JSON")
    parser.add_argument("--keep", type=Path, help="a new folder that keeps disks, logs and state")
    wanted = parser.parse_args(argv)
    if unknown := set(wanted.plays) - set(BY_NAME):
        parser.error(f"no such play: {', '.join(sorted(unknown))}; there are {', '.join(BY_NAME)}")
    if not network.inside():
        network.check()
        supplies.stock(wanted.cache, info)
        network.replace([sys.executable, "-m", "tests.rehearsal.gpus", *argv])
    plays = [play for play in PLAYS if play.name in wanted.plays or not wanted.plays]
    with tempfile.TemporaryDirectory(prefix="gpus-") as name:
        folder = wanted.keep.absolute() if wanted.keep else Path(name)
        folder.mkdir(exist_ok=True)
        options = Options(wanted.cache.absolute(), folder, info, label=wanted.label)
        return 0 if rehearse(plays, options, wanted.report) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
