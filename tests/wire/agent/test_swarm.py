"""Hosts of one site that write the same image feed each other, and each disk becomes right whoever lies."""

import tempfile
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
from tests.wire.swarmlab import Site, site

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


def test_four_hosts_at_once_take_less_than_two_copies(lan: Site) -> None:
    for _ in range(4):
        lan.host()
    lan.join()
    assert_all_whole(lan)
    assert lan.copies() <= 2
