"""Reads DNS queries and writes answers (RFC 1035, EDNS: RFC 6891); knows nothing of zones.

dnslib writes the answers. It does not read the queries: its parser takes labels of up to 191 bytes, refuses
names that are no UTF-8, follows pointers in the question and does not see what follows the last record.
"""

import struct
from dataclasses import dataclass, field

from dnslib import EDNS0, QTYPE, RR, DNSHeader, DNSLabel, DNSQuestion, DNSRecord

HEADER = struct.Struct("!6H")
RECORD = struct.Struct("!HHIH")
MAX_NAME, MAX_LABEL = 255, 63
CLASSIC_UDP_SIZE = 512  # what a client without EDNS takes by UDP
EDNS_UDP_SIZE = 1232  # never fragmented, whatever the line (dnsflagday.net, 2020)
MAX_ADDITIONAL = 2  # an OPT and a TSIG
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, BADVERS = 0, 1, 2, 3, 4, 5, 16
RCODES = {0: "noerror", 1: "formerr", 2: "servfail", 3: "nxdomain", 4: "notimp", 5: "refused", 16: "badvers"}
QR, AA, TC, RD, RA, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0010
OPCODE = 0x7800
Labels = tuple[bytes, ...]


class DnsPacketError(Exception):
    """What came is no query that we take; `reply` is what to say to that, empty if nothing."""

    def __init__(self, text: str, reply: bytes = b"", rcode: int = FORMERR) -> None:
        super().__init__(text)
        self.reply = reply
        self.rcode = rcode


@dataclass(frozen=True)
class Query:
    """One question. `name` is as it was asked, in upper and lower case; `udp_size` is 0 without EDNS."""

    ident: int
    flags: int
    name: Labels
    qtype: int
    qclass: int
    question: bytes
    udp_size: int = 0
    version: int = 0
    wants_dnssec: bool = False

    @property
    def key(self) -> Labels:
        """The name in lower case, as zones are keyed (RFC 4343)."""
        return tuple(label.lower() for label in self.name)


@dataclass
class DnsAnswer:
    """What is said to a query; records are dnslib's."""

    rcode: int = NOERROR
    authoritative: bool = True
    records: list[RR] = field(default_factory=list)
    authority: list[RR] = field(default_factory=list)


def parse_query(data: bytes) -> Query:
    """Read one message.

    Raises:
        DnsPacketError: with a reply (FORMERR, NOTIMP) where there is a header that is no answer's.
    """
    if len(data) < HEADER.size:
        raise DnsPacketError(f"{len(data)} bytes are too short for a DNS header")
    ident, flags, questions, answers, authority, additional = HEADER.unpack_from(data)
    if flags & QR:
        raise DnsPacketError("an answer, and nobody asked")
    if flags & OPCODE:
        reply = empty_reply(ident, flags, NOTIMP)
        raise DnsPacketError(f"opcode {(flags & OPCODE) >> 11} is not served", reply, NOTIMP)
    try:
        if (questions, answers, authority) != (1, 0, 0) or additional > MAX_ADDITIONAL:
            raise DnsPacketError(f"{questions}/{answers}/{authority}/{additional} records are no query")
        name, offset = _name(data, HEADER.size)
        qtype, qclass = struct.unpack_from("!HH", data, offset)
        question = data[HEADER.size : offset + 4]
        size, version, dnssec = _edns(data, offset + 4, additional)
    except (DnsPacketError, struct.error) as fault:
        raise DnsPacketError(str(fault), empty_reply(ident, flags, FORMERR)) from None
    return Query(ident, flags, name, qtype, qclass, question, size, version, dnssec)


def _name(data: bytes, offset: int) -> tuple[Labels, int]:
    """A name without pointers, and where it ends; nothing stands before the first one to point at."""
    labels, start = [], offset
    while length := data[offset] if offset < len(data) else -1:
        if not 0 < length <= MAX_LABEL:
            raise DnsPacketError("the name has an end or a label that cannot be")
        labels.append(data[offset + 1 : offset + 1 + length])
        offset += 1 + length
        if offset + 1 - start > MAX_NAME:
            raise DnsPacketError("the name is longer than 255 bytes")
    return tuple(labels), offset + 1


def _edns(data: bytes, offset: int, records: int) -> tuple[int, int, bool]:
    """The client's size (0 without EDNS), version and DO bit; every byte must belong to a record."""
    edns: tuple[int, int, bool] | None = None
    for _ in range(records):
        start, offset = offset, _skip_name(data, offset)
        kind, size, ttl, length = RECORD.unpack_from(data, offset)
        has_name = offset != start + 1
        offset += RECORD.size + length
        if kind != QTYPE.OPT:
            continue
        if edns or has_name or offset > len(data):
            raise DnsPacketError("two OPT records, or one with a name, or half of one")
        _check_options(data[offset - length : offset])
        edns = max(size, CLASSIC_UDP_SIZE), (ttl >> 16) & 0xFF, bool(ttl & 0x8000)
    if offset != len(data):
        raise DnsPacketError(f"the records end at byte {offset}, the message at {len(data)}")
    return edns or (0, 0, False)


def _skip_name(data: bytes, offset: int) -> int:
    """Past a name of the additional records, which may end with a pointer."""
    for _ in range(MAX_NAME):
        length = data[offset] if offset < len(data) else 64
        if length >= 0xC0:
            return offset + 2
        if length > MAX_LABEL:
            break
        offset += 1 + length
        if not length:
            return offset
    raise DnsPacketError("the name of a record cannot be read")


def _check_options(data: bytes) -> None:
    offset = 0
    while offset < len(data):
        (length,) = struct.unpack_from("!H", data, offset + 2)
        offset += 4 + length
    if offset != len(data):
        raise DnsPacketError("an EDNS option is cut off")


def empty_reply(ident: int, flags: int, rcode: int, question: bytes = b"") -> bytes:
    """An answer that has no records; `flags` are the query's."""
    return HEADER.pack(ident, QR | (flags & (OPCODE | RD | CD)) | rcode, bool(question), 0, 0, 0) + question


def refuse(query: Query, rcode: int) -> bytes:
    """The same for a query that could be read."""
    return build(query, DnsAnswer(rcode, authoritative=False), CLASSIC_UDP_SIZE)


def build(query: Query, answer: DnsAnswer, limit: int, *, forwards: bool = False) -> bytes:
    """The message; what is larger than `limit` loses its records and is marked so (RFC 2181, 9)."""
    flags = QR | (query.flags & (RD | CD)) | (AA if answer.authoritative else 0) | (RA if forwards else 0)
    data = _pack(query, answer, flags)
    if len(data) <= limit:
        return data
    return _pack(query, DnsAnswer(answer.rcode, answer.authoritative), flags | TC)


def _pack(query: Query, answer: DnsAnswer, flags: int) -> bytes:
    record = DNSRecord(
        DNSHeader(id=query.ident, bitmap=flags | (answer.rcode & 15)),
        q=DNSQuestion(DNSLabel(query.name), query.qtype, query.qclass),
    )
    record.add_answer(*answer.records)
    record.add_auth(*answer.authority)
    if query.udp_size:
        edns = EDNS0(
            rname="",
            udp_len=EDNS_UDP_SIZE,
            ext_rcode=answer.rcode >> 4,
            flags="do" if query.wants_dnssec else "",
        )
        record.add_ar(edns)
    return bytes(record.pack())
