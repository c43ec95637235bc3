"""Broadcasts each datagram of a file from eth0, port 68 to 67: broadcast FILE. One a line, hexadecimal."""

import socket
import sys
from pathlib import Path

link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
link.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
link.bind(("", 68))
for line in Path(sys.argv[1]).read_text().splitlines():
    link.sendto(bytes.fromhex(line), ("255.255.255.255", 67))
