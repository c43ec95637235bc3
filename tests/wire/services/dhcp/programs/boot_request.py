"""Asks port 4011 as PXE firmware does: boot_request HEX MAC.

Prints whence the answer came and what it says.
"""

import socket
import sys

from provisioner.services.dhcp.packet import Packet

packet = Packet.parse(bytes.fromhex(sys.argv[1]))
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.bind(("", 68))
link.settimeout(30)
packet.options[53] = bytes([3])
packet.chaddr = bytes.fromhex(sys.argv[2].replace(":", ""))
link.sendto(packet.build(), ("10.77.0.1", 4011))
data, source = link.recvfrom(4096)
reply = Packet.parse(data)
print(source, reply.message and reply.message.name, reply.yiaddr, reply.file.decode())
