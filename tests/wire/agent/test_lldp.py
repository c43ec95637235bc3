"""The agent hears a switch over a real link, and the service keeps what it has heard."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.wire.conftest import Namespace, Puppet, World

PROGRAM = Path(__file__).with_name("programs") / "lldp_hears.py"
SWITCH = {"nic": "eth0", "chassis": "00:1c:73:aa:bb:cc", "port": "Ethernet1/17", "system": "sw3", "vlan": 20}


def test_a_switch_is_heard_over_a_link(lan: Namespace) -> None:
    said = lan.run(sys.executable, PROGRAM)
    assert said.code == 0, said.err
    [neighbour] = json.loads(said.out)
    assert (neighbour["nic"], neighbour["chassis"]) == ("lldp0", "00:1c:73:aa:bb:cc")
    assert (neighbour["port"], neighbour["system"]) == ("Ethernet1/17", "sw3.lab")


def test_what_is_heard_while_writing_is_in_the_hosts_inventory(world: World, puppet: Puppet) -> None:
    puppet.arm()
    assert puppet.hello().status == 200
    assert world.client.host(puppet.name).facts.neighbours == ()
    assert puppet.tell("progress", neighbours=[SWITCH]).status == 200
    [kept] = world.client.host(puppet.name).facts.neighbours
    assert kept.describe() == "eth0 at sw3 Ethernet1/17, VLAN 20"
    assert puppet.tell("progress", seq=2).status == 200
    assert len(world.client.host(puppet.name).facts.neighbours) == 1
    said = world.provision("host", "show", puppet.name)
    assert "Switch    eth0 at sw3 Ethernet1/17, VLAN 20" in said.out


def test_a_switchs_words_cannot_command_a_terminal(world: World, puppet: Puppet) -> None:
    puppet.arm()
    words = {**SWITCH, "system": "sw\x1b[31m3\n", "port_description": "x" * 5000}
    assert puppet.hello(neighbours=[words]).status == 200
    [kept] = world.client.host(puppet.name).facts.neighbours
    assert "\x1b" not in kept.system and "\n" not in kept.system
    assert len(kept.port_description) <= 500
