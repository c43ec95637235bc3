"""Images one host at a time, and through Debian's nginx with the shipped snippet; on a service of its own."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from provisioner import run
from provisioner.system import shipped
from provisioner.web.machines.download_slots import MOST_STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.wire.conftest import Puppet, World

PROGRAM = Path(__file__).parent / "programs" / "greedy_reader.py"
PACK = "/images/vault-os@1/pack"
SETTINGS = """
[dhcp]
hosts = { first = "10.77.0.2", last = "10.77.0.190" }
discovery = { first = "10.77.0.210", last = "10.77.0.240" }
[orders]
at_once = 1000
stagger_seconds = 0
[images]
streams = 1
"""
ACCEL = 'url = "http://10.77.0.1:8080"\naccel = "/stored-images"\n'


def started(world: World, inside: Any, folder: Path, settings: str) -> Iterator[World]:
    from tests.wire.conftest import World as Other
    from tests.wire.conftest import namespace

    with ExitStack() as stack:
        lan = stack.enter_context(namespace())
        other = Other(lan, stack.enter_context(inside(lan, folder, settings)), folder)
        stack.callback(other.site.database.close)
        other.apply([], [{"name": "cube", "image": "vault-os"}])
        for words in (("trust", world.folder / "release.pub"), ("add", world.folder / "vault-os-1.pack")):
            said = other.provision("image", *words)
            assert said.code == 0, said.err
        yield other


@pytest.fixture(scope="module")
def narrow(world: World, inside: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service that gives images to one host at a time."""
    yield from started(world, inside, tmp_path_factory.mktemp("narrow"), SETTINGS)


def test_the_second_host_waits_and_is_told_how_long(narrow: World) -> None:
    with narrow.machine() as first, narrow.machine() as second:
        for puppet in (first, second):
            puppet.arm()
            assert puppet.hello().status == 200
        assert first.http(PACK, "-H", "Range: bytes=0-9").status == 206
        reply = second.http(PACK, "-H", "Range: bytes=0-9")
        assert reply.status == 503 and float(reply.headers["retry-after"]) >= 1
        assert b"waiting for our turn: 1 host before us, it begins in about" in reply.body
        assert second.http("/images/vault-os@1/manifest").status == 200, "only packs are rationed"
        assert first.http(PACK, "-H", "Range: bytes=10-19").status == 206
        first.tell("progress", phase="reading back")
        assert second.http(PACK, "-H", "Range: bytes=0-9").status == 206
        assert first.http(PACK, "-H", "Range: bytes=20-29").status == 503
        second.tell("failed")
        assert first.http(PACK, "-H", "Range: bytes=20-29").status == 206


@contextmanager
def reading(world: World, puppet: Puppet, count: int, port: int = 80) -> Iterator[list[str]]:
    """So many streams with the host's token, none of which is read on; how each was answered."""
    world.lan.add_address(f"{puppet.address}/24")
    argv = (sys.executable, PROGRAM, count, "10.77.0.1", port, puppet.address, PACK, puppet.token)
    process = run.start(world.lan.argv(*map(str, argv)), stdin=run.PIPE, stdout=run.PIPE)
    assert process.stdin and process.stdout
    try:
        yield process.stdout.readline().decode().split()
    finally:
        process.stdin.close()
        run.stop(process)
        process.stdout.close()


def test_a_thief_who_opens_fifty_streams_has_sixteen_and_starves_nobody(world: World) -> None:
    with world.machine() as robbed, world.machine() as other:
        for puppet in (robbed, other):
            puppet.arm()
            assert puppet.hello().status == 200
        with reading(world, robbed, 30) as statuses:
            assert statuses == ["206"] * MOST_STREAMS + ["503"] * (30 - MOST_STREAMS)
            reply = robbed.http(PACK, "-H", "Range: bytes=0-9")
            assert reply.status == 503 and float(reply.headers["retry-after"]) > 0
            assert reply.body == b"16 streams of this host are under way already"
            robbed.tell("progress", phase="reading back")
            assert robbed.http(PACK, "-H", "Range: bytes=0-9").status == 503, "a slot given back is no way"
            assert robbed.http("/images/vault-os@1/manifest").status == 200
            assert other.http(PACK, "-H", "Range: bytes=0-9").status == 206
        until = time.monotonic() + 20
        while robbed.http(PACK, "-H", "Range: bytes=0-9").status != 206:
            assert time.monotonic() < until, "who has gone makes room"


CONF = """
daemon off; user root; pid {folder}/nginx.pid; error_log {folder}/error.log warn;
events {{ worker_connections 64; }}
http {{
    client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    include {folder}/images.conf;
}}
"""


@pytest.fixture(scope="module")
def fronted(world: World, inside: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service with nginx before its images, by the shipped snippet."""
    folder = tmp_path_factory.mktemp("fronted")
    for other in started(world, inside, folder, SETTINGS.replace("streams = 1", "streams = 4") + ACCEL):
        text = shipped.file("systemd", "nginx-images.conf").read_text()
        assert "/srv/provisioner-images/" in text
        images = f"{other.state / 'images'}/"
        (folder / "images.conf").write_text(text.replace("/srv/provisioner-images/", images))
        (folder / "nginx.conf").write_text(CONF.format(folder=folder))
        argv = other.lan.argv(run.find("nginx", "nginx-light"), "-p", folder, "-c", folder / "nginx.conf")
        process = run.start(argv, log=folder / "nginx.log")
        try:
            until = time.monotonic() + 30
            while other.lan.run("curl", "-s", "-o", "/dev/null", "http://10.77.0.1:8080/").code:
                assert time.monotonic() < until and process.poll() is None, (folder / "nginx.log").read_text()
            yield other
        finally:
            run.stop(process)


def test_nginx_sends_the_bytes_that_the_service_allows(fronted: World) -> None:
    kept = (fronted.state / "images" / "vault-os-1" / "pack").read_bytes()
    with fronted.machine() as puppet:
        puppet.arm()
        assert puppet.hello().status == 200
        url = puppet.order["pack_url"]
        assert url == f"http://10.77.0.1:8080{PACK}"
        token = ("-H", f"Authorization: Bearer {puppet.token}")
        fetch = ("curl", "-sS", "--path-as-is", "--interface", puppet.address, *token)

        def get(target: str, *more: str) -> bytes:
            return run.run(fronted.lan.argv(*fetch, *more, target)).stdout

        assert get(url) == kept
        assert get(url, "-H", "Range: bytes=100-1048999") == kept[100:1049000]
        head = get(url, "-i", "-H", "Range: bytes=5-9").partition(b"\r\n\r\n")[0].decode().lower()
        assert "206" in head and f"content-range: bytes 5-9/{len(kept)}" in head and "nginx" in head
        direct = puppet.http(PACK)
        assert direct.body == b"" and direct.headers["x-accel-redirect"] == "/stored-images/vault-os-1/pack"
        assert b"not found" in run.run(fronted.lan.argv("curl", "-s", url)).stdout, "without the token"
        claim = ("-H", f"X-Forwarded-For: {puppet.address}")
        stolen = run.run(fronted.lan.argv("curl", "-s", *token, *claim, url)).stdout
        assert b"not found" in stolen, "with it, from elsewhere, whatever is said of whose it is"
        base = "http://10.77.0.1:8080"
        for path in (
            *("/stored-images/vault-os-1/pack", "/images/vault-os@1/manifest", "/api/v1/service", "/"),
            *("/images/../api/v1/service/pack", "/images/x/%2e%2e/%2e%2e/api/v1/service"),
        ):
            said = run.run(fronted.lan.argv("curl", "-s", "-i", "--path-as-is", base + path)).stdout
            assert b" 404 " in said.split(b"\r\n")[0], (path, said)
        assert puppet.http("/images/vault-os@1/manifest").status == 200
        with reading(fronted, puppet, 20, port=8080) as statuses:
            assert statuses == ["206"] * MOST_STREAMS + ["503"] * (20 - MOST_STREAMS)
            head = get(url, "-i").partition(b"\r\n\r\n")[0].decode().lower()
            assert " 503 " in head and "retry-after: 2" in head, "the agent asks again"
