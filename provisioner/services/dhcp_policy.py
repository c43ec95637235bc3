"""Decides what a DHCP packet is answered: an address for everybody, a boot file for those who may boot."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from provisioner.services.dhcp_leases import Leases
from provisioner.services.dhcp_packet import BROADCAST, NOWHERE, Message, Op, Option, Packet, encapsulate

SERVER_PORT = 67
CLIENT_PORT = 68
EVERYBODY = IPv4Address("255.255.255.255")
PXE_DISCOVERY_CONTROL = 6  # suboption of 43 (PXE 2.1, 2.2.3)
SKIP_DISCOVERY = 8  # take the boot file of this packet, ask no boot server
IPXE_NO_PXEDHCP = 176  # suboption of 175: do not wait for a ProxyDHCP
# iPXE expands ${…} in a boot file name. It undoes the escape of & before it asks (seen on the wire with
# the build of 2019), so what a vendor wrote comes last and of two equal keys the first must be believed.
IPXE_SCRIPT = (
    "{url}/boot/{mac}/boot.ipxe?uuid=${{uuid}}&arch=${{buildarch}}&platform=${{platform}}"
    "&serial=${{serial:uristring}}&manufacturer=${{manufacturer:uristring}}&product=${{product:uristring}}"
)


@dataclass(frozen=True)
class BootFile:
    """What firmware of one architecture is given: over TFTP, or over HTTP if it is an HTTP client."""

    name: str
    http: bool = False


# option 93 (IANA, "Processor Architecture Types") → iPXE's binary; what is absent gets an address only
ARCHITECTURES: dict[int, BootFile] = {
    0: BootFile("undionly.kpxe"),  # BIOS
    7: BootFile("snponly.efi"),  # registered as EBC, sent by x64 firmware that follows RFC 4578
    9: BootFile("snponly.efi"),  # UEFI x64
    11: BootFile("snponly-arm64.efi"),  # UEFI arm64
    16: BootFile("snponly.efi", http=True),  # UEFI x64, HTTP boot
    19: BootFile("snponly-arm64.efi", http=True),  # UEFI arm64, HTTP boot
}


@dataclass(frozen=True)
class DhcpConfig:
    """What the service gives away on its one network. `url` is the web service's, without a path.

    `files` are the boot files that can be had; a file that is not listed is never named to a client.
    """

    server: IPv4Address
    network: IPv4Network
    url: str
    lease_seconds: int = 3600
    router: IPv4Address | None = None
    name_servers: tuple[IPv4Address, ...] = ()
    domain: str = ""
    time_server: IPv4Address | None = None
    files: frozenset[str] = frozenset({"undionly.kpxe", "snponly.efi"})
    files_path: str = "/boot/files"


@dataclass(frozen=True)
class Facts:
    """What the policy asks about a machine; MACs as `aa:bb:cc:dd:ee:ff`."""

    is_bmc: Callable[[str], bool] = lambda mac: False


@dataclass(frozen=True)
class Reply:
    """A packet and where to send it."""

    packet: Packet
    address: IPv4Address = EVERYBODY
    port: int = CLIENT_PORT


@dataclass(frozen=True)
class Sighting:
    """The evidence in one request. `when` in seconds since 1970; texts are printable."""

    mac: str
    message: str
    when: float
    arch: int | None = None
    vendor_class: str = ""
    user_class: str = ""
    uuid: str = ""
    relay: str = ""
    relay_info: str = ""
    hostname: str = ""
    ip: str = ""
    boots: bool = field(default=False)  # a PXE, HTTP or iPXE client, not an operating system


def sighting(request: Packet, when: float, reply: Reply | None = None) -> Sighting | None:
    """The evidence in a client's packet; None if no machine can be told from it.

    `ip` is the address that `reply` gives, else the one that the client has or wishes for.
    """
    if request.op != Op.REQUEST or not request.mac or request.message is None:
        return None
    options = request.options
    given = reply.packet.yiaddr if reply else NOWHERE
    wanted = request.address(Option.REQUESTED_ADDRESS) or NOWHERE
    address = next((ip for ip in (given, request.ciaddr, wanted) if ip != NOWHERE), "")
    return Sighting(
        mac=request.mac,
        message=request.message.name.lower(),
        when=when,
        arch=architecture(request),
        vendor_class=_printable(options.get(Option.VENDOR_CLASS, b"")),
        user_class=" ".join(map(_printable, user_classes(request))),
        uuid=machine_uuid(request),
        relay="" if request.giaddr == NOWHERE else str(request.giaddr),
        relay_info=options.get(Option.RELAY, b"").hex(),
        hostname=_printable(options.get(Option.HOST_NAME, b"")),
        ip=str(address),
        boots=is_pxe(request) or is_http(request) or is_ipxe(request),
    )


def answer(request: Packet, config: DhcpConfig, leases: Leases, facts: Facts, now: float) -> Reply | None:
    """The reply to a client's packet; None where silence is right. `now` in seconds since 1970."""
    if request.op != Op.REQUEST or not request.mac:
        return None
    if request.giaddr != NOWHERE and request.giaddr not in config.network:
        return None  # a relay of a network that we have no addresses for
    match request.message:
        case Message.DISCOVER:
            return _offer(request, config, leases, facts, now)
        case Message.REQUEST:
            return _acknowledge(request, config, leases, facts, now)
        case Message.INFORM:
            return _reply(request, config, facts, Message.ACK, NOWHERE)
        case Message.RELEASE:
            leases.release(request.mac, request.ciaddr, now)
        case Message.DECLINE:
            leases.decline(request.mac, request.address(Option.REQUESTED_ADDRESS) or NOWHERE, now)
    return None


def _offer(request: Packet, config: DhcpConfig, leases: Leases, facts: Facts, now: float) -> Reply | None:
    address = leases.offer(request.mac, now, request.address(Option.REQUESTED_ADDRESS))
    return _reply(request, config, facts, Message.OFFER, address) if address else None


def _acknowledge(
    request: Packet, config: DhcpConfig, leases: Leases, facts: Facts, now: float
) -> Reply | None:
    """RFC 2131, 4.3.2. We are the only server of this network: what does not fit is refused, not ignored."""
    chosen = request.address(Option.SERVER)
    if chosen and chosen != config.server:
        return None  # another server's offer was taken
    address = request.address(Option.REQUESTED_ADDRESS) or request.ciaddr
    if address not in config.network:
        return _refuse(request, config, f"{address} is not in {config.network}")
    if not leases.commit(request.mac, address, now, config.lease_seconds):
        return _refuse(request, config, f"{address} is not yours")
    return _reply(request, config, facts, Message.ACK, address)


def _refuse(request: Packet, config: DhcpConfig, reason: str) -> Reply:
    """A NAK goes to everybody: the client may not use the address it believes to have."""
    packet = _blank(request)
    packet.options = {
        Option.MESSAGE: bytes([Message.NAK]),
        Option.SERVER: config.server.packed,
        Option.TEXT: reason.encode(),
    } | _echo(request, Option.CLIENT_ID, Option.RELAY)
    if request.giaddr != NOWHERE:
        packet.flags |= BROADCAST
        return Reply(packet, request.giaddr, SERVER_PORT)
    return Reply(packet)


def _reply(request: Packet, config: DhcpConfig, facts: Facts, kind: Message, address: IPv4Address) -> Reply:
    packet = _blank(request)
    packet.yiaddr = address
    packet.ciaddr = request.ciaddr if kind == Message.ACK else NOWHERE
    packet.options = {Option.MESSAGE: bytes([kind]), **_network(config)}
    if address != NOWHERE:
        packet.options |= _times(config.lease_seconds)
    packet.options |= _echo(request, Option.CLIENT_ID, Option.RELAY)  # RFC 6842, RFC 3046
    if not facts.is_bmc(request.mac):
        _add_boot(packet, request, config)
    return Reply(packet, *_destination(request))


def _blank(request: Packet) -> Packet:
    return Packet(
        op=Op.REPLY,
        xid=request.xid,
        chaddr=request.chaddr,
        flags=request.flags,
        giaddr=request.giaddr,
    )


def _destination(request: Packet) -> tuple[IPv4Address, int]:
    """RFC 2131, 4.1, except that we broadcast where it would allow a unicast without ARP."""
    if request.giaddr != NOWHERE:
        return request.giaddr, SERVER_PORT
    if request.ciaddr != NOWHERE:
        return request.ciaddr, CLIENT_PORT
    return EVERYBODY, CLIENT_PORT


def _network(config: DhcpConfig) -> dict[int, bytes]:
    options = {
        Option.SERVER: config.server.packed,
        Option.SUBNET_MASK: config.network.netmask.packed,
        Option.BROADCAST_ADDRESS: config.network.broadcast_address.packed,
        Option.ROUTER: config.router.packed if config.router else b"",
        Option.NAME_SERVER: b"".join(server.packed for server in config.name_servers),
        Option.DOMAIN: config.domain.encode(),
        Option.TIME_SERVER: config.time_server.packed if config.time_server else b"",
    }
    return {int(code): value for code, value in options.items() if value}


def _times(seconds: int) -> dict[int, bytes]:
    times = {
        Option.LEASE_TIME: seconds,
        Option.RENEWAL_TIME: seconds // 2,
        Option.REBINDING_TIME: seconds * 7 // 8,
    }
    return {int(code): value.to_bytes(4, "big") for code, value in times.items()}


def _echo(request: Packet, *codes: Option) -> dict[int, bytes]:
    return {int(code): request.options[code] for code in codes if code in request.options}


def _add_boot(packet: Packet, request: Packet, config: DhcpConfig) -> None:
    """The boot file for iPXE, for an HTTP client, for a PXE ROM; nothing for anyone else."""
    if is_ipxe(request):
        script = IPXE_SCRIPT.format(url=config.url, mac=request.mac.replace(":", "-"))
        packet.siaddr = config.server
        packet.options[Option.BOOT_FILE] = script.encode()
        packet.options[Option.IPXE] = encapsulate({IPXE_NO_PXEDHCP: b"\1"})
        return
    boot = ARCHITECTURES.get(_assumed_architecture(request))
    if boot is None or boot.name not in config.files or boot.http != is_http(request):
        return
    if boot.http:
        _add_http(packet, f"{config.url}{config.files_path}/{boot.name}")
    elif is_pxe(request):
        _add_pxe(packet, request, config.server, boot.name)


def _add_http(packet: Packet, url: str) -> None:
    """UEFI 2.10, 24.7.3: the class must come back, the file is a URL."""
    packet.options |= {Option.VENDOR_CLASS: b"HTTPClient", Option.BOOT_FILE: url.encode()}


def _add_pxe(packet: Packet, request: Packet, server: IPv4Address, name: str) -> None:
    """PXE 2.1, 2.4: the file in the header for old ROMs and as option 67 for others."""
    packet.siaddr = server
    packet.sname = str(server).encode()
    packet.file = name.encode()
    packet.options |= {
        Option.VENDOR_CLASS: b"PXEClient",
        Option.VENDOR: encapsulate({PXE_DISCOVERY_CONTROL: bytes([SKIP_DISCOVERY])}) + bytes([Option.END]),
        Option.TFTP_SERVER: str(server).encode(),
        Option.BOOT_FILE: name.encode(),
    } | _echo(request, Option.MACHINE)


def is_http(request: Packet) -> bool:
    """UEFI HTTP boot."""
    return request.options.get(Option.VENDOR_CLASS, b"").startswith(b"HTTPClient")


def is_pxe(request: Packet) -> bool:
    """A PXE ROM (RFC 4578, 2.1); some send the architecture only."""
    vendor = request.options.get(Option.VENDOR_CLASS, b"")
    return vendor.startswith(b"PXEClient") or (
        Option.ARCHITECTURE in request.options and not is_http(request)
    )


def is_ipxe(request: Packet) -> bool:
    """Said by the user class."""
    return b"iPXE" in user_classes(request)


def architecture(request: Packet) -> int | None:
    """The first type of option 93."""
    value = request.options.get(Option.ARCHITECTURE, b"")
    return int.from_bytes(value[:2], "big") if len(value) >= 2 else None


def _assumed_architecture(request: Packet) -> int:
    """Without option 93 it is an old BIOS ROM: RFC 4578 demands it, PXE 2.0 did not have it."""
    found = architecture(request)
    return 0 if found is None else found


def user_classes(request: Packet) -> list[bytes]:
    """Option 77: a list as RFC 3004 says, or plain text as iPXE and others send it."""
    value = request.options.get(Option.USER_CLASS, b"")
    classes: list[bytes] = []
    place = 0
    while place < len(value):
        length = value[place]
        classes.append(value[place + 1 : place + 1 + length])
        place += 1 + length
        if not length or place > len(value):
            return [value]
    return classes


def machine_uuid(request: Packet) -> str:
    """Option 97 as people read it; firmware sends SMBIOS' byte order."""
    value = request.options.get(Option.MACHINE, b"")
    return str(uuid.UUID(bytes_le=value[1:])) if len(value) == 17 and value[0] == 0 else ""


def _printable(text: bytes) -> str:
    """At most 128 characters of what a stranger wrote, without control characters."""
    return "".join(
        letter if letter.isprintable() else "?" for letter in text.decode("utf-8", "replace")[:128]
    )
