"""The identification light and the sensors through the service: its worker, a real BMC, the answers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


def test_another_password_is_given_and_shown_to_nobody(
    world: World, held: Callable[[list[str]], Any], tmp_path: Path
) -> None:
    """Its own BMC, for nobody else knows the password afterwards."""
    world.client.put_secret("rotated", "provision", "lab-secret")
    world.lan.add_address("10.77.1.77/32", "lo")
    program = Path(__file__).parents[1] / "programs" / "bmc.py"
    with held(world.lan.argv(sys.executable, program, tmp_path, "10.77.1.77")):
        bmc = {"driver": "ipmi", "address": "10.77.1.77", "secret": "rotated", "console": "none"}
        host = world.add_host(bmc=bmc)
        said = world.provision("bmc", "rotate", host.name, "-o", "json")
        assert said.code == 0, said.err
        body = json.loads(said.out)["bmc"]
        assert body["user"] == "provision" and "a login with it worked" in body["note"]
        assert world.provision("bmc", "power", host.name).code == 0
        listed = json.loads(world.provision("bmc", "secret", "list", "-o", "json").out)["secrets"]
        assert [one["own"] for one in listed if one["secret"] == "rotated"] == [[host.name]]
        typed = {"PROVISION_BMC_PASSWORD": "not-the-right-one"}
        words = ("bmc", "secret", "rotated", "--user", "provision", "--host", host.name)
        assert world.provision(*words, env=typed).code == 0
        said = world.provision("bmc", "power", host.name)
        assert said.code == 5 and "PV-202" in said.err, said
        said = world.provision(*words[:2], "another", *words[3:], env=typed)
        assert said.code == 2 and f"the BMC of {host.name} has the login rotated" in said.err, said
