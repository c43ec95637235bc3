"""Solicits routers on eth0 (RFC 4861, 4.1) until one advertises; prints the advertisement, hexadecimal."""

import socket
import struct

index = socket.if_nametoindex("eth0")
link = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
link.settimeout(1)
while True:
    try:
        link.sendto(struct.pack("!BBHI", 133, 0, 0, 0), ("ff02::2", 0, 0, index))
        data = link.recv(2000)
        while data[0] != 134:
            data = link.recv(2000)
        break
    except OSError:  # the interface still checks its own address
        pass
print(data.hex())
