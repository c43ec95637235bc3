"""Opens the DHCP loop as a user without privileges; prints the error's code and hint."""

import os
from ipaddress import IPv4Address

from provisioner.errors import ServiceError
from provisioner.services.dhcp.listener import DhcpListener
from provisioner.services.dhcp.loop import DhcpLoop

if not os.getuid():
    os.setresuid(65534, 65534, 65534)
try:
    DhcpLoop([DhcpListener("lo", IPv4Address("127.0.0.1"))], lambda *asked: None, lambda *seen: None)
except ServiceError as error:
    print(error.code, error.hint)
