"""Serves TFTP on one port until told to stop: many transfers at once, each on a socket of its own."""

import logging
import resource
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from ipaddress import IPv4Address, IPv6Address

from provisioner.services.eventloop.datagrams import bind_udp
from provisioner.services.eventloop.rate_limited_log import PacketLog
from provisioner.services.eventloop.reactor import Reactor
from provisioner.services.tftp.error_limit import ErrorLimit
from provisioner.services.tftp.metrics import TftpMetrics
from provisioner.services.tftp.packet import (
    OPCODE_SIZE,
    Ack,
    ErrorCode,
    ErrorPacket,
    Opcode,
    TftpPacketError,
    TransferRequest,
    build_error,
    parse,
)
from provisioner.services.tftp.policy import Lookup, TransferRefused, normalise, open_requested
from provisioner.services.tftp.session import Peer, Session, connected
from provisioner.services.tftp.transfer_limit import TransferLimit
from provisioner.system.pulse import Pulse

PORT = 69
MAX_REQUEST, MAX_CLIENT_PACKET = 65536, 2048  # bytes; in a transfer clients send short packets only
REQUEST_BATCH = 32  # requests that are read before the transfers are served again
UNKNOWN = ErrorCode.UNKNOWN_TRANSFER
ANSWERS = {  # what is sent with the code to who sends what nobody should
    ErrorCode.ILLEGAL: "illegal operation",
    ErrorCode.OPTIONS: "the options cannot be read",
    UNKNOWN: "no transfer with you is under way on this port",
}
TransferEnded = Callable[[str, str, str, float, int], None]  # name, address, result, seconds, bytes
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
        on_event: TransferEnded = lambda name, address, result, seconds, size: None,
        *,
        port: int = PORT,
        per_address: int = 16,
        in_all: int = 4096,
        metrics: TftpMetrics | None = None,
        pulse: Pulse | None = None,
    ) -> None:
        """Bind.

        Raises:
            ServiceError: PV-645..648, an address is missing, the port is taken, or we may not.
        """
        self._lookup = lookup
        self._on_event = on_event
        self._metrics = metrics or TftpMetrics()
        self._limit = TransferLimit(per_address, _allow_descriptors(in_all))
        self._packet_log = PacketLog(log)
        self._errors = ErrorLimit()
        self._listeners = bind_udp(addresses, port, "tftp")
        self._reactor = Reactor("tftp", pulse=pulse)
        for listener in self._listeners:
            self._reactor.register(listener, partial(self._receive_requests, listener))

    @property
    def port(self) -> int:
        """The port that is listened on; of interest if 0 was asked for."""
        return int(self._listeners[0].getsockname()[1])

    @property
    def transfers(self) -> int:
        """How many are under way."""
        return len(self._limit)

    def set_limits(self, per_address: int, in_all: int) -> None:
        """Other limits from now on; transfers that are under way go on."""
        self._limit.per_address, self._limit.in_all = per_address, _allow_descriptors(in_all)

    def run(self) -> None:
        """Serve until `stop`; no datagram and no error of a callback ends it."""
        self._reactor.run()

    def stop(self) -> None:
        """End `run`; from any thread."""
        self._reactor.stop()

    def close(self) -> None:
        """Give ports, files and sockets back; call it after `run` has ended."""
        for session in self._limit.all():
            self._end(session, "lost: the service stops")
        for listener in self._listeners:
            listener.close()
        self._reactor.close()

    def _receive_requests(self, listener: socket.socket) -> None:
        for _ in range(REQUEST_BATCH):
            try:
                data, peer = listener.recvfrom(MAX_REQUEST)
            except OSError:
                return
            try:
                self._handle_request(listener, data, peer)
            except TftpPacketError as fault:
                self._refuse(listener, peer, fault, data)
            except Exception as fault:
                self._metrics.refused("an error of ours")
                self._packet_log.failed(f"{peer[0]}:{peer[1]}", "not answered", fault, data)

    def _handle_request(self, listener: socket.socket, data: bytes, peer: Peer) -> None:
        request = parse(data)
        if isinstance(request, ErrorPacket):
            return
        if isinstance(request, Ack):
            raise TftpPacketError("an acknowledgement, though no transfer is asked for here", UNKNOWN)
        self._metrics.requested(request)
        current = self._limit.get(peer)
        if current and current.request == request and current.transfer.is_fresh(time.monotonic()):
            # repeated before our answer came: the timer takes care, or the client has gone on
            self._send(current, current.transfer.answer_again(time.monotonic()))
            return
        if current:
            self._end(current, "aborted: the client asked anew")
        reason, evictable = self._limit.check(peer[0])
        if evictable:
            self._end(evictable, "lost: its client had not answered, and another needed the place")
        elif reason:
            # no error: a client that hears nothing asks again, one that is refused gives up
            self._metrics.refused(reason)
            self._report(normalise(request.name), peer[0], f"refused: {reason}", 0.0, 0)
            return
        self._start(listener, request, peer)

    def _start(self, listener: socket.socket, request: TransferRequest, peer: Peer) -> None:
        now = time.monotonic()
        link = connected(listener, peer)
        try:
            content = open_requested(request, self._lookup)
        except TransferRefused as refusal:
            self._metrics.refused(refusal.reason)
            with link:
                link.send(build_error(refusal.code, str(refusal)))
            self._report(normalise(request.name), peer[0], f"refused: {refusal}", 0.0, 0)
            return
        except BaseException:
            link.close()
            raise
        try:
            session = Session(link, peer, request, content, now)
        except BaseException:
            link.close()
            content.close()
            raise
        self._limit.add(session)
        self._reactor.register(link, partial(self._receive, session))
        self._reactor.register(session.strangers, partial(self._answer_stranger, session))
        self._send(session, session.transfer.begin(now))
        self._metrics.answered(time.monotonic() - now)

    def _receive(self, session: Session) -> None:
        """One datagram: the reactor comes back if there are more, and mostly there are none."""
        try:
            data = session.link.recv(MAX_CLIENT_PACKET)
            is_answered = session.answer_expected_ack(data, self._reactor.now)
        except ConnectionRefusedError:
            self._client_gone(session, "nobody listens there any more")
            return
        except OSError:  # an ICMP error that may pass
            return
        try:
            if not is_answered:
                self._handle_packet(session, data)
            elif not session.prefetched:
                self._schedule_timer(session)
                session.prefetch()
        except TftpPacketError as fault:
            if fault.code is not None:  # the port is right, so it can only be illegal
                fault.code = ErrorCode.ILLEGAL
            self._refuse(session.link, session.peer, fault, data)
        except Exception as fault:
            self._packet_log.failed(session.log_context, "transfer broken", fault, data)
            self._end(session, f"lost: {fault!r}")

    def _handle_packet(self, session: Session, data: bytes) -> None:
        match parse(data):
            case Ack(block):
                packets = session.transfer.acknowledge(block, time.monotonic())
                if session.transfer.started:
                    self._limit.confirm(session)
                if session.transfer.done:
                    self._end(session, "done")
                else:
                    self._send(session, packets)
                    if packets:
                        session.prefetch()
            case ErrorPacket(code, text):
                self._end(session, f"aborted: error {code} {text}".rstrip())
            case _:
                raise TftpPacketError("a request on the port of a transfer")

    def _answer_stranger(self, session: Session) -> None:
        """Somebody else writes to a transfer's port (RFC 1350, 4): he is told, and the transfer goes on."""
        try:
            data, peer = session.strangers.recvfrom(MAX_CLIENT_PACKET)
        except OSError:
            return
        is_error = int.from_bytes(data[:OPCODE_SIZE], "big") == Opcode.ERROR
        code = None if is_error or len(data) < OPCODE_SIZE else UNKNOWN
        self._refuse(session.strangers, peer, TftpPacketError("a stranger on a transfer's port", code), data)

    def _refuse(self, link: socket.socket, peer: Peer, fault: TftpPacketError, data: bytes) -> None:
        """Count and log what cannot be served, and tell its sender, who may have forged his address."""
        self._metrics.bad_packets.inc()
        self._packet_log.malformed(f"{peer[0]}:{peer[1]}", fault, data)
        if fault.code is None or not self._errors.allows(peer[0]):
            return
        with suppress(OSError):  # there is no way to him, or the line takes no more
            link.sendto(build_error(fault.code, ANSWERS[fault.code]), peer)

    def _send(self, session: Session, packets: list[bytes]) -> None:
        try:
            session.send(packets)
        except ConnectionRefusedError:
            self._client_gone(session, "nobody listens there any more")
            return
        self._schedule_timer(session)

    def _schedule_timer(self, session: Session) -> None:
        deadline = session.transfer.deadline
        if not session.timer_deadline or deadline < session.timer_deadline:
            self._set_timer(session, deadline)

    def _client_gone(self, session: Session, reason: str) -> None:
        if session.transfer.all_sent:
            self._end(session, "done")  # it closed its port after the last block, our repetition met ICMP
        else:
            self._end(session, f"lost: {reason}")

    def _set_timer(self, session: Session, deadline: float) -> None:
        """One that comes early is put back; so a transfer needs one timer, not one for each packet."""
        session.timer_deadline = deadline
        self._reactor.call_at(deadline, partial(self._on_timer, session, deadline))

    def _on_timer(self, session: Session, deadline: float) -> None:
        if session.closed or deadline != session.timer_deadline:
            return
        now = time.monotonic()
        session.timer_deadline = 0.0
        if session.transfer.deadline > now:
            self._set_timer(session, session.transfer.deadline)
            return
        try:
            self._retransmit(session, now)
        except Exception as fault:
            log.exception("%s: transfer broken", session.log_context)
            self._end(session, f"lost: {fault!r}")

    def _retransmit(self, session: Session, now: float) -> None:
        packets = session.transfer.retransmit(now)
        if packets is None:
            self._client_gone(session, f"no answer after {session.transfer.acknowledged_bytes} bytes")
        else:
            self._send(session, packets)

    def _end(self, session: Session, result: str) -> None:
        if session.closed:
            return
        session.closed = True
        acknowledged_bytes = session.content.size if result == "done" else session.transfer.acknowledged_bytes
        seconds = time.monotonic() - session.began
        for link in (session.link, session.strangers):
            self._reactor.unregister(link)
            link.close()
        session.content.close()
        self._limit.remove(session)
        self._metrics.ended(result, seconds, acknowledged_bytes, session.transfer.retransmits)
        self._report(session.name, session.address, result, seconds, acknowledged_bytes)

    def _report(self, name: str, address: str, result: str, seconds: float, acknowledged_bytes: int) -> None:
        try:
            self._on_event(name, address, result, seconds, acknowledged_bytes)
        except Exception:
            log.exception("the end of a transfer could not be written down")


def _allow_descriptors(sessions: int) -> int:
    """Three descriptors a transfer: raise our limit as far as we may; how many transfers that allows."""
    needed = 3 * sessions + 64
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return sessions if soft == resource.RLIM_INFINITY else min(sessions, max(1, (soft - 64) // 3))
