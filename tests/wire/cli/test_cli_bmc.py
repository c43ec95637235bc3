"""The identification light and the sensors through the service: its worker, a real BMC, the answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.wire.conftest import Puppet, World


def test_the_light_goes_on_for_a_time_and_off(world: World, bmc_host: Puppet) -> None:
    world.client.put_secret("lab", "provision", "lab-secret")
    for words, light in (((), "on"), (("--seconds", "30"), "on"), (("--off",), "off")):
        said = world.provision("bmc", "identify", bmc_host.name, *words)
        assert said.code == 0, said.err
        assert said.out.startswith(f"{bmc_host.name}: light {light}")
    said = world.provision("bmc", "identify", bmc_host.name, "-o", "json")
    assert json.loads(said.out)["bmc"]["light"] == "on"


def test_sensors_are_listed_or_said_to_be_none(world: World, bmc_host: Puppet) -> None:
    world.client.put_secret("lab", "provision", "lab-secret")
    said = world.provision("bmc", "sensors", bmc_host.name, "-o", "json")
    assert (said.code, json.loads(said.out)["sensors"]) == (0, [])
    assert "no sensors" in said.err


def test_a_host_without_a_bmc_has_neither(world: World, puppet: Puppet) -> None:
    for words in (("identify",), ("sensors",)):
        said = world.provision("bmc", *words, puppet.name)
        assert said.code == 2 and "(PV-204)" in said.err


def test_off_and_seconds_exclude_each_other(world: World, puppet: Puppet) -> None:
    said = world.provision("bmc", "identify", puppet.name, "--off", "--seconds", "3")
    assert said.code == 2 and "not both" in said.err
