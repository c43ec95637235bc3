"""Causes between the host's address and its agent's hello: TFTP, iPXE, kernel and ramdisk."""

from provisioner.diagnosis.observations import Observations
from provisioner.domain.cause import Cause, Sight
from provisioner.domain.events.installer import SeedServed
from provisioner.domain.events.netboot import DhcpSeen, FileServed, ScriptServed
from provisioner.domain.events.request import SCRIPT
from provisioner.domain.script_reads import MOST_BOOTS
from provisioner.domain.stage import Stage

FIRST_FETCH = 240.0  # seconds from its address to a file by TFTP, or to iPXE where it boots by HTTP
TFTP_AGAIN = 20.0  # seconds within which firmware begins a broken transfer once more
IPXE_STARTS = 240.0  # seconds: a switch may hold each port for 30, and iPXE asks four times by each
KERNEL_FETCHED = 240.0  # seconds for 20 MB over a line of 1 Mbit/s; iPXE tries again every ten
RAMDISK_FETCHED = 600.0  # seconds for half a gigabyte over a line of 10 Mbit/s
RAMDISK_STARTS = 420.0  # seconds for kernel, initramfs and slow network cards
SEED_READ = 840.0  # seconds for a whole ISO to be loaded into memory and started
INSTALLER_BEGINS = 600.0  # seconds from the seed to the installer's first report
KERNEL, INITRD = "vmlinuz", "initrd.img"


def nothing_fetched(seen: Observations) -> Cause | None:
    """It has an address, and asked for no file. Any transfer, and iPXE's script, speak against it."""
    first = seen.last(DhcpSeen)
    if seen.row.stage != Stage.NETBOOTING or not first or seen.transfer or seen.has_script:
        return None
    if not seen.is_over(seen.patience(Stage.NETBOOTING, FIRST_FETCH), first[1]):
        return None
    return Cause(
        code=226,
        sentence="it has an address but iPXE never asked for its script, nor its firmware for a file by TFTP",
        evidence=(
            Sight(sentence=first[0].describe(), time=first[1]),
            Sight(sentence="no TFTP transfer of its address since", time=seen.now),
        ),
        actions=(
            "let firewalls pass UDP 69 and above 1023 between the host and the service",
            seen.see_console,
        ),
    )


def transfer_broke(seen: Observations) -> Cause | None:
    """TFTP began and was lost, or its client broke it off. A firmware that tries again, and iPXE's script,
    speak against it; for one that took no byte and may only have wanted the size, or broke it off by itself,
    so does the time that iPXE needs.
    """
    last = seen.transfer
    if seen.row.stage != Stage.NETBOOTING or not last or not last.result.startswith(("lost", "aborted")):
        return None
    limit = TFTP_AGAIN if last.result.startswith("lost") and last.bytes else IPXE_STARTS
    limit = seen.patience(Stage.NETBOOTING, limit)
    if not seen.is_over(limit, last.time) or seen.has_script_since(last.time):
        return None
    told = f"TFTP of {last.name[:60]}: {last.bytes} bytes, {last.result[:100]}"
    return Cause(
        code=222,
        sentence=f"TFTP of {last.name[:60]} broke off after {last.bytes} bytes",
        evidence=(Sight(sentence=told, time=last.time),),
        actions=("check cable, switch port and VLAN", "let firewalls pass UDP 69 and above 1023"),
    )


def file_refused(seen: Observations) -> Cause | None:
    """It asked by TFTP for what we do not lend. Its next file, and iPXE's script, speak against it."""
    last = seen.transfer
    if seen.row.stage != Stage.NETBOOTING or not last or not last.result.startswith("refused"):
        return None
    limit = seen.patience(Stage.NETBOOTING, TFTP_AGAIN)
    if not seen.is_over(limit, last.time) or seen.has_script_since(last.time):
        return None
    told = f"TFTP of {last.name[:60]!r}: {last.result[:100]}"
    return Cause(
        code=223,
        sentence=f"its firmware asks by TFTP for {last.name[:60]!r}, which is not there",
        evidence=(Sight(sentence=told, time=last.time),),
        actions=("look for another DHCP server: provision net check", "remove an old boot file in its setup"),
    )


def ipxe_silent(seen: Observations) -> Cause | None:
    """Its firmware has its boot file, and iPXE never asked. The time that iPXE needs speaks against it."""
    last = seen.transfer
    if seen.row.stage != Stage.NETBOOTING or not last or last.result != "done":
        return None
    limit = seen.patience(Stage.NETBOOTING, IPXE_STARTS)
    if not seen.is_over(limit, last.time) or seen.has_script:
        return None
    return Cause(
        code=224,
        sentence=f"its firmware fetched {last.name[:60]} by TFTP, but iPXE never asked for its script",
        evidence=(Sight(sentence=f"TFTP of {last.name[:60]} was complete", time=last.time),),
        actions=("switch Secure Boot off, or see whether iPXE knows its network card", seen.see_console),
    )


def script_denied(seen: Observations) -> Cause | None:
    """Who asked for its boot script was given the disk. The script that it gets later speaks against it."""
    refused = seen.refused(SCRIPT, since=seen.row.power_on)
    if seen.row.stage not in (Stage.POWERING, Stage.NETBOOTING) or not refused:
        return None
    request, time = refused
    if seen.has_script_since(time):
        return None
    return Cause(
        code=227,
        sentence=f"{request.address} asked for its boot script and was given its disk: {request.sentence}",
        evidence=(Sight(sentence=request.describe(), time=time),),
        actions=(
            f"is it this machine that stands there? provision host show {seen.row.host}",
            "correct MAC, serial or UUID in the inventory: provision host apply",
        ),
    )


def netboot_loops(seen: Observations) -> Cause | None:
    """It has booted from the network as often as may lead nowhere. The agent's hello speaks against it."""
    script, served = seen.row.script, seen.last(ScriptServed)
    if seen.row.stage != Stage.NETBOOTING or not served or script.boots < MOST_BOOTS:
        return None
    who = "installer never reported" if seen.row.iso else "ramdisk never said hello"
    return Cause(
        code=221,
        sentence=f"it has booted from the network {script.boots} times, and its {who}",
        evidence=(Sight(sentence=f"iPXE had its script {script.reads} times", time=served[1]),),
        actions=(
            f"{seen.see_console}: does its kernel stop, or does something reset it?",
            f"then: provision retry {seen.row.host}",
        ),
    )


def kernel_not_fetched(seen: Observations) -> Cause | None:
    """iPXE has its script and did not come for all that it names. The time that it needs speaks against it.

    The installer's files come by ways of their own.
    """
    served = seen.last(ScriptServed)
    if (
        seen.row.stage != Stage.NETBOOTING
        or seen.row.iso
        or not served
        or seen.row.script.boots >= MOST_BOOTS
    ):
        return None
    fetched = _fetched(seen, served[1])
    if INITRD in fetched:
        return None
    missing, limit = (INITRD, RAMDISK_FETCHED) if KERNEL in fetched else (KERNEL, KERNEL_FETCHED)
    limit = seen.patience(Stage.NETBOOTING, limit)
    if not seen.is_over(limit, max(served[1], *fetched.values(), 0.0)):
        return None
    had = tuple(Sight(sentence=f"it fetched {name}", time=time) for name, time in fetched.items())
    return Cause(
        code=228,
        sentence=f"iPXE has its script, but never fetched {missing}, so its ramdisk never said hello",
        evidence=(Sight(sentence="iPXE was sent its script", time=served[1]), *had),
        actions=(
            f"{seen.see_console}: iPXE says why there",
            "check that the host reaches the service by HTTP, and has memory for the ramdisk",
        ),
    )


def agent_silent(seen: Observations) -> Cause | None:
    """Kernel and ramdisk were fetched, and no agent said hello. The time that they need speaks against it.

    Ubuntu's installer has its own time: it loads a whole ISO.
    """
    served = seen.last(ScriptServed)
    if (
        seen.row.stage != Stage.NETBOOTING
        or seen.row.iso
        or not served
        or seen.row.script.boots >= MOST_BOOTS
    ):
        return None
    fetched = _fetched(seen, served[1])
    began = fetched.get(INITRD, 0.0)
    if not began or not seen.is_over(seen.patience(Stage.NETBOOTING, RAMDISK_STARTS), began):
        return None
    asked = seen.system_asked(began)
    address = (
        Sight(sentence="its kernel asked for an address: the card works", time=asked)
        if asked
        else Sight(sentence="its kernel never asked for an address", time=seen.now)
    )
    driver = "the kernel may lack a driver for this network card: see docs/hardware.md"
    return Cause(
        code=220,
        sentence="it fetched kernel and ramdisk, but the ramdisk never said hello",
        evidence=(
            *(Sight(sentence=f"it fetched {name}", time=time) for name, time in fetched.items()),
            address,
        ),
        actions=(seen.see_console, "check that it reaches the service by HTTP" if asked else driver),
    )


def _fetched(seen: Observations, since: float) -> dict[str, float]:
    """The files that it has fetched since then, and when."""
    found = ((event.data, event.time) for event in seen.events if event.time >= since)
    return {data.name: time for data, time in found if isinstance(data, FileServed)}


def seed_unread(seen: Observations) -> Cause | None:
    """The installer was begun and never read its seed. The time that a whole ISO takes speaks against it."""
    served = seen.last(ScriptServed)
    if seen.row.stage != Stage.NETBOOTING or not seen.row.iso or not served or seen.last(SeedServed):
        return None
    if not seen.is_over(seen.patience(Stage.NETBOOTING, SEED_READ), served[1]):
        return None
    return Cause(
        code=229,
        sentence="iPXE has its script but the installer never read its seed",
        evidence=(Sight(sentence="iPXE was sent its script", time=served[1]),),
        actions=(seen.see_console, "it needs memory for the whole ISO and a driver for this network card"),
    )


def installer_silent(seen: Observations) -> Cause | None:
    """The installer read its seed and never reported. The time that it needs to begin speaks against it."""
    read = seen.last(SeedServed)
    if seen.row.stage != Stage.NETBOOTING or not read:
        return None
    if not seen.is_over(seen.patience(Stage.NETBOOTING, INSTALLER_BEGINS), read[1]):
        return None
    return Cause(
        code=230,
        sentence="the installer has read its seed but never reported",
        evidence=(Sight(sentence=read[0].describe(), time=read[1]),),
        actions=(f"{seen.see_console}: cloud-init or the installer may have refused the seed",),
    )
