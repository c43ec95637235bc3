"""Serves TFTP on one port until told to stop: many transfers at once, each on a socket of its own."""

import logging
import resource
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from ipaddress import IPv4Address, IPv6Address

from provisioner.services.eventloop.datagrams import Complaints, listen
from provisioner.services.eventloop.reactor import Reactor
from provisioner.services.eventloop.watchdog import Pulse
from provisioner.services.tftp.counts import Counts
from provisioner.services.tftp.packet import Ack, Failure, Fault, PacketError, Request, build_error, parse
from provisioner.services.tftp.policy import Lookup, Refusal, choose, normalise
from provisioner.services.tftp.session import Peer, Session, connected
from provisioner.services.tftp.transfer_limit import TransferLimit

PORT = 69
LARGEST, LARGEST_REPLY = 65536, 2048  # bytes of a request, and of what comes in a transfer: short or no use
BATCH = 32  # requests before the transfers get their turn
Event = Callable[[str, str, str, float, int], None]
log = logging.getLogger(__name__)


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
        counts: Counts | None = None,
        pulse: Pulse | None = None,
    ) -> None:
        """Bind.

        Raises:
            ServiceError: PV-645..648, an address is missing, the port is taken, or we may not.
        """
        self._lookup = lookup
        self._on_event = on_event
        self._counts = counts or Counts()
        self._seats = TransferLimit(per_address, _allow_descriptors(in_all))
        self._complaints = Complaints(log)
        self._listeners = listen(addresses, port, "tftp")
        self._reactor = Reactor("tftp", pulse=pulse)
        for listener in self._listeners:
            self._reactor.add(listener, partial(self._accept, listener))

    @property
    def port(self) -> int:
        """The port that is listened on; of interest if 0 was asked for."""
        return int(self._listeners[0].getsockname()[1])

    def check(self) -> None:
        """Whether the loop is alive; if not, the process ends. For a thread beside it, now and then."""
        self._reactor.check()

    @property
    def transfers(self) -> int:
        """How many are under way."""
        return len(self._seats)

    def limit(self, per_address: int, in_all: int) -> None:
        """Other limits from now on; transfers that are under way go on."""
        self._seats.per_address, self._seats.in_all = per_address, _allow_descriptors(in_all)

    def run(self) -> None:
        """Serve until `stop`; no datagram and no error of a callback ends it."""
        self._reactor.run()

    def stop(self) -> None:
        """End `run`; from any thread."""
        self._reactor.stop()

    def close(self) -> None:
        """Give ports, files and sockets back; call it after `run` has ended."""
        for session in self._seats.all():
            self._end(session, "lost: the service stops")
        for listener in self._listeners:
            listener.close()
        self._reactor.close()

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(BATCH):
            try:
                data, peer = listener.recvfrom(LARGEST)
            except OSError:
                return
            try:
                self._open(listener, data, peer)
            except PacketError as fault:
                self._counts.bad.add()
                self._complaints.say(peer[0], fault, data)
            except Exception as fault:
                self._counts.refused("an error of ours")
                self._complaints.say(peer[0], f"not answered: {fault!r}", data, trace=True)

    def _open(self, listener: socket.socket, data: bytes, peer: Peer) -> None:
        request = parse(data)
        if not isinstance(request, Request):
            return  # a late packet of a finished transfer
        self._counts.asked(request)
        old = self._seats.get(peer)
        if old and old.request == request and old.transfer.is_fresh(time.monotonic()):
            return  # repeated before our answer came: the timer takes care, or the client has gone on
        if old:
            self._end(old, "aborted: the client asked anew")
        reason, last = self._seats.in_the_way(peer[0])
        if last:
            self._end(last, "lost: its client had not answered, and another needed the place")
        elif reason:
            # no error: a client that hears nothing asks again, one that is refused gives up
            self._counts.refused(reason)
            self._tell(normalise(request.name), peer[0], f"refused: {reason}", 0.0, 0)
            return
        self._start(listener, request, peer)

    def _start(self, listener: socket.socket, request: Request, peer: Peer) -> None:
        now = time.monotonic()
        link = connected(listener, peer)
        try:
            content = choose(request, self._lookup)
        except Refusal as refusal:
            self._counts.refused(refusal.reason)
            with link:
                link.send(build_error(refusal.code, str(refusal)))
            self._tell(normalise(request.name), peer[0], f"refused: {refusal}", 0.0, 0)
            return
        except BaseException:
            link.close()
            raise
        session = Session(link, peer, request, content, now)
        self._seats.take(session)
        self._reactor.add(link, partial(self._hear, session))
        self._proceed(session, session.transfer.begin(now))
        self._counts.answered(time.monotonic() - now)

    def _hear(self, session: Session) -> None:
        """One datagram: the reactor comes back if there are more, and mostly there are none."""
        try:
            data = session.link.recv(LARGEST_REPLY)
            has_answered = session.answer_at_once(data, self._reactor.now)
        except ConnectionRefusedError:
            self._gone(session, "nobody listens there any more")
            return
        except OSError:  # an ICMP error that may pass
            return
        try:
            if not has_answered:
                self._react(session, data)
            elif not session.ahead:
                self._mind(session)
                session.look_ahead()
        except PacketError as fault:
            self._counts.bad.add()
            self._complaints.say(session.address, fault, data)
        except Exception as fault:
            self._complaints.say(session.address, f"transfer broken: {fault!r}", data, trace=True)
            self._end(session, f"lost: {fault!r}")

    def _react(self, session: Session, data: bytes) -> None:
        match parse(data):
            case Ack(block):
                packets = session.transfer.acknowledge(block, time.monotonic())
                if session.transfer.started:
                    self._seats.answered(session)
                if session.transfer.done:
                    self._end(session, "done")
                else:
                    self._proceed(session, packets)
                    if packets:
                        session.look_ahead()
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
        self._mind(session)

    def _mind(self, session: Session) -> None:
        deadline = session.transfer.deadline
        if not session.queued or deadline < session.queued:
            self._queue(session, deadline)

    def _gone(self, session: Session, reason: str) -> None:
        if session.transfer.all_sent:
            self._end(session, "done")  # it closed its port after the last block, our repetition met ICMP
        else:
            self._end(session, f"lost: {reason}")

    def _queue(self, session: Session, deadline: float) -> None:
        """One that comes early is put back; so a transfer needs one moment, not one for each packet."""
        session.queued = deadline
        self._reactor.at(deadline, partial(self._is_due, session, deadline))

    def _is_due(self, session: Session, queued: float) -> None:
        if session.closed or queued != session.queued:
            return
        now = time.monotonic()
        session.queued = 0.0
        if session.transfer.deadline > now:
            self._queue(session, session.transfer.deadline)
            return
        try:
            self._repeat(session, now)
        except Exception as fault:
            log.exception("%s: transfer of %s broken", session.address, session.name)
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
        seconds = time.monotonic() - session.began
        self._reactor.remove(session.link)
        session.link.close()
        session.content.close()
        self._seats.leave(session)
        self._counts.ended(result, seconds, arrived, session.transfer.resent)
        self._tell(session.name, session.address, result, seconds, arrived)

    def _tell(self, name: str, address: str, result: str, seconds: float, arrived: int) -> None:
        try:
            self._on_event(name, address, result, seconds, arrived)
        except Exception:
            log.exception("the end of a transfer could not be told")


def _allow_descriptors(sessions: int) -> int:
    """Two descriptors a transfer: raise our limit as far as we may; how many transfers that allows."""
    wanted = 2 * sessions + 64
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return sessions if soft == resource.RLIM_INFINITY else min(sessions, max(1, (soft - 64) // 2))
