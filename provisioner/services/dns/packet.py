"""Reads DNS queries and writes answers (RFC 1035, EDNS: RFC 6891); knows nothing of zones.

dnslib writes the answers. It does not read the queries: its parser takes labels of up to 191 bytes, refuses
names that are no UTF-8, follows pointers in the question and does not see what follows the last record.
"""

import struct
from dataclasses import dataclass, field

from dnslib import EDNS0, QTYPE, RR, DNSHeader, DNSLabel, DNSQuestion, DNSRecord

HEADER = struct.Struct("!6H")
RECORD = struct.Struct("!HHIH")
LONGEST_NAME, LONGEST_LABEL = 255, 63
PLAIN_SIZE = 512  # what a client without EDNS takes by UDP
OUR_SIZE = 1232  # never fragmented, whatever the line (dnsflagday.net, 2020)
MOST_ADDITIONAL = 2  # an OPT and a TSIG
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, BADVERS = 0, 1, 2, 3, 4, 5, 16
RCODES = {0: "noerror", 1: "formerr", 2: "servfail", 3: "nxdomain", 4: "notimp", 5: "refused", 16: "badvers"}
QR, AA, TC, RD, RA, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0010
OPCODE = 0x7800
Labels = tuple[bytes, ...]


class PacketError(Exception):
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
        """The name as zones have it."""
        return tuple(label.lower() for label in self.name)


@dataclass
class Answer:
    """What is said to a query; records are dnslib's."""

    rcode: int = NOERROR
    authoritative: bool = True
    records: list[RR] = field(default_factory=list)
    authority: list[RR] = field(default_factory=list)


def read(data: bytes) -> Query:
    """Read one message.

    Raises:
        PacketError: with a reply (FORMERR, NOTIMP) where a header can be read and is not that of an answer.
    """
    if len(data) < HEADER.size:
        raise PacketError(f"{len(data)} bytes are too short for a DNS header")
    ident, flags, questions, answers, authority, additional = HEADER.unpack_from(data)
    if flags & QR:
        raise PacketError("an answer, and nobody asked")
    if flags & OPCODE:
        reply = head(ident, flags, NOTIMP)
        raise PacketError(f"opcode {(flags & OPCODE) >> 11} is not served", reply, NOTIMP)
    try:
        if (questions, answers, authority) != (1, 0, 0) or additional > MOST_ADDITIONAL:
            raise PacketError(f"{questions}/{answers}/{authority}/{additional} records are no query")
        name, offset = _name(data, HEADER.size)
        qtype, qclass = struct.unpack_from("!HH", data, offset)
        question = data[HEADER.size : offset + 4]
        size, version, dnssec = _edns(data, offset + 4, additional)
    except (PacketError, struct.error) as fault:
        raise PacketError(str(fault), head(ident, flags, FORMERR)) from None
    return Query(ident, flags, name, qtype, qclass, question, size, version, dnssec)


def _name(data: bytes, offset: int) -> tuple[Labels, int]:
    """A name without pointers, and where it ends; nothing stands before the first one to point at."""
    labels, began = [], offset
    while length := data[offset] if offset < len(data) else -1:
        if not 0 < length <= LONGEST_LABEL:
            raise PacketError("the name has an end or a label that cannot be")
        labels.append(data[offset + 1 : offset + 1 + length])
        offset += 1 + length
        if offset + 1 - began > LONGEST_NAME:
            raise PacketError("the name is longer than 255 bytes")
    return tuple(labels), offset + 1


def _edns(data: bytes, offset: int, records: int) -> tuple[int, int, bool]:
    """The client's size (0 without EDNS), version and DO bit; every byte must belong to a record."""
    found: tuple[int, int, bool] | None = None
    for _ in range(records):
        began, offset = offset, _skip_name(data, offset)
        kind, size, ttl, length = RECORD.unpack_from(data, offset)
        has_name = offset != began + 1
        offset += RECORD.size + length
        if kind != QTYPE.OPT:
            continue
        if found or has_name or offset > len(data):
            raise PacketError("two OPT records, or one with a name, or half of one")
        _check_options(data[offset - length : offset])
        found = max(size, PLAIN_SIZE), (ttl >> 16) & 0xFF, bool(ttl & 0x8000)
    if offset != len(data):
        raise PacketError(f"the records end at byte {offset}, the message at {len(data)}")
    return found or (0, 0, False)


def _skip_name(data: bytes, offset: int) -> int:
    """Past a name of the additional records, which may end with a pointer."""
    for _ in range(LONGEST_NAME):
        length = data[offset] if offset < len(data) else 64
        if length >= 0xC0:
            return offset + 2
        if length > LONGEST_LABEL:
            break
        offset += 1 + length
        if not length:
            return offset
    raise PacketError("the name of a record cannot be read")


def _check_options(data: bytes) -> None:
    offset = 0
    while offset < len(data):
        (length,) = struct.unpack_from("!H", data, offset + 2)
        offset += 4 + length
    if offset != len(data):
        raise PacketError("an EDNS option is cut off")


def head(ident: int, flags: int, rcode: int, question: bytes = b"") -> bytes:
    """An answer that has no records; `flags` are the query's."""
    return HEADER.pack(ident, QR | (flags & (OPCODE | RD | CD)) | rcode, bool(question), 0, 0, 0) + question


def refuse(query: Query, rcode: int) -> bytes:
    """The same for a query that could be read."""
    return build(query, Answer(rcode, authoritative=False), PLAIN_SIZE)


def build(query: Query, answer: Answer, limit: int, *, forwards: bool = False) -> bytes:
    """The message; what is larger than `limit` loses its records and is marked so (RFC 2181, 9)."""
    flags = QR | (query.flags & (RD | CD)) | (AA if answer.authoritative else 0) | (RA if forwards else 0)
    data = _pack(query, answer, flags)
    if len(data) <= limit:
        return data
    return _pack(query, Answer(answer.rcode, answer.authoritative), flags | TC)


def _pack(query: Query, answer: Answer, flags: int) -> bytes:
    record = DNSRecord(
        DNSHeader(id=query.ident, bitmap=flags | (answer.rcode & 15)),
        q=DNSQuestion(DNSLabel(query.name), query.qtype, query.qclass),
    )
    record.add_answer(*answer.records)
    record.add_auth(*answer.authority)
    if query.udp_size:
        edns = EDNS0(
            rname="", udp_len=OUR_SIZE, ext_rcode=answer.rcode >> 4, flags="do" if query.wants_dnssec else ""
        )
        record.add_ar(edns)
    return bytes(record.pack())
