"""Sends DISCOVERs of one machine from eth0, one after the other: discovers SECONDS XID...

Prints xid and address of every offer of that time, a line each.
"""

import select
import sys
import time

from provisioner.services.dhcp.frames import DhcpPacketSocket
from provisioner.services.dhcp.packet import BROADCAST, Message, Option, Packet

packet_socket = DhcpPacketSocket("eth0")
vendor = b"PXEClient:Arch:00007:UNDI:003016"
options: dict[int, bytes] = {Option.MESSAGE: bytes([Message.DISCOVER]), Option.VENDOR_CLASS: vendor}
for xid in sys.argv[2:]:
    packet = Packet(op=1, xid=int(xid, 16), chaddr=packet_socket.mac, flags=BROADCAST, options=options)
    packet_socket.broadcast(packet.build())
until = time.monotonic() + float(sys.argv[1])
while (left := until - time.monotonic()) > 0 and select.select([packet_socket], [], [], left)[0]:
    for datagram in packet_socket.read():
        reply = Packet.parse(datagram.data)
        if reply.message == Message.OFFER and reply.chaddr == packet_socket.mac:
            print(f"{reply.xid:x} {reply.yiaddr}")
