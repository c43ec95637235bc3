"""Reads what a client's DHCP packet says of its machine: firmware, architecture, UUID, switch port."""

import re
import uuid
from ipaddress import IPv4Address

from provisioner.services.dhcp.packet import UNSPECIFIED, Op, Option, Packet, suboptions
from provisioner.state.sightings import ClientPacket
from provisioner.system.text import clean

LONGEST_TEXT = 128  # characters of a class or a name
MOST_ARCHITECTURES = 16  # of one packet that are looked at
CIRCUIT, REMOTE, LINK_SELECTION = 1, 2, 5  # suboptions of 82 (RFC 3046, RFC 3527)
SERVER_OVERRIDE = 11  # likewise (RFC 5107)
# in which firmware says what it is and how it wants to be told
FIRMWARE = (
    *(Option.VENDOR_CLASS, Option.USER_CLASS, Option.ARCHITECTURE, Option.INTERFACE, Option.MACHINE),
    *(Option.VENDOR, Option.MAX_MESSAGE_SIZE),
)
# option 60 as PXE 2.1, 2.2.1 and UEFI 2.10, 24.7 write it
ARCHITECTURE_IN_CLASS = re.compile(rb"(?:PXE|HTTP)Client:Arch:(\d{1,5})(?!\d)")


def sighting(
    request: Packet, when: float, reply: Packet | None = None, note: str = "", ip: str = ""
) -> ClientPacket | None:
    """The evidence in a client's packet; None if no machine can be told from it.

    `ip` is the address that `reply` gives, else the one that the client has or wishes for.
    """
    message = request.message
    if request.op != Op.REQUEST or not request.mac or message is None:
        return None
    options = request.options
    relay_info = options.get(Option.RELAY, b"")
    ports = suboptions(relay_info) if relay_info else {}
    return ClientPacket(
        mac=request.mac,
        message=message.name.lower(),
        when=when,
        arch=architecture(request),
        vendor_class=decode_text(options.get(Option.VENDOR_CLASS, b"")),
        user_class=clean(" ".join(map(decode_text, user_classes(request))), LONGEST_TEXT),
        uuid=machine_uuid(request),
        undi=_undi(options.get(Option.INTERFACE, b"")),
        relay="" if request.giaddr == UNSPECIFIED else str(request.giaddr),
        relay_info=relay_info.hex(),
        circuit=_port(ports.get(CIRCUIT, b"")),
        remote=_port(ports.get(REMOTE, b"")),
        hostname=hostname(request),
        ip=ip or client_address(request, reply),
        boots=is_boot_client(request),
        note=note,
        server=str(request.address(Option.SERVER) or ""),
    )


def hostname(request: Packet) -> str:
    """What the machine calls itself; empty where it does not say."""
    return decode_text(request.options.get(Option.HOST_NAME, b""))


def client_address(request: Packet, reply: Packet | None = None) -> str:
    """The address that is given, else the one that the client has or wishes for; empty for none."""
    given = reply.yiaddr if reply else UNSPECIFIED
    requested = request.address(Option.REQUESTED_ADDRESS) or UNSPECIFIED
    return next((str(ip) for ip in (given, request.ciaddr, requested) if ip != UNSPECIFIED), "")


def is_http(request: Packet) -> bool:
    """Whether it is UEFI HTTP boot: option 60 begins with `HTTPClient` (UEFI 2.10, 24.7)."""
    return request.options.get(Option.VENDOR_CLASS, b"").startswith(b"HTTPClient")


def is_pxe(request: Packet) -> bool:
    """Whether it is a PXE ROM (RFC 4578, 2.1); some send the architecture only."""
    vendor = request.options.get(Option.VENDOR_CLASS, b"")
    return vendor.startswith(b"PXEClient") or (
        Option.ARCHITECTURE in request.options and not vendor.startswith(b"HTTPClient")
    )


def is_ipxe(request: Packet) -> bool:
    """Whether it is iPXE: one of its user classes (option 77) says so."""
    return Option.USER_CLASS in request.options and b"iPXE" in user_classes(request)


def is_boot_client(request: Packet) -> bool:
    """Whether firmware or iPXE asks, not an operating system."""
    return may_boot(request) and (is_pxe(request) or is_http(request) or is_ipxe(request))


def may_boot(request: Packet) -> bool:
    """A quick look whether it says anything that only firmware says; systems may say some of it, too."""
    options = request.options
    return 60 in options or 93 in options or 77 in options


def architectures(request: Packet) -> tuple[int, ...]:
    """All of option 93 as the firmware names them (RFC 4578, 2.1), else that in the text of option 60."""
    value = request.options.get(Option.ARCHITECTURE, b"")[: 2 * MOST_ARCHITECTURES]
    if len(value) >= 2:
        return tuple(int.from_bytes(value[at : at + 2], "big") for at in range(0, len(value) - 1, 2))
    told = ARCHITECTURE_IN_CLASS.match(request.options.get(Option.VENDOR_CLASS, b""))
    return (int(told[1]),) if told else ()


def architecture(request: Packet) -> int | None:
    """The first that it names; None where it names none."""
    return next(iter(architectures(request)), None)


def assumed_architectures(request: Packet) -> tuple[int, ...]:
    """Where nothing says it, it is an old BIOS ROM: PXE 2.0 had no option 93, which RFC 4578 demands."""
    return architectures(request) or (0,)


def user_classes(request: Packet) -> list[bytes]:
    """Option 77: a list as RFC 3004 says, or plain text as iPXE and others send it; zeros may end either."""
    value = request.options.get(Option.USER_CLASS, b"")
    text = value.rstrip(b"\0")
    return _class_list(value) or _class_list(text) or ([text or value] if value else [])


def _class_list(value: bytes) -> list[bytes]:
    """The classes; none where the value is no such list."""
    classes: list[bytes] = []
    place = 0
    while place < len(value):
        length = value[place]
        classes.append(value[place + 1 : place + 1 + length])
        place += 1 + length
        if not length or place > len(value):
            return []
    return classes


def machine_uuid(request: Packet) -> str:
    """Option 97 as people read it; firmware sends SMBIOS' byte order."""
    value = request.options.get(Option.MACHINE, b"")
    return str(uuid.UUID(bytes_le=value[1:])) if len(value) == 17 and value[0] == 0 else ""


def link_selection(request: Packet) -> bytes:
    """The subnet that a relay wants an address of, where it is not that of giaddr (RFC 3527)."""
    if Option.RELAY not in request.options:
        return b""
    subnet = suboptions(request.options[Option.RELAY]).get(LINK_SELECTION, b"")
    return subnet if len(subnet) == 4 and any(subnet) else b""


def server_override(request: Packet) -> IPv4Address | None:
    """What a relay wants to be named as the server, so that renewals come through it (RFC 5107, 4)."""
    if request.giaddr == UNSPECIFIED or Option.RELAY not in request.options:
        return None
    address = suboptions(request.options[Option.RELAY]).get(SERVER_OVERRIDE, b"")
    return IPv4Address(address) if len(address) == 4 and any(address) else None


def decode_text(text: bytes) -> str:
    """At most 128 characters of what a stranger wrote; NULs may end it (RFC 2132, 2)."""
    return clean(text.rstrip(b"\0").decode("utf-8", "replace"), LONGEST_TEXT)


def _port(value: bytes) -> str:
    """What a switch calls a port: text as it is, else hexadecimal."""
    text = value.rstrip(b"\0")
    if text and all(0x20 <= byte < 0x7F for byte in text):
        return text.decode()[:64]
    return value[:32].hex()


def _undi(value: bytes) -> str:
    return f"{value[0]}.{value[1]}.{value[2]}" if len(value) == 3 else ""
