"""The sign of life that a deployment waits for now, in words."""

from provisioner.diagnosis.observations import Observations
from provisioner.domain.events.agent import AgentRebooting
from provisioner.domain.events.installer import InstallerDone, SeedServed
from provisioner.domain.events.netboot import FileServed
from provisioner.domain.events.power import PowerAsked, PowerOn
from provisioner.domain.events.system import DiskChosen
from provisioner.domain.stage import RESTING, Stage


def awaited(seen: Observations) -> str:
    """What comes next of a healthy host; empty for what rests."""
    row = seen.row
    if row.stage in RESTING:
        return ""
    if row.paused and row.stage == Stage.QUEUED:
        return "a person who resumes its run"
    if row.paused:
        return "a person who lets it go on"
    match row.stage:
        case Stage.QUEUED:
            return seen.run_hindrance or "a free slot"
        case Stage.POWERING:
            return _powering(seen)
        case Stage.NETBOOTING:
            return _netbooting(seen)
        case Stage.WRITING:
            return (
                "the installer's next step"
                if row.is_installed
                else "the agent's next report, every few seconds"
            )
        case Stage.RESTARTING:
            return _restarting(seen)
        case Stage.VERIFYING:
            if row.progress.is_of(row.stage):
                return "the burn-in's next report, then the verdict"
            return (
                "the verdict of what was reported" if row.is_verification else "Ansible's verdict, over SSH"
            )
    return "the end of the sealing, over SSH"


def _powering(seen: Observations) -> str:
    if seen.has(PowerOn):
        return f"the first DHCP packet of {seen.row.mac}"
    if seen.has(PowerAsked):
        return f"somebody who presses its power button, and the first DHCP packet of {seen.row.mac}"
    return "its BMC's word that boot device and power are set"


def _netbooting(seen: Observations) -> str:
    if not seen.has_script:
        return "iPXE's request for its boot script"
    if seen.row.iso:
        return (
            "the installer's first report" if seen.has(SeedServed) else "the installer's request for its seed"
        )
    if seen.row.is_verification and seen.has(FileServed):
        return "the agent's report of what the host is"
    return "the agent's hello" if seen.has(FileServed) else "iPXE's request for kernel and ramdisk"


def _restarting(seen: Observations) -> str:
    if seen.has(AgentRebooting, InstallerDone):
        return "the report of the system on its disk"
    return "the agent's reboot" if seen.has(DiskChosen) else "its BMC's word that the boot device is the disk"
