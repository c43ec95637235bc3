"""How many wrong passwords are heard in a minute."""

import threading

import pytest

from provisioner.web import login_limit
from provisioner.web.login_limit import MOST_WRONG, LoginLimit


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def limit(seconds: Seconds) -> LoginLimit:
    return LoginLimit(clock=seconds)


def test_ten_wrong_ones_are_heard_and_no_more_within_any_minute(limit: LoginLimit, seconds: Seconds) -> None:
    heard = []
    for second in range(181):
        seconds.now = float(second)
        if limit.begin("user ann"):
            heard.append(second)
    assert heard[:11] == [*range(10), 60]
    assert all(sum(at <= other < at + 60 for other in heard) <= MOST_WRONG for at in heard)


@pytest.mark.parametrize("shared", ["address 10.77.0.9", "user ann"])
def test_address_and_user_are_counted_apart(limit: LoginLimit, shared: str) -> None:
    assert all(limit.begin(shared, f"other {number}") for number in range(MOST_WRONG))
    assert not limit.begin(shared, "other one")
    assert limit.begin("address 10.77.0.10", "user bob")


def test_what_is_refused_for_one_key_counts_for_none(limit: LoginLimit) -> None:
    for _ in range(MOST_WRONG):
        assert limit.begin("user ann")
    for _ in range(50):
        assert not limit.begin("user ann", "address 10.77.0.9")
    assert limit.begin("user bob", "address 10.77.0.9")


def test_right_ones_are_not_counted(limit: LoginLimit) -> None:
    for _ in range(50):
        assert limit.begin("user ann", "address 10.77.0.9")
        limit.was_right("user ann", "address 10.77.0.9")


def test_many_at_one_time_are_no_more_than_one_by_one(limit: LoginLimit) -> None:
    heard: list[bool] = []
    threads = [threading.Thread(target=lambda: heard.append(limit.begin("user ann"))) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard.count(True) == MOST_WRONG


def test_names_without_end_need_no_memory_without_end(limit: LoginLimit) -> None:
    for number in range(3 * login_limit.MOST_KEYS):
        limit.begin(f"user {number}")
    assert len(limit._tried) == login_limit.MOST_KEYS
