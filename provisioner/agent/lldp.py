"""Hears what switches say of themselves: LLDP (IEEE 802.1AB-2016), a frame on each port about every 30 s."""

import select
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress

from provisioner.agent.neighbour import Neighbour

ETHERTYPE = 0x88CC
GROUPS = ("0180c200000e", "0180c2000003", "0180c2000000")  # table 7-1: which bridges pass them on differs
SOL_PACKET, ADD_MEMBERSHIP, MULTICAST = 263, 1, 0  # <linux/if_packet.h>
HEADER = 14  # bytes of an Ethernet frame before its data
LARGEST = 9216
# TLV types (table 8-1), and the organization's own: IEEE 802.1, port VLAN ID (annex D.2.1)
END, CHASSIS, PORT, PORT_DESCRIPTION, SYSTEM_NAME, OWN = 0, 1, 2, 4, 5, 127
PORT_VLAN = bytes.fromhex("0080c201")
# subtypes of chassis and port whose value is no text (tables 8-2 and 8-3)
MAC = {CHASSIS: 4, PORT: 3}
ADDRESS = {CHASSIS: 5, PORT: 4}
IPV4 = 1  # IANA address family numbers


def parse(frame: bytes, nic: str) -> Neighbour | None:
    """What an Ethernet frame that came in by `nic` says; None where it is no LLDP, or names nobody."""
    if len(frame) < HEADER or int.from_bytes(frame[12:14], "big") != ETHERTYPE:
        return None
    said = dict[int, bytes]()
    vlan = 0
    for kind, value in _values(frame[HEADER:]):
        if kind == OWN and value[:4] == PORT_VLAN and len(value) == 6:
            vlan = int.from_bytes(value[4:], "big")
        said.setdefault(kind, value)
    if CHASSIS not in said or PORT not in said:
        return None
    return Neighbour(
        nic=nic,
        chassis=_identifier(CHASSIS, said[CHASSIS]),
        port=_identifier(PORT, said[PORT]),
        port_description=_text(said.get(PORT_DESCRIPTION, b"")),
        system=_text(said.get(SYSTEM_NAME, b"")),
        vlan=vlan,
    )


def _values(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and value of each (8.4): 7 bits and 9 bits of length; what is cut short ends it."""
    while len(data) >= 2:
        head = int.from_bytes(data[:2], "big")
        kind, length = head >> 9, head & 0x1FF
        value, data = data[2 : 2 + length], data[2 + length :]
        if kind == END or len(value) < length:
            return
        yield kind, value


def _identifier(kind: int, value: bytes) -> str:
    """A chassis or a port: its first byte says what the others are."""
    subtype, rest = value[:1], value[1:]
    if subtype == bytes([MAC[kind]]) and len(rest) == 6:
        return rest.hex(":")
    if subtype == bytes([ADDRESS[kind]]) and len(rest) == 5 and rest[0] == IPV4:
        return socket.inet_ntoa(rest[1:])
    return _text(rest)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace").strip("\0 ")


class LldpListener:
    """Hears on the given cards, in a thread of its own, until the process ends; sends nothing."""

    def __init__(self, nics: Sequence[str]) -> None:
        self.news = threading.Event()  # set whenever something new was heard
        self._heard: dict[str, Neighbour] = {}
        self._lines = {opened.fileno(): (name, opened) for name in nics if (opened := _open(name))}
        if self._lines:
            threading.Thread(target=self._listen, name="lldp", daemon=True).start()

    def __call__(self) -> list[Neighbour]:
        """What was heard last by each card, in the order of their names."""
        return [neighbour for _, neighbour in sorted(self._heard.items())]

    def _listen(self) -> None:
        while True:
            ready, _, _ = select.select(list(self._lines), [], [])
            for number in ready:
                self._take(*self._lines[number])

    def _take(self, name: str, line: socket.socket) -> None:
        with suppress(OSError):  # a card that is gone says nothing more
            neighbour = parse(line.recv(LARGEST), name)
            if neighbour and self._heard.get(name) != neighbour:
                self._heard = {**self._heard, name: neighbour}
                self.news.set()


def _open(name: str) -> socket.socket | None:
    """A socket that has the card take the frames of LLDP's groups; None where it cannot be had."""
    opened = None
    try:
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE))
        opened.bind((name, ETHERTYPE))
        for group in GROUPS:
            # struct packet_mreq (packet(7)): interface, type, length and address
            wanted = struct.pack("iHH8s", socket.if_nametoindex(name), MULTICAST, 6, bytes.fromhex(group))
            opened.setsockopt(SOL_PACKET, ADD_MEMBERSHIP, wanted)
    except OSError:
        if opened:
            opened.close()
        return None
    return opened
