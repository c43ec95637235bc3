"""The loop under the DHCP service, which only deafness ends; and the thread that writes for it."""

import os
import socket
import threading
from functools import partial

import pytest

from provisioner.services.eventloop.reactor import READ, Reactor
from provisioner.services.eventloop.write_behind import WriteBehind


class Pipe:
    def __init__(self) -> None:
        self.read, self.write = os.pipe()

    def fileno(self) -> int:
        return self.read

    def say(self) -> None:
        os.write(self.write, b"x")

    def close(self) -> None:
        os.close(self.read)
        os.close(self.write)


def test_a_handler_that_fails_is_logged_and_all_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    reactor, pipe, heard = Reactor("test"), Pipe(), []

    def handle() -> None:
        heard.append(os.read(pipe.read, 1))
        if len(heard) == 1:
            pipe.say()
            raise RuntimeError("the first one is bad")
        reactor.stop()

    reactor.register(pipe, handle)
    pipe.say()
    reactor.run()
    assert len(heard) == 2 and "the first one is bad" in caplog.text
    reactor.close()
    pipe.close()


def test_of_a_parked_source_not_even_its_end_is_told() -> None:
    ours, theirs = socket.socketpair()
    reactor, told = Reactor("test"), []
    reactor.register(ours, lambda: told.append("end"))
    reactor.modify(ours, 0)
    theirs.close()
    reactor.call_later(0.05, lambda: reactor.modify(ours, READ))
    reactor.call_later(0.05, lambda: told.append("awaited"))
    reactor.call_later(0.1, reactor.stop)
    reactor.run()
    assert told[:2] == ["awaited", "end"]
    reactor.unregister(ours)
    reactor.unregister(ours)
    ours.close()
    reactor.close()


def test_what_was_removed_by_an_earlier_one_of_its_lot_is_not_told() -> None:
    reactor, pipes, told = Reactor("test"), [Pipe(), Pipe()], []

    def handle(number: int) -> None:
        told.append(os.read(pipes[number].read, 1))
        reactor.unregister(pipes[1 - number])
        reactor.stop()

    for number, pipe in enumerate(pipes):
        reactor.register(pipe, partial(handle, number))
        pipe.say()
    reactor.run()
    assert len(told) == 1
    reactor.close()
    for pipe in pipes:
        pipe.close()


def test_moments_come_in_their_order_and_a_bad_one_comes_again() -> None:
    now = [0.0]
    reactor, order = Reactor("test", clock=lambda: now[0]), []

    def often() -> None:
        order.append("often")
        if order.count("often") == 3:
            reactor.stop()
        now[0] += 1
        raise RuntimeError("each time")

    reactor.call_later(2, lambda: order.append("later"))
    reactor.call_later(1, lambda: order.append("sooner"))
    reactor.call_every(0, often)
    reactor.run()
    assert order == ["often", "sooner", "often", "later", "often"]
    reactor.close()


def test_a_loop_that_can_hear_nothing_any_more_ends() -> None:
    reactor = Reactor("test")
    reactor._poll.close()
    with pytest.raises(ValueError, match="closed epoll"):
        reactor.run()


def test_what_cannot_be_written_is_tried_again_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    tries, written, done = [], [], threading.Event()

    def job() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise OSError("no space left")
        written.append(1)

    behind = WriteBehind("test")
    behind.put(job)
    behind.put(done.set)
    assert done.wait(30) and behind.is_idle
    assert len(tries) == 3 and written == [1]
    assert len(caplog.records) == 1 and "no space left" in caplog.text
    behind.close()


def test_what_waits_at_the_end_is_tried_a_last_time() -> None:
    behind, written, began = WriteBehind("test"), [], threading.Event()

    def bad() -> None:
        began.set()
        raise OSError("no space left")

    behind.put(bad)
    assert began.wait(30)
    behind.put(lambda: written.append(1))
    behind.close()
    assert written == [1]
