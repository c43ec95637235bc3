"""Decides what a DNS query is answered: names of the zones that are ours, never anybody else's (RFC 1034)."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from dnslib import AAAA, CLASS, NS, PTR, QTYPE, RD, RR, SOA, A, DNSLabel

from provisioner.services.dns.packet import BADVERS, NOERROR, NXDOMAIN, REFUSED, DnsAnswer, Labels, Query

TTL = 300  # seconds that a name is remembered
NEGATIVE_TTL = 30  # seconds that its absence is: a host may be added at any moment
TRANSFERS = (QTYPE.AXFR, QTYPE.IXFR)
Address = IPv4Address | IPv6Address


@dataclass(frozen=True)
class Apex:
    """A zone's top: its name, and the server and mailbox that its SOA names."""

    name: Labels
    server: Labels
    mailbox: Labels
    serial: int

    @property
    def soa(self) -> RR:
        """The SOA record (RFC 1035, 3.3.13; its TTL is that of a negative answer, RFC 2308, 4)."""
        times = (self.serial, 3600, 600, 86400, NEGATIVE_TTL)
        data = SOA(DNSLabel(self.server), DNSLabel(self.mailbox), times)
        return RR(DNSLabel(self.name), QTYPE.SOA, ttl=NEGATIVE_TTL, rdata=data)


class Zone:
    """The names that we have an answer for, below the tops of our zones.

    `names` gives each name's addresses and `pointers` each reverse name's target, all in lower case. A name
    outside of every zone is refused: whoever asks has another server for it.
    """

    def __init__(
        self,
        apexes: Iterable[Apex],
        names: Iterable[tuple[Labels, Address]] = (),
        pointers: Iterable[tuple[Labels, Labels]] = (),
    ) -> None:
        self._apexes = {apex.name: apex for apex in apexes}
        self._records: dict[Labels, dict[int, list[RD]]] = {}
        for name, address in names:
            kind, data = (QTYPE.A, A) if address.version == 4 else (QTYPE.AAAA, AAAA)
            self._add(name, kind, data(str(address)))
        for name, target in pointers:
            self._add(name, QTYPE.PTR, PTR(DNSLabel(target)))
        for name, apex in self._apexes.items():
            self._add(name, QTYPE.SOA, apex.soa.rdata)
            self._add(name, QTYPE.NS, NS(DNSLabel(apex.server)))
        # "a" exists where "b.a" does: it has no records, but it is not absent (RFC 8020)
        self._branches = {name[cut:] for name in self._records for cut in range(1, len(name))}

    def _add(self, name: Labels, kind: int, data: RD) -> None:
        records = self._records.setdefault(name, {}).setdefault(kind, [])
        if repr(data) not in map(repr, records):
            records.append(data)

    def apex(self, name: Labels) -> Apex | None:
        """The zone that a name lies in."""
        for cut in range(len(name) + 1):
            if apex := self._apexes.get(name[cut:]):
                return apex
        return None

    def answer(self, query: Query) -> DnsAnswer:
        """What to say; REFUSED where it is not ours to say anything."""
        if query.version:
            return DnsAnswer(BADVERS, authoritative=False)
        key = query.key
        apex = self.apex(key)
        if apex is None or query.qclass != CLASS.IN or query.qtype in TRANSFERS:
            return DnsAnswer(REFUSED, authoritative=False)
        kinds = self._records.get(key)
        if kinds is None:
            rcode = NOERROR if key in self._branches else NXDOMAIN
            return DnsAnswer(rcode, authority=[apex.soa])
        # ANY may be answered with one of the kinds, so that a small question gets no large answer (RFC 8482)
        qtype = next(iter(kinds)) if query.qtype == QTYPE.ANY else query.qtype
        name = DNSLabel(query.name)
        records = [RR(name, qtype, ttl=_ttl(qtype), rdata=data) for data in kinds.get(qtype, ())]
        return DnsAnswer(records=records, authority=[] if records else [apex.soa])


def _ttl(qtype: int) -> int:
    return NEGATIVE_TTL if qtype == QTYPE.SOA else TTL


def labels(name: str) -> Labels:
    """`apt.vaultcube.local` as a zone has it."""
    return tuple(label.encode("ascii") for label in name.lower().strip(".").split("."))


def reverse(address: Address) -> Labels:
    """The name below in-addr.arpa or ip6.arpa."""
    return labels(address.reverse_pointer)
