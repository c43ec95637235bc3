"""Serves TFTP on one port until told to stop: many transfers at once, each on a socket of its own."""

import heapq
import logging
import resource
import selectors
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address

from provisioner.errors import ServiceError
from provisioner.services.datagrams import Complaints, Stop
from provisioner.services.tftp_packet import (
    Ack,
    Failure,
    Fault,
    PacketError,
    Request,
    build_error,
    parse,
)
from provisioner.services.tftp_policy import Content, Lookup, Refusal, agree, choose, normalise
from provisioner.services.tftp_transfer import Transfer
from provisioner.sockets import bind

PORT = 69
LARGEST = 65536
BATCH = 32  # datagrams of one socket before the others get their turn
Event = Callable[[str, str, str, float, int], None]
log = logging.getLogger(__name__)


class Session:
    """One transfer to one client: its socket is the transfer's port (RFC 1350, 4)."""

    def __init__(
        self, link: socket.socket, peer: tuple[str, int], request: Request, content: Content, now: float
    ) -> None:
        self.link = link
        self.peer = peer
        self.request = request
        self.content = content
        self.transfer = Transfer(content, agree(request, content.size), now)
        self.began = now
        self.queued = 0.0  # the deadline that the timer's heap knows
        self.closed = False

    @property
    def name(self) -> str:
        return normalise(self.request.name)

    def send(self, packets: list[bytes]) -> None:
        """What the line does not take counts as lost; the timer sends it again.

        Raises:
            ConnectionRefusedError: nobody listens there any more.
        """
        for packet in packets:
            try:
                self.link.send(packet)
            except ConnectionRefusedError:
                raise
            except OSError:  # a full buffer, a link that is down, a firewall
                return


class TftpLoop:
    """Listens on each of `addresses`; replies leave from the address that was asked.

    `lookup(name)` gives a path or bytes, or None for a name that is not served; names come normalised.
    `on_event(name, address, result, seconds, bytes)` is told after each transfer; `result` is `done` or
    begins with `refused: `, `aborted: ` (by the client) or `lost: `.
    """

    def __init__(
        self,
        addresses: Sequence[IPv4Address | IPv6Address],
        lookup: Lookup,
        on_event: Event = lambda name, address, result, seconds, size: None,
        *,
        port: int = PORT,
        per_address: int = 16,
        in_all: int = 4096,
    ) -> None:
        """Bind.

        Raises:
            ServiceError: PV-645..648, an address is missing, the port is taken, or we may not.
        """
        self._lookup = lookup
        self._on_event = on_event
        self._per_address = per_address
        self._in_all = _allow_descriptors(in_all)
        self._sessions: dict[tuple[str, int], Session] = {}
        self._of_address: Counter[str] = Counter()
        self._timers: list[tuple[float, int, Session]] = []
        self._turn = 0
        self._complaints = Complaints(log)
        self._listeners = _listen(addresses, port)
        self._stop = Stop()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stop.fileno(), selectors.EVENT_READ, None)
        for listener in self._listeners:
            self._selector.register(listener, selectors.EVENT_READ, listener)

    @property
    def port(self) -> int:
        """The port that is listened on; of interest if 0 was asked for."""
        return int(self._listeners[0].getsockname()[1])

    @property
    def transfers(self) -> int:
        """How many are under way."""
        return len(self._sessions)

    def run(self) -> None:
        """Serve until `stop`; no datagram and no error of a callback ends it."""
        while True:
            for key, _ in self._selector.select(self._until_next_timer()):
                if key.data is None:
                    return
                if isinstance(key.data, Session):
                    self._hear(key.data)
                else:
                    self._accept(key.data)
            self._fire_timers()

    def stop(self) -> None:
        """End `run`; from any thread."""
        self._stop.set()

    def close(self) -> None:
        """Give ports, files and sockets back; call it after `run` has ended."""
        for session in list(self._sessions.values()):
            self._end(session, "lost: the service stops")
        for listener in self._listeners:
            listener.close()
        self._selector.close()
        self._stop.close()

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(BATCH):
            try:
                data, peer = listener.recvfrom(LARGEST)
            except OSError:
                return
            try:
                self._open(listener, data, (peer[0], peer[1]))
            except PacketError as fault:
                self._complaints.say(peer[0], fault, data)
            except Exception as fault:
                self._complaints.say(peer[0], f"not answered: {fault!r}", data, trace=True)

    def _open(self, listener: socket.socket, data: bytes, peer: tuple[str, int]) -> None:
        request = parse(data)
        if not isinstance(request, Request):
            return  # a late packet of a finished transfer
        old = self._sessions.get(peer)
        if old and old.request == request and not old.transfer.started:
            return  # the request was repeated before our answer arrived; the timer takes care
        if old:
            self._end(old, "aborted: the client asked anew")
        if len(self._sessions) >= self._in_all or self._of_address[peer[0]] >= self._per_address:
            # no error: a client that hears nothing asks again, one that is refused gives up
            self._complaints.say(peer[0], f"{len(self._sessions)} transfers are under way", data)
            return
        self._start(listener, request, peer)

    def _start(self, listener: socket.socket, request: Request, peer: tuple[str, int]) -> None:
        now = time.monotonic()
        link = _connected(listener, peer)
        try:
            content = choose(request, self._lookup)
        except Refusal as refusal:
            with link:
                link.send(build_error(refusal.code, str(refusal)))
            self._tell(normalise(request.name), peer[0], f"refused: {refusal}", 0.0, 0)
            return
        except BaseException:
            link.close()
            raise
        session = Session(link, peer, request, content, now)
        self._sessions[peer] = session
        self._of_address[peer[0]] += 1
        self._selector.register(link, selectors.EVENT_READ, session)
        self._proceed(session, session.transfer.begin(now))

    def _hear(self, session: Session) -> None:
        for _ in range(BATCH):
            if session.closed:
                return
            try:
                data = session.link.recv(LARGEST)
            except ConnectionRefusedError:
                self._gone(session, "nobody listens there any more")
                return
            except OSError:  # nothing more to read, or an ICMP error that may pass
                return
            try:
                self._react(session, data)
            except PacketError as fault:
                self._complaints.say(session.peer[0], fault, data)
            except Exception as fault:
                self._complaints.say(session.peer[0], f"transfer broken: {fault!r}", data, trace=True)
                self._end(session, f"lost: {fault!r}")

    def _react(self, session: Session, data: bytes) -> None:
        match parse(data):
            case Ack(block):
                packets = session.transfer.acknowledge(block, time.monotonic())
                if session.transfer.done:
                    self._end(session, "done")
                else:
                    self._proceed(session, packets)
            case Failure(code, text):
                self._end(session, f"aborted: error {code} {text}".rstrip())
            case _:
                session.send([build_error(Fault.ILLEGAL, "a transfer is under way on this port")])

    def _proceed(self, session: Session, packets: list[bytes]) -> None:
        try:
            session.send(packets)
        except ConnectionRefusedError:
            self._gone(session, "nobody listens there any more")
            return
        deadline = session.transfer.deadline
        if not session.queued or deadline < session.queued:
            self._queue(session, deadline)

    def _gone(self, session: Session, reason: str) -> None:
        if session.transfer.all_sent:
            self._end(session, "done")  # it closed its port after the last block, our repetition met ICMP
        else:
            self._end(session, f"lost: {reason}")

    def _queue(self, session: Session, deadline: float) -> None:
        """An entry that fires early is put back; so a transfer needs one entry, not one for each packet."""
        self._turn += 1
        session.queued = deadline
        heapq.heappush(self._timers, (deadline, self._turn, session))

    def _until_next_timer(self) -> float | None:
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    def _fire_timers(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            queued, _, session = heapq.heappop(self._timers)
            if session.closed or queued != session.queued:
                continue
            session.queued = 0.0
            if session.transfer.deadline > now:
                self._queue(session, session.transfer.deadline)
                continue
            try:
                self._repeat(session, now)
            except Exception as fault:
                log.exception("%s: transfer of %s broken", session.peer[0], session.name)
                self._end(session, f"lost: {fault!r}")

    def _repeat(self, session: Session, now: float) -> None:
        packets = session.transfer.repeat(now)
        if packets is None:
            self._gone(session, f"no answer after {session.transfer.arrived} bytes")
        else:
            self._proceed(session, packets)

    def _end(self, session: Session, result: str) -> None:
        if session.closed:
            return
        session.closed = True
        arrived = session.content.size if result == "done" else session.transfer.arrived
        self._selector.unregister(session.link)
        session.link.close()
        session.content.close()
        del self._sessions[session.peer]
        self._of_address[session.peer[0]] -= 1
        if not self._of_address[session.peer[0]]:
            del self._of_address[session.peer[0]]
        self._tell(session.name, session.peer[0], result, time.monotonic() - session.began, arrived)

    def _tell(self, name: str, address: str, result: str, seconds: float, arrived: int) -> None:
        try:
            self._on_event(name, address, result, seconds, arrived)
        except Exception:
            log.exception("the end of a transfer could not be told")


def _connected(listener: socket.socket, peer: tuple[str, int]) -> socket.socket:
    """A socket for one transfer. Connected, so that the kernel drops strangers and reports ICMP errors."""
    link = socket.socket(listener.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        link.bind((listener.getsockname()[0], 0))
        link.connect(peer)
    except BaseException:
        link.close()
        raise
    return link


def _listen(addresses: Sequence[IPv4Address | IPv6Address], port: int) -> list[socket.socket]:
    listeners: list[socket.socket] = []
    try:
        for address in addresses:
            listeners.append(_bind(address, port))
    except ServiceError:
        for listener in listeners:
            listener.close()
        raise
    return listeners


def _bind(address: IPv4Address | IPv6Address, port: int) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    listener = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        bind(listener, (str(address), port), "tftp")
    except Exception:
        listener.close()
        raise
    return listener


def _allow_descriptors(sessions: int) -> int:
    """Two descriptors a transfer: raise our limit as far as we may; how many transfers that allows."""
    wanted = 2 * sessions + 64
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return sessions if soft == resource.RLIM_INFINITY else min(sessions, max(1, (soft - 64) // 2))
