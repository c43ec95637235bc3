"""Which machine has which address, in memory; no address is given to two."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from itertools import chain

from provisioner.state.leases import LeaseRow

OFFER_SECONDS = 60.0
QUARANTINE_SECONDS = 600.0  # a declined address is used by something that is not our client
Reservation = Callable[[str], IPv4Address | None]


@dataclass
class Lease:
    """`expires` in seconds since 1970; a lease that was never `bound` is only offered."""

    mac: str
    address: IPv4Address
    expires: float
    bound: bool = False


class Leases:
    """The lease book of one pool (`first` to `last`, both included), keyed by MAC.

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
        """What the book says, expired or not."""
        return self._by_mac.get(mac)

    def holds(self, mac: str, now: float) -> IPv4Address | None:
        """The address that it has, or was offered a moment ago."""
        held = self._by_mac.get(mac)
        return held.address if held and held.expires > now else None

    def is_pooled(self, address: IPv4Address) -> bool:
        """Whether it is one that anybody may get."""
        return self._in_pool(address)

    def conflict(self, mac: str, address: IPv4Address, now: float) -> None:
        """Something that is not our client uses the address."""
        self.decline(mac, address, now)
        self._declined[int(address)] = now + QUARANTINE_SECONDS

    def offer(self, mac: str, now: float, wanted: IPv4Address | None = None) -> IPv4Address | None:
        """An address for this MAC, kept for it for a minute; None when there is none left."""
        address = self._choose(mac, now, wanted)
        if address is None:
            return None
        held = self._by_mac.get(mac)
        if held is None or held.address != address:
            self._write(Lease(mac, address, now + OFFER_SECONDS))
        elif held.expires < now + OFFER_SECONDS:
            held.expires = now + OFFER_SECONDS
        return address

    def commit(self, mac: str, address: IPv4Address, now: float, seconds: float) -> bool:
        """Give `address` to this MAC for so many seconds; False if it is, or should be, another's."""
        if self._choose(mac, now, address) != address:
            return False
        self._write(Lease(mac, address, now + seconds, bound=True))
        return True

    def release(self, mac: str, address: IPv4Address, now: float) -> None:
        """The machine gives it back. The book remembers who had it, so that the machine gets it again."""
        held = self._by_mac.get(mac)
        if held and held.address == address:
            self._write(Lease(mac, address, now, bound=True))

    def decline(self, mac: str, address: IPv4Address, now: float) -> None:
        """The machine found that something else uses the address; only its holder may say so."""
        held = self._by_mac.get(mac)
        if held and held.address == address:
            self._forget(held)
            self._declined[int(address)] = now + QUARANTINE_SECONDS

    def expire(self, now: float, *, remember: float = 86400.0) -> int:
        """Forget what expired over `remember` seconds ago and offers that were not taken; how many."""
        old = [
            held for held in self._by_mac.values() if held.expires + (remember if held.bound else 0.0) < now
        ]
        for held in old:
            self._forget(held)
        self._declined = {address: until for address, until in self._declined.items() if until > now}
        return len(old)

    @property
    def changed(self) -> bool:
        """Whether there is news since the last dump."""
        return bool(self._changed)

    def dump(self) -> list[LeaseRow]:
        """Every lease as the database has it."""
        self._changed.clear()
        return [_row(held) for held in self._by_mac.values()]

    def take_changes(self) -> tuple[list[LeaseRow], list[str]]:
        """As `dump`, of what was given since the last one; and the MACs that were forgotten meanwhile.

        What is only offered is not worth keeping.
        """
        held = [self._by_mac[mac] for mac in self._changed if mac in self._by_mac]
        gone = [mac for mac in self._changed if mac not in self._by_mac]
        self._changed.clear()
        return [_row(one) for one in held if one.bound], gone

    def load(self, rows: Iterable[LeaseRow]) -> None:
        """Take rows of `dump`; of two rows for one address the later one stays."""
        for row in sorted(rows, key=lambda row: row.expires):
            self._write(Lease(row.mac, IPv4Address(row.address), row.expires, row.bound))
        self._changed.clear()

    def _choose(self, mac: str, now: float, wanted: IPv4Address | None) -> IPv4Address | None:
        """The reservation if nobody sits on it, else what it has or had, what it asks for, a free one."""
        mine = self._reservation(mac)
        if mine and self._free(mac, mine, now):
            return mine
        held = self._by_mac.get(mac)
        for address in (held.address if held else None, wanted):
            if address and self._in_pool(address) and self._free(mac, address, now):
                return address
        return self._next(mac, now)

    def _next(self, mac: str, now: float) -> IPv4Address | None:
        """A free address, never-used ones first: a machine that returns late then finds its old one."""
        if now < self._full_until:
            return None
        fallback: IPv4Address | None = None
        for address in self._from_cursor():
            if not self._free(mac, address, now):
                continue
            if int(address) not in self._by_address:
                return self._move_cursor(address)
            fallback = fallback or address
        if fallback:
            return self._move_cursor(fallback)
        # a flood of strangers must not make us search the pool for each
        self._full_until = min([now + OFFER_SECONDS, *(held.expires for held in self._pool_leases())])
        return None

    def _from_cursor(self) -> Iterator[IPv4Address]:
        first, last = int(self._first), int(self._last)
        for number in chain(range(self._cursor, last + 1), range(first, self._cursor)):
            yield IPv4Address(number)

    def _move_cursor(self, address: IPv4Address) -> IPv4Address:
        self._cursor = int(address) + 1 if address < self._last else int(self._first)
        return address

    def _pool_leases(self) -> Iterator[Lease]:
        return (held for held in self._by_mac.values() if self._in_pool(held.address))

    def _in_pool(self, address: IPv4Address) -> bool:
        return int(self._first) <= int(address) <= int(self._last) and not self._is_reserved(address)

    def _free(self, mac: str, address: IPv4Address, now: float) -> bool:
        number = int(address)
        if self._declined.get(number, 0.0) > now:
            return False
        held = self._by_address.get(number)
        if held and held.mac != mac and held.expires > now:
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


def _row(held: Lease) -> LeaseRow:
    return LeaseRow(held.mac, str(held.address), held.expires, held.bound)
