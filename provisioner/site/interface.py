"""The interfaces that are served: whether they are there, with the service's addresses."""

import json
import socket
from ipaddress import IPv4Interface

from provisioner import run
from provisioner.errors import ServiceError
from provisioner.settings import Settings


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
    if str(address.ip) not in _addresses(name):
        raise ServiceError(f"the interface {name} has not the address {address.ip}", hint=hint, code=604)


def _addresses(name: str) -> set[str]:
    """IPv4 addresses of an interface, its aliases included."""
    listed = json.loads(run.text(["ip", "-json", "-4", "address", "show", "dev", name]) or "[]")
    return {entry["local"] for link in listed for entry in link.get("addr_info", [])}
