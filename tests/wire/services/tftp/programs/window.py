"""Sends one window of packets into a tap device, and reads the frames there: window SIZE COUNT MTU.

Prints one JSON object: are the packets the `same`, how many (`count`), how many frames are `wrong` in a
checksum or too long, and whether the session still hands the kernel `whole` windows.
"""

import fcntl
import json
import os
import select
import socket
import struct
import sys
import time

from provisioner import run
from provisioner.services.tftp.packet import TransferRequest
from provisioner.services.tftp.policy import Content
from provisioner.services.tftp.session import Session

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
SIZE, COUNT, MTU = map(int, sys.argv[1:])


def open_tap() -> int:
    """A tap device whose one neighbour is 10.9.0.2."""
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", b"tap0", IFF_TAP | IFF_NO_PI))
    for words in (
        f"link set tap0 mtu {MTU} up",
        "address add 10.9.0.1/24 dev tap0",
        "neighbour add 10.9.0.2 lladdr 52:54:00:00:00:02 dev tap0",
    ):
        run.run(["ip", *words.split()])
    return tap


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071); 0xffff over what carries a right one."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return int(total)


tap = open_tap()
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.bind(("10.9.0.1", 4000))
link.connect(("10.9.0.2", 2000))
session = Session(link, ("10.9.0.2", 2000), TransferRequest("a", "octet"), Content(b""), 0.0)
packets = [bytes([n]) * SIZE for n in range(COUNT - 1)] + [b"last"]
session.send(packets)
seen: list[bytes] = []
wrong, until = 0, time.monotonic() + 10
while len(seen) < len(packets) and time.monotonic() < until:
    if not select.select([tap], [], [], 1)[0]:
        continue
    frame = os.read(tap, 70000)
    if frame[12:14] != b"\x08\0" or frame[23] != socket.IPPROTO_UDP:
        continue
    ip, udp = frame[14:34], frame[34:]
    udp = udp[: struct.unpack("!H", udp[4:6])[0]]
    pseudo = ip[12:20] + b"\0\x11" + udp[4:6]
    wrong += checksum(ip) != 0xFFFF or checksum(pseudo + udp) != 0xFFFF or len(frame) > 1514
    seen.append(udp[8:])
whole = session._uses_gso
print(json.dumps({"same": seen == packets, "count": len(seen), "wrong": wrong, "whole": whole}))
