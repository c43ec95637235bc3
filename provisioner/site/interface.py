"""The interfaces that are served: whether they are there, with the service's addresses."""

import fcntl
import select
import socket
import time
from array import array
from ipaddress import IPv4Interface
from struct import Struct

from provisioner.errors import ServiceError
from provisioner.settings import Settings

SIOCGIFCONF = 0x8912
IFCONF, IFREQ = Struct("@iP"), Struct("@16s4x4s16x")  # of a 64-bit Linux: netdevice(7), sockaddr_in of ip(7)
MOST_ADDRESSES = 4096  # of all interfaces
LINKS, ADDRESSES = 0x1, 0x10  # RTMGRP_LINK and RTMGRP_IPV4_IFADDR of rtnetlink(7)


def await_interface(settings: Settings, patience: float) -> None:
    """As `check_interface`, once the kernel has told of the addresses, or after `patience` seconds."""
    until = time.monotonic() + patience
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as news:
        news.bind((0, LINKS | ADDRESSES))
        while True:
            try:
                return check_interface(settings)
            except ServiceError:
                if not select.select([news], [], [], max(0.0, until - time.monotonic()))[0]:
                    raise
                news.recv(1 << 16)


def check_interface(settings: Settings) -> None:
    """Raises ServiceError (PV-605, PV-604) where the interface or its address is missing."""
    _check_interface(settings.interface, settings.address)
    for network in settings.networks:
        if network.address:
            _check_interface(network.interface, network.address)


def _check_interface(name: str, address: IPv4Interface) -> None:
    hint = f"ip link set {name} up; ip address add {address} dev {name}"
    known = [link for _, link in socket.if_nameindex()]
    if name not in known:
        have = ", ".join(sorted(known))
        raise ServiceError(f"there is no interface {name}; this machine has {have}", hint=hint, code=605)
    if str(address.ip) not in ipv4_addresses(name):
        raise ServiceError(f"the interface {name} has not the address {address.ip}", hint=hint, code=604)


def ipv4_addresses(name: str) -> set[str]:
    """IPv4 addresses of an interface, its aliases (NAME:0) included, as netdevice(7) has them.

    `ip` cannot be asked: it begins by giving up capabilities, and ends where a unit's filter of system calls
    forbids even that.
    """
    room = array("B", bytes(IFREQ.size * MOST_ADDRESSES))
    where, size = room.buffer_info()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        used, _ = IFCONF.unpack(fcntl.ioctl(probe, SIOCGIFCONF, IFCONF.pack(size, where)))
    rows = IFREQ.iter_unpack(room[:used].tobytes())
    return {
        socket.inet_ntoa(raw) for label, raw in rows if label.rstrip(b"\0").split(b":")[0] == name.encode()
    }
