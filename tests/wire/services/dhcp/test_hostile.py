"""The running service against the hostile corpus on the wire; a good client comes after each hundred."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.unit.services.dhcp import dhcp_corpus
from tests.wire import conftest
from tests.wire.dhcplab import Lab

if TYPE_CHECKING:
    from tests.wire.conftest import World

SENDER = """
import select, sys, time
from provisioner.services.dhcp.frames import DhcpPacketSocket
from provisioner.services.dhcp.packet import Packet
packet_socket, good = DhcpPacketSocket("eth0"), Packet.parse(bytes.fromhex(sys.argv[2]))
good.flags, answered = 0x8000, 0
packets = [bytes.fromhex(line) for line in open(sys.argv[1])]
for start in range(0, len(packets), 100):
    for data in packets[start : start + 100]:
        packet_socket.broadcast(data[:1472])
    list(packet_socket.read())
    good.xid = 0x60000000 + start
    until = time.monotonic() + 20
    while time.monotonic() < until:
        packet_socket.broadcast(good.build())
        select.select([packet_socket], [], [], 2)
        if any(Packet.parse(datagram.data).xid == good.xid for datagram in packet_socket.read()):
            answered += 1
            break
print(answered, (len(packets) + 99) // 100)
"""


@pytest.fixture(scope="module", params=["authoritative", "proxy"])
def lab(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Lab, World]]:
    folder = tmp_path_factory.mktemp("hostile")
    with ExitStack() as stack:
        lan = stack.enter_context(conftest.namespace())
        made = Lab(lan, folder, stack)
        settings = f'[dhcp]\nmode = "{request.param}"\n'
        world = conftest.World(lan, stack.enter_context(conftest.Inside(lan, folder, settings)), folder)
        stack.callback(world.site.database.close)
        yield made, world


@pytest.mark.timeout(400)  # seconds; on a busy machine two minutes were seen
def test_a_good_client_is_answered_after_each_hundred_hostile_packets(lab: tuple[Lab, World]) -> None:
    made, world = lab
    client_kinds = made.folder / "cases"
    client_kinds.write_text("".join(f"{data.hex()}\n" for data in dhcp_corpus.everything()))
    good = dhcp_corpus.message(1, dhcp_corpus.option(60, b"PXEClient"), chaddr=bytes.fromhex("525400000077"))
    pid = world.service.pid("dhcp")
    said = made.machine("hostile").run(sys.executable, "-c", SENDER, str(client_kinds), good.hex())
    answered, hundreds = map(int, said.out.split())
    assert answered == hundreds >= 50
    assert world.service.pid("dhcp") == pid, "it is still the same process"
    assert world.service.log.stat().st_size < 200_000, "a flood does not fill the log"
    assert size(world.service.state) < 20 << 20, "nor the disk"


def size(state: Path) -> int:
    return sum(path.stat().st_size for path in state.glob("provisioner.db*"))
