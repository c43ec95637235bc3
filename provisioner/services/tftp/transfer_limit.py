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
        self._unconfirmed: dict[Peer, Session] = {}  # the oldest first
        self._unconfirmed_of: dict[str, dict[Peer, Session]] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def get(self, peer: Peer) -> Session | None:
        """The open transfer with this address and port; None where there is none."""
        return self._sessions.get(peer)

    def all(self) -> list[Session]:
        """Every open transfer."""
        return list(self._sessions.values())

    def check(self, address: str) -> tuple[str, Session | None]:
        """Why there is no place for one more of `address` ("" if there is), and which one may go for it."""
        if self._of_address[address] >= self.per_address:
            return "too many of one address", next(iter(self._unconfirmed_of.get(address, {}).values()), None)
        if len(self._sessions) >= self.in_all:
            return "too many transfers", next(iter(self._unconfirmed.values()), None)
        return "", None

    def add(self, session: Session) -> None:
        """Add a transfer whose client has not answered yet."""
        self._sessions[session.peer] = self._unconfirmed[session.peer] = session
        self._of_address[session.address] += 1
        self._unconfirmed_of.setdefault(session.address, {})[session.peer] = session

    def confirm(self, session: Session) -> None:
        """Its client has answered, so nobody forged its address: it keeps its place."""
        if self._unconfirmed.pop(session.peer, None) is None:
            return
        waiting = self._unconfirmed_of[session.address]
        del waiting[session.peer]
        if not waiting:
            del self._unconfirmed_of[session.address]

    def remove(self, session: Session) -> None:
        """Remove a transfer that has ended."""
        self.confirm(session)
        del self._sessions[session.peer]
        self._of_address[session.address] -= 1
        if not self._of_address[session.address]:
            del self._of_address[session.address]
