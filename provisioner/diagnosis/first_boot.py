"""Causes between the disk that is written and the first report of the system on it."""

from provisioner.diagnosis.observations import Observations
from provisioner.domain.cause import Cause, Sight
from provisioner.domain.events.agent import AgentRebooting, AgentRestarting, AgentWritten
from provisioner.domain.events.installer import InstallerDone
from provisioner.domain.events.netboot import DhcpSeen
from provisioner.domain.events.request import PHONE_HOME, SCRIPT
from provisioner.domain.events.system import DiskChosen
from provisioner.domain.script_reads import MOST_BOOTS
from provisioner.domain.stage import Stage

BIOS = 0  # the firmware's architecture in DHCP (RFC 4578, 2.1)
AGENT_POLLS = 60.0  # seconds in which an agent that has written asks what to do
DISK_IS_SET = 300.0  # seconds for a BMC to set the boot device, with all its patience
FIRST_START = 960.0  # seconds: the slowest test of memory, and the first start of a system
PHONES = 720.0  # seconds from a system's address to its report: cloud-init's first run, on a slow disk
ONE_MORE_BOOT = 960.0  # seconds for a system to report after its firmware was sent to the disk


def not_restarted(seen: Observations) -> Cause | None:
    """The disk is written, and its agent never took the order to reboot. That it did speaks against it, and
    the time that a BMC may take to set the boot device.
    """
    if seen.row.stage != Stage.RESTARTING or _rebooted(seen):
        return None
    chosen, written = seen.last(DiskChosen), seen.last(AgentWritten)
    since, limit = (chosen[1], AGENT_POLLS) if chosen else (seen.row.stage_since, DISK_IS_SET)
    if not seen.is_over(limit, since):
        return None
    if chosen:
        sentence, action = "the agent was never told, or never heard, to reboot", "reset the host by hand"
    else:
        sentence, action = "its boot device was never set to disk", f"provision bmc test {seen.row.host}"
    told = (
        Sight(sentence=written[0].describe(), time=written[1])
        if written
        else Sight(sentence="its disk was written", time=seen.row.stage_since)
    )
    more = (Sight(sentence=chosen[0].describe(), time=chosen[1]),) if chosen else ()
    return Cause(
        code=415,
        sentence=sentence,
        evidence=(told, *more),
        actions=(action, f"or: provision bmc power {seen.row.host} reset"),
    )


def mode_changed(seen: Observations) -> Cause | None:
    """It was written as UEFI and starts as BIOS now, or the other way round: such a disk does not boot."""
    rebooted, first, asked = _rebooted(seen), seen.last(DhcpSeen), seen.sighting
    if seen.row.stage != Stage.RESTARTING or not rebooted or not first or not asked or not asked.data.boots:
        return None
    before, now = first[0].arch, asked.data.arch
    if asked.data.when <= rebooted or before is None or now is None or (before == BIOS) == (now == BIOS):
        return None
    if not _booted_as(seen, before == BIOS, rebooted):
        return None  # it asked as the one and booted as the other: it tries both, at each start
    words = ("UEFI", "BIOS") if now == BIOS else ("BIOS", "UEFI")
    return Cause(
        code=414,
        sentence=f"its firmware starts in {words[1]} mode now, its disk was written in {words[0]} mode",
        evidence=(
            Sight(sentence=f"its firmware asked as architecture {before}, {words[0]}", time=first[1]),
            Sight(sentence=f"it asks as architecture {now}, {words[1]}", time=asked.data.when),
        ),
        actions=(f"set its firmware to boot as {words[0]} only", f"then: provision retry {seen.row.host}"),
    )


def phone_home_refused(seen: Observations) -> Cause | None:
    """A system reported, and was refused: it is not the one that was written. Its right report ends the
    stage.
    """
    refused = seen.refused(PHONE_HOME, since=_rebooted(seen) or seen.row.stage_since)
    if seen.row.stage != Stage.RESTARTING or not refused:
        return None
    request, time = refused
    return Cause(
        code=417,
        sentence=f"a system at {request.address} reported and was refused: {request.sentence}",
        evidence=(Sight(sentence=request.describe(), time=time),),
        actions=(
            "has it booted another disk, with an older image of ours? Put the one that was written first",
            seen.see_console,
        ),
    )


def network_again(seen: Observations) -> Cause | None:
    """It boots from the network and not from its disk. To do so once is healthy, for it is sent to its disk
    then: so it must have come again and again, or must not be heard after it.
    """
    rebooted = _rebooted(seen)
    refused = seen.refused(SCRIPT, since=rebooted)
    if seen.row.stage != Stage.RESTARTING or not rebooted or not refused:
        return None
    request, time = refused
    limit = seen.start_patience(ONE_MORE_BOOT)
    if request.count < MOST_BOOTS and (seen.system_asked(time) or not seen.is_over(limit, time)):
        return None
    times = f", {request.count} times" if request.count > 1 else ""
    chosen = seen.last(DiskChosen)
    note = f"; {chosen[0].note}" if chosen and chosen[0].note else ""
    return Cause(
        code=411,
        sentence=f"{request.address} asked for its boot script instead and was given its disk{times}, but "
        f"the system on the disk never reported{note}",
        evidence=(
            Sight(sentence="it was told to boot its disk", time=rebooted),
            Sight(sentence=f"it booted from the network{times}", time=time),
        ),
        actions=(
            "put the disk that was written before the network in its firmware's boot order",
            f"does that disk boot? {seen.see_console}",
        ),
    )


def another_system(seen: Observations) -> Cause | None:
    """A system with another name asks from its card, and the one that was written never reported."""
    asked, name = _system_waits(seen), seen.sighting.data.hostname if seen.sighting else ""
    if not asked or not name or name.split(".")[0].lower() == seen.row.host.split(".")[0].lower():
        return None
    return Cause(
        code=413,
        sentence=f"a system called {name} came up, not {seen.row.host}: it booted another disk",
        evidence=(Sight(sentence=f"DHCP of {seen.row.mac} by a system called {name}", time=asked),),
        actions=(
            f"put the disk that was written ({seen.row.disk.label()}) first in its firmware's boot order",
            f"{seen.see_console}: which disk did it boot?",
        ),
    )


def phone_home_absent(seen: Observations) -> Cause | None:
    """The system came up and got its address, and never reported. Its report ends the stage."""
    asked = _system_waits(seen)
    if not asked or another_system(seen):
        return None
    return Cause(
        code=416,
        sentence="its system is up and has an address, but never reported",
        evidence=(Sight(sentence=f"DHCP of {seen.row.mac} by its system", time=asked),),
        actions=(
            f"{seen.see_console}: what does cloud-init say?",
            "check that the host reaches the service by HTTP",
        ),
    )


def disk_not_chosen(seen: Observations) -> Cause | None:
    """The BMC did not set the disk as boot device, and nothing is heard. Any report speaks against it, and
    the time that one more start takes.
    """
    rebooted, chosen = _rebooted(seen), seen.last(DiskChosen)
    if seen.row.stage != Stage.RESTARTING or not rebooted or not chosen or not chosen[0].note:
        return None
    if not _is_unheard(seen, rebooted):
        return None
    return Cause(
        code=412,
        sentence=f"the system on the disk never reported ({chosen[0].note})",
        evidence=(
            Sight(sentence=chosen[0].describe(), time=chosen[1]),
            Sight(sentence=f"the last word of {seen.row.mac}", time=_last_word(seen, rebooted)),
        ),
        actions=(
            "put the disk that was written first in its firmware's boot order",
            f"{seen.see_console}: it may have booted another disk",
        ),
    )


def nothing_reported(seen: Observations) -> Cause | None:
    """Nothing was heard since its reboot, for as long as the slowest server needs. Any word speaks against
    it.
    """
    rebooted = _rebooted(seen)
    if seen.row.stage != Stage.RESTARTING or not rebooted or not _is_unheard(seen, rebooted):
        return None
    if disk_not_chosen(seen):
        return None
    return Cause(
        code=410,
        sentence="the system on the disk never reported",
        evidence=(
            Sight(sentence="it rebooted into its disk", time=rebooted),
            Sight(sentence=f"the last word of {seen.row.mac}", time=_last_word(seen, rebooted)),
        ),
        actions=(
            f"{seen.see_console}: it may have booted another disk, or its network card has another name",
            *_by_firmware(seen),
        ),
    )


def _rebooted(seen: Observations) -> float:
    """When the agent, or the installer, began to restart the host; 0 while it has not."""
    for kind in (AgentRebooting, InstallerDone):
        if told := seen.last(kind):
            return told[1]
    return 0.0


def _by_firmware(seen: Observations) -> tuple[str, ...]:
    """What the firmware starts anew, kexec may not have: a device that wants its reset."""
    told = seen.last(AgentRestarting)
    if not told or told[0].how != "kexec":
        return ()
    return (f"it was started by kexec: provision bmc power {seen.row.host} reset lets its firmware do it",)


def _booted_as(seen: Observations, is_bios: bool, rebooted: float) -> bool:
    """Whether its ramdisk, or else the boot file that it took before the reboot, was of this mode."""
    if seen.hardware and seen.hardware.firmware and seen.hardware_at >= seen.row.power_on:
        return (seen.hardware.firmware == "bios") == is_bios
    taken = seen.transfer
    if not taken:
        return not is_bios  # by HTTP, as no BIOS does
    return taken.time > rebooted or taken.name.endswith(".efi") != is_bios


def _system_waits(seen: Observations) -> float:
    """When a system asked after the reboot that should have reported by now; 0 for none."""
    rebooted = _rebooted(seen)
    asked = seen.system_asked(rebooted + 1) if rebooted else 0.0
    if seen.row.stage != Stage.RESTARTING or not asked:
        return 0.0
    return asked if seen.is_over(seen.patience(Stage.RESTARTING, PHONES), asked) else 0.0


def _is_unheard(seen: Observations, rebooted: float) -> bool:
    is_over = seen.is_over(seen.start_patience(FIRST_START), _last_word(seen, rebooted))
    return is_over and not network_again(seen)


def _last_word(seen: Observations, rebooted: float) -> float:
    """When anything came from its card, or asked for its script, since the reboot; else the reboot."""
    asked, refused = seen.sighting, seen.refused(SCRIPT, since=rebooted)
    return max(rebooted, asked.last_seen if asked else 0.0, refused[1] if refused else 0.0)
