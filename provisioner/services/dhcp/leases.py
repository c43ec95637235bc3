"""Which machine has which address, in memory; no address is given to two."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from itertools import chain

from provisioner.state.leases import LeaseRow

OFFER_SECONDS = 60.0
QUARANTINE_SECONDS = 600.0  # a declined address is used by something that is not our client
Reservation = Callable[[str], IPv4Address | None]


@dataclass(frozen=True)
class Transaction:
    """What a client said of itself when it began to ask: options of its DISCOVER by their codes."""

    xid: int = -1
    options: Mapping[int, bytes] = field(default_factory=dict)


@dataclass
class Lease:
    """`expires` in seconds since 1970; a lease that was never `bound` is only offered.

    `transaction` is that of the last offer; it is not kept over a restart.
    """

    mac: str
    address: IPv4Address
    expires: float
    bound: bool = False
    transaction: Transaction = Transaction()

    def row(self) -> LeaseRow:
        """The lease as a row of the database."""
        return LeaseRow(self.mac, str(self.address), self.expires, self.bound)


class LeasePool:
    """The leases of one pool (`first` to `last`, both included), keyed by MAC.

    `reservation` gives the address that belongs to a MAC, `is_reserved` tells whether an address belongs
    to any MAC or to the service itself. Times are seconds since 1970 and always handed in.
    """

    def __init__(
        self,
        first: IPv4Address,
        last: IPv4Address,
        reservation: Reservation = lambda mac: None,
        is_reserved: Callable[[IPv4Address], bool] = lambda address: False,
    ) -> None:
        self._first = first
        self._last = last
        self._reservation = reservation
        self._is_reserved = is_reserved
        self._by_mac: dict[str, Lease] = {}
        self._by_address: dict[int, Lease] = {}  # by number: an address is slow to hash
        self._declined: dict[int, float] = {}
        self._cursor = int(first)
        self._full_until = 0.0
        self._changed: set[str] = set()  # MACs since the last dump

    def lease(self, mac: str) -> Lease | None:
        """The lease of a MAC, expired or not."""
        return self._by_mac.get(mac)

    def current_address(self, mac: str, now: float) -> IPv4Address | None:
        """The address that the MAC holds or was offered, unless it has expired at `now`."""
        lease = self._by_mac.get(mac)
        return lease.address if lease and lease.expires > now else None

    def is_pooled(self, address: IPv4Address) -> bool:
        """Whether the address lies in the pool and is reserved for nobody."""
        return self._in_pool(address)

    def mark_conflict(self, mac: str, address: IPv4Address, now: float) -> None:
        """Something that is not our client uses the address."""
        self.decline(mac, address, now)
        self._declined[int(address)] = now + QUARANTINE_SECONDS

    def offer(self, mac: str, now: float, requested: IPv4Address | None = None) -> IPv4Address | None:
        """An address for this MAC, kept for it for a minute; None when there is none left."""
        address = self._choose(mac, now, requested)
        if address is None:
            return None
        lease = self._by_mac.get(mac)
        if lease is None or lease.address != address:
            self._write(Lease(mac, address, now + OFFER_SECONDS))
        elif lease.expires < now + OFFER_SECONDS:
            lease.expires = now + OFFER_SECONDS
        return address

    def begin(self, mac: str, transaction: Transaction) -> None:
        """Remember what the client said when it was offered its address."""
        if lease := self._by_mac.get(mac):
            lease.transaction = transaction

    def said(self, mac: str, xid: int) -> Mapping[int, bytes]:
        """The options with which this transaction began; none where it is not known."""
        lease = self._by_mac.get(mac)
        return lease.transaction.options if lease and lease.transaction.xid == xid else {}

    def commit(self, mac: str, address: IPv4Address, now: float, seconds: float) -> bool:
        """Give `address` to this MAC for so many seconds; False if it is, or should be, another's."""
        if self._choose(mac, now, address) != address:
            return False
        lease = self._by_mac.get(mac)
        # kept, for the ACK may be lost and asked for again
        transaction = lease.transaction if lease else Transaction()
        self._write(Lease(mac, address, now + seconds, bound=True, transaction=transaction))
        return True

    def release(self, mac: str, address: IPv4Address, now: float) -> None:
        """The machine gives it back. It is remembered who had it, so that the machine gets it again."""
        lease = self._by_mac.get(mac)
        if lease and lease.address == address:
            self._write(Lease(mac, address, now, bound=True))

    def decline(self, mac: str, address: IPv4Address, now: float) -> None:
        """The machine found that something else uses the address; only its holder may say so."""
        lease = self._by_mac.get(mac)
        if lease and lease.address == address:
            self._forget(lease)
            self._declined[int(address)] = now + QUARANTINE_SECONDS

    def expire(self, now: float, *, remember: float = 86400.0) -> int:
        """Forget what expired over `remember` seconds ago and offers that were not taken; how many."""
        old = [
            lease
            for lease in self._by_mac.values()
            if lease.expires + (remember if lease.bound else 0.0) < now
        ]
        for lease in old:
            self._forget(lease)
        self._declined = {address: until for address, until in self._declined.items() if until > now}
        return len(old)

    @property
    def changed(self) -> bool:
        """Whether a lease has changed since the last dump."""
        return bool(self._changed)

    def dump(self) -> list[LeaseRow]:
        """Every lease as a row of the database."""
        self._changed.clear()
        return [lease.row() for lease in self._by_mac.values()]

    def take_changes(self) -> tuple[list[LeaseRow], list[str]]:
        """As `dump`, of what was given since the last one; and the MACs that were forgotten meanwhile.

        What is only offered is not worth keeping.
        """
        changed = [self._by_mac[mac] for mac in self._changed if mac in self._by_mac]
        gone = [mac for mac in self._changed if mac not in self._by_mac]
        self._changed.clear()
        return [lease.row() for lease in changed if lease.bound], gone

    def load(self, rows: Iterable[LeaseRow]) -> None:
        """Take rows of `dump`; of two rows for one address the later one stays."""
        for row in sorted(rows, key=lambda row: row.expires):
            self._write(Lease(row.mac, IPv4Address(row.address), row.expires, row.bound))
        self._changed.clear()

    def _choose(self, mac: str, now: float, requested: IPv4Address | None) -> IPv4Address | None:
        """The reservation if nobody sits on it, else what it has or had, what it asks for, a free one."""
        fixed = self._reservation(mac)
        if fixed and self._is_available(mac, fixed, now):
            return fixed
        lease = self._by_mac.get(mac)
        for address in (lease.address if lease else None, requested):
            if address and self._in_pool(address) and self._is_available(mac, address, now):
                return address
        return self._next_available(mac, now)

    def _next_available(self, mac: str, now: float) -> IPv4Address | None:
        """A free address, never-used ones first: a machine that returns late then finds its old one."""
        if now < self._full_until:
            return None
        fallback: IPv4Address | None = None
        for address in self._from_cursor():
            if not self._is_available(mac, address, now):
                continue
            if int(address) not in self._by_address:
                return self._move_cursor(address)
            fallback = fallback or address
        if fallback:
            return self._move_cursor(fallback)
        # a flood of strangers must not make us search the pool for each
        self._full_until = min([now + OFFER_SECONDS, *(lease.expires for lease in self._pool_leases())])
        return None

    def _from_cursor(self) -> Iterator[IPv4Address]:
        first, last = int(self._first), int(self._last)
        for number in chain(range(self._cursor, last + 1), range(first, self._cursor)):
            yield IPv4Address(number)

    def _move_cursor(self, address: IPv4Address) -> IPv4Address:
        self._cursor = int(address) + 1 if address < self._last else int(self._first)
        return address

    def _pool_leases(self) -> Iterator[Lease]:
        return (lease for lease in self._by_mac.values() if self._in_pool(lease.address))

    def _in_pool(self, address: IPv4Address) -> bool:
        return int(self._first) <= int(address) <= int(self._last) and not self._is_reserved(address)

    def _is_available(self, mac: str, address: IPv4Address, now: float) -> bool:
        number = int(address)
        if self._declined.get(number, 0.0) > now:
            return False
        lease = self._by_address.get(number)
        if lease and lease.mac != mac and lease.expires > now:
            return False
        return not self._is_reserved(address) or self._reservation(mac) == address

    def _write(self, lease: Lease) -> None:
        for old in (self._by_mac.get(lease.mac), self._by_address.get(int(lease.address))):
            if old:
                self._forget(old)
        self._by_mac[lease.mac] = lease
        self._by_address[int(lease.address)] = lease
        self._changed.add(lease.mac)

    def _forget(self, lease: Lease) -> None:
        self._by_mac.pop(lease.mac, None)
        self._by_address.pop(int(lease.address), None)
        self._full_until = 0.0
        self._changed.add(lease.mac)
