"""`provision rehearse`: deploy a virtual machine exactly as the real ones are deployed."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioner.cli.common import say
from provisioner.cli.deploy import STAGES
from provisioner.cli.ramdisk import CACHE
from provisioner.errors import Exit, InputError

if TYPE_CHECKING:
    from provisioner.lab.rehearsal import Fault
    from provisioner.lab.report import Report

FAULTS = ("power-cut", "power-cut-older", "kills", "corrupt-pack", "two-disks", "missing-gpu")
LONGEST = 60  # characters of the folder: names of Unix sockets end at 107
EVIDENCE = ("*.log", "*.png", "*/*.log", "state/logs/*")


@click.command()
@click.option("--firmware", type=click.Choice(["uefi"]), default="uefi", help="The host's firmware.")
@click.option(
    "--bmc", type=click.Choice(["ipmi", "redfish"]), default="ipmi", show_default=True, help="The host's BMC."
)
@click.option("--stop-after", type=click.Choice(STAGES), help="End the deployment after a stage.")
@click.option("--fault", type=click.Choice(FAULTS), help="Break something on purpose.")
@click.option("--faults", "all_faults", is_flag=True, help="Every fault, one rehearsal after the other.")
@click.option("--report", "path", type=click.Path(path_type=Path), help="Write the result as JSON.")
@click.option(
    "--keep", type=click.Path(path_type=Path), help="Keep disks, logs and state there; an empty folder."
)
@click.option(
    "--cache", type=click.Path(path_type=Path), default=CACHE, help="Keeps what takes long to build."
)
@click.option("--label", default="", help="A text for the report, such as a commit id.")
def rehearse(
    firmware: str,
    bmc: str,
    stop_after: str | None,
    fault: str | None,
    all_faults: bool,
    path: Path | None,
    keep: Path | None,
    cache: Path,
    label: str,
) -> int:
    """Deploy a QEMU machine: real firmware, a BMC's protocol, PXE, image, first boot and Ansible.

    It happens in a network namespace of its own, with the same service and the same protocols as on
    hardware, and needs no root. A second machine that nobody ordered must keep its disk meanwhile.
    """
    from provisioner.lab import network, supplies
    from provisioner.lab.report import write
    from provisioner.lab.scenarios import FAULTS as KINDS
    from provisioner.lab.scenarios import Deploy

    wanted: list[Callable[[], Fault]] = [Deploy]
    if fault or all_faults:
        wanted = [KINDS[name] for name in ([fault] if fault else FAULTS)]
    if not network.inside():
        _check(keep)
        network.check()
        # what comes over the network is fetched here: inside, there is only the lab's own
        supplies.stock(cache.absolute(), say)
        network.enter()
    reports = [_one(make(), keep, cache.absolute(), stop_after or "", label, bmc) for make in wanted]
    if path:
        write(path, reports)
    return Exit.DONE if all(report.is_good for report in reports) else Exit.FAILED


def _check(keep: Path | None) -> None:
    if keep and len(str(keep.absolute())) > LONGEST:
        raise InputError(
            f"--keep: {keep.absolute()} is too long a path for its Unix sockets",
            hint="take a folder with a shorter name",
        )
    if keep and keep.exists() and any(keep.iterdir()):
        raise InputError(f"--keep: {keep} is not empty", hint="give a new folder")


def _one(fault: "Fault", keep: Path | None, cache: Path, stop_after: str, label: str, bmc: str) -> "Report":
    from provisioner.lab.rehearsal import Options, Rehearsal

    say(f"Rehearsal {fault.name}: {fault.__class__.__doc__}")
    with _folder(keep / fault.name if keep else None) as folder:
        lab = Rehearsal(Options(cache, folder, say, stop_after, label, bmc), fault)
        report = lab.run()
        if keep:
            report.kept = str(folder)
        elif not report.is_good:
            report.kept = str(_rescue(folder, cache / "failed" / time.strftime("%Y%m%d-%H%M%S")))
        if not report.is_good:
            _autopsy(report, folder)
    for line in report.lines():
        say(line)
    return report


@contextmanager
def _folder(wanted: Path | None) -> Iterator[Path]:
    """The folder of one rehearsal; a temporary one is removed with its gigabytes."""
    if wanted:
        wanted.mkdir(parents=True)
        yield wanted.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as name:
        yield Path(name)


def _rescue(folder: Path, target: Path) -> Path:
    """Logs and screens outlive a failed rehearsal; disks and secrets do not."""
    for pattern in EVIDENCE:
        for found in folder.glob(pattern):
            place = target / found.relative_to(folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found, place)
    return target


def _autopsy(report: "Report", folder: Path) -> None:
    """The last words of machine and service, on the spot."""
    from provisioner.lab.machine import plain

    stage = report.stages[-1]["name"] if report.stages else "the preparation"
    where = "after the deployment" if report.result == "ready" else f"at {stage}"
    say(f"\nIt went wrong {where}. The host's console said last:")
    for console in sorted(folder.glob("vault-*/serial.log")):
        for line in plain(console.read_bytes()).splitlines()[-15:]:
            say(f"  │ {line}")
    log = folder / "service.log"
    if log.exists():
        say("The service said last:")
        for line in log.read_text(errors="replace").splitlines()[-10:]:
            say(f"  │ {line}")
    say("")
