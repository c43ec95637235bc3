"""Another DHCP server on our LAN, a real dnsmasq: named, deploys refused, and all well when it has gone."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provisioner.domain.event import Event
from provisioner.errors import RefusedError
from tests.wire import conftest
from tests.wire.dhcplab import Lab, Machine, put_boot_files

if TYPE_CHECKING:
    from tests.wire.conftest import World

ADDRESS = "10.77.0.250"
RANGE = "--dhcp-range=10.77.0.200,10.77.0.209,5m"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, World]]:
    folder = tmp_path_factory.mktemp("foreign")
    with ExitStack() as stack:
        lan = stack.enter_context(conftest.namespace())
        made = Lab(lan, folder, stack)
        world = conftest.World(lan, stack.enter_context(conftest.Inside(lan, folder)), folder)
        put_boot_files(world.state)
        stack.callback(world.site.database.close)
        world.apply([], [{"name": "cube", "image": "vault-os"}])
        yield made, world


def await_kind(world: World, kind: str, after: int, seconds: float) -> Event:
    """The next event of the network of that kind; raises where it does not come in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for event in world.client.net(after, wait=5).events:
            if event.id > after and event.kind == kind:
                return event
    raise AssertionError(f"no {kind} within {seconds:g} s: {world.service.tail(10)}")


def newest(world: World) -> int:
    return max([0, *(event.id for event in world.client.net().events)])


def refused(world: World) -> RefusedError:
    host = world.add_host()
    with pytest.raises(RefusedError) as caught:
        world.client.arm(host.name, yes=True)
    return caught.value


def check_named(world: World, event: Event, server: Machine) -> None:
    said = event.data
    assert (said.address, said.mac, said.interface) == (ADDRESS, server.mac, "lan0")
    assert said.offer.startswith("10.77.0.20")
    checked = world.lan.provision("net", "check", "--state", str(world.service.state))
    assert checked.code == 6, checked.err
    assert f"{ADDRESS} ({server.mac}) on lan0 offers 10.77.0.20" in checked.out
    assert "(PV-670)" in checked.err and "docs/network.md" in checked.err


def test_another_server_is_named_and_deploys_wait_until_it_has_gone(lab: tuple[Lab, World]) -> None:
    made, world = lab
    assert world.client.net().servers == ()
    pack = conftest.make_pack(world.folder)
    for words in (("trust", world.folder / "release.pub"), ("add", pack)):
        assert world.provision("image", *words).code == 0
    before = newest(world)
    server = made.machine("foreign", address=f"{ADDRESS}/24")
    process = server.dnsmasq(RANGE)
    event = await_kind(world, "dhcp.foreign", before, 10)
    check_named(world, event, server)
    fault = refused(world)
    assert fault.code == 670 and int(fault.exit) == 6
    assert ADDRESS in str(fault) and server.mac in str(fault) and "unplug it" in fault.hint
    process.terminate()
    process.wait()
    await_kind(world, "dhcp.foreign.gone", event.id, 20)
    checked = world.lan.provision("net", "check", "--state", str(world.service.state))
    assert checked.code == 0 and "no other DHCP server is heard" in checked.out
    assert world.client.arm(world.add_host().name, yes=True).stage == "queued"


class Deaf(conftest.Inside):
    """A service that may not open raw sockets."""

    def __init__(self, lan: conftest.Namespace, folder: Path) -> None:
        super().__init__(lan, folder)
        place = self._argv.index(sys.executable)
        self._argv[place:place] = ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"]


def test_a_service_that_may_not_listen_says_so_and_serves_all_the_same(tmp_path: Path) -> None:
    with ExitStack() as stack:
        lan = stack.enter_context(conftest.namespace())
        made = Lab(lan, tmp_path, stack)
        world = conftest.World(lan, stack.enter_context(Deaf(lan, tmp_path)), tmp_path)
        stack.callback(world.site.database.close)
        said = world.lan.provision("net", "check", "--state", str(world.service.state))
        assert "Servers   cannot be heard on lan0: CAP_NET_RAW is missing" in said.out
        assert made.machine("client").udhcpc().startswith("10.77.0.1")
