"""Causes at the BMC, and at the power button."""

from provisioner.diagnosis.observations import Observations
from provisioner.domain.cause import Cause, Sight
from provisioner.domain.events.agent import AgentSilent, NetbootAgain
from provisioner.domain.events.payload import Payload
from provisioner.domain.events.power import PowerAsked, PowerDelayed, PowerOn
from provisioner.domain.stage import Stage

BMC_MOMENT = 60.0  # seconds for which a BMC may be busy: it starts, or its sessions are full
SLOWEST_START = 840.0  # seconds: large servers test their memory almost until the stage ends
SYSTEM_ASKS = 30.0  # seconds: what shares the card with the host may ask once before its firmware does
POST_LASTS = 90.0  # seconds after the power-on in which who asks is the system from before
NOT_TOLD = ("network", "unknown", "?")  # boot devices of which it is not known that they are another
LOST_TWICE = 3  # attempts: power cuts happen once


def bmc_delays(seen: Observations) -> Cause | None:
    """The BMC's last word was an error, which has its own code. Its later success speaks against it;
    where it is only busy (PV-211), so does the moment that this may take.
    """
    delayed, done = seen.last(PowerDelayed), seen.last(PowerOn)
    if seen.row.stage != Stage.POWERING or delayed is None or (done and done[1] >= delayed[1]):
        return None
    delay, time = delayed
    if delay.code == 211 and not seen.is_over(BMC_MOMENT, delay.first or time):
        return None
    count = f", {delay.count} times" if delay.count > 1 else ""
    told = Sight(sentence=f"{delay.sentence}{count}", time=time)
    test = f"provision bmc test {seen.row.host}"
    actions = tuple(filter(None, (delay.hint, test if test not in delay.hint else "")))
    return Cause(code=delay.code or 200, sentence=delay.sentence, evidence=(told,), actions=actions)


def bmc_unconfirmed(seen: Observations) -> Cause | None:
    """The BMC has said nothing at all until the deadline. Whatever it says speaks against it."""
    if seen.row.stage != Stage.POWERING or not seen.is_late or seen.has(PowerOn, PowerAsked):
        return None
    return Cause(
        code=200,
        sentence="the BMC never confirmed that it is powered",
        evidence=(Sight(sentence="it was to be powered", time=seen.row.stage_since),),
        actions=(f"provision bmc test {seen.row.host}",),
    )


def boot_device_refused(seen: Observations) -> Cause | None:
    """The BMC did not take the network as boot device. Any packet of its firmware speaks against it, as does
    that it booted from the network before although the BMC had refused.

    Where the BMC only cannot show what is set, the time that a server needs to start does, too.
    """
    told = seen.last(PowerOn)
    if seen.row.stage not in (Stage.POWERING, Stage.NETBOOTING) or told is None or seen.has_script:
        return None
    on, time = told
    if on.boot == "network" or not on.note or (seen.firmware_asked and not seen.is_late):
        return None
    limit = seen.start_patience(SLOWEST_START)
    is_unsaid = on.boot in NOT_TOLD or seen.boots_network_unset
    if is_unsaid and not seen.is_over(limit, seen.powered):
        return None
    return Cause(
        code=218,
        sentence=f"its BMC did not set the boot device to network ({on.note})",
        evidence=(
            Sight(sentence=on.describe(), time=time),
            Sight(sentence=f"no script was asked for by {seen.row.mac} since", time=seen.now),
        ),
        actions=(
            f"put the network first in its firmware's own boot order, then: provision retry {seen.row.host}",
            seen.see_console,
        ),
    )


def own_system_booted(seen: Observations) -> Cause | None:
    """A system asked by DHCP from its card, no firmware did: it booted its disk. Firmware's packets speak
    against it, and so does a moment, for what manages a board may share its card. What asks right after the
    power-on is the system that is going down.
    """
    if seen.row.stage != Stage.POWERING or seen.firmware_asked or not seen.last(PowerOn):
        return None
    asked = seen.system_asked(seen.powered)
    if not asked or asked - seen.powered < POST_LASTS or not seen.is_over(SYSTEM_ASKS, asked):
        return None
    name = seen.sighting.data.hostname if seen.sighting else ""
    called = f" called {name}" if name else ""
    return Cause(
        code=217,
        sentence=f"it booted the system{called} on its own disk, not the network",
        evidence=(
            Sight(sentence=f"DHCP of {seen.row.mac} by a system{called}, not by its firmware", time=asked),
            Sight(sentence="boot device and power were set", time=seen.powered),
        ),
        actions=(
            "put the network before the disk in its firmware's boot order, for this port",
            f"provision retry {seen.row.host}",
        ),
    )


def button_not_pressed(seen: Observations) -> Cause | None:
    """A person was to press its button, and nothing is heard. Any packet of it speaks against it."""
    asked = seen.last(PowerAsked)
    if seen.row.stage != Stage.POWERING or not asked or seen.last(PowerOn) or seen.sighting or seen.siblings:
        return None
    if not seen.is_over(seen.start_patience(SLOWEST_START), asked[1]):
        return None
    return Cause(
        code=219,
        sentence="nobody has pressed the power button, or its cable is in another port",
        evidence=(
            Sight(sentence=asked[0].describe(), time=asked[1]),
            Sight(sentence=f"no DHCP of {seen.row.mac} since", time=seen.now),
        ),
        actions=("press its power button", f"check that its cable is in the port with {seen.row.mac}"),
    )


def power_lost(seen: Observations) -> Cause | None:
    """Its writing was broken off again and again. The first two attempts speak against it."""
    if seen.row.attempt < LOST_TWICE or seen.row.stage not in (
        Stage.POWERING,
        Stage.NETBOOTING,
        Stage.WRITING,
    ):
        return None
    kinds: tuple[type[Payload], ...] = (AgentSilent, NetbootAgain)
    lost = [event for event in seen.events if isinstance(event.data, kinds)]
    if not lost:
        return None
    return Cause(
        code=344,
        sentence=f"its writing was broken off {seen.row.attempt - 1} times",
        evidence=tuple(Sight(sentence=event.describe(), time=event.time) for event in lost[-2:]),
        actions=("check its power supplies and its network cable", f"{seen.see_console}: what resets it?"),
    )
