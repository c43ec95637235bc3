"""From a message to its reply: reads, asks the zone, writes, remembers; no sockets."""

from provisioner.services.dns.packet import (
    OUR_SIZE,
    PLAIN_SIZE,
    RCODES,
    REFUSED,
    SERVFAIL,
    Query,
    build,
    read,
    refuse,
)
from provisioner.services.dns.zone import Zone

LARGEST_BY_TCP = 65535
MOST_REMEMBERED, LONGEST_REMEMBERED = 4096, 320


class Reply:
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
        self._told: tuple[Zone, dict[tuple[bytes, bool], Reply]] = (zone, {})

    def replace(self, zone: Zone) -> None:
        """Other names from now on; what was remembered of the old ones is forgotten."""
        self._told = (zone, {})

    def replace_forwarding(self, forwards: bool) -> None:
        """Whether names of others are to be asked of another server from now on."""
        self.forwards = forwards
        self.replace(self._told[0])

    def respond(self, data: bytes, *, tcp: bool = False) -> Reply:
        """The reply to one message.

        Raises:
            PacketError: it is no query; its `reply` is to be sent.
        """
        zone, memory = self._told
        known = memory.get((data[2:], tcp))
        if known:
            return Reply(data[:2] + known.data[2:], known.rcode)
        query = read(data)
        answer = zone.answer(query)
        if answer.rcode == REFUSED and self.forwards and zone.apex(query.key) is None and not query.version:
            return Reply(b"", "forwarded", query)
        limit = LARGEST_BY_TCP if tcp else min(query.udp_size or PLAIN_SIZE, OUR_SIZE)
        reply = Reply(build(query, answer, limit, forwards=self.forwards), RCODES[answer.rcode])
        if len(data) <= LONGEST_REMEMBERED:
            if len(memory) >= MOST_REMEMBERED:
                memory.clear()
            memory[data[2:], tcp] = reply
        return reply


def no_answer(query: Query) -> bytes:
    """The server that was to be asked said nothing."""
    return refuse(query, SERVFAIL)
