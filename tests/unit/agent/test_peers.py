"""Peers that fail: how long each is left, and that one fault counts once."""

from types import SimpleNamespace
from typing import Any

from provisioner.agent.peers import LEFT, Peer, Peers


class Clock:
    """Seconds that pass when they are told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def made(clock: Clock, said: list[str]) -> Peers:
    nothing: Any = SimpleNamespace()
    return Peers(nothing, nothing, "token", log=said.append, clock=clock)


def test_a_fault_that_many_requests_meet_counts_once() -> None:
    """Four are under way when a peer stops for a moment: it is left for five seconds, not for two minutes."""
    clock, said = Clock(), list[str]()
    peers, peer = made(clock, said), Peer(("10.0.0.2", 7000))
    for _ in range(4):
        peers.failed(peer, "timed out")
        clock.now += 0.4
    assert peer.left_until == 1000.0 + LEFT[0] and said == ["10.0.0.2 is left for 5 s: timed out"]


def test_one_that_fails_again_afterwards_is_left_for_longer() -> None:
    clock, said = Clock(), list[str]()
    peers, peer = made(clock, said), Peer(("10.0.0.2", 7000))
    for seconds in (*LEFT, LEFT[-1]):
        peers.failed(peer, "broke off")
        assert peer.left_until == clock.now + seconds
        clock.now = peer.left_until
