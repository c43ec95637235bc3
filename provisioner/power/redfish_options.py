"""The firmware's boot options in Redfish (DSP2046, BootOption): which of them is the network's."""

from collections.abc import Iterator
from dataclasses import dataclass

from provisioner.power.redfish_answer import Resource
from provisioner.power.redfish_client import RedfishClient

MOST = 32  # options that are looked at; each is a request
NETWORK = ("pxe", "uefihttp")  # Alias
SPOKEN = ("pxe", "http", "ipv4", "network")  # in DisplayName
CARD = "MAC("  # in a UEFI device path (UEFI 2.10, 10.6.1.6): the card, then the protocol
WORST = 4  # rank of an option that is not the network's


@dataclass(frozen=True)
class BootOption:
    """`reference` is its name in BootOrder, `device_path` what UefiTarget takes; empty where it has none."""

    reference: str
    device_path: str = ""


def network(client: RedfishClient, boot: Resource, mac: str) -> BootOption | None:
    """The option by which the card `mac` boots from the network; None where none is seen to do it.

    Without a MAC any card will do. An option that names another card is never taken.
    """
    ranked = [(_rank(option, mac), option) for option in _options(client, boot)]
    fitting = [(rank, option) for rank, option in ranked if rank < WORST]
    if not fitting:
        return None
    _, best = min(fitting, key=lambda one: one[0])
    return BootOption(best.text("BootOptionReference") or best.text("Id"), best.text("UefiDevicePath"))


def _options(client: RedfishClient, boot: Resource) -> Iterator[Resource]:
    """Those of the collection, whole or by their links; in the order in which the firmware lists them."""
    place = boot.link("BootOptions")
    collection = client.request("GET", place) if place else None
    if collection is None or not collection.is_done:
        return
    for member in collection.body.parts("Members")[:MOST]:
        if member.text("BootOptionReference"):
            yield member
        elif path := member.text("@odata.id"):
            answer = client.request("GET", path)
            if answer.is_done:
                yield answer.body


def _rank(option: Resource, mac: str) -> int:
    """0 for PXE by the card over IPv4, then HTTP, then IPv6; WORST for what is no network of the card."""
    device, card = option.text("UefiDevicePath").upper(), mac.replace(":", "").upper()
    spoken = option.text("DisplayName").lower()
    is_network = CARD in device or option.text("Alias").lower() in NETWORK
    if not is_network and not any(word in spoken for word in SPOKEN):
        return WORST
    if option.text("BootOptionEnabled") == "False" or (CARD in device and card not in device):
        return WORST
    return ("IPV6" in device or "ipv6" in spoken) * 2 + ("URI(" in device or "http" in spoken)
