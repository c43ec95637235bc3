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

PROGRAMS = Path(__file__).with_name("programs")


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
    said = made.machine("hostile").run(
        sys.executable, PROGRAMS / "hostile_sender.py", str(client_kinds), good.hex()
    )
    answered, hundreds = map(int, said.out.split())
    assert answered == hundreds >= 50
    assert world.service.pid("dhcp") == pid, "it is still the same process"
    assert world.service.log.stat().st_size < 200_000, "a flood does not fill the log"
    assert size(world.service.state) < 20 << 20, "nor the disk"


def size(state: Path) -> int:
    return sum(path.stat().st_size for path in state.glob("provisioner.db*"))
