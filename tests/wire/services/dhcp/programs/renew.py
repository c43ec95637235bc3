"""Renews a lease by unicast (RFC 2131, 4.4.5): renew ADDRESS MAC SERVER.

Prints who answers, and with what.
"""

import socket
import sys
from ipaddress import IPv4Address

from provisioner.services.dhcp.packet import Packet

link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.bind((sys.argv[1], 68))
link.settimeout(30)
mac = bytes.fromhex(sys.argv[2].replace(":", ""))
packet = Packet(op=1, xid=5, chaddr=mac, ciaddr=IPv4Address(sys.argv[1]), options={53: bytes([3])})
link.sendto(packet.build(), (sys.argv[3], 67))
data, source = link.recvfrom(4096)
message = Packet.parse(data).message
print(source[0], message and message.name)
