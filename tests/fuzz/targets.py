"""What a fuzzer may call: each target takes bytes and raises only where the program is at fault."""

import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from dnslib import DNSRecord

from provisioner.services.dhcp import proxy
from provisioner.services.dhcp.leases import LeasePool
from provisioner.services.dhcp.packet import UNSPECIFIED, DhcpPacketError, Packet
from provisioner.services.dhcp.policy import LIMITED_BROADCAST, ClientRoles, DhcpConfig, DhcpReply, answer
from provisioner.services.dhcp.request import sighting
from provisioner.services.dns.packet import DnsPacketError
from provisioner.services.dns.responder import Responder
from provisioner.services.dns.tcp_connection import TcpConnection
from provisioner.services.dns.zone import Apex, Zone, labels
from provisioner.services.tftp.loop import ANSWERS
from provisioner.services.tftp.packet import Ack, TftpPacketError, TransferRequest, parse
from provisioner.services.tftp.policy import MAX_WINDOW, Content, TransferRefused, negotiate, open_requested
from provisioner.services.tftp.transfer import Transfer

CONTENT = bytes(range(256)) * 16
FILES = {"snponly.efi": CONTENT, "empty": b""}


def pieces(data: bytes) -> Iterator[bytes]:
    """Several packets of one input: a byte with each one's length."""
    while data:
        yield data[1 : 1 + data[0]]
        data = data[1 + data[0] :]


def tftp(data: bytes) -> None:
    """A request and what its client may say after it: what is sent stays within the terms, and it ends."""
    first, *rest = list(pieces(data)) or [b""]
    try:
        request = parse(first)
        if not isinstance(request, TransferRequest):
            return
        content = open_requested(request, FILES.get)
    except TftpPacketError as fault:
        assert str(fault).isprintable()
        is_request = first[:2] in (b"\0\1", b"\0\2")
        assert fault.code in ANSWERS or (fault.code is None and not is_request), "a request is answered"
        return
    except TransferRefused as fault:
        assert str(fault).isprintable()
        return
    _play(content, request, rest)


def _play(content: Content, request: TransferRequest, rest: list[bytes]) -> None:
    options = negotiate(request, content.size)
    now, transfer = 0.0, Transfer(content, options, 0.0)
    sent = transfer.begin(now)
    for number, datagram in enumerate(rest):
        [(expected_ack, ready)] = (transfer.prefetch() if number % 3 else [])[:1] or [(b"", list[bytes]())]
        assert len(sent) <= MAX_WINDOW and all(len(packet) <= options.block + 4 for packet in sent[1:])
        now += 0.01
        try:
            packet = parse(datagram)
        except TftpPacketError:
            continue
        if isinstance(packet, Ack):
            sent = transfer.acknowledge(packet.block, now)
            assert not ready or datagram != expected_ack or sent == ready
            if transfer.done:
                assert transfer.acknowledged_bytes == content.size
                return
    for _ in range(100):
        if transfer.retransmit(transfer.deadline) is None:
            return
    raise AssertionError("a client that is silent is never given up")


NETWORK = IPv4Network("10.77.0.0/24")
CONFIG = DhcpConfig(NETWORK[1], NETWORK, "http://10.77.0.1", domain="vaultcube.local")
POOL = (NETWORK[128], NETWORK[135])
FIXED = {"52:54:00:00:00:01": NETWORK[64], "52:54:00:00:00:02": NETWORK[65]}
ROLES = ClientRoles(is_bmc=lambda mac: mac == "52:54:00:00:00:02")


def long_pieces(data: bytes) -> Iterator[bytes]:
    """As `pieces`, with two bytes for each length."""
    while data:
        length = int.from_bytes(data[:2], "big")
        yield data[2 : 2 + length]
        data = data[2 + length :]


def dhcp(data: bytes) -> None:
    """What several machines say: every reply can be read, stays on the LAN, and gives only what is theirs."""
    leases = LeasePool(*POOL, FIXED.get, lambda address: address in FIXED.values())
    for now, piece in enumerate(long_pieces(data)):
        try:
            request = Packet.parse(piece)
        except DhcpPacketError as fault:
            assert str(fault).isprintable()
            continue
        assert Packet.parse(request.build()) == request
        for reply in (
            answer(request, CONFIG, leases, ROLES, 20.0 * now),
            proxy.offer(request, CONFIG, ROLES),
            proxy.boot_server(request, CONFIG, ROLES, (NETWORK[150], 68)),
        ):
            seen = sighting(request, now, reply.packet if reply else None)
            assert seen is None or all(str(value).isprintable() for value in vars(seen).values())
            if reply:
                _check_reply(request, reply)
    held = [row.address for row in leases.dump()]
    assert len(held) == len(set(held)), "one address, two machines"


def _check_reply(request: Packet, reply: DhcpReply) -> None:
    sent = reply.packet.build()
    assert Packet.parse(sent) == reply.packet and len(sent) <= 1472
    assert reply.address in (LIMITED_BROADCAST, request.giaddr) or reply.address in NETWORK
    given = reply.packet.yiaddr
    assert given in (UNSPECIFIED, FIXED.get(request.mac)) or POOL[0] <= given <= POOL[1]


def _zone() -> Zone:
    tops = [labels("vaultcube.local"), labels("0.77.10.in-addr.arpa")]
    apexes = [Apex(top, labels("ns.vaultcube.local"), labels("h.vaultcube.local"), 1) for top in tops]
    many = [(labels("many.vaultcube.local"), IPv4Address(n)) for n in range(100)]
    return Zone(apexes, [(labels("vc-1.vaultcube.local"), IPv4Address("10.77.0.64")), *many])


RESPONDER, FORWARDING = Responder(_zone()), Responder(_zone(), forwards=True)


def dns(data: bytes) -> None:
    """A message: the reply can be read, belongs to it, and is no larger than it may be."""
    for responder, tcp in ((RESPONDER, False), (RESPONDER, True), (FORWARDING, False)):
        try:
            reply = responder.respond(data, tcp=tcp).data
        except DnsPacketError as fault:
            reply = fault.reply
            assert len(reply) in (0, 12) and str(fault).isprintable()
        if not reply:
            continue
        ident, flags, *counts = struct.unpack_from("!6H", reply)
        assert reply[:2] == data[:2] and flags & 0x8000 and ident == struct.unpack_from("!H", data)[0]
        assert tcp or len(reply) <= 1232
        assert counts[0] == (len(reply) > 12)
        _check(reply)


def _check(reply: bytes) -> None:
    """By dnslib, which reads no names that are not UTF-8."""
    try:
        reply[12:].decode()
    except UnicodeDecodeError:
        return
    DNSRecord.parse(reply)


def stream(data: bytes) -> None:
    """What comes by TCP in any pieces: messages have the length that was said, or the connection ends."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        reader = TcpConnection(ours, "test")
        theirs.setblocking(False)
        for piece in pieces(data):
            theirs.send(piece or b"\0")
            try:
                messages = reader.receive()
            except ConnectionError:
                return
            for message in messages:
                assert 0 < len(message) <= 4096
                reader.send(message)


TARGETS = {"dhcp": dhcp, "tftp": tftp, "dns": dns, "stream": stream}
