"""Keeps a reply within what its client takes: what it can do without is left out first."""

from provisioner.services.dhcp.packet import HEADER, MAGIC, NUL_FOLLOWS, Option, Packet

SMALLEST = 576  # bytes that every client takes, as one IP datagram (RFC 2131, 2)
HEADERS = 20 + 8  # of IP and UDP, which count
FIXED = HEADER.size + len(MAGIC) + 1  # with the END option
DISPENSABLE = (
    Option.DOMAIN_SEARCH,
    Option.TIME_SERVER,
    Option.BROADCAST_ADDRESS,
    Option.RENEWAL_TIME,
    Option.REBINDING_TIME,
    Option.DOMAIN,
    Option.TFTP_SERVER,  # siaddr and sname say it as well
    Option.NAME_SERVER,
)


def fit(reply: Packet, request: Packet) -> None:
    """Leave options out of the reply until it fits; what no client can do without stays, fit or not."""
    limit = _limit(request)
    for code in DISPENSABLE:
        if _size(reply) <= limit:
            return
        reply.options.pop(code, None)


def _limit(request: Packet) -> int:
    """Bytes of DHCP that the client takes (RFC 2132, 9.10)."""
    said = request.options.get(Option.MAX_MESSAGE_SIZE, b"")
    size = int.from_bytes(said, "big") if len(said) == 2 else SMALLEST
    return max(size, SMALLEST) - HEADERS


def _size(reply: Packet) -> int:
    """Bytes of the reply as its client gets it: a relay takes its own option out again (RFC 3046, 2.1)."""
    values = (value for code, value in reply.options.items() if code != Option.RELAY)
    return FIXED + len(NUL_FOLLOWS) + sum(len(value) + 2 * (1 + len(value) // 255) for value in values)
