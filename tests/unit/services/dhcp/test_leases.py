"""The lease book."""

from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st

from provisioner.services.dhcp.leases import OFFER_SECONDS, QUARANTINE_SECONDS, LeasePool
from provisioner.state.leases import LeaseRow

FIRST, LAST = IPv4Address("10.0.0.10"), IPv4Address("10.0.0.13")
RESERVED = IPv4Address("10.0.0.5")


def book() -> LeasePool:
    return LeasePool(FIRST, LAST)


def test_a_machine_keeps_its_address_across_discovers() -> None:
    leases = book()
    assert leases.offer("a", 0) == leases.offer("a", 10) == FIRST
    assert leases.commit("a", FIRST, 11, 100)
    assert leases.offer("a", 50) == FIRST
    assert leases.offer("a", 5000) == FIRST


def test_an_address_is_not_given_to_two() -> None:
    leases = book()
    assert leases.offer("a", 0) == FIRST
    assert leases.offer("b", 0, requested=FIRST) == FIRST + 1
    assert not leases.commit("b", FIRST, 0, 100)
    assert leases.commit("b", FIRST + 1, 0, 100)


def test_a_free_wish_is_granted_and_one_outside_the_pool_is_not() -> None:
    assert book().offer("a", 0, requested=LAST) == LAST
    assert book().offer("a", 0, requested=IPv4Address("10.0.0.99")) == FIRST


def test_an_empty_pool_gives_nothing_until_an_offer_lapses() -> None:
    leases = book()
    given_away = {leases.offer(mac, 0) for mac in "abcd"}
    assert given_away == {FIRST, FIRST + 1, FIRST + 2, LAST}
    assert leases.offer("e", 1) is None
    assert leases.offer("e", OFFER_SECONDS + 1) in given_away


def test_an_address_never_used_is_preferred_to_an_old_one() -> None:
    leases = book()
    leases.commit("a", FIRST, 0, 10)
    assert leases.offer("b", 100) == FIRST + 1
    assert leases.offer("a", 100) == FIRST


def test_a_released_address_returns_to_its_machine() -> None:
    leases = book()
    leases.commit("a", FIRST, 0, 1000)
    leases.release("a", FIRST + 1, 1)  # not its own
    assert leases.offer("b", 1, requested=FIRST) != FIRST
    leases.release("a", FIRST, 1)
    assert leases.offer("a", 2) == FIRST
    assert leases.expire(3) == 0


def test_a_declined_address_rests() -> None:
    leases = book()
    leases.offer("a", 0)
    leases.decline("b", FIRST, 0)  # not its holder: no effect
    assert leases.offer("a", 0) == FIRST
    leases.decline("a", FIRST, 0)
    assert leases.offer("a", 1) == FIRST + 1
    assert leases.offer("b", QUARANTINE_SECONDS + 1, requested=FIRST) == FIRST


def test_a_reservation_wins_and_nobody_else_gets_it() -> None:
    leases = LeasePool(FIRST, LAST, {"a": RESERVED, "b": FIRST}.get, {RESERVED, FIRST}.__contains__)
    assert leases.offer("x", 0, requested=FIRST) == FIRST + 1
    assert leases.offer("a", 0, requested=LAST) == RESERVED
    assert leases.offer("b", 0) == FIRST
    assert not leases.commit("a", LAST, 0, 100)
    assert not leases.commit("x", RESERVED, 0, 100)
    assert leases.commit("a", RESERVED, 0, 100)


def test_a_reservation_waits_until_its_squatter_has_gone() -> None:
    reservations: dict[str, IPv4Address] = {}
    leases = LeasePool(FIRST, LAST, reservations.get, lambda address: address in reservations.values())
    leases.commit("squatter", FIRST, 0, 100)
    reservations["owner"] = FIRST
    assert leases.offer("owner", 1) == FIRST + 1
    assert not leases.commit("squatter", FIRST, 50, 100)
    assert leases.offer("owner", 101) == FIRST


def test_expire_forgets_offers_at_once_and_leases_after_a_day() -> None:
    leases = book()
    leases.offer("a", 0)
    leases.commit("b", LAST, 0, 100)
    assert leases.expire(OFFER_SECONDS + 1) == 1
    assert leases.lease("b") is not None
    assert leases.expire(100 + 86401) == 1
    assert leases.lease("b") is None


def test_the_book_survives_a_restart() -> None:
    leases = book()
    leases.commit("a", FIRST + 2, 0, 1000)
    leases.offer("b", 0)
    assert leases.changed
    rows = leases.dump()
    assert not leases.changed
    again = book()
    again.load(rows)
    assert sorted(again.dump(), key=lambda row: row.mac) == rows
    assert again.offer("a", 10) == FIRST + 2
    assert not again.commit("c", FIRST + 2, 10, 100)


def test_of_two_rows_for_one_address_the_later_one_stays() -> None:
    leases = book()
    leases.load(
        [LeaseRow(mac, str(FIRST), expires, bound=True) for mac, expires in (("new", 200.0), ("old", 100.0))]
    )
    assert [held.mac for held in leases.dump()] == ["new"]


steps = st.tuples(
    st.sampled_from(["offer", "commit", "release", "decline", "expire"]),
    st.sampled_from("abcdefg"),
    st.integers(0, 4).map(lambda step: FIRST + step),
    st.integers(0, 200),
)


@given(st.lists(steps, max_size=60))
def test_no_history_gives_a_live_address_to_two(history: list[tuple[str, str, IPv4Address, int]]) -> None:
    leases = LeasePool(FIRST, LAST, {"a": LAST}.get, {LAST}.__contains__)
    now = 0.0
    for verb, mac, address, passed in history:
        now += passed
        match verb:
            case "offer":
                leases.offer(mac, now, address)
            case "commit":
                leases.commit(mac, address, now, 300)
            case "release":
                leases.release(mac, address, now)
            case "decline":
                leases.decline(mac, address, now)
            case "expire":
                leases.expire(now)
        rows = leases.dump()
        assert len({row.address for row in rows}) == len(rows) == len({row.mac for row in rows})
        assert all(FIRST <= IPv4Address(row.address) <= LAST for row in rows)
        assert all(row.mac == "a" for row in rows if row.address == str(LAST))
