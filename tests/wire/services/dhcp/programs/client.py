"""Sends a recorded packet from eth0: client HEX SECONDS.

Prints every answer of that time, a JSON line each.
"""

import json
import select
import sys
import time

from provisioner.services.dhcp.frames import DhcpPacketSocket
from provisioner.services.dhcp.packet import Packet

packet_socket = DhcpPacketSocket("eth0")
packet = Packet.parse(bytes.fromhex(sys.argv[1]))
packet.chaddr, packet.flags = packet_socket.mac, 0x8000
packet_socket.broadcast(packet.build())
until = time.monotonic() + float(sys.argv[2])
while (left := until - time.monotonic()) > 0 and select.select([packet_socket], [], [], left)[0]:
    for datagram in packet_socket.read():
        reply = Packet.parse(datagram.data)
        if reply.xid != packet.xid:
            continue
        answer = {
            "mac": datagram.mac,
            "from": str(datagram.source),
            "to": str(datagram.destination),
            "message": reply.message.name if reply.message else None,
            "address": str(reply.yiaddr),
            "next": str(reply.siaddr),
            "file": reply.file.decode(),
            "options": {int(code): value.hex() for code, value in reply.options.items()},
        }
        print(json.dumps(answer))
