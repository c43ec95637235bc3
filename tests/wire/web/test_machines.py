"""Machines against the running service: boot scripts, the agent's messages, the phone-home, strangers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from provisioner.agent.arguments import KernelArguments
from provisioner.domain.profile import Hints

if TYPE_CHECKING:
    from tests.wire.conftest import Puppet, Reply, World

LOCAL = "# Boot this machine's own disk."
RAMDISK = "# Start the ramdisk that this machine was ordered to boot."
# long, deep, of the wrong kind, or text that no database and no file takes
MALFORMED: dict[str, Any] = {
    "nothing": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "null": b"null",
    "an empty object": b"{}",
    "nested too deeply": b"[" * 200_000,
    "a number too long": b'{"nonce": ' + b"9" * 10_000 + b"}",
    "not UTF-8": b'{"nonce": "\xff\xfe"}',
}


@pytest.fixture(scope="module")
def nowhere(world: World) -> Reply:
    """The answer for what is not there."""
    return world.lan.http("/no/such/path")


@pytest.fixture
def written(puppet: Puppet) -> Puppet:
    """A machine whose agent has written the disk and may reboot."""
    puppet.reach_restarting()
    return puppet


def script(puppet: Puppet, query: str = "", **how: Any) -> str:
    reply = puppet.http(f"/boot/{puppet.mac}/boot.ipxe{query}", **how)
    assert reply.status == 200 and reply.headers["content-type"].startswith("text/plain")
    text = reply.body.decode()
    assert text.startswith("#!ipxe\n")
    return text


# boot scripts


def test_a_machine_that_nobody_knows_boots_its_disk(world: World) -> None:
    reply = world.lan.http("/boot/52:54:00:99:99:99/boot.ipxe")
    assert reply.status == 200
    assert reply.body.startswith(f"#!ipxe\n{LOCAL} This machine is not known.".encode())


def test_a_known_machine_without_an_order_boots_its_disk(puppet: Puppet) -> None:
    text = script(puppet)
    assert f"{LOCAL} No deployment is ordered." in text and "VAULTESP" in text
    assert "sanboot --no-describe --drive 0x80" in script(puppet, "?platform=pcbios")


@pytest.mark.parametrize(
    "mac", ["garbage", "%00", "52:54:00:77:01", "%0aecho%20hello", "ff:ff:ff:ff:ff:ff", "é"]
)
def test_a_path_that_holds_no_mac_is_answered_with_the_disk_too(world: World, mac: str) -> None:
    reply = world.lan.http(f"/boot/{mac}/boot.ipxe")
    assert reply.status == 200
    assert f"{LOCAL} This is no mac.".encode() in reply.body
    assert b"hello" not in reply.body, "what a stranger sends is not in a script"


def test_an_armed_machine_gets_the_ramdisk_with_its_nonce_and_that_is_told(
    world: World, puppet: Puppet
) -> None:
    ident = puppet.arm()
    text = script(puppet, "?platform=efi&serial=S1&uuid=")
    assert RAMDISK in text
    line = next(line for line in text.splitlines() if line.startswith("kernel "))
    assert line.startswith("kernel http://10.77.0.1/boot/files/vmlinuz initrd=initrd.img ")
    assert KernelArguments.parse(line) == KernelArguments("http://10.77.0.1", puppet.mac, puppet.row.nonce)
    assert world.await_event(ident, "script.served").data.serial == "S1"
    assert world.client.deployment(ident).stage == "netbooting"
    assert RAMDISK in script(puppet), "it may be asked twice"


def test_a_request_from_another_address_gets_the_disk_and_tells_nothing(world: World, puppet: Puppet) -> None:
    ident = puppet.arm()
    text = script(puppet, source="10.77.0.1")
    assert f"{LOCAL} The request comes from 10.77.0.1, not from the host's own address." in text
    assert puppet.row.nonce not in text
    assert "script.served" not in world.kinds(ident)


def test_a_machine_with_another_serial_than_the_ordered_one_boots_its_disk(world: World) -> None:
    with world.machine(serial="S-EXPECTED") as puppet:
        puppet.arm()
        assert LOCAL in script(puppet, "?serial=S-OTHER")
        assert RAMDISK in script(puppet, "?serial=s-expected")


def test_the_boot_files_are_named_and_nothing_else_is_lent(world: World, nowhere: Reply) -> None:
    (world.state / "ramdisk" / "vmlinuz").write_bytes(b"kernel bytes")
    assert world.lan.http("/boot/files/vmlinuz").body == b"kernel bytes"
    for path in (
        "initrd.img",
        "..%2fprovisioner.db",
        "../../provisioner.db",
        "%2e%2e%2fapi.sock",
        "vmlinuz%00",
    ):
        assert world.lan.http(f"/boot/files/{path}") == nowhere, path


# hello


def test_a_right_hello_is_answered_with_token_and_order(world: World, puppet: Puppet) -> None:
    ident = puppet.arm()
    reply = puppet.hello(serial="S-77")
    assert reply.status == 200 and reply.json["do"] == "continue"
    assert abs(reply.json["time"] - time.time()) < 30
    wanted = {
        "deployment": ident,
        "attempt": 1,
        "image_name": "vault-os",
        "image_version": "1",
        "erase": True,
    }
    assert wanted.items() <= puppet.order.items()
    assert set(puppet.order["seed"]) == {"meta-data", "user-data", "network-config"}
    assert world.client.deployment(ident).stage == "writing"
    assert world.client.host(puppet.name).facts.disks[0].serial == "disk-1"
    assert puppet.row.serial == "S-77", "the order is bound to the serial from now on"


def test_a_repeated_hello_of_the_same_boot_gets_a_fresh_token_for_the_same_attempt(puppet: Puppet) -> None:
    puppet.arm()
    first = puppet.hello().json
    again = puppet.hello().json
    assert again["token"] != first["token"]
    assert again["order"]["attempt"] == first["order"]["attempt"] == 1
    assert puppet.tell("progress").json == {"do": "continue"}
    puppet.token = first["token"]
    assert puppet.tell("progress").status == 404, "the first token is worth nothing any more"


def test_a_hello_of_another_boot_with_a_used_nonce_is_refused(puppet: Puppet, nowhere: Reply) -> None:
    puppet.arm()
    assert puppet.hello().status == 200
    assert puppet.hello(boot_id="boot-2") == nowhere
    assert puppet.tell("progress").json == {"do": "continue"}, "the first boot goes on"
    assert puppet.row.paused and "another machine" in puppet.row.reason


@pytest.mark.parametrize(
    "other",
    [
        {"nonce": "guessed"},
        {"nonce": ""},
        {"nonce": "é"},
        {"nonce": "\ud800"},
        {"nonce": ["list"]},
        {"mac": "garbage"},
        {"mac": "\ud800"},
        {"memory": "much"},
        {"disks": [{"name": "vda"}]},
        {"boot_id": 7},
    ],
    ids=str,
)
def test_a_hello_that_is_not_right_gets_the_answer_of_a_path_that_does_not_exist(
    puppet: Puppet, nowhere: Reply, other: dict[str, Any]
) -> None:
    ident = puppet.arm()
    assert puppet.hello(**other) == nowhere
    assert puppet.world.told(ident)[-1] == "power.asked"
    assert puppet.hello().status == 200, "the order is still there for the right one"


def test_a_hello_with_the_nonce_of_another_card_pauses_the_deployment(puppet: Puppet, nowhere: Reply) -> None:
    ident = puppet.arm()
    assert puppet.hello(mac="52:54:00:99:99:99") == nowhere
    assert puppet.world.told(ident)[-1] == "host.suspect" and "52:54:00:99:99:99" in puppet.row.reason
    assert puppet.hello() == nowhere
    said = puppet.world.provision("resume", puppet.name, env={"LOGNAME": "ann"})
    assert said.code == 0, said.err
    resumed = puppet.world.client.events(ident).events[-1]
    assert resumed.describe() == "resumed by root", "whatever LOGNAME says"
    assert puppet.hello().status == 200


def test_a_serial_that_is_no_text_is_refused_and_other_words_do_not_stand_in_the_way(
    puppet: Puppet, nowhere: Reply
) -> None:
    puppet.arm()
    for wrong in ({"serial": "S\udcff1"}, {"serial": "S\x071"}, {"boot_id": "\udfff"}, {"memory": -1}):
        assert puppet.hello(**wrong) == nowhere
    assert puppet.hello(maker="M\udcff1\n", cpu="\u202eCPU").status == 200
    facts = puppet.world.client.host(puppet.name).facts
    assert (facts.maker, facts.cpu) == ("M\\udcff1", "\\u202eCPU")


CHANGES: dict[str, tuple[dict[str, Any], int, str]] = {
    "locked": ({"locked": True}, 131, "was locked after it was ordered"),
    "serial": ({"serial": "S-2"}, 301, "this machine says serial S-1, the order is for S-2"),
    "UUID": ({"uuid": "11111111-1111-1111-1111-111111111111"}, 302, "this machine says system UUID nothing"),
    "disk": ({"disk": Hints(serial="disk-2")}, 142, "names another disk"),
}


@pytest.mark.parametrize(("change", "code", "sentence"), CHANGES.values(), ids=CHANGES.keys())
def test_what_is_locked_or_changed_after_the_order_is_never_written(
    puppet: Puppet, change: dict[str, Any], code: int, sentence: str
) -> None:
    """Told by the inventory between the order and the hello: the machine has booted by then."""
    ident = puppet.arm()
    hosts = puppet.world.site.database.hosts
    greeting = puppet.greeting(serial="S-1")
    hosts.put(hosts.get(puppet.name).model_copy(update=change))
    reply = puppet.http("/agent/v1/hello", body=greeting)
    if reply.status != 404:  # the worker was not quicker
        assert reply.status == 403 and sentence in reply.body.decode()
    puppet.world.await_event(ident, "order.refused")
    row = puppet.world.client.deployment(ident)
    assert (row.stage, row.code) == ("failed", code) and sentence in row.reason
    assert "agent.hello" not in puppet.world.kinds(ident)


REPLACED = {"name": "vda", "size": 64 << 30, "logical_sector": 512, "serial": "disk-2"}


def shown_serials(puppet: Puppet) -> list[str]:
    return [disk.serial for disk in puppet.world.client.host(puppet.name).facts.disks]


def test_a_replaced_disk_is_refused_once_and_then_shown_as_the_one_that_would_be_erased(
    puppet: Puppet,
) -> None:
    client = puppet.world.client
    first = puppet.arm()
    assert puppet.hello(serial="S-1").status == 200
    client.cancel(first)
    ident = puppet.arm()
    assert client.deployment(ident).target.serial == "disk-1"
    puppet.token = ""
    reply = puppet.hello(boot_id="boot-2", serial="S-1", disks=[REPLACED])
    assert reply.status == 403 and "serial disk-1, is not there" in reply.body.decode()
    row = client.deployment(ident)
    assert (row.stage, row.code) == ("failed", 303)
    assert "agent.hello" not in puppet.world.kinds(ident)
    assert puppet.hello(boot_id="boot-2", serial="S-1", disks=[REPLACED]).status == 404
    erased = client.plan(puppet.name).erases
    assert (erased.seen, erased.serial, erased.written) == (True, "disk-2", None)
    puppet.arm()
    assert puppet.hello(boot_id="boot-3", serial="S-1", disks=[REPLACED]).status == 200


@pytest.mark.parametrize(
    ("claim", "status"),
    [
        ({"serial": "S-2"}, 403),  # PV-301
        ({"serial": ""}, 403),
        ({"serial": "S-1", "uuid": "4c4c4544-0042-3510-8054-b4c04f4d3534"}, 403),  # PV-302
        ({"serial": "S-1", "nonce": "n" * 32}, 404),
        ({"serial": "S-1", "mac": "52:54:00:99:99:99"}, 404),
    ],
    ids=str,
)
def test_what_another_machine_shows_is_never_taken_for_the_host_s(
    puppet: Puppet, claim: dict[str, Any], status: int
) -> None:
    uuid = "4c4c4544-0042-3510-8054-b4c04f4d3533"
    first = puppet.arm()
    assert puppet.hello(serial="S-1", uuid=uuid).status == 200
    puppet.world.client.cancel(first)
    puppet.arm()
    puppet.token = ""
    reply = puppet.hello(**{"boot_id": "boot-2", "uuid": uuid, "disks": [REPLACED], **claim})
    assert reply.status == status
    assert shown_serials(puppet) == ["disk-1"]


def test_what_a_locked_host_shows_is_not_kept_either(puppet: Puppet) -> None:
    client = puppet.world.client
    first = puppet.arm()
    assert puppet.hello().status == 200
    client.cancel(first)
    puppet.arm()
    puppet.token = ""
    greeting = puppet.greeting(boot_id="boot-2", disks=[REPLACED])
    client.lock(puppet.name, locked=True)
    assert puppet.http("/agent/v1/hello", body=greeting).status in (403, 404)
    assert shown_serials(puppet) == ["disk-1"]


def test_nothing_that_the_former_machine_showed_is_told_of_another_in_its_place(world: World) -> None:
    with world.machine() as puppet:
        first = puppet.arm()
        assert puppet.hello(serial="BOARD-OLD").status == 200
        world.client.cancel(first)
        said = world.provision("host", "edit", puppet.name, "--mac", "52:54:00:0e:0e:0e")
        assert said.code == 0, said.err
        plan = world.client.plan(puppet.name)
        assert (plan.serial, plan.erases.seen) == ("", False)
        said = world.provision("deploy", puppet.name, "--dry-run")
        assert "not seen yet" in said.out and "disk-1" not in said.out
        assert "not seen yet" in world.provision("host", "show", puppet.name).out
        ident = world.client.arm(puppet.name, yes=True).id
        row = world.site.database.deployments.get(ident)
        assert (row.serial, row.uuid, row.target.is_known) == ("", "", False)


def test_a_hello_from_another_address_is_refused(world: World, puppet: Puppet, nowhere: Reply) -> None:
    puppet.arm()
    stolen = puppet.greeting()
    world.lan.add_address("10.77.0.200/24")
    for source in ("10.77.0.200", "10.77.0.1"):
        assert puppet.http("/agent/v1/hello", body=stolen, source=source) == nowhere
    assert world.kinds(puppet.row.id).count("host.suspect") == 1
    assert puppet.row.reason.startswith("paused: another machine") and "10.77.0.200" in puppet.row.hint
    assert puppet.hello() == nowhere, "nothing begins until somebody has looked"
    assert b"# Boot this machine's own disk." in puppet.http(f"/boot/{puppet.mac}/boot.ipxe").body
    assert world.client.resume(puppet.name).paused == 0
    assert puppet.hello().status == 200


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
@pytest.mark.parametrize("path", ["/agent/v1/hello", "/agent/v1/progress", "/phone-home/v1"])
def test_a_body_that_is_no_message_gets_the_uniform_answer(
    world: World, nowhere: Reply, path: str, body: bytes
) -> None:
    assert world.lan.http(path, body=body) == nowhere


# the agent at work


@pytest.mark.parametrize("kind", ["progress", "log", "written", "restarting", "failed"])
def test_a_message_with_a_wrong_token_or_of_another_deployment_is_refused(
    world: World, puppet: Puppet, nowhere: Reply, kind: str
) -> None:
    ident = puppet.arm()
    puppet.hello()
    assert puppet.tell(kind, deployment="d-0000000000") == nowhere
    right, puppet.token = puppet.token, "wrong"
    assert puppet.tell(kind) == nowhere
    puppet.token = ""
    assert puppet.tell(kind) == nowhere
    assert world.told(ident)[-1] == "agent.hello", "nothing was told"
    puppet.token = right
    assert puppet.tell(kind).status == 200


@pytest.mark.parametrize("header", ["", "X-Forwarded-For", "X-Real-IP", "Forwarded"])
def test_a_token_that_was_overheard_is_worth_nothing_elsewhere(
    world: World, puppet: Puppet, nowhere: Reply, header: str
) -> None:
    ident = puppet.arm()
    puppet.hello()
    world.lan.add_address("10.77.0.201/24")
    said = f"for={puppet.address}" if header == "Forwarded" else puppet.address
    options = ("-H", f"{header}: {said}") if header else ()
    message = {
        "deployment": ident,
        "attempt": 1,
        "seq": 9,
        "phase": "writing",
        "done": 1,
        "total": 2,
        "rate": 1.0,
    }
    for source in ("10.77.0.201", "10.77.0.1"):
        assert puppet.http("/agent/v1/progress", *options, body=message, source=source) == nowhere
        assert puppet.http("/images/vault-os@1/manifest", *options, source=source) == nowhere
    assert "agent.progress" not in world.kinds(ident)
    assert world.told(ident)[-1] == "host.suspect" and "was used from 10.77.0.201" in puppet.row.reason
    assert puppet.http("/images/vault-os@1/manifest").status == 200, "the disk is not left half written"


def test_a_phone_home_that_was_overheard_sends_nobody_elsewhere(
    world: World, written: Puppet, nowhere: Reply
) -> None:
    world.lan.add_address("10.77.0.201/24")
    real, written.address = written.address, "10.77.0.201"
    assert written.phone() == nowhere
    written.address = real
    assert written.row.stage == "restarting" and written.row.address == "" and written.row.paused
    assert written.phone().json == {"do": "continue"}
    assert written.row.stage == "verifying" and "verify.passed" not in world.kinds(written.row.id)


def test_progress_counts_once_for_each_number(world: World, puppet: Puppet) -> None:
    ident = puppet.arm()
    puppet.hello()
    for seq in (1, 2, 2, 1):
        assert puppet.tell("progress", seq=seq, done=seq << 20).json == {"do": "continue"}
    [report] = [event for event in world.client.events(ident).events if event.kind == "agent.progress"]
    assert (report.data.count, report.data.done) == (2, 2 << 20)
    assert world.client.deployment(ident).progress.done == 2 << 20


def test_the_agent_s_log_is_kept_line_by_line_whatever_is_in_it(world: World, puppet: Puppet) -> None:
    ident = puppet.arm()
    puppet.hello()
    assert puppet.tell("log", lines=["one", "two\nthree", "bad \ud800 text"]).json == {"do": "continue"}
    text = (world.state / "logs" / f"{ident}.1.agent.log").read_text()
    assert text.startswith("one\ntwo three\nbad ") and text.count("\n") == 3
    assert puppet.tell("log", attempt=2).json == {"do": "stop"}, "it speaks of no attempt of this order"
    for attempt in (-1, 10**300):
        reply = puppet.tell("log", attempt=attempt)
        assert reply.status == 400 and reply.body.startswith(b"the message cannot be used: Log.attempt: ")
    assert len(list((world.state / "logs").glob(f"{ident}*"))) == 1


def test_a_cancelled_agent_is_told_to_stop(world: World, puppet: Puppet) -> None:
    ident = puppet.arm()
    puppet.hello()
    world.client.cancel(ident)
    assert puppet.tell("progress").json == {"do": "stop"}


def test_polling_written_turns_from_continue_to_reboot(world: World, puppet: Puppet) -> None:
    ident = puppet.arm()
    puppet.hello()
    assert puppet.tell("written", seq=5).json == {"do": "continue"}
    world.await_event(ident, "disk.chosen")
    assert puppet.tell("written", seq=6).json == {"do": "reboot"}
    assert puppet.tell("written", seq=7).json == {"do": "reboot"}, "the answer may have been lost"
    kinds = world.kinds(ident)
    assert (kinds.count("agent.written"), kinds.count("agent.rebooting")) == (1, 1)


def test_a_failure_that_the_agent_reports_ends_the_deployment_in_its_words(
    world: World, puppet: Puppet
) -> None:
    ident = puppet.arm()
    puppet.hello()
    assert puppet.tell("failed").json == {"do": "stop"}
    row = world.client.deployment(ident)
    assert (row.stage, row.code, row.reason) == ("failed", 313, "two disks fit: vda, vdb")
    assert row.hint == "name one by its serial"


def test_an_order_that_ends_with_the_hello_says_stop_before_the_disk_is_touched(
    world: World, puppet: Puppet
) -> None:
    ident = world.client.arm(puppet.name, yes=True, stop_after="netbooting").id
    world.await_event(ident, "power.asked")
    reply = puppet.hello()
    assert (reply.status, reply.json["do"]) == (200, "stop")
    assert world.client.deployment(ident).reason == "stopped after netbooting, as ordered"
    assert world.client.host(puppet.name).facts.disks


# the first boot


def test_the_phone_home_with_its_token_leads_to_the_verification_once(
    world: World, written: Puppet, nowhere: Reply
) -> None:
    ident = written.order["deployment"]
    assert written.phone(token="guessed") == nowhere
    assert written.phone(deployment="d-0000000000") == nowhere
    assert world.client.deployment(ident).stage == "restarting"
    assert written.phone().json == {"do": "continue"}
    row = world.client.deployment(ident)
    assert (row.stage, row.address) == ("verifying", written.address)
    assert row.host_keys[0].startswith("ssh-ed25519 ")
    assert written.phone().json == {"do": "continue"}, "the answer may have been lost"
    assert written.phone(host_keys=["ssh-ed25519 AAAAother"]) == nowhere, "only the same report is answered"
    assert world.kinds(ident).count("os.phoned") == 1


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"image_version": "0"}, "came up with vault-os@0, but vault-os@1 was written"),
        ({"root_disk": {"serial": "disk-2"}}, "came up from disk disk-2, but disk disk-1 was written"),
    ],
)
def test_another_system_than_was_written_fails_the_deployment(
    world: World, written: Puppet, nowhere: Reply, other: dict[str, Any], sentence: str
) -> None:
    assert written.phone(**other) == nowhere
    row = world.client.deployment(written.order["deployment"])
    assert (row.stage, row.code, row.reason) == ("failed", 420, f"{written.name} {sentence}")


def test_a_phone_home_with_keys_that_are_no_text_is_heard_and_fails_in_words(
    world: World, written: Puppet
) -> None:
    assert written.phone(host_keys=["ssh-ed25519 \ud800"]).json == {"do": "continue"}
    ident = written.order["deployment"]
    world.await_event(ident, "verify.failed")
    assert (row := world.client.deployment(ident)).code == 503 and row.reason


# strangers


def test_a_stranger_on_the_lan_does_not_reach_the_api(world: World) -> None:
    for path in ("/api/v1/service", "/api/v1/hosts", "/api/v1/deployments"):
        for options in ((), ("-H", "Authorization: Bearer guessed"), ("-H", "Authorization: Bearer ")):
            reply = world.lan.https(path, *options)
            assert reply.status == 401 and reply.json["error"]["code"] == 601
    reply = world.lan.https("/api/v1/secrets/bmc", method="PUT", body={"user": "a", "password": "b"})
    assert reply.status == 401 and not (world.state / "secrets" / "bmc.bmc.json").exists()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/agent/v1/hello"),
        ("OPTIONS", "/agent/v1/hello"),
        ("PUT", "/agent/v1/written"),
        ("DELETE", "/images/vault-os@1/pack"),
        ("OPTIONS", "/images/vault-os@1/pack"),
        ("GET", "/images/vault-os@1/pack"),
        ("POST", "/boot/52:54:00:77:01:01/boot.ipxe"),
        ("OPTIONS", "/boot/52:54:00:77:01:01/boot.ipxe"),
        ("TRACE", "/phone-home/v1"),
        ("BREW", "/phone-home/v1"),
        ("OPTIONS", "/api/v1/hosts"),
        ("POST", "//agent//v1/hello"),
        ("GET", "/boot//files/vmlinuz"),
        ("GET", "/agent/v1/hello/"),
    ],
)
def test_what_is_not_allowed_looks_like_what_is_not_there(
    world: World, nowhere: Reply, method: str, path: str
) -> None:
    assert (nowhere.status, nowhere.body) == (404, b"not found\n")
    assert world.lan.http(path, method=method) == nowhere


@pytest.mark.parametrize(
    "options", [(), ("-H", "Transfer-Encoding: chunked")], ids=["with length", "chunked"]
)
def test_a_body_over_the_limit_is_refused(
    world: World, puppet: Puppet, nowhere: Reply, options: tuple[str, ...]
) -> None:
    ident = puppet.arm()
    large = puppet.greeting(version="x" * (5 << 20))
    assert puppet.http("/agent/v1/hello", *options, body=large) == nowhere
    assert world.told(ident)[-1] == "power.asked"
