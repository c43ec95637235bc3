"""After a start by kexec: nobody claims that the firmware starts the disk, until it was seen to do so."""

import json

from provisioner.domain.deployment import PublicDeployment
from provisioner.errors import ProgramError, ServiceError
from provisioner.lab.rehearsal import NAME, Rehearsal

CLAIM = "the firmware's boot of this disk"
REBOOTED = "Linux version"  # the first words of a kernel


def rehearse(lab: Rehearsal) -> None:
    """Look at what is said, let `provision host prove-boot` restart the host, and look again."""
    row = _row(lab)
    lab.check("started by kexec", row.started_by == "kexec", row.started_by or "its system did not say")
    lab.check(f"{CLAIM}, before", row.lacks_firmware_boot, _claim(row))
    offset = lab.host.console_offset()
    try:
        proof = json.loads(lab.provision("host", "prove-boot", NAME, "-o", "json"))["proofs"][0]
    except (ProgramError, LookupError, ValueError) as fault:
        lab.check("provision host prove-boot", False, fault)
        return
    words = f"{proof['result']}: SSH {proof['seconds']} s after power on, by {proof['host_key']}"
    lab.check("provision host prove-boot", proof["result"] == "proven", words)
    lab.check("it has restarted", _has_spoken(lab, offset), "its kernel's first words, on its console")
    row = _row(lab)
    lab.check(f"{CLAIM}, after", not row.lacks_firmware_boot and row.firmware_boot > 0, _claim(row))


def _has_spoken(lab: Rehearsal, since: int) -> bool:
    """Whether a kernel has begun since; the system on it has answered already."""
    try:
        lab.host.wait_console(REBOOTED, since=since, timeout=1)
    except ServiceError:
        return False
    return True


def _row(lab: Rehearsal) -> PublicDeployment:
    return lab.service.client.deployment(lab.deployment.id)


def _claim(row: PublicDeployment) -> str:
    return "not seen yet" if row.lacks_firmware_boot else f"seen at {row.firmware_boot:.0f}"
