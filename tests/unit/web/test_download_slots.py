"""So many hosts fetch at a time, nobody is passed over, and who waits learns how long."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.agent import link, stream
from provisioner.web import file_sender, patient_worker
from provisioner.web.machines.download_slots import FORGET, LINGER, MOST_STREAMS, USUAL, DownloadSlots


@dataclass
class Clock:
    now: float = 0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_so_many_at_a_time_then_in_the_order_in_which_they_asked(clock: Clock) -> None:
    slots = DownloadSlots(2, clock=clock)
    assert slots.ask("a") is None and slots.ask("b") is None
    c, d = slots.ask("c"), slots.ask("d")
    assert c and d and (c.before, d.before) == (2, 3)
    assert slots.ask("a") is None, "who has a turn keeps it"
    slots.release("b")
    assert slots.ask("d"), "c came first"
    assert slots.ask("c") is None
    slots.release("a")
    assert slots.ask("d") is None


def test_the_start_is_estimated_from_what_those_before_say(clock: Clock) -> None:
    slots = DownloadSlots(1, clock=clock)
    slots.ask("a")
    first = slots.ask("b")
    assert first and first.starts == USUAL
    clock.now = 30
    slots.progress("a", 0.25)
    found = slots.ask("b")
    assert found and found.starts == pytest.approx(90) and 1 <= found.ask_again <= 10
    assert str(found) == "waiting for our turn: 1 host before us, it begins in about 2 min"
    clock.now = 40
    slots.release("a")  # 40 s: that is what a turn takes
    assert slots.ask("b") is None
    third, fourth = slots.ask("c"), slots.ask("d")
    assert third and fourth and (third.starts, fourth.starts) == (40, 80)
    assert str(third) == "waiting for our turn: 1 host before us, it begins in about 40 s"


def test_a_host_that_was_powered_off_gives_its_turn_back(clock: Clock) -> None:
    slots = DownloadSlots(1, clock=clock)
    slots.ask("a")
    slots.begin("a")
    clock.now = 10 * LINGER
    assert slots.ask("b"), "an answer under way counts, however slow"
    slots.end("a")
    clock.now += LINGER - 1
    assert slots.ask("b")
    clock.now += 2
    assert slots.ask("b") is None


def test_who_does_not_ask_again_is_out_of_the_line(clock: Clock) -> None:
    slots = DownloadSlots(1, clock=clock)
    slots.ask("a")
    slots.begin("a")
    slots.ask("gone")
    found = slots.ask("c")
    assert found and found.before == 2
    clock.now = FORGET + 1
    slots.ask("c")
    found = slots.ask("c")
    assert found and found.before == 1


def test_nobody_knows_them_is_no_fault(clock: Clock) -> None:
    slots = DownloadSlots(1, clock=clock)
    assert slots.begin("x")
    slots.end("x")
    slots.release("x")
    slots.progress("x", 2.0)


def test_one_host_has_so_many_streams_and_takes_none_from_others(clock: Clock) -> None:
    slots = DownloadSlots(2, clock=clock)
    slots.ask("greedy")
    assert [slots.begin("greedy") for _ in range(50)] == [True] * MOST_STREAMS + [False] * (50 - MOST_STREAMS)
    assert slots.ask("b") is None and slots.begin("b")
    slots.end("greedy")
    assert slots.begin("greedy") and not slots.begin("greedy")


def test_giving_a_slot_back_makes_no_room_for_more_streams(clock: Clock) -> None:
    slots = DownloadSlots(2, clock=clock)
    slots.ask("greedy")
    while slots.begin("greedy"):
        pass
    slots.release("greedy")
    slots.ask("greedy")
    assert not slots.begin("greedy")


def test_what_was_sent_is_forgotten(clock: Clock) -> None:
    slots = DownloadSlots(1, clock=clock)
    for _ in range(10 * MOST_STREAMS):
        slots.ask("a")
        assert slots.begin("a")
        slots.end("a")
    assert not slots._active


def test_an_agent_whose_connections_die_again_and_again_is_never_refused() -> None:
    """Each of its threads has one that it reads, and those that it gave up until we do."""
    dying = file_sender.STALL / link.SILENCE
    assert 4 * (1 + dying) <= MOST_STREAMS <= patient_worker.MOST_OF_ONE
    assert stream.CONNECTIONS <= 4


@given(st.integers(1, 4), st.lists(st.tuples(st.sampled_from("ar"), st.integers(0, 7)), max_size=80))
def test_there_are_never_more_than_allowed_and_the_first_waiting_gets_the_next(
    most: int, acts: list[tuple[str, int]]
) -> None:
    clock = Clock()
    slots = DownloadSlots(most, clock=clock)
    holding: set[int] = set()
    line: list[int] = []
    for act, who in acts:
        clock.now += 0.01
        if act == "r":
            slots.release(str(who))
            holding.discard(who)
            line = [other for other in line if other != who]
            continue
        is_in = slots.ask(str(who)) is None
        ahead = line.index(who) if who in line else len(line)
        assert is_in == (who in holding or ahead < most - len(holding))
        if is_in and who not in holding:
            holding.add(who)
            line = [other for other in line if other != who]
        elif not is_in and who not in line:
            line.append(who)
        assert len(holding) <= most
