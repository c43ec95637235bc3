"""Four agents, each in a network of its own behind slow lines, imaged at once by the real service."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from provisioner import run
from tests.wire.agentlab import MIB, Supply, make_image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.wire.conftest import Puppet, World

PROGRAM = Path(__file__).parent / "programs" / "swarm_agent.py"
RAW = 48 * MIB
LINE = ("tbf", "rate", "40mbit", "burst", "64kb", "latency", "50ms")
SETTINGS = """
[dhcp]
hosts = { first = "10.77.0.2", last = "10.77.0.190" }
discovery = { first = "10.77.0.210", last = "10.77.0.240" }
[orders]
at_once = 1000
stagger_seconds = 0
[images]
"""


@dataclass
class Cable:
    """A running agent, and what it has said."""

    puppet: Puppet
    ident: str
    process: run.Process
    disk: Path
    said: str = ""

    def end(self) -> None:
        assert self.process.stdout
        self.said += self.process.stdout.read().decode(errors="replace")
        self.process.wait(60)


class Rack:
    """The service, an image with 24 MiB of data, and the hosts that are cabled."""

    def __init__(self, world: World, supply: Supply, folder: Path) -> None:
        self.world, self.supply, self.folder = world, supply, folder

    @contextmanager
    def agents(self, count: int, liars: tuple[int, ...] = ()) -> Iterator[list[Cable]]:
        """So many hosts, ordered first and started together; some, by number, lie to others."""
        with ExitStack() as stack:
            puppets = [stack.enter_context(self.world.machine(profile="swarmed")) for _ in range(count)]
            idents = [puppet.arm() for puppet in puppets]
            yield [
                stack.enter_context(self._agent(puppet, ident, is_liar=number in liars))
                for number, (puppet, ident) in enumerate(zip(puppets, idents, strict=True))
            ]

    @contextmanager
    def _agent(self, puppet: Puppet, ident: str, *, is_liar: bool) -> Iterator[Cable]:
        disk = self.folder / f"{puppet.name}.disk"
        disk.write_bytes(bytes(RAW + 8 * MIB))
        argv = [PROGRAM, "http://10.77.0.1", puppet.address, puppet.mac, puppet.nonce, disk, self.supply.keys]
        argv += ["liar"] if is_liar else []
        words = self.world.lan.argv("unshare", "--net", sys.executable, *map(str, argv))
        process = run.start(words, stdin=run.PIPE, stdout=run.PIPE, env={**os.environ})
        assert process.stdin and process.stdout
        try:
            self._plug(puppet, int(process.stdout.readline()))
            process.stdin.write(b"go\n")
            process.stdin.flush()
            yield Cable(puppet, ident, process, disk)
        finally:
            process.stdin.close()
            run.stop(process)
            process.stdout.close()
            disk.unlink()

    def _plug(self, puppet: Puppet, pid: int) -> None:
        port = f"p{puppet.name[3:]}"
        peer = ("peer", "name", "eth0", "address", puppet.mac, "netns", str(pid))
        for words in (
            ("ip", "link", "add", port, "type", "veth", *peer),
            ("ip", "link", "set", port, "master", "lan0", "up"),
            ("tc", "qdisc", "add", "dev", port, "root", *LINE),
        ):
            done = self.world.lan.run(*words)
            assert done.code == 0, done.err

    def await_share(self, cables: list[Cable], share: float) -> None:
        """Until each of these hosts has reported so much as written."""
        rows, until = self.world.site.database.deployments, time.monotonic() + 30
        while True:
            reports = [rows.get(cable.ident).progress for cable in cables]
            if all(report.phase == "writing" and report.done > share * report.total for report in reports):
                return
            assert time.monotonic() < until, reports
            time.sleep(0.1)

    def configure(self, images: str) -> None:
        """Another section `images` of the settings, and a start of the service."""
        self.world.service.stop()
        (self.world.folder / "provisioner.toml").write_text(SETTINGS + images)
        self.world.service.start()

    def written(self, cable: Cable) -> Any:
        """The agent's last word, as the event that people see."""
        events = self.world.client.events(cable.ident).events
        return next(event for event in events if event.kind == "agent.written")


@pytest.fixture(scope="module")
def rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rack]:
    from tests.wire.conftest import Inside, World, namespace

    folder = tmp_path_factory.mktemp("rack")
    supply = make_image(folder, RAW, 24 * MIB)
    with ExitStack() as stack:
        lan = stack.enter_context(namespace())
        service = stack.enter_context(Inside(lan, folder, SETTINGS))
        world = World(lan, service, folder)
        stack.callback(world.site.database.close)
        world.apply([], [{"name": "swarmed", "image": "small-os"}])
        for words in (("trust", supply.keys / "release.pub"), ("add", supply.pack)):
            said = world.provision("image", *words)
            assert said.code == 0, said.err
        memory = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/dev/shm")))
        yield Rack(world, supply, memory)


def assert_right(rack: Rack, cable: Cable) -> None:
    """Every byte that holds data and belongs to no host alone is the image's."""
    content, raw = cable.disk.read_bytes(), rack.supply.raw.read_bytes()
    assert "rebooted" in cable.said, cable.said
    assert content[8 * MIB : RAW - MIB] == raw[8 * MIB : RAW - MIB]
    assert content[34 * 512 : 6 * MIB] == raw[34 * 512 : 6 * MIB]


def test_four_hosts_of_one_image_take_less_than_two_copies_from_the_service(rack: Rack) -> None:
    with rack.agents(4) as cables:
        for cable in cables:
            cable.end()
            assert_right(rack, cable)
        words = [rack.written(cable) for cable in cables]
    of_service = sum(event.data.bytes_fetched - event.data.bytes_from_peers for event in words)
    assert of_service <= 2 * 24 * MIB, [event.data for event in words]
    assert all(event.data.bytes_from_peers > 0 for event in words)
    assert all("from other hosts)" in event.data.describe() for event in words), [
        event.data.describe() for event in words
    ]


def test_who_gives_wrong_bytes_is_named_in_what_people_see(rack: Rack) -> None:
    with rack.agents(3, liars=(0,)) as cables:
        liar, *honest = cables
        for cable in honest:
            cable.end()
            assert_right(rack, cable)
        events = [event for cable in honest for event in rack.world.client.events(cable.ident).events]
        named = [event for event in events if event.kind == "agent.peer-lied"]
        assert 1 <= len(named) <= 2, "each host says it once"
        for event in named:
            assert (event.data.address, event.data.host) == (liar.puppet.address, liar.puppet.name)
        assert any(f"{liar.puppet.address} gives what is not the image" in cable.said for cable in honest)


def test_a_service_that_is_killed_knows_the_swarm_again_from_the_next_reports(rack: Rack) -> None:
    with rack.agents(3) as cables:
        rack.await_share(cables, 0.65)  # of which half are zeros, that come at once
        rack.world.service.kill("web")
        for cable in cables:
            cable.end()
            assert_right(rack, cable)
        words = [rack.written(cable) for cable in cables]
    of_service = sum(event.data.bytes_fetched - event.data.bytes_from_peers for event in words)
    assert of_service <= 2.5 * 24 * MIB and all(event.data.bytes_from_peers > 0 for event in words)


def test_where_it_is_switched_off_the_service_gives_all(rack: Rack) -> None:
    rack.configure("swarm = false\n")
    try:
        with rack.agents(2) as cables:
            for cable in cables:
                cable.end()
                assert_right(rack, cable)
            words = [rack.written(cable) for cable in cables]
    finally:
        rack.configure("")
    assert [event.data.bytes_from_peers for event in words] == [0, 0]
    assert all("other hosts" not in event.data.describe() for event in words)


def test_who_gives_to_others_does_not_stand_in_line(rack: Rack) -> None:
    rack.configure("streams = 1\n")
    try:
        with rack.agents(3) as cables:
            for cable in cables:
                cable.end()
                assert_right(rack, cable)
            words = [rack.written(cable) for cable in cables]
    finally:
        rack.configure("")
    assert all(event.data.bytes_from_peers > 0 for event in words)
    assert all("waiting for our turn" not in cable.said for cable in cables[1:])
