"""After `ready`: the host is verified from the ramdisk, its disk stays as it is, and it boots that disk."""

import json

from provisioner.api.deployments import DeploymentStatus
from provisioner.domain.event import Event
from provisioner.domain.events.examination import AgentExamined, HostReleased
from provisioner.domain.timeline import Timeline
from provisioner.lab.rehearsal import NAME, Rehearsal
from provisioner.lab.second_boot import BOOT_LIMIT, shut_down
from provisioner.system.checksum import sha256


def rehearse(lab: Rehearsal) -> None:
    """Order it as a technician does, and compare the whole disk before and after the agent has looked."""
    deployed = lab.deployment
    shut_down(lab)
    disk = _Disk(lab)
    ident = lab.provision("verify", NAME, "--yes", "--no-wait").strip()
    lab.timeline = Timeline()
    code = lab.follow(ident, disk.on)
    row = lab.deployment
    lab.check("the verification ends with 0", code == 0, f"{code}: {row.stage} {row.reason}".strip())
    lab.check("the disk was compared", disk.is_compared, "its bytes and QEMU's counters")
    lab.check("nothing of it is a writing", *writings(row))
    lab.host.wait_console(r"login: ", since=disk.released, timeout=BOOT_LIMIT)
    lab.check("it boots its disk", bool(disk.released), "login prompt after the ramdisk")
    last = lab.service.client.deployment(NAME)
    lab.check("its last deployment", last.id == deployed.id, f"{last.id} {last.stage}")
    _check_report(lab, row.verdict.report)


def writings(row: DeploymentStatus) -> tuple[bool, str]:
    """Whether nothing of it is one, and what was counted."""
    chosen, written = int(row.target.is_known), int(bool(row.disk.name))
    return not (chosen or written), f"{chosen} disks to be written, {written} written"


class _Disk:
    """The disk's bytes while the host stands in the ramdisk, held still for as long as they are read."""

    def __init__(self, lab: Rehearsal) -> None:
        self._before = sha256(lab.disk)
        self.is_compared, self.released = False, 0

    def on(self, lab: Rehearsal, event: Event) -> None:
        if isinstance(event.data, AgentExamined):
            monitor = lab.host.monitor()
            monitor.execute("stop")
            after, writes = sha256(lab.disk), sum(lab.host.block_writes())
            monitor.execute("cont")
            self.is_compared = True
            same = after == self._before
            lab.check("the whole disk", same, f"{after[:16]}" if same else f"{self._before} → {after}")
            lab.check("writes from the ramdisk", writes == 0, f"{writes} write operations")
        elif isinstance(event.data, HostReleased):
            self.released = lab.host.console_offset()


def _check_report(lab: Rehearsal, report: str) -> None:
    listed = json.loads(lab.provision("certificate", "list", NAME, "-o", "json"))
    found = [one["report"] for one in listed["certificates"]]
    lab.check("the signed report", bool(report) and report in found, f"{report or 'none'} of {len(found)}")
