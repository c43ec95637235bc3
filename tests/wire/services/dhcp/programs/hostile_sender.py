"""Broadcasts each packet of a file, and a good one after each hundred: hostile_sender FILE HEX.

The file has a packet a line, hexadecimal. Prints how many good ones were answered, and how many were sent.
"""

import select
import sys
import time
from pathlib import Path

from provisioner.services.dhcp.frames import DhcpPacketSocket
from provisioner.services.dhcp.packet import Packet

packet_socket, good = DhcpPacketSocket("eth0"), Packet.parse(bytes.fromhex(sys.argv[2]))
good.flags, answered = 0x8000, 0
packets = [bytes.fromhex(line) for line in Path(sys.argv[1]).read_text().splitlines()]
for start in range(0, len(packets), 100):
    for data in packets[start : start + 100]:
        packet_socket.broadcast(data[:1472])
    list(packet_socket.read())
    good.xid = 0x60000000 + start
    until = time.monotonic() + 20
    while time.monotonic() < until:
        packet_socket.broadcast(good.build())
        select.select([packet_socket], [], [], 2)
        if any(Packet.parse(datagram.data).xid == good.xid for datagram in packet_socket.read()):
            answered += 1
            break
print(answered, (len(packets) + 99) // 100)
