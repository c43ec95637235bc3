"""Ethernet frames with DHCP or ARP in them: what a UDP socket neither sends nor hears (packet(7))."""

import ctypes
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from provisioner.services.dhcp.listener import CLIENT_PORT, SERVER_PORT

ETHERTYPE_IP, ETHERTYPE_ARP = 0x0800, 0x0806
BROADCAST_MAC = b"\xff" * 6
ETHERNET = struct.Struct("!6s6sH")
IPV4 = struct.Struct("!BBHHHBBH4s4s")  # RFC 791, without options
UDP = struct.Struct("!HHHH")
ARP = struct.Struct("!HHBBH6s4s6s4s")  # RFC 826, for Ethernet and IPv4
ARP_REQUEST = 1
SO_ATTACH_FILTER = 26  # <asm-generic/socket.h>
SOL_PACKET, PACKET_IGNORE_OUTGOING = 263, 23  # <linux/if_packet.h>
MAX_FRAME = 4096
READ_BATCH = 64  # frames that are read before others have their turn
LD_HALF, LD_BYTE, LDX_IP_LENGTH, LD_HALF_X = 0x28, 0x30, 0xB1, 0x48  # <linux/bpf_common.h>
JUMP_EQUAL, JUMP_BITS, RETURN = 0x15, 0x45, 0x06


@dataclass(frozen=True)
class UdpDatagram:
    """A UDP datagram (RFC 768) and the frame around it."""

    mac: str  # of who sent the frame: the server, or the router before it
    source: IPv4Address
    source_port: int
    destination: IPv4Address
    destination_port: int
    data: bytes


def _dhcp_filter(ports: tuple[int, ...]) -> bytes:
    """A classic BPF program: unfragmented UDP over IPv4 to one of these ports, and nothing else."""
    program = [
        (LD_HALF, 0, 0, 12),
        (JUMP_EQUAL, 0, 6 + len(ports), ETHERTYPE_IP),
        (LD_BYTE, 0, 0, 23),
        (JUMP_EQUAL, 0, 4 + len(ports), socket.IPPROTO_UDP),
        (LD_HALF, 0, 0, 20),
        (JUMP_BITS, 2 + len(ports), 0, 0x1FFF),
        (LDX_IP_LENGTH, 0, 0, 14),
        (LD_HALF_X, 0, 0, 16),
        *((JUMP_EQUAL, len(ports) - at, 0, port) for at, port in enumerate(ports)),
        (RETURN, 0, 0, 0),
        (RETURN, 0, 0, 0xFFFF),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in program)


class DhcpPacketSocket:
    """Receives UDP to these ports on an interface (packet(7)), and sends as a client without address does."""

    def __init__(self, interface: str, ports: tuple[int, ...] = (CLIENT_PORT,)) -> None:
        """Raises OSError: no such interface, or not the right to (CAP_NET_RAW)."""
        self.interface = interface
        self._socket = _open(interface, ETHERTYPE_IP, _dhcp_filter(ports))

    @property
    def mac(self) -> bytes:
        """The interface's own, as it is now: a bridge's changes when a card is added."""
        return _own_mac(self._socket)

    def fileno(self) -> int:
        """For selectors."""
        return self._socket.fileno()

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()

    def read(self) -> Iterator[UdpDatagram]:
        """What has been received, without what cannot be read."""
        for frame in _read_frames(self._socket):
            datagram = parse_udp(frame)
            if datagram:
                yield datagram

    def broadcast(self, data: bytes) -> None:
        """To every DHCP server of the LAN. Raises OSError."""
        self._socket.send(build_udp(self.mac, data))


class ArpSocket:
    """A raw socket that asks by ARP (RFC 826) who has an address."""

    def __init__(self, interface: str) -> None:
        """Raises OSError: no such interface, or not the right to (CAP_NET_RAW)."""
        self._socket = _open(interface, ETHERTYPE_ARP)

    def fileno(self) -> int:
        """For selectors."""
        return self._socket.fileno()

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()

    def probe(self, address: IPv4Address) -> None:
        """An ARP probe (RFC 5227, 2.1.1): it claims nothing for us. Raises OSError."""
        mac = _own_mac(self._socket)  # as it is now
        body = ARP.pack(1, ETHERTYPE_IP, 6, 4, ARP_REQUEST, mac, bytes(4), bytes(6), address.packed)
        frame = ETHERNET.pack(BROADCAST_MAC, mac, ETHERTYPE_ARP) + body
        self._socket.send(frame.ljust(60, b"\0"))

    def read(self) -> Iterator[tuple[IPv4Address, str]]:
        """Addresses that somebody has, and his MAC: of answers, and of what others ask."""
        for frame in _read_frames(self._socket):
            if len(frame) < ETHERNET.size + ARP.size:
                continue
            kind, protocol, length, width, _, mac, address, _, _ = ARP.unpack_from(frame, ETHERNET.size)
            if (kind, protocol, length, width) == (1, ETHERTYPE_IP, 6, 4) and address != bytes(4):
                yield IPv4Address(address), mac.hex(":")


def build_udp(mac: bytes, data: bytes) -> bytes:
    """A broadcast frame from 0.0.0.0:68 to 255.255.255.255:67."""
    size = UDP.size + len(data)
    pseudo = bytes(4) + b"\xff" * 4 + struct.pack("!BBH", 0, socket.IPPROTO_UDP, size)
    udp = UDP.pack(CLIENT_PORT, SERVER_PORT, size, 0)
    check = _checksum(pseudo + udp + data) or 0xFFFF
    udp = UDP.pack(CLIENT_PORT, SERVER_PORT, size, check)
    rest = (IPV4.size + size, 0, 0, 64, socket.IPPROTO_UDP)
    head = IPV4.pack(0x45, 0, *rest, 0, bytes(4), b"\xff" * 4)
    head = IPV4.pack(0x45, 0, *rest, _checksum(head), bytes(4), b"\xff" * 4)
    return ETHERNET.pack(BROADCAST_MAC, mac, ETHERTYPE_IP) + head + udp + data


def parse_udp(frame: bytes) -> UdpDatagram | None:
    """The datagram in a frame; None where there is none whole. Checksums are the card's business."""
    start = ETHERNET.size
    if len(frame) < start + IPV4.size + UDP.size:
        return None
    _, mac, kind = ETHERNET.unpack_from(frame)
    first, _, length, _, fragment, _, protocol, _, source, destination = IPV4.unpack_from(frame, start)
    head = (first & 15) * 4
    if kind != ETHERTYPE_IP or first >> 4 != 4 or head < IPV4.size or protocol != socket.IPPROTO_UDP:
        return None
    if fragment & 0x3FFF or len(frame) < start + length or length < head + UDP.size:
        return None
    source_port, destination_port, size, _ = UDP.unpack_from(frame, start + head)
    if not UDP.size <= size <= length - head:
        return None
    data = frame[start + head + UDP.size : start + head + size]
    return UdpDatagram(
        mac.hex(":"), IPv4Address(source), source_port, IPv4Address(destination), destination_port, data
    )


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of these bytes."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def _open(interface: str, kind: int, program: bytes = b"") -> socket.socket:
    """It hears nothing before it is bound, and never what leaves this machine."""
    packet_socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    try:
        if program:
            program_buffer = ctypes.create_string_buffer(
                program, len(program)
            )  # the kernel copies it from here
            fprog = struct.pack("HL", len(program) // 8, ctypes.addressof(program_buffer))
            packet_socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, fprog)
        packet_socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        packet_socket.bind((interface, kind))
    except OSError:
        packet_socket.close()
        raise
    return packet_socket


def _own_mac(packet_socket: socket.socket) -> bytes:
    mac: bytes = packet_socket.getsockname()[4]
    return mac if len(mac) == 6 else bytes(6)


def _read_frames(packet_socket: socket.socket) -> Iterator[bytes]:
    for _ in range(READ_BATCH):
        try:
            yield packet_socket.recv(MAX_FRAME)
        except OSError:  # nothing more; or the link is down
            return
