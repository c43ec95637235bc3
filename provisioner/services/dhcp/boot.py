"""Which boot file a machine's firmware is given, and how each kind of firmware wants to be told."""

from dataclasses import dataclass
from ipaddress import IPv4Address

from provisioner.discovery import vendors
from provisioner.domain.bootfiles import ARCHITECTURES, BootFile
from provisioner.services.dhcp.packet import Option, Packet, encapsulate, suboptions
from provisioner.services.dhcp.request import assumed_architectures, is_http, is_ipxe, is_pxe, may_boot

PXE_DISCOVERY_CONTROL = 6  # suboption of 43 (PXE 2.1, 2.2.3)
SKIP_DISCOVERY = 8  # take the boot file of this packet, ask no boot server
PXE_BOOT_ITEM = 71  # likewise: which server of a menu is meant; it must come back
IPXE_NO_PXEDHCP = 176  # suboption of 175: do not wait for a ProxyDHCP
# iPXE expands ${…} in a boot file name. It undoes the escape of & before it asks (seen on the wire with
# the build of 2019), so what a vendor wrote comes last and of two equal keys the first must be believed.
IPXE_SCRIPT = (
    "{url}/boot/{mac}/boot.ipxe?uuid=${{uuid}}&arch=${{buildarch}}&platform=${{platform}}"
    "&serial=${{serial:uristring}}&manufacturer=${{manufacturer:uristring}}&product=${{product:uristring}}"
)
FILES_PATH = "/boot/files"


@dataclass(frozen=True)
class BootServer:
    """Where boot files come from, and which there are; one that is not listed is never named to a client."""

    address: IPv4Address
    url: str  # of the web service, without a path
    files: frozenset[str]


def refusal_reason(request: Packet, files: frozenset[str]) -> str:
    """Why firmware that asks for a boot file gets none, in words; empty where it gets one, or asks none."""
    if not _is_firmware(request) or boot_file(request, files):
        return ""
    number = assumed_architectures(request)[0]
    words = f"architecture {number} ({vendors.architecture(number)})"
    boot = ARCHITECTURES.get(number)
    if boot is None:
        return f"there is no boot file for {words}"
    if boot.http != is_http(request):
        return f"{words} does not go with {'HTTPClient' if is_http(request) else 'PXEClient'}"
    return f"{boot.name}, the boot file for {words}, is not in the state folder"


def boot_file(request: Packet, files: frozenset[str]) -> BootFile | None:
    """The file for the first of its architectures that there is one for; None for iPXE and for systems."""
    if not _is_firmware(request):
        return None
    named = (ARCHITECTURES.get(number) for number in assumed_architectures(request))
    fitting = (boot for boot in named if boot and boot.http == is_http(request))
    return next((boot for boot in fitting if boot.name in files), None)


def _is_firmware(request: Packet) -> bool:
    """Whether it wants a boot file, and is not iPXE, which wants a script."""
    return may_boot(request) and not is_ipxe(request) and (is_http(request) or is_pxe(request))


def add_boot_options(packet: Packet, request: Packet, server: BootServer, *, authoritative: bool) -> bool:
    """Put the script for iPXE, the URL for an HTTP client, the file for a PXE ROM into a reply.

    `authoritative`: no other server may add to it (a ProxyDHCP never says so). Whether anything was put in.
    """
    if not may_boot(request):
        return False
    if is_ipxe(request):
        _add_script(packet, request, server, authoritative=authoritative)
        return True
    boot = boot_file(request, server.files)
    if boot is None:
        return False
    if boot.http:
        _add_http(packet, f"{server.url}{FILES_PATH}/{boot.name}")
    else:
        _add_pxe(packet, request, server.address, boot.name)
    return True


def _add_script(packet: Packet, request: Packet, server: BootServer, *, authoritative: bool) -> None:
    script = IPXE_SCRIPT.format(url=server.url, mac=request.mac.replace(":", "-"))
    packet.siaddr = server.address
    packet.options[Option.BOOT_FILE] = script.encode()
    if authoritative:
        packet.options[Option.IPXE] = encapsulate({IPXE_NO_PXEDHCP: b"\1"})
    else:  # an offer without an address is a ProxyDHCP's only with this class (seen in iPXE's dhcp.c)
        packet.options[Option.VENDOR_CLASS] = b"PXEClient"


def _add_http(packet: Packet, url: str) -> None:
    """UEFI 2.10, 24.7.3: the class must come back, the file is a URL."""
    packet.options |= {Option.VENDOR_CLASS: b"HTTPClient", Option.BOOT_FILE: url.encode()}


def _add_pxe(packet: Packet, request: Packet, server: IPv4Address, name: str) -> None:
    """PXE 2.1, 2.4: the file in the header for old ROMs and as option 67 for others."""
    packet.siaddr = server
    packet.sname = str(server).encode()
    packet.file = name.encode()
    vendor_options = {PXE_DISCOVERY_CONTROL: bytes([SKIP_DISCOVERY])}
    item = suboptions(request.options.get(Option.VENDOR, b"")).get(PXE_BOOT_ITEM, b"")
    if len(item) == 4:
        vendor_options[PXE_BOOT_ITEM] = item
    packet.options |= {
        Option.VENDOR_CLASS: b"PXEClient",
        Option.VENDOR: encapsulate(vendor_options) + bytes([Option.END]),
        Option.TFTP_SERVER: str(server).encode(),
        Option.BOOT_FILE: name.encode(),
    }
    if Option.MACHINE in request.options:
        packet.options[Option.MACHINE] = request.options[Option.MACHINE]
