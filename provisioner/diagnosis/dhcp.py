"""Causes in the host's first packets: who asks by DHCP, and who answers."""

from ipaddress import AddressValueError, IPv4Address

from provisioner.diagnosis.observations import Observations
from provisioner.diagnosis.power import SLOWEST_START
from provisioner.diagnosis.siblings import Sibling
from provisioner.domain.cause import Cause, Sight
from provisioner.domain.events.netboot import DhcpSeen
from provisioner.domain.events.power import PowerOn
from provisioner.domain.stage import Stage
from provisioner.site import lan

BOOTS = (Stage.POWERING, Stage.NETBOOTING)
PORT_GIVEN_UP = 180.0  # seconds: UEFI tries IPv6, and boot by HTTP, a minute each before the next port
PORT_KEPT = 300.0  # seconds for which a firmware asks by one port before it tries another
ARCH_GIVEN_UP = 120.0  # seconds in which a firmware tries its other ways to boot: HTTP, legacy, x64
OFFERS_HEARD = 40.0  # seconds in which PXE asks four times, as it does where it hears no offer
ASKED_AGAIN = 10.0  # seconds between its first packet and one that shows that it took no offer
TAKEN = 10.0  # seconds for whoever took another server's offer to come to us all the same


def rogue_server(seen: Observations) -> Cause | None:
    """Another DHCP server answers where ours is the only one; a host past its netboot does not care, and one
    in the queue is not begun.
    """
    if seen.row.stage not in (Stage.QUEUED, *BOOTS) or not seen.rogues:
        return None
    heard = tuple(Sight(sentence=lan.describe_server(each), time=each.heard) for each in seen.rogues)
    servers = "; ".join(sight.sentence for sight in heard)
    return Cause(
        code=670,
        sentence=f"another DHCP server answers there: {servers}",
        evidence=heard,
        actions=("unplug it", "provision net check"),
    )


def other_offer_taken(seen: Observations) -> Cause | None:
    """Its request names another server than ours. A relay that stands in for us, and iPXE's script, speak
    against it.
    """
    asked = seen.sighting
    if seen.row.stage not in BOOTS or not asked or not asked.data.server or asked.data.relay:
        return None
    if not seen.addresses or _is_ours(asked.data.server, seen) or seen.has_script:
        return None
    if asked.data.when < seen.row.power_on or not seen.is_over(TAKEN, asked.data.when):
        return None
    return Cause(
        code=675,
        sentence=f"it took the address that another DHCP server ({asked.data.server}) offered",
        evidence=(
            Sight(sentence=f"DHCP request of {asked.mac} to {asked.data.server}", time=asked.data.when),
        ),
        actions=(f"unplug the server {asked.data.server}", "provision net check"),
    )


def _is_ours(address: str, seen: Observations) -> bool:
    try:
        return IPv4Address(address) in seen.addresses
    except AddressValueError:
        return True


def no_boot_file(seen: Observations) -> Cause | None:
    """Its firmware asks as what has no boot file. iPXE's request for its script speaks against it, and the
    time in which a firmware tries its other ways to boot.
    """
    asked = seen.sighting
    if seen.row.stage not in BOOTS or not asked or not asked.data.note or seen.has_script:
        return None
    if asked.data.when and asked.data.when < seen.row.power_on:
        return None
    first = seen.last(DhcpSeen)
    limit = seen.patience(Stage.NETBOOTING, ARCH_GIVEN_UP)
    if not seen.is_over(limit, first[1] if first else asked.data.when):
        return None
    return Cause(
        code=671,
        sentence=f"it asks for an address, but {asked.data.note}",
        evidence=(Sight(sentence=f"DHCP of {asked.mac}", time=asked.last_seen),),
        actions=("set its firmware to boot as UEFI x64 or as BIOS", "provision net check"),
    )


def wrong_port(seen: Observations) -> Cause | None:
    """Another card of the host asks for an address, its own does not.

    A firmware that tries its ports in turn speaks against it: so the port must have been given up, or asked
    by for longer than a firmware stays with one. A MAC that is only near may be a neighbour's: the slowest
    start must be over, it must have begun after the power-on, and there must be no second one. Only what is
    certain may be written into the inventory, for that binds the order to that machine.
    """
    if seen.row.stage != Stage.POWERING or seen.sighting:
        return None
    kept = [each for each in seen.siblings if _is_kept(each, seen)]
    certain = [each for each in kept if each.is_certain]
    if not certain and len(kept) != 1:
        return None
    sibling = (certain or kept)[0]
    mac, place = sibling.sighting.mac, f" at switch port {sibling.place}" if sibling.place else ""
    likely = "" if sibling.is_certain else "probably "
    correct = f"or correct the MAC: provision host edit {seen.row.host} --mac {mac}"
    return Cause(
        code=216,
        sentence=f"{mac} asks{place}, not {seen.row.mac}: the cable is {likely}in its other port",
        evidence=(
            Sight(sentence=f"DHCP of {mac}{place}: {sibling.reason}", time=sibling.sighting.last_seen),
            Sight(sentence=f"no DHCP of {seen.row.mac} since the power-on", time=seen.now),
        ),
        actions=(
            f"move the cable to the port with {seen.row.mac}{_last_port(seen)}",
            *([correct] if sibling.is_certain else []),
            f"or {seen.see_console}",
        ),
    )


def _last_port(seen: Observations) -> str:
    return f" (it was {seen.switch_port})" if seen.switch_port else ""


def _is_kept(sibling: Sibling, seen: Observations) -> bool:
    asked = sibling.sighting
    if not sibling.is_certain:
        limit = seen.start_patience(SLOWEST_START)
        return asked.first_seen >= seen.row.power_on and seen.is_over(limit, seen.powered)
    if not seen.is_over(seen.patience(Stage.POWERING, 0.0), seen.powered):
        return False
    began = max(asked.first_seen, seen.row.power_on)
    return seen.is_late or seen.now - asked.last_seen >= PORT_GIVEN_UP or seen.now - began >= PORT_KEPT


def unheard(seen: Observations) -> Cause | None:
    """No packet at all, for as long as a server may need to start. Any packet speaks against it."""
    told = seen.last(PowerOn)
    if seen.row.stage != Stage.POWERING or not told or seen.sighting or wrong_port(seen):
        return None
    if not seen.is_over(seen.start_patience(SLOWEST_START), seen.powered):
        return None
    others = [
        Sight(sentence=f"{each.sighting.mac} did ask: {each.reason}", time=each.sighting.last_seen)
        for each in seen.siblings
    ]
    note = f" ({told[0].note})" if told[0].note else ""
    return Cause(
        code=210,
        sentence=f"the BMC says power is on, but {seen.row.mac} never asked for an address{note}",
        evidence=(
            Sight(sentence=told[0].describe(), time=told[1]),
            *others,
            Sight(sentence=f"no DHCP of {seen.row.mac} since", time=seen.now),
        ),
        actions=(
            f"check the cable, the switch port and its VLAN{_last_port(seen)}",
            "switch network boot on in its firmware",
            f"{seen.see_console}; if it still tests its memory, let its profile say how many seconds it may"
            " take: deadlines: {powering: 3600}",
        ),
    )


def offers_ignored(seen: Observations) -> Cause | None:
    """It asks again and again, and takes no offer. A request for what was offered speaks against it."""
    asked, first = seen.sighting, seen.last(DhcpSeen)
    if seen.row.stage != Stage.NETBOOTING or not asked or not first or seen.has_script:
        return None
    is_firmware = asked.data.boots and asked.data.when >= seen.row.power_on
    if not is_firmware or asked.data.message != "discover" or seen.transfer:
        return None
    is_again = asked.data.when - first[1] >= ASKED_AGAIN
    if not is_again or not seen.is_over(seen.patience(Stage.NETBOOTING, OFFERS_HEARD), first[1]):
        return None
    return Cause(
        code=225,
        sentence=f"{asked.mac} asks for an address again and again, and takes none that is offered",
        evidence=(
            Sight(sentence=f"first DHCP packet of {asked.mac} since the power-on", time=first[1]),
            Sight(sentence=f"DHCP discover of {asked.mac} once more, no request", time=asked.last_seen),
        ),
        actions=(
            "our answers do not reach it: check VLAN, DHCP snooping and port security at its switch port",
            "provision net check",
        ),
    )
