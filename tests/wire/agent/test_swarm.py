"""Hosts of one site that write the same image feed each other, and each disk becomes right whoever lies."""

import http.client
import json
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wire.agentlab import (
    MIB,
    ORDER,
    Service,
    Supply,
    assert_whole,
    make_image,
)
from tests.wire.swarmlab import TOKEN_OF_SWARM, Site, Swarmed, site

LINE = 8 * MIB  # bytes a second that the service has for all
RAW = 64 * MIB


@pytest.fixture(scope="module")
def supply(tmp_path_factory: pytest.TempPathFactory) -> Supply:
    return make_image(tmp_path_factory.mktemp("image"), RAW, 40 * MIB)


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as made:
        yield Path(made)


@pytest.fixture
def service(supply: Supply) -> Iterator[Service]:
    listed = supply.pack.with_name("small.pack.json")
    files = {ORDER.manifest_url: listed.read_bytes(), ORDER.pack_url: supply.pack.read_bytes()}
    with Service(files) as running:
        yield running


@pytest.fixture
def lan(service: Service, supply: Supply, folder: Path) -> Iterator[Site]:
    with site(service, supply, folder, line=LINE) as made:
        yield made


def assert_all_whole(lan: Site) -> None:
    for host in lan.hosts:
        assert host.result == "whole", f"{host.name}: {host.result}\n{host.said}"
        assert_whole(host.disk, lan.supply, host.disk.stat().st_size)


def lie(host: Swarmed) -> None:
    """From now on it gives other bytes than the image's."""
    honest = host.swarm.store.get

    def other(number: int) -> bytes:
        frame = bytearray(honest(number))
        frame[len(frame) // 2] ^= 1
        return bytes(frame)

    host.swarm.store.get = other  # type: ignore[method-assign]


def asked(host: Swarmed, path: str, token: str) -> tuple[int, bytes]:
    """What it answers to whoever has this token."""
    connection = http.client.HTTPConnection("127.0.0.1", host.swarm.port, timeout=10)
    connection.request("GET", path, headers={"Swarm-Token": token})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_four_hosts_at_once_take_less_than_two_copies(lan: Site) -> None:
    for _ in range(4):
        lan.host()
    lan.join()
    assert_all_whole(lan)
    assert lan.copies() <= 2


def test_a_liar_is_named_and_left_and_every_disk_is_right(lan: Site) -> None:
    liar = lan.host()
    lie(liar)
    honest = [lan.host() for _ in range(3)]
    lan.join(*honest)
    named = "127.0.0.1 gives what is not the image: the chunk at byte"
    assert any(named in host.said for host in honest), [host.said for host in honest]
    for host in honest:
        assert host.result == "whole", host.result
        assert_whole(host.disk, lan.supply, host.disk.stat().st_size)
        assert [peer.is_liar for peer in host.swarm.peers.all() if peer.address[1] == liar.swarm.port] in (
            [True],
            [False],  # it had given nothing to this one yet
        )
    caught = next(host for host in honest if host.swarm.liars)
    assert caught.swarm.liars == ["127.0.0.1"] and caught.said.count("gives what is not the image") == 1
    assert liar.swarm.port not in [peer.address[1] for peer in caught.swarm.usable()]


def test_a_host_that_dies_in_the_middle_holds_nobody_up(lan: Site) -> None:
    dying = lan.host()
    others = [lan.host() for _ in range(3)]
    lan.await_pieces(others, 8)
    dying.stream.link.stop()  # nothing of it is heard from here on
    dying.swarm.close()
    lan.join(*others)
    for host in others:
        assert host.result == "whole", f"{host.result}\n{host.said}"
        assert_whole(host.disk, lan.supply, host.disk.stat().st_size)
    assert lan.copies() <= 2.5


def test_a_peer_that_gives_a_byte_now_and_then_is_left(lan: Site) -> None:
    slow = lan.host(upload=20_000)
    others = [lan.host() for _ in range(2)]
    slow.swarm.rate.set(20_000)
    lan.join(*others, slow)
    assert_all_whole(lan)
    assert max(host.seconds for host in others) < 3 * RAW / LINE + 10


def test_a_slow_disk_of_one_host_is_its_own_affair(lan: Site) -> None:
    slow = lan.host(slow_disk=lambda: threading.Event().wait(0.25) and None)
    others = [lan.host() for _ in range(3)]
    lan.join(*others)
    assert slow.result == ""
    lan.join(slow)
    assert_all_whole(lan)
    assert lan.copies() <= 2


def test_a_late_host_gets_nearly_all_from_those_that_have_finished(lan: Site) -> None:
    first = lan.host(others=0)
    lan.join(first)
    before = lan.service.sent
    late = lan.host(others=0)
    lan.join(late)
    assert_all_whole(lan)
    assert lan.service.sent - before < 0.25 * first.stream.fetched
    assert late.stream.from_peers > 0.75 * first.stream.fetched


def test_what_is_not_in_memory_any_more_is_given_from_the_disk(lan: Site) -> None:
    first = lan.host(others=0, memory=16 * MIB)  # 2 MiB of frames
    lan.join(first)
    late = lan.host(others=0, memory=16 * MIB)
    lan.join(late)
    assert_all_whole(lan)
    assert late.stream.from_peers > 0.75 * late.stream.fetched
    assert first.swarm.store.size <= 2 * MIB


def test_a_service_that_is_away_for_a_while_is_not_missed(lan: Site) -> None:
    hosts = [lan.host() for _ in range(4)]
    lan.await_pieces(hosts, 10)
    lan.service.go()
    lan.await_pieces(hosts, 14)  # of what others had
    lan.service.come()
    lan.join()
    assert_all_whole(lan)


def test_hosts_that_cannot_reach_each_other_have_the_service(lan: Site) -> None:
    lan.extra = [("127.0.0.1", free_port()), ("192.0.2.7", 9)]
    alone = lan.host(others=2)
    lan.join(alone)
    assert_all_whole(lan)
    assert alone.stream.from_peers == 0
    assert alone.seconds < 1.5 * RAW / LINE + 5


def test_a_host_that_is_re_imaged_gives_what_it_holds_already(lan: Site) -> None:
    first = lan.host(others=0)
    lan.join(first)
    lan.remove(first)
    before = lan.service.sent
    again = lan.host(others=1, disk=first.disk, method="delta")
    lan.join(again)
    late = lan.host(others=1)
    lan.join(late)
    assert_whole(late.disk, lan.supply, late.disk.stat().st_size)
    assert late.stream.from_peers > 0.75 * late.stream.fetched
    assert lan.service.sent - before < 0.25 * late.stream.fetched


def test_strangers_get_nothing(lan: Site) -> None:
    host = lan.host(others=0)
    lan.join(host)
    for path, token in (("/have", ""), ("/have", "wrong"), ("/chunks/9", "wrong"), ("/disk", TOKEN_OF_SWARM)):
        assert asked(host, path, token) == (404, b"")
    status, body = asked(host, "/have", TOKEN_OF_SWARM)
    assert status == 200 and json.loads(body)["claimed"] == []
    own = [n for n, chunk in enumerate(lan.supply.manifest.chunks) if n not in host.swarm.pieces.piece_of]
    assert 0 in own, "boot sectors are each host's own"
    assert asked(host, "/chunks/0", TOKEN_OF_SWARM) == (404, b"")


def test_no_more_goes_out_than_the_cap_allows(lan: Site) -> None:
    first = lan.host(others=0)
    lan.join(first)
    first.swarm.rate.set(4 * MIB)
    before, began = first.swarm.sent, time.monotonic()
    for number in list(first.swarm.pieces.piece_of)[:8]:
        assert asked(first, f"/chunks/{number}", TOKEN_OF_SWARM)[0] == 200
    sent, seconds = first.swarm.sent - before, time.monotonic() - began
    assert sent >= 7 * MIB and sent / seconds < 5 * MIB
