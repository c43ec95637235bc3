"""Why a stage's sign of life is absent, from the evidence, and what to do next."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from provisioner.domain.deployment import Deployment
from provisioner.domain.events.agent import AgentRebooting
from provisioner.domain.events.clock import DeadlinePassed
from provisioner.domain.events.installer import InstallerDone, SeedServed
from provisioner.domain.events.netboot import ScriptServed
from provisioner.domain.events.order import HostSuspect
from provisioner.domain.events.payload import Payload
from provisioner.domain.events.power import PowerAsked, PowerDelayed, PowerOn
from provisioner.domain.events.request import SCRIPT, RequestRefused
from provisioner.domain.events.system import DiskChosen
from provisioner.domain.events.verification import SealTask, VerifyUnreachable
from provisioner.domain.lifecycle import ROWS
from provisioner.domain.stage import Stage
from provisioner.power import registry
from provisioner.site import lan
from provisioner.site.site import Site

_T = TypeVar("_T", bound=Payload)
MOST_EVENTS = 100_000  # of one deployment that are read


class Finding(NamedTuple):
    """What is wrong, as far as the evidence goes, and what to do next; its own PV code, if it has one."""

    sentence: str
    hint: str
    code: int = 0


def overdue(site: Site, row: Deployment) -> DeadlinePassed:
    """Why the stage's deadline has passed, as the event that ends the deployment."""
    stage = ROWS[row.stage]
    minutes = max(1, round((site.clock() - row.stage_since) / 60))
    sentence, hint, code = (_paused if row.paused else CHECKS[row.stage])(site, row)
    is_expired = not row.consumed and site.clock() > row.expires
    limit = "the order has expired" if is_expired else f"no {stage.awaits}"
    sentence = f"{limit}, after {minutes} min at {row.stage}: {sentence}"
    return DeadlinePassed(code=code or stage.code, sentence=sentence, hint=hint)


class _Newest:
    """The newest event of each kind in a deployment's current attempt."""

    def __init__(self, site: Site, row: Deployment) -> None:
        events = site.database.events.of(row.id, limit=MOST_EVENTS)
        events = [event for event in events if event.attempt in (0, row.attempt)]
        self._data = {event.kind: event.data for event in events}
        refusals = [event.data for event in events if isinstance(event.data, RequestRefused)]
        self._refused = {refusal.what: refusal for refusal in refusals}

    def __contains__(self, kind: type[Payload]) -> bool:
        """Whether there is one, even if its data cannot be read any more."""
        return kind.kind in self._data

    def get(self, kind: type[_T]) -> _T | None:
        """The data of the last event of this kind; None where there is none, or it cannot be read."""
        data = self._data.get(kind.kind)
        return data if isinstance(data, kind) else None

    def refused_script(self) -> RequestRefused | None:
        """Who asked last for its boot script and was given the disk; None where nobody was."""
        return self._refused.get(SCRIPT)


def see_console(site: Site, row: Deployment) -> str:
    """The command that shows the serial console, or `its console` where none is recorded."""
    if registry.console_driver(site.database.hosts.get(row.host).bmc):
        return f"see its serial console (provision bmc console {row.host})"
    return "see its console"


def _paused(site: Site, row: Deployment) -> Finding:
    """Nobody let it go on; by now its own hint, how to, comes too late."""
    seen = _Newest(site, row).get(HostSuspect)
    where = f"look at {seen.address}" if seen and seen.address else "look who that was"
    return Finding(row.reason, f"{where}; if the host is still wanted: provision retry {row.host}")


def _queued(site: Site, row: Deployment) -> Finding:
    return Finding("no slot became free", "provision status shows what is under way")


def _network(site: Site, row: Deployment) -> Finding | None:
    """What hinders DHCP itself; None where nothing does."""
    if not lan.is_sole_server(site):
        others = "; ".join(map(lan.describe_server, lan.rogue_servers(site)))
        return Finding(f"another DHCP server answers there: {others}", "unplug it; provision net check")
    seen = site.database.sightings.get(row.mac)
    if seen and seen.last_seen >= row.power_on and (note := seen.data.note):
        return Finding(
            f"it asks for an address, but {note}", "set its firmware to boot as UEFI x64 or as BIOS"
        )
    return None


def _powering(site: Site, row: Deployment) -> Finding:
    newest = _Newest(site, row)
    if PowerAsked in newest:
        return Finding(
            "nobody has pressed the power button, or its cable is in another port", "check power and cable"
        )
    if PowerOn not in newest and (delay := newest.get(PowerDelayed)):
        return Finding(delay.sentence, delay.hint, delay.code)
    if PowerOn not in newest:
        return Finding("the BMC never confirmed that it is powered", f"provision bmc test {row.host}")
    return _network(site, row) or _unheard(site, row, newest.get(PowerOn))


def _other_device(row: Deployment, told: PowerOn | None, silent: str) -> Finding | None:
    """The BMC did not set what to boot, and said why: then the host has most likely booted something else.

    `silent` says what was not heard of it.
    """
    if not told or not told.note or told.boot == "network":
        return None
    return Finding(
        f"{silent}; its BMC did not set the boot device to network ({told.note})",
        f"put the network first in its firmware's own boot order, then: provision retry {row.host}",
    )


def _unheard(site: Site, row: Deployment, told: PowerOn | None) -> Finding:
    """It is powered, and its card never asked; perhaps another one did."""
    unknown = site.database.sightings.unknown(3, since=row.power_on)
    if unknown:
        macs = ", ".join(seen.mac for seen in unknown)
        return Finding(
            f"the BMC says power is on, {row.mac} never asked, but {macs} did, which nobody knows",
            "the cable is perhaps in the host's other port: move it, or correct the MAC in the inventory",
        )
    silent = f"the BMC says power is on, but {row.mac} never asked for an address"
    note = f" ({told.note})" if told and told.note else ""
    return _other_device(row, told, silent) or Finding(
        silent + note,
        "check the cable, the switch port, and that network boot is enabled in the firmware",
    )


def _transfer(site: Site, row: Deployment) -> Finding | None:
    """What TFTP has seen of it since its power-on; nothing says little, for some firmware boots by HTTP."""
    known = site.database.macs.get(row.mac)
    last = site.database.transfers.get(known.address) if known else None
    if not last or last.time < row.power_on:
        return None
    if last.result == "done":
        return Finding(
            f"its firmware fetched {last.name} by TFTP, but iPXE never asked for its script",
            f"Secure Boot may refuse iPXE, or iPXE knows no driver for this card: {see_console(site, row)}",
        )
    if last.result.startswith("refused"):
        return Finding(
            f"its firmware asked by TFTP for {last.name[:60]!r} ({last.result})",
            "another DHCP server names the wrong file, or the firmware keeps an old setting",
        )
    return Finding(
        f"TFTP of {last.name[:60]} broke after {last.bytes} bytes ({last.result[:100]})",
        "packets are lost on the way: check cable, switch port, VLAN and firewalls (UDP 69 and above 1023)",
    )


def _netbooting(site: Site, row: Deployment) -> Finding:
    newest = _Newest(site, row)
    if ScriptServed not in newest:
        if refused := newest.refused_script():
            return Finding(
                f"{refused.address} asked for its boot script and was given its disk: {refused.sentence}",
                f"is it this machine that stands there? provision host show {row.host}",
            )
        if finding := _network(site, row) or _transfer(site, row):
            return finding
        silent = "it has an address but iPXE never asked for its script"
        return _other_device(row, newest.get(PowerOn), silent) or Finding(
            silent,
            f"TFTP (UDP 69) may be filtered, or Secure Boot refuses iPXE: {see_console(site, row)}",
        )
    if row.iso:
        return _installer(site, row)
    return Finding(
        "iPXE has its script but the ramdisk never said hello",
        f"{see_console(site, row)}: the kernel may lack a driver for this network card",
    )


def _installer(site: Site, row: Deployment) -> Finding:
    if SeedServed not in _Newest(site, row):
        return Finding(
            "iPXE has its script but the installer never read its seed",
            f"{see_console(site, row)}: it needs memory for the whole ISO and a driver for this network card",
        )
    return Finding(
        "the installer has read its seed but never reported",
        f"{see_console(site, row)}: cloud-init or the installer may have refused the seed",
    )


def _writing(site: Site, row: Deployment) -> Finding:
    if row.is_installed:
        last = row.progress.phase or "nothing"
        return Finding(
            f"the installer's last word was: {last}", f"{see_console(site, row)}, or its log in /var/log"
        )
    done, total = row.progress.done, row.progress.total
    return Finding(f"{done} of {total} bytes were done", "look at the agent's log; the network may be slow")


def _restarting(site: Site, row: Deployment) -> Finding:
    newest = _Newest(site, row)
    if AgentRebooting not in newest and InstallerDone not in newest:
        return Finding("the agent was never told, or never heard, to reboot", "reset the host by hand")
    chosen = newest.get(DiskChosen)
    warning = chosen.note if chosen else ""
    if refused := newest.refused_script():
        times = f", {refused.count} times" if refused.count > 1 else ""
        warning = f"{refused.address} asked for its boot script instead and was given its disk{times}"
    return Finding(
        "the system on the disk never reported" + (f" ({warning})" if warning else ""),
        f"{see_console(site, row)}: it may have booted another disk, or its network card has another name",
    )


def _verifying(site: Site, row: Deployment) -> Finding:
    last = _Newest(site, row).get(VerifyUnreachable)
    sentence = last.sentence if last else "Ansible did not end"
    return Finding(sentence, f"ssh provision@{row.address}, and the host's firewall")


def _sealing(site: Site, row: Deployment) -> Finding:
    last = _Newest(site, row).get(SealTask)
    reason = last.sentence if last and last.result == "unreachable" else ""
    return Finding(reason or "the sealing did not end", f"provision retry {row.host}")


CHECKS: dict[Stage, Callable[[Site, Deployment], Finding]] = {
    Stage.QUEUED: _queued,
    Stage.POWERING: _powering,
    Stage.NETBOOTING: _netbooting,
    Stage.WRITING: _writing,
    Stage.RESTARTING: _restarting,
    Stage.VERIFYING: _verifying,
    Stage.SEALING: _sealing,
}
