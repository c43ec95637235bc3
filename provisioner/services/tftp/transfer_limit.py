"""Who has a transfer now: at most so many of one address, and so many in all."""

from collections import Counter

from provisioner.services.tftp.session import Peer, Session


class TransferLimit:
    """The open transfers by client.

    A request costs its sender one datagram, perhaps with somebody else's address in it. So a transfer whose
    client has said nothing yet gives its place away when all are taken; one that is answered never does.
    """

    def __init__(self, per_address: int, in_all: int) -> None:
        self.per_address = per_address
        self.in_all = in_all
        self._sessions: dict[Peer, Session] = {}
        self._of_address: Counter[str] = Counter()
        self._unanswered: dict[Peer, Session] = {}  # the oldest first
        self._unanswered_of: dict[str, dict[Peer, Session]] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def get(self, peer: Peer) -> Session | None:
        """The transfer of this port of this client."""
        return self._sessions.get(peer)

    def all(self) -> list[Session]:
        """Every open transfer."""
        return list(self._sessions.values())

    def in_the_way(self, address: str) -> tuple[str, Session | None]:
        """Why there is no place for one more of `address` ("" if there is), and who would have to go."""
        if self._of_address[address] >= self.per_address:
            return "too many of one address", next(iter(self._unanswered_of.get(address, {}).values()), None)
        if len(self._sessions) >= self.in_all:
            return "too many transfers", next(iter(self._unanswered.values()), None)
        return "", None

    def take(self, session: Session) -> None:
        """One more."""
        self._sessions[session.peer] = self._unanswered[session.peer] = session
        self._of_address[session.address] += 1
        self._unanswered_of.setdefault(session.address, {})[session.peer] = session

    def answered(self, session: Session) -> None:
        """Its client is there: it keeps its place."""
        if self._unanswered.pop(session.peer, None) is None:
            return
        waiting = self._unanswered_of[session.address]
        del waiting[session.peer]
        if not waiting:
            del self._unanswered_of[session.address]

    def leave(self, session: Session) -> None:
        """One less."""
        self.answered(session)
        del self._sessions[session.peer]
        self._of_address[session.address] -= 1
        if not self._of_address[session.address]:
            del self._of_address[session.address]
