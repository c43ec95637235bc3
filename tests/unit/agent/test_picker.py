"""Which piece is asked of whom: of peers the rarest, of the service what none has."""

import random
from dataclasses import dataclass, field

import pytest

from provisioner.agent.picker import CLAIM_PATIENCE, PATIENCE, STARVED, Picker
from provisioner.agent.possession import PieceMap, Possession, decode, encode, places
from provisioner.imaging.manifest import CHUNK_SIZE, Chunk, Manifest, Partition

MIB = 1 << 20
FIRST, COUNT = 8, 40  # chunks with data of the root partition


def manifest(count: int = COUNT, kinds: str = "data", frame: int = 700 << 10) -> Manifest:
    """Eight chunks of boot sectors, ESP and seed, then `count` of root, each a piece."""
    chunks, place = [], 0
    for number in range(FIRST + count):
        kind = kinds if number >= FIRST else "data"
        length = frame if number >= FIRST else 1000
        chunks.append(Chunk(number * CHUNK_SIZE, CHUNK_SIZE, kind, place, length, "0" * 64))
        place += length
    rows = (("bios", 1, 1), ("esp", 2, 2), ("cidata", 4, 4), ("root", 8, count - 1))
    partitions = tuple(Partition(role, "g", "l", at * MIB, size * MIB) for role, at, size in rows)
    size = (FIRST + count) * CHUNK_SIZE
    return Manifest("a", "1", "now", size, 512, CHUNK_SIZE, tuple(chunks), partitions)


@dataclass
class Neighbour:
    """A peer as the picker sees it."""

    have: int = 0
    claims: dict[int, float] = field(default_factory=dict)
    rate: float = 0.0
    under_way: int = 0
    ready_at: float = 0.0
    seed: int = 0


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def picker(clock: Clock, **other: int) -> Picker:
    made = manifest()
    pieces = PieceMap(made)
    numbers = sorted(pieces.piece_of)
    return Picker(made, pieces, numbers, clock=clock, chance=random.Random(1), **other)


def everything() -> int:
    return (1 << len(PieceMap(manifest()))) - 1


def test_what_each_disk_has_of_its_own_is_in_no_piece() -> None:
    pieces = PieceMap(manifest())
    last = FIRST + COUNT - 1  # it holds the backup of the partition table
    assert sorted(pieces.piece_of) == [1, 3, *range(FIRST, last)]


def test_pieces_are_no_larger_than_a_request_may_be() -> None:
    pieces = PieceMap(manifest(count=400, frame=100))
    assert max(len(piece) for piece in pieces.pieces) == 64
    assert [n for piece in pieces.pieces for n in piece] == sorted(pieces.piece_of)


def test_a_mask_survives_its_letters_and_no_other_is_taken() -> None:
    for count in (1, 8, 9, 1000):
        mask = random.Random(count).getrandbits(count)
        assert decode(encode(mask, count), count) == mask
    for text, count in (("", 9), (encode(1, 8), 9), (encode(511, 9), 8), ("%%", 8)):
        with pytest.raises(ValueError, match="mask"):
            decode(text, count)
    with pytest.raises(ValueError, match="other pieces"):
        decode(encode(1 << 15, 16), 15)


def test_a_piece_is_held_when_its_last_chunk_is() -> None:
    pieces = PieceMap(manifest(count=400, frame=100))
    held = Possession(pieces)
    piece = pieces.pieces[1]
    held.add(piece[:-1])
    assert held.mask == 0 and held.holds(piece[:2]) and not held.holds(piece)
    held.add([piece[-1], 0])
    assert held.mask == 2 and held.holds(piece) and not held.holds([0])


def test_alone_a_host_asks_for_neighbours_in_their_order(clock: Clock) -> None:
    chosen = picker(clock, most=4 * MIB)
    first = chosen.next_from_service([], is_shared=False, is_first=True)
    second = chosen.next_from_service([], is_shared=False, is_first=False)
    assert first and second
    assert first.numbers[0] == 1 and second.numbers[0] == first.numbers[-1] + 1
    assert len(second.numbers) == 5


def test_what_no_peer_has_comes_from_the_service_and_all_else_from_peers(clock: Clock) -> None:
    chosen, peer = picker(clock), Neighbour(have=everything() & ~(1 << 7), rate=1e6)
    flight = chosen.next_from_service([peer], is_shared=True, is_first=True)
    assert flight and flight.places == (7,)
    assert chosen.next_from_service([peer], is_shared=True, is_first=True) is None
    assert chosen.next_from_service([peer], is_shared=True, is_first=False) is None
    given = chosen.next_from_peer([peer])
    assert given and given.source is peer and given.places != (7,)


def test_the_rarest_piece_comes_first(clock: Clock) -> None:
    common = everything() & ~1
    for _ in range(5):
        chosen = picker(clock)
        peers = [Neighbour(have=common) for _ in range(3)] + [Neighbour(have=everything())]
        seen = [chosen._rarest(1 | 2, peers) for _ in range(3)]
        assert seen == [0, 0, 0]


def test_hosts_share_the_pieces_out_without_a_word(clock: Clock) -> None:
    seeds = [17, 3001, 99999, 123456789]
    taken = []
    for seed in seeds:
        chosen = picker(clock, seed=seed)
        peers = [Neighbour(seed=other) for other in seeds if other != seed]
        for _ in range(5):
            flight = chosen.next_from_service(peers, is_shared=True, is_first=True)
            assert flight
            taken.append(flight.places)
    assert len(set(taken)) == len(taken) == 20


def test_what_another_fetches_is_left_to_it_until_nothing_else_is_left(clock: Clock) -> None:
    chosen = picker(clock)
    peer = Neighbour(claims=dict.fromkeys(places(everything() & ~(1 << 3)), clock.now))
    flight = chosen.next_from_service([peer], is_shared=True, is_first=True)
    assert flight and flight.places == (3,)
    assert chosen.next_from_service([peer], is_shared=True, is_first=True) is None
    clock.now += CLAIM_PATIENCE + 0.1
    assert chosen.next_from_service([peer], is_shared=True, is_first=True) is not None


def test_the_service_gives_what_peers_have_where_none_of_them_gives(clock: Clock) -> None:
    chosen, peer = picker(clock), Neighbour(have=everything(), ready_at=clock.now + 1000)
    assert chosen.next_from_peer([peer]) is None, "it has no room"
    assert chosen.next_from_service([peer], is_shared=True, is_first=True) is None
    clock.now += STARVED + 0.1
    assert chosen.next_from_service([peer], is_shared=True, is_first=True) is not None
    assert chosen.next_from_service([peer], is_shared=True, is_first=False) is not None


def test_what_only_a_very_slow_peer_has_counts_as_held_by_nobody(clock: Clock) -> None:
    chosen = picker(clock)
    slow, quick = Neighbour(have=everything(), rate=1e4), Neighbour(have=0b1, rate=1e6)
    flight = chosen.next_from_service([slow, quick], is_shared=True, is_first=True)
    assert flight and flight.places != (0,)


def test_a_piece_that_is_late_is_asked_of_another_too_and_delivered_once(clock: Clock) -> None:
    chosen = picker(clock)
    slow, other = Neighbour(have=everything()), Neighbour(have=everything())
    while chosen.next_from_peer([slow]):
        slow.under_way = 0  # so that it is asked for all
    assert chosen.next_from_peer([other]) is None, "all are under way"
    clock.now += PATIENCE + 0.1
    late = chosen.next_from_peer([other])
    assert late and late.source is other
    number = late.numbers[0]
    assert [chosen.begin_delivery(number), chosen.begin_delivery(number)] == [True, False]


def test_a_flight_that_broke_off_leaves_what_it_did_not_bring(clock: Clock) -> None:
    chosen, peer = picker(clock), Neighbour(have=1)
    flight = chosen.next_from_peer([peer])
    assert flight and peer.under_way == 1 and chosen.next_from_peer([peer]) is None
    chosen.end(flight)
    again = chosen.next_from_peer([peer])
    assert peer.under_way == 1 and again and again.places == flight.places
    for number in again.numbers:
        assert chosen.begin_delivery(number)
        chosen.delivered(number)
    chosen.end(again, 1000)
    assert chosen.next_from_peer([peer]) is None and not chosen.is_done


def test_it_is_done_when_the_last_chunk_is_delivered(clock: Clock) -> None:
    chosen = picker(clock)
    numbers = sorted(PieceMap(manifest()).piece_of)
    for number in numbers:
        assert not chosen.is_done and chosen.begin_delivery(number)
        chosen.delivered(number)
    assert chosen.is_done
