"""A DNS server that knows one name, the mirror's, and keeps account of every other that was asked for."""

import threading
from collections import Counter
from typing import Self

from dnslib import CLASS, PTR, QTYPE, RCODE, RR, A, DNSRecord
from dnslib.server import DNSHandler, DNSLogger, DNSServer

PORT = 53
QUIET = DNSLogger(log="-request,-reply,-truncated,-error", logf=lambda _: None)


class DnsResponder:
    """Answers on one address by UDP and TCP as long as the block lasts; `asked` counts the other names."""

    def __init__(self, name: str, address: str) -> None:
        self.asked: Counter[str] = Counter()
        self._name, self._address = name.lower(), address
        self._reverse = ".".join(reversed(address.split("."))) + ".in-addr.arpa"
        self._lock = threading.Lock()
        self._servers = [
            DNSServer(self, address=address, port=PORT, tcp=tcp, logger=QUIET) for tcp in (False, True)
        ]

    def __enter__(self) -> Self:
        for server in self._servers:
            server.start_thread()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.stop()
            server.server.server_close()

    def resolve(self, request: DNSRecord, _: DNSHandler) -> DNSRecord:
        """The reply to one request (dnslib's interface BaseResolver)."""
        reply = request.reply()
        name = str(request.q.qname).rstrip(".").lower()
        kind = QTYPE.get(request.q.qtype, "")
        if name == self._name:
            if kind in ("A", "ANY"):
                reply.add_answer(RR(request.q.qname, QTYPE.A, CLASS.IN, ttl=60, rdata=A(self._address)))
        elif name == self._reverse:
            if kind in ("PTR", "ANY"):
                reply.add_answer(RR(request.q.qname, QTYPE.PTR, CLASS.IN, ttl=60, rdata=PTR(self._name)))
        elif name.endswith(f".{self._name}"):  # apt asks for a service record, _http._tcp.NAME
            reply.header.rcode = RCODE.NXDOMAIN
        else:
            with self._lock:
                self.asked[name or "."] += 1
            reply.header.rcode = RCODE.NXDOMAIN
        return reply
