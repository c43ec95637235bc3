"""From a DNS message to its reply: parses, asks the zone, builds, caches; no sockets."""

from provisioner.services.dns.packet import (
    CLASSIC_UDP_SIZE,
    EDNS_UDP_SIZE,
    RCODES,
    REFUSED,
    SERVFAIL,
    Query,
    build,
    parse_query,
    refuse,
)
from provisioner.services.dns.zone import Zone

MAX_TCP_MESSAGE = 65535
MAX_CACHED, MAX_CACHED_QUERY = 4096, 320  # replies; bytes of a query


class DnsReply:
    """`data` is what to send, empty if nothing; `query` is set where another server is to be asked."""

    __slots__ = ("data", "query", "rcode")

    def __init__(self, data: bytes, rcode: str, query: Query | None = None) -> None:
        self.data = data
        self.rcode = rcode
        self.query = query


class Responder:
    """Answers messages from a zone, which may be replaced at any time from any thread."""

    def __init__(self, zone: Zone, *, forwards: bool = False) -> None:
        self.forwards = forwards
        self._cached: tuple[Zone, dict[tuple[bytes, bool], DnsReply]] = (zone, {})

    def replace(self, zone: Zone) -> None:
        """Other names from now on; what was remembered of the old ones is forgotten."""
        self._cached = (zone, {})

    def replace_forwarding(self, forwards: bool) -> None:
        """Whether names of others are to be asked of another server from now on."""
        self.forwards = forwards
        self.replace(self._cached[0])

    def respond(self, data: bytes, *, tcp: bool = False) -> DnsReply:
        """The reply to one message.

        Raises:
            DnsPacketError: it is no query; its `reply` is to be sent.
        """
        zone, replies = self._cached
        known = replies.get((data[2:], tcp))
        if known:
            return DnsReply(data[:2] + known.data[2:], known.rcode)
        query = parse_query(data)
        answer = zone.answer(query)
        if answer.rcode == REFUSED and self.forwards and zone.apex(query.key) is None and not query.version:
            return DnsReply(b"", "forwarded", query)
        limit = MAX_TCP_MESSAGE if tcp else min(query.udp_size or CLASSIC_UDP_SIZE, EDNS_UDP_SIZE)
        reply = DnsReply(build(query, answer, limit, forwards=self.forwards), RCODES[answer.rcode])
        if len(data) <= MAX_CACHED_QUERY:
            if len(replies) >= MAX_CACHED:
                replies.clear()
            replies[data[2:], tcp] = reply
        return reply


def no_answer(query: Query) -> bytes:
    """The server that was to be asked said nothing."""
    return refuse(query, SERVFAIL)
