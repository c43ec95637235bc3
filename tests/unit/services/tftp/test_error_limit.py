"""How many errors a stranger can cause, and how much memory."""

from provisioner.services.tftp.error_limit import MOST, MOST_ADDRESSES, PERIOD, ErrorLimit


class Clock:
    """Stands still until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_address_gets_a_few_errors_and_then_none_for_a_while() -> None:
    clock = Clock()
    limit = ErrorLimit(clock=clock)
    assert [limit.allows("a") for _ in range(MOST + 2)] == [True] * MOST + [False] * 2
    assert limit.allows("b"), "another one is not meant"
    clock.now = PERIOD - 0.01
    assert not limit.allows("a")
    clock.now = PERIOD
    assert limit.allows("a")


def test_forged_addresses_take_no_more_memory_than_that() -> None:
    clock = Clock()
    limit = ErrorLimit(clock=clock)
    answered = sum(limit.allows(f"address {number}") for number in range(MOST_ADDRESSES + 1000))
    assert answered == MOST_ADDRESSES
    assert limit.allows("address 0"), "who is known has answers left"
    clock.now = PERIOD
    assert limit.allows("address 5000")
