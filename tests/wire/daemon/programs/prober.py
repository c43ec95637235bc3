"""Asks the service on 10.77.0.1 from eth0 until it answers: prober DISCOVER, a recorded packet as hex.

Reads dhcp, dns, tftp or web from standard input, a line each, and prints the word when that has answered.
"""

import http.client
import select
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

from provisioner.services.dhcp.frames import DhcpPacketSocket
from provisioner.services.dhcp.packet import Packet

SERVER = "10.77.0.1"
PATIENCE = 0.2  # seconds for one answer
# RFC 1035, 4.1: one question for provision.vaultcube.local, type A, class IN
QUESTION = (
    bytes.fromhex("77010100000100000000000009")
    + b"provision\x09vaultcube\x05local\0"
    + bytes.fromhex("00010001")
)
REQUEST = b"\0\x01snponly.efi\0octet\0"  # RFC 1350, 5


def ask_dhcp(listening: DhcpPacketSocket, packet: Packet) -> bool:
    """A DISCOVER; its offer."""
    packet.xid += 1
    listening.broadcast(packet.build())
    while select.select([listening], [], [], PATIENCE)[0]:
        if any(Packet.parse(datagram.data).xid == packet.xid for datagram in listening.read()):
            return True
    return False


def ask_udp(port: int, request: bytes) -> bool:
    """One datagram; anything that comes back."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.sendto(request, (SERVER, port))
        return bool(select.select([line], [], [], PATIENCE)[0])


def ask_web() -> bool:
    """A stranger's boot script."""
    line = http.client.HTTPConnection(SERVER, timeout=1)
    line.request("GET", "/boot/52-54-00-88-00-01/boot.ipxe")
    return line.getresponse().status == 200


packet_socket = DhcpPacketSocket("eth0")
discover = Packet.parse(bytes.fromhex(sys.argv[1]))
discover.chaddr, discover.flags = packet_socket.mac, 0x8000
QUESTIONS: dict[str, Callable[[], bool]] = {
    "dhcp": lambda: ask_dhcp(packet_socket, discover),
    "dns": lambda: ask_udp(53, QUESTION),
    "tftp": lambda: ask_udp(69, REQUEST),
    "web": ask_web,
}
print("ready", flush=True)
for name in map(str.strip, sys.stdin):
    answered = False
    while not answered:
        with suppress(OSError, http.client.HTTPException):
            answered = QUESTIONS[name]()
    print(name, flush=True)
