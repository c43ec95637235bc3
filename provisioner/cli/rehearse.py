"""`provision rehearse`: deploy a virtual machine exactly as the real ones are deployed."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioner.cli.output import info
from provisioner.cli.ramdisk import CACHE
from provisioner.domain.stage import STOPS
from provisioner.errors import Exit, InputError
from provisioner.lab.simulators import SIMULATORS
from provisioner.system import file_fault

if TYPE_CHECKING:
    from provisioner.domain.restart import Restart
    from provisioner.lab.qemu import Bus, Firmware
    from provisioner.lab.rehearsal import Options, Rehearsal, Scenario
    from provisioner.lab.report import Report

    Wanted = tuple[str, Firmware, Bus]  # scenario, and the machine for it

FAULTS = (
    *("power-cut", "power-cut-older", "kills", "corrupt-pack"),
    *("plain-rom", "two-disks", "hinted-disk", "4kn", "missing-gpu", "redeploy", "foreign-key"),
    "verify-ramdisk",
)
INSTALL = "autoinstall"  # with an ISO
NUMBERS = {2: "two", 3: "three"}
FLEET_FAULTS = {"fleet-mixed": 3, "fleet-power-cut": 2}  # for several hosts: at least so many
FIRMWARE, BUSES = ("uefi", "bios"), ("virtio", "nvme", "ahci")
LONGEST = 60  # characters of the folder: names of Unix sockets end at 107
EVIDENCE = ("*.log", "*.png", "*/*.log", "state/logs/*")


@click.command()
@click.option("--firmware", type=click.Choice(FIRMWARE), default="uefi", help="The host's firmware.")
@click.option("--disk", type=click.Choice(BUSES), default="virtio", help="What its disk is plugged into.")
@click.option("--matrix", is_flag=True, help="Every firmware with every kind of disk, one after the other.")
@click.option("--hosts", type=click.IntRange(1, 16), default=1, help="So many hosts, ordered at once.")
@click.option("--max-parallel", type=click.IntRange(1), default=2, help="Of them, so many at one time.")
@click.option(
    "--bmc", type=click.Choice(sorted(SIMULATORS)), default="ipmi", show_default=True, help="The host's BMC."
)
@click.option(
    "--iso",
    type=click.Path(path_type=Path),
    help="Let Ubuntu's installer write the disk, from this live-server ISO (method: autoinstall).",
)
@click.option(
    "--image",
    type=click.Path(path_type=Path),
    metavar="PACK",
    help="Deploy this one, such as dist/image/NAME-VERSION.pack, instead of the lab's own.",
)
@click.option(
    "--restart",
    type=click.Choice(["firmware", "kexec"]),
    default="firmware",
    show_default=True,
    help="How the host is started from its disk; after kexec, its firmware must prove it.",
)
@click.option("--stop-after", type=click.Choice(STOPS), help="End the deployment after a stage.")
@click.option("--fault", type=click.Choice([*FAULTS, *FLEET_FAULTS]), help="Break something on purpose.")
@click.option("--faults", "all_faults", is_flag=True, help="Every fault, one rehearsal after the other.")
@click.option("--report", "path", type=click.Path(path_type=Path), help="Write the result as JSON.")
@click.option(
    "--keep", type=click.Path(path_type=Path), help="Keep disks, logs and state there; an empty folder."
)
@click.option(
    "--archive",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Add report, screens and logs to those there, which the service's pages show.",
)
@click.option(
    "--cache", type=click.Path(path_type=Path), default=CACHE, help="Keeps what takes long to build."
)
@click.option("--label", default="", help="A text for the report, such as a commit id.")
def rehearse(
    firmware: "Firmware",
    disk: "Bus",
    matrix: bool,
    hosts: int,
    max_parallel: int,
    bmc: str,
    iso: Path | None,
    image: Path | None,
    restart: "Restart",
    stop_after: str | None,
    fault: str | None,
    all_faults: bool,
    path: Path | None,
    keep: Path | None,
    archive: Path | None,
    cache: Path,
    label: str,
) -> int:
    """Deploy a QEMU machine: real firmware, a BMC's protocol, PXE, image, first boot and Ansible.

    It happens in a network namespace of its own, with the same service and the same protocols as on
    hardware, and needs no root. A second machine that nobody ordered must keep its disk meanwhile.
    """
    from provisioner.lab import network
    from provisioner.lab.rehearsal import Options
    from provisioner.lab.report import write

    names = FAULTS if all_faults else (fault or (INSTALL if iso else "deploy"),)
    wanted = _matrix() if matrix else [(name, _firmware(name, firmware), disk) for name in names]
    _check(wanted, keep, is_twofold=matrix and (all_faults or bool(fault)))
    _check_iso(iso, alone=wanted == [(INSTALL, firmware, disk)] and hosts == 1)
    _check_hosts(hosts, [name for name, _, _ in wanted], matrix=matrix)
    _check_image(image, alone=[name for name, _, _ in wanted] == ["deploy"])
    cache = cache.absolute()
    if not network.inside():
        network.check()
        _stock(cache, own_image=not (iso or image))
        network.enter()
    reports: list[Report] = []
    for name, kind, bus in wanted:
        options = Options(
            *(cache, Path(), info, stop_after or "", label, kind, bus, hosts, max_parallel, bmc),
            iso=iso,
            image=image,
            restart=restart,
        )
        place = f"{kind}-{bus}" if matrix else name
        reports.append(_one(name, options, keep / place if keep else None, archive))
        if path:
            write(path, reports, len(wanted))
    return Exit.DONE if all(report.is_good for report in reports) else Exit.FAILED


def _matrix() -> list["Wanted"]:
    from provisioner.lab.scenarios import MATRIX

    return [("deploy", firmware, bus) for firmware, bus in MATRIX]


def _firmware(name: str, wanted: "Firmware") -> "Firmware":
    """The one that was asked for, but UEFI's PXE is its own: a card's ROM counts under BIOS only."""
    return "bios" if name == "plain-rom" else wanted


def _check(wanted: list["Wanted"], keep: Path | None, *, is_twofold: bool) -> None:
    """Everything that can be refused before minutes are spent."""
    from provisioner.lab import network

    if is_twofold:
        raise InputError("--matrix is about firmware and disks, not about faults", hint="leave one out")
    if any(name == "4kn" and bus == "ahci" for name, _, bus in wanted):
        raise InputError(
            "--fault 4kn: QEMU has no AHCI disk with such sectors", hint="--disk virtio or --disk nvme"
        )
    if network.inside() or not keep:
        return
    if len(str(keep.absolute())) > LONGEST:
        raise InputError(
            f"--keep: {keep.absolute()} is too long a path for its Unix sockets",
            hint="take a folder with a shorter name",
        )
    if keep.exists() and any(keep.iterdir()):
        raise InputError(f"--keep: {keep} is not empty", hint="give a new folder")


def _check_hosts(hosts: int, names: list[str], *, matrix: bool) -> None:
    kind = names[0] if len(names) == 1 else ""
    if hosts > 1 and (matrix or kind not in ("deploy", *FLEET_FAULTS)):
        others = " or ".join(FLEET_FAULTS)
        raise InputError(f"--hosts goes with no fault, or with --fault {others}", hint="leave one out")
    if hosts < FLEET_FAULTS.get(kind, 1):
        least = FLEET_FAULTS[kind]
        raise InputError(f"--fault {kind} needs {NUMBERS[least]} hosts at least", hint=f"--hosts {least}")


def _check_iso(iso: Path | None, *, alone: bool) -> None:
    from provisioner.lab import installer, network

    if iso is None:
        return
    if not alone:
        raise InputError(
            "--iso is about one host and no fault: --matrix, --hosts, --fault and --faults go with our image",
            hint="leave them out",
        )
    if not network.inside():
        installer.check(iso)


def _check_image(image: Path | None, *, alone: bool) -> None:
    from provisioner.lab import network, supplies

    if image is None:
        return
    if not alone:
        raise InputError(
            "--image goes with one firmware and disk, and with no fault: faults know the lab's own image",
            hint="leave --fault, --faults, --matrix and --iso out",
        )
    if not network.inside():
        supplies.check_pack(image)


def _stock(cache: Path, *, own_image: bool) -> None:
    """What comes over the network is fetched outside: inside, there is only the lab's own."""
    from provisioner.lab import supplies

    if own_image:
        supplies.stock(cache, info)
    else:
        supplies.stock_ramdisk(cache, info)


def _one(name: str, options: "Options", keep: Path | None, archive: Path | None) -> "Report":
    kind, scenario = _play(name, options)
    info(f"Rehearsal {scenario.name} ({options.firmware}, {options.disk}): {scenario.__class__.__doc__}")
    with _folder(keep) as folder:
        report = kind(replace(options, folder=folder), scenario).run()
        if archive:
            _add_to(archive, report, folder)
        if keep:
            report.kept = str(folder)
        elif not report.is_good:
            stamp = time.strftime("%Y%m%d-%H%M%S")
            report.kept = str(_rescue(folder, options.cache / "failed" / stamp))
        if not report.is_good:
            _autopsy(report, folder)
    for line in report.lines():
        info(line)
    return report


def _play(name: str, options: "Options") -> "tuple[type[Rehearsal], Scenario]":
    """The stage and what happens on it."""
    from provisioner.lab import fleet, installer, reimaging, scenarios
    from provisioner.lab.rehearsal import Rehearsal

    if options.iso:
        return installer.IsoRehearsal, installer.Install()
    if options.hosts > 1:
        return fleet.FleetRehearsal, fleet.SCENARIOS[name]()
    return Rehearsal, {**scenarios.SCENARIOS, **reimaging.SCENARIOS}[name]()


@contextmanager
def _folder(wanted: Path | None) -> Iterator[Path]:
    """The folder of one rehearsal; a temporary one is removed with its gigabytes."""
    if wanted:
        wanted.mkdir(parents=True)
        yield wanted.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as name:
        yield Path(name)


def _add_to(archive: Path, report: "Report", folder: Path) -> None:
    """Report, logs and screens into a new folder there, which is named by the time and what was rehearsed."""
    from provisioner.lab.report import write

    target = archive / f"{time.strftime('%Y%m%d-%H%M%S')}-{report.scenario}-{report.firmware}"
    _rescue(folder, target)
    write(target / "report.json", [report], 1)
    info(f"Kept for the service's pages: {target}")


def _rescue(folder: Path, target: Path) -> Path:
    """Logs and screens outlive a failed rehearsal; disks and secrets do not."""
    for pattern in EVIDENCE:
        for log in folder.glob(pattern):
            copy = target / log.relative_to(folder)
            try:
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(log, copy)
            except OSError as fault:  # the report matters more
                info(f"not kept: {file_fault.explained(fault, copy)}")
    return target


def _autopsy(report: "Report", folder: Path) -> None:
    """The last words of machine and service, on the spot."""
    from provisioner.state.recording import plain

    stage = report.stages[-1].name if report.stages else "the preparation"
    where = "after the deployment" if report.result == "ready" else f"at {stage}"
    info("")
    info(f"It went wrong {where}. The host's console said last:")
    for console in sorted(folder.glob("vault-*/serial.log")):
        for line in plain(console.read_bytes()).splitlines()[-15:]:
            info(f"  │ {line}")
    log = folder / "service.log"
    if log.exists():
        info("The service said last:")
        for line in log.read_text(errors="replace").splitlines()[-10:]:
            info(f"  │ {line}")
    info("")
