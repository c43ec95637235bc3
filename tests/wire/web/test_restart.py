"""How a host is started from its disk: what its order says, what agent and system tell, what is kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.wire.conftest import Puppet, World

KEXEC, GRUB = 0xD0, 0x72  # /proc/sys/kernel/bootloader_type


@pytest.fixture
def quick(world: World) -> Iterator[Puppet]:
    """A host whose profile says `restart: kexec`."""
    world.apply([], [{"name": "quick", "image": "vault-os", "restart": "kexec"}])
    with world.machine(profile="quick") as made:
        yield made


def test_the_order_says_it_as_the_profile_did_when_it_was_ordered(
    world: World, quick: Puppet, puppet: Puppet
) -> None:
    quick.arm()
    puppet.arm()
    assert quick.row.restart == "kexec"
    world.apply([], [{"name": "quick", "image": "vault-os"}])
    assert quick.hello().status == puppet.hello().status == 200
    assert (quick.order["restart"], puppet.order["restart"]) == ("kexec", "firmware")


def test_what_the_agent_tells_is_an_event_and_its_system_has_the_last_word(
    world: World, quick: Puppet
) -> None:
    ident = quick.arm()
    quick.hello()
    assert quick.tell("restarting").json == {"do": "continue"}
    assert quick.tell("written").json == {"do": "continue"}
    world.await_event(ident, "disk.chosen")
    assert "agent.restarting" not in world.kinds(ident), "nobody had told it to reboot"
    assert quick.tell("written", seq=2).json == {"do": "reboot"}
    assert quick.tell("restarting", seq=3).json == {"do": "reboot"}
    told = [
        event.describe() for event in world.client.events(ident).events if event.kind == "agent.restarting"
    ]
    assert told == ["kexec starts Debian: /boot/vmlinuz-6.1"]
    assert quick.phone(loader=KEXEC, kexec=True).status == 200
    row = quick.row
    assert (row.started_by, row.firmware_boot, row.lacks_firmware_boot) == ("kexec", 0, True)
    seen = world.client.deployment(ident)
    assert seen.lacks_firmware_boot and (seen.restart, seen.started_by) == ("kexec", "kexec")


@pytest.mark.parametrize(
    ("said", "started_by", "lacks"),
    [
        ({"loader": GRUB, "kexec": False}, "firmware", False),  # it fell back, or kexec crashed
        ({"loader": GRUB, "kexec": True}, "kexec", True),
        ({"loader": KEXEC, "kexec": False}, "kexec", True),
        ({}, "", True),  # an image whose script is older
    ],
)
def test_the_firmwares_boot_is_claimed_only_where_the_system_shows_it(
    quick: Puppet, said: dict[str, object], started_by: str, lacks: bool
) -> None:
    quick.reach_restarting()
    quick.tell("written", seq=2)
    assert quick.phone(**said).status == 200
    row = quick.row
    assert (row.started_by, row.lacks_firmware_boot) == (started_by, lacks)
    assert bool(row.firmware_boot) == (started_by == "firmware")


def test_a_host_that_is_started_by_its_firmware_lacks_nothing(puppet: Puppet) -> None:
    puppet.reach_restarting()
    puppet.tell("written", seq=2)
    assert puppet.phone().status == 200
    assert not puppet.row.lacks_firmware_boot


@pytest.mark.parametrize("loader", [-1, 1 << 40, "grub"])
def test_a_number_that_is_none_is_no_phone_home(quick: Puppet, loader: object) -> None:
    quick.reach_restarting()
    assert quick.phone(loader=loader).status == 404


def test_an_agent_that_reports_twice_or_late_changes_nothing(world: World, quick: Puppet) -> None:
    ident = quick.reach_restarting()
    quick.tell("written", seq=2)
    quick.phone(loader=KEXEC)
    quick.tell("restarting", seq=3)
    assert "agent.restarting" not in world.kinds(ident)
    assert quick.row.stage == "verifying"


def test_kexec_is_for_our_own_agent(world: World) -> None:
    with pytest.raises(Exception, match="`kexec` is for `method: image`"):
        world.apply([], [{"name": "bad", "image": "x", "method": "autoinstall", "restart": "kexec"}])
