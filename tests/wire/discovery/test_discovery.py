"""Machines that nobody knows against the running service: looked at, listed, adopted, learned from."""

from __future__ import annotations

import itertools
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from provisioner.agent.arguments import SurveyArguments
from provisioner.api.machines import Adoption
from provisioner.domain.machine import UnknownMachine
from provisioner.state.leases import LeaseRow
from provisioner.state.sightings import ClientPacket, NewSighting

if TYPE_CHECKING:
    from tests.wire.conftest import CommandResult, Reply, World

LOCAL = "# Boot this machine's own disk."
LOOK = "# Nobody knows this machine"
NUMBERS = itertools.count(1)
GPU = {"id": "10de:2330", "kind": "030200", "place": "0000:17:00.0"}
SCREEN = {"id": "1a03:2000", "kind": "030000", "place": "0000:03:00.0"}
EDU = {"id": "1234:11e8", "kind": "00ff00", "place": "0000:00:05.0"}


@dataclass
class Stranger:
    """A machine that nobody knows: two cards, an address of the discovery range."""

    world: World
    mac: str
    second: str
    address: str
    serial: str
    uuid: str

    def http(self, path: str, *options: str, **how: Any) -> Reply:
        self.world.lan.add_address(f"{self.address}/24")
        return self.world.lan.http(path, *options, **{"source": self.address, **how})

    def script(self, query: str = "") -> str:
        return self.http(f"/boot/{self.mac}/boot.ipxe{query}").body.decode()

    def ask_dhcp(self, mac: str = "") -> None:
        """As the DHCP service writes it down."""
        now, database = time.time(), self.world.site.database
        mac = mac or self.mac
        packet = ClientPacket(mac, uuid=self.uuid, arch=7, boots=True)
        database.sightings.put([NewSighting(mac, now, 1, self.address, packet)])
        database.leases.put([LeaseRow(mac, self.address, now + 600, bound=True)])

    def inventory(self, **other: Any) -> dict[str, Any]:
        disk = {"name": "nvme0n1", "size": 480 << 30, "logical_sector": 512, "model": "PM9A3", "serial": "D1"}
        nics = [{"name": f"eth{n}", "mac": mac} for n, mac in enumerate((self.mac, self.second))]
        return {
            **{"mac": self.mac, "macs": [self.mac, self.second], "serial": self.serial, "uuid": self.uuid},
            **{"memory": 1 << 34, "version": "0", "disks": [disk], "nics": nics, "maker": "Acme"},
            **{"product": "Cube 8", "firmware": "uefi", "devices": [GPU, GPU, SCREEN, EDU], **other},
        }

    def report(self, **other: Any) -> Reply:
        return self.http("/agent/v1/inventory", body=self.inventory(**other))

    @property
    def row(self) -> UnknownMachine:
        rows = self.world.client.machines().machines
        return next(row for row in rows if self.mac in row.macs)


@pytest.fixture
def stranger(seeking: World) -> Stranger:
    n = next(NUMBERS)
    macs = f"ac:1f:6b:00:00:{n:02x}", f"ac:1f:6b:00:01:{n:02x}"
    return Stranger(
        seeking, *macs, f"10.77.0.{209 + n}", f"SN-{n}", f"6a1d2c3e-0000-4000-8000-0000000000{n:02x}"
    )


def check(said: CommandResult, code: int, number: int, *words: str) -> None:
    assert (said.code, said.out) == (code, ""), said.err
    assert f"(PV-{number})" in said.err and all(word in said.err for word in words), said.err


# boot scripts and reports


def test_a_stranger_is_sent_to_look_once_and_then_given_its_disk(stranger: Stranger) -> None:
    text = stranger.script("?platform=efi&arch=x86_64&serial=&uuid=")
    line = next(line for line in text.splitlines() if line.startswith("kernel "))
    assert text.startswith(f"#!ipxe\n{LOOK}") and "nonce" not in text
    assert SurveyArguments.parse(line) == SurveyArguments("http://10.77.0.1", stranger.mac)
    assert f"{LOCAL} This machine is not known; its inventory was taken." in stranger.script()
    assert LOCAL in stranger.script()


def test_a_stranger_outside_of_the_discovery_range_or_on_another_processor_boots_its_disk(
    seeking: World, stranger: Stranger
) -> None:
    assert LOCAL.encode() in seeking.lan.http(f"/boot/{stranger.mac}/boot.ipxe").body
    assert LOCAL in stranger.script("?arch=arm64") and LOCAL in stranger.script("?arch=%0aevil")
    assert LOOK in stranger.script("?platform=pcbios&arch=i386")


def test_a_known_host_boots_its_disk_wherever_it_asks_from(seeking: World, stranger: Stranger) -> None:
    with seeking.machine(uuid=stranger.uuid) as puppet:
        for mac, query in ((puppet.mac, ""), (stranger.mac, f"?uuid={stranger.uuid}")):
            assert LOCAL in stranger.http(f"/boot/{mac}/boot.ipxe{query}").body.decode()
        stranger.ask_dhcp()
        assert stranger.row.host == puppet.name
        said = seeking.provision("host", "add", "--from-seen", stranger.mac, "--name", "vc-other")
        check(said, 6, 137, puppet.name)


def test_an_inventory_is_taken_and_answered_with_a_reboot(stranger: Stranger) -> None:
    stranger.ask_dhcp()
    assert LOOK in stranger.script()
    reply = stranger.report(nonce="x", order={"deployment": "d1"}, token="t")
    assert (reply.status, reply.json) == (200, {"do": "reboot"})
    row = stranger.row
    assert (row.serial, row.product, len(row.disks)) == (stranger.serial, "Cube 8", 1)
    assert set(row.macs) == {stranger.mac, stranger.second} and row.firmware == "uefi"
    text = stranger.world.client.exchange("GET", "/machines").decode()
    assert stranger.mac in text and "nonce" not in text and "order" not in text
    assert LOCAL in stranger.script()
    assert LOCAL in stranger.http(f"/boot/{stranger.second}/boot.ipxe").body.decode()


def test_nobody_else_may_report_and_nobody_learns_why(seeking: World, stranger: Stranger) -> None:
    nowhere = seeking.lan.http("/no/such/path")
    stranger.ask_dhcp()
    host = seeking.add_host()
    bodies: list[Any] = [
        stranger.inventory(mac=stranger.second),
        stranger.inventory(macs=[host.mac]),
        b"[]",
        b"{",
    ]
    refused = [stranger.http("/agent/v1/inventory", body=body) for body in bodies]
    refused += [
        seeking.lan.http("/agent/v1/inventory", body=stranger.inventory()),
        seeking.lan.http(
            "/agent/v1/inventory", body=stranger.inventory(), source=host_address(seeking, host)
        ),
        stranger.report(serial="x" * (130 << 10)),
        stranger.http("/agent/v1/inventory", "-H", "Transfer-Encoding: chunked", body=stranger.inventory()),
        stranger.http("/agent/v1/hello", body=stranger.inventory(nonce="", boot_id="b")),
        stranger.http("/agent/v1/hello", body=stranger.inventory(nonce="n0nce", boot_id="b")),
    ]
    for reply in refused:
        assert (reply.status, reply.body, reply.headers) == (404, nowhere.body, nowhere.headers)
    assert stranger.row.inventoried == 0


def host_address(world: World, host: Any) -> str:
    world.lan.add_address(f"{host.address}/24")
    return str(host.address)


def test_a_flood_from_one_address_is_held_back_and_disturbs_no_other(
    seeking: World, stranger: Stranger
) -> None:
    stranger.ask_dhcp()
    statuses = [stranger.report().status for _ in range(9)]
    assert statuses[:5] == [200] * 5 and 503 in statuses[5:]
    other = Stranger(
        seeking, "ac:1f:6b:00:02:01", "ac:1f:6b:00:02:02", "10.77.0.240", "SN-o", stranger.uuid[:-2] + "ff"
    )
    other.ask_dhcp()
    assert other.report().status == 200


def test_by_default_nobody_is_sent_to_look_and_nothing_is_taken(world: World) -> None:
    world.lan.add_address("10.77.0.235/24")
    body = {"mac": "ac:1f:6b:00:09:09", "macs": [], "serial": "", "uuid": "", "memory": 1, "version": "0"}
    assert world.lan.http("/agent/v1/inventory", body=body, source="10.77.0.235").status == 404
    script = world.lan.http("/boot/ac:1f:6b:00:09:09/boot.ipxe", source="10.77.0.235").body
    assert f"{LOCAL} This machine is not known.".encode() in script


# the command line


def test_the_unknown_are_listed_for_people_and_for_programs(seeking: World, stranger: Stranger) -> None:
    stranger.ask_dhcp()
    stranger.ask_dhcp(stranger.second)
    for words in (("host", "list", "--unknown"), ("net", "watch", "--once")):
        said = seeking.provision(*words)
        assert said.code == 0 and "Super Micro Computer" in said.out and "x64 UEFI" in said.out, said.err
        rows = json.loads(seeking.provision(*words, "-o", "json").out)["machines"]
        (row,) = [row for row in rows if stranger.mac in row["macs"]]
        assert row["count"] == 1 and row["address"] == stranger.address and row["inventoried"] is None
        assert row["macs"] == [stranger.mac] and stranger.second in row["note"], "they share a UUID, no more"
        assert row["first_seen"].startswith("20") and row["first_seen"].endswith("+00:00")
        assert stranger.second in seeking.provision(*words, "-o", "name").out.split()
        assert yaml.safe_load(seeking.provision(*words, "-o", "yaml").out)["machines"] == rows
    assert stranger.mac not in seeking.provision("host", "list").out


def test_watching_says_a_line_for_each_news(seeking: World, stranger: Stranger) -> None:
    with seeking.lines("net", "watch") as watch, seeking.lines("net", "watch", "-o", "jsonl") as data:
        stranger.ask_dhcp()
        watch.await_text(
            f"{stranger.mac}: Super Micro Computer, Inc., x64 UEFI, {stranger.address}, first seen"
        )
        assert stranger.report().status == 200
        watch.await_text(f"Acme Cube 8, serial {stranger.serial}")
        data.await_text(f'"serial": "{stranger.serial}"')
    said = seeking.provision("net", "watch", "-o", "json")
    assert said.code == 2 and "--once" in said.err


def test_watching_on_a_terminal_is_a_table_and_ends_by_ctrl_c(seeking: World, stranger: Stranger) -> None:
    with seeking.terminal("net", "watch", env={"COLUMNS": "200"}) as watch:
        stranger.ask_dhcp()
        watch.await_text("FIRST SEEN")
        watch.await_text(stranger.mac)
        assert watch.end("\x03") == 0


def test_a_machine_is_adopted_with_all_that_it_said(seeking: World, stranger: Stranger) -> None:
    stranger.ask_dhcp()
    assert stranger.report().status == 200
    name = f"vc-{stranger.serial.lower()}"
    again = ("host", "add", "--from-seen", stranger.second.upper(), "--name", name, "--rack", "B3")
    said = seeking.provision(*again, "--profile", "cube", env={"LOGNAME": "ann"})
    assert said.code == 0 and f"{name} is known now" in said.err, said.err
    [entry] = json.loads(seeking.provision("host", "history", name, "-o", "json").out)["history"]
    assert (entry["event"]["kind"], entry["event"]["data"]["by"]) == ("host.changed", "root"), (
        "whatever LOGNAME says"
    )
    assert entry["event"]["data"]["change"] == "added"
    found = seeking.client.host(name)
    host = found.host
    assert host.macs == (stranger.second, stranger.mac), "the named one boots"
    assert (host.serial, host.uuid, host.rack) == (stranger.serial, stranger.uuid, "B3")
    assert found.facts.disks[0].serial == "D1"
    assert LOCAL in stranger.script()
    assert not [row for row in seeking.client.machines().machines if stranger.mac in row.macs]
    check(seeking.provision(*again), 2, 129, "no unknown machine")
    stranger.world.client.lock(name, locked=True)


def test_adopting_needs_one_machine_one_name_and_a_profile_that_is_known(
    seeking: World, stranger: Stranger
) -> None:
    stranger.ask_dhcp()
    seen = ("host", "add", "--from-seen", stranger.mac)
    check(seeking.provision(*seen), 2, 100, "one name")
    check(seeking.provision(*seen, "a", "--name", "b"), 2, 100, "one name")
    check(seeking.provision(*seen, "a", "--mac", stranger.mac), 2, 100, "not both")
    check(seeking.provision("host", "add", "a", "--mac", stranger.mac), 2, 100, "--profile")
    check(seeking.provision(*seen, "a", "--profile", "none"), 2, 110, "unknown profile 'none'")
    taken = seeking.add_host().name
    check(seeking.provision(*seen, taken, "--profile", "cube"), 2, 110, "already")
    check(seeking.provision("host", "add", "a", "--from-seen", "52:54:00:99:99:99"), 2, 129)


def test_a_profile_is_learned_printed_and_stored(seeking: World, stranger: Stranger) -> None:
    stranger.ask_dhcp()
    check(seeking.provision("profile", "learn", stranger.mac), 2, 136, "nothing is known yet")
    assert stranger.report().status == 200
    learn = ("profile", "learn", stranger.mac)
    said = seeking.provision(*learn)
    assert said.code == 0, said.err
    (name, body), *_ = yaml.safe_load(said.out).items()
    assert name == "acme-cube-8" and body["memory_min"] == "16G"
    assert body["gpus"] == [{"id": "10de:2330", "count": 2}], "the BMC's screen is no GPU"
    assert body["disks"] == [{"model": "PM9A3", "min_size": "465G", "max_size": "495G", "rotational": False}]
    assert [nic.get("role", "deploy") for nic in body["nics"]] == ["deploy", "production"]
    assert name not in seeking.provision("profile", "list", "-o", "name").out
    wanted = f"learned-{stranger.serial.lower()}"
    stored = (*learn, "--name", wanted, "--device", "1234:11e8", "--apply")
    assert seeking.provision(*stored, "-o", "name").out == f"{wanted}\n"
    check(seeking.provision(*stored), 6, 135, "--replace")
    assert seeking.provision(*stored, "--replace").code == 0
    shown = json.loads(seeking.provision("profile", "show", wanted, "-o", "json").out)["profile"]
    assert {gpu["id"] for gpu in shown["gpus"]} == {"10de:2330", "1234:11e8"} and shown["hosts"] == []
    assert "1 × 1234:11e8" in seeking.provision("profile", "show", wanted).out
    assert wanted in seeking.provision("profile", "list").out
    check(seeking.provision("profile", "show", "nobody"), 2, 122)


def test_learning_again_from_a_host_keeps_what_no_hardware_says(seeking: World, stranger: Stranger) -> None:
    name = f"kept-{stranger.serial.lower()}"
    kept = {"name": name, "image": "vault-os", "deadlines": {"powering": 1200}, "seal": "keep-access"}
    seeking.apply([], [kept])
    stranger.ask_dhcp()
    assert stranger.report().status == 200
    host = f"vc-{stranger.serial.lower()}"
    seeking.client.adopt(stranger.mac, Adoption(name=host, profile=name))
    assert seeking.provision("profile", "learn", host, "--apply", "--replace").code == 0
    shown = seeking.client.profile(name)
    assert (shown.image, shown.deadlines["powering"], shown.seal) == ("vault-os", 1200, "keep-access")
    assert shown.memory_min == 1 << 34 and shown.hosts == (host,)
