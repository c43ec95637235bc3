"""A stranger, a thief with a sniffer, and a machine in another's place, at every door for machines."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from provisioner.domain.profile import Hints
from tests.wire.adversary.conftest import await_refusal, holds_nothing, refusals

if TYPE_CHECKING:
    from tests.wire.adversary.conftest import Untouched
    from tests.wire.conftest import Puppet, Reply, World

ELSEWHERE = "10.77.0.202"
DISK = {"name": "vda", "size": 64 << 30, "logical_sector": 512, "serial": "disk-1"}
DOORS: dict[str, tuple[str, str, dict[str, Any] | None]] = {
    "progress": ("POST", "/agent/v1/progress", {"phase": "writing", "done": 5, "total": 9, "rate": 1.0}),
    "log": ("POST", "/agent/v1/log", {"lines": ["stolen"]}),
    "written": (
        "POST",
        "/agent/v1/written",
        {"disk": DISK, "seconds": 1.0, "bytes_written": 1, "bytes_fetched": 1},
    ),
    "failed": ("POST", "/agent/v1/failed", {"code": 316, "sentence": "stolen", "hint": ""}),
    "manifest": ("GET", "/images/vault-os@1/manifest", None),
    "signature": ("GET", "/images/vault-os@1/manifest.minisig", None),
    "pack": ("GET", "/images/vault-os@1/pack", None),
}
CREDENTIALS = ("none", "empty", "wrong", "bearer twice", "operator's", "another host's", "before the attempt")
PLACES = ("elsewhere", "elsewhere, forwarded", "the service's own address")


@pytest.fixture
def victim(world: World, puppet: Puppet) -> Puppet:
    """A host whose agent is at work."""
    world.lan.add_address(f"{ELSEWHERE}/24")
    puppet.arm()
    assert puppet.hello().status == 200
    return puppet


def knock(victim: Puppet, door: str, *options: str, source: str = "") -> Reply:
    """What a request at the door is answered, with all the thief may know but the credentials."""
    method, path, body = DOORS[door]
    message = None
    if body is not None:
        ident, attempt = victim.order["deployment"], victim.order["attempt"]
        message = {"deployment": ident, "attempt": attempt, "seq": 99, **body}
    token, victim.token = victim.token, ""
    try:
        return victim.http(path, *options, body=message, source=source or victim.address, method=method)
    finally:
        victim.token = token


@pytest.mark.parametrize("credentials", CREDENTIALS)
@pytest.mark.parametrize("door", DOORS)
def test_a_door_without_its_token(
    world: World,
    victim: Puppet,
    other: Puppet,
    nowhere: Reply,
    untouched: Untouched,
    door: str,
    credentials: str,
) -> None:
    operator = world.token()
    former = victim.token
    if credentials == "before the attempt":
        assert victim.hello().status == 200  # the same boot asks again, and gets another token
    if credentials == "another host's":
        other.arm()
        assert other.hello().status == 200
    words = {
        "none": (),
        "empty": ("-H", "Authorization: Bearer "),
        "wrong": ("-H", "Authorization: Bearer " + "A" * 43),
        "bearer twice": ("-H", f"Authorization: Bearer Bearer {victim.token}"),
        "operator's": ("-H", f"Authorization: Bearer {operator}"),
        "another host's": ("-H", f"Authorization: Bearer {other.token}"),
        "before the attempt": ("-H", f"Authorization: Bearer {former}"),
    }[credentials]
    with untouched():
        reply = knock(victim, door, *words)
    assert reply == nowhere and holds_nothing(reply, world, victim, other)
    if credentials == "another host's":
        assert "host.suspect" in world.kinds(other.order["deployment"])
    else:
        await_refusal(world, victim, DOORS[door][1], victim.address)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("door", DOORS)
def test_a_stolen_token_elsewhere(
    world: World, victim: Puppet, nowhere: Reply, untouched: Untouched, door: str, place: str
) -> None:
    source = "10.77.0.1" if place == PLACES[2] else ELSEWHERE
    words: tuple[str, ...] = ("-H", f"Authorization: Bearer {victim.token}")
    if place == PLACES[1]:
        words += ("-H", f"X-Forwarded-For: {victim.address}", "-H", f"X-Real-IP: {victim.address}")
    with untouched():
        reply = knock(victim, door, *words, source=source)
    assert reply == nowhere and holds_nothing(reply, world, victim)
    kinds = world.kinds(victim.order["deployment"])
    assert kinds.count("host.suspect") == 1, "it is in the log, once"
    assert source in victim.row.reason


HELLOS: dict[str, tuple[dict[str, Any], str]] = {
    "another nonce": ({"nonce": "A" * 32}, ""),
    "no nonce": ({"nonce": ""}, ""),
    "a nonce that is a list": ({"nonce": ["x"]}, ""),
    "another card": ({"mac": "52:54:00:99:99:99"}, ""),
    "no card": ({"mac": ""}, ""),
    "elsewhere": ({}, ELSEWHERE),
    "the service's own address": ({}, "10.77.0.1"),
}


@pytest.mark.parametrize("how", HELLOS)
@pytest.mark.parametrize("stage", ["armed", "writing"])
def test_a_hello_of_somebody_else(
    world: World, puppet: Puppet, nowhere: Reply, untouched: Untouched, how: str, stage: str
) -> None:
    world.lan.add_address(f"{ELSEWHERE}/24")
    puppet.arm()
    if stage == "writing":
        assert puppet.hello().status == 200
    other, source = HELLOS[how]
    message = puppet.greeting(**{"boot_id": "thief", **other})
    token, puppet.token = puppet.token, ""
    with untouched():
        reply = puppet.http("/agent/v1/hello", body=message, source=source or puppet.address)
    puppet.token = token
    assert reply == nowhere and holds_nothing(reply, world, puppet)
    knows = "nonce" not in other and other.get("mac") != ""  # what names no card is no hello
    assert bool(puppet.row.paused) is knows, "who knows the nonce is suspect, and nobody else"
    is_hello = how not in ("no nonce", "a nonce that is a list", "no card")
    await_refusal(world, puppet, "a hello" if is_hello else "/agent/v1/hello", source or puppet.address)


CHANGES: dict[str, dict[str, Any]] = {
    "locked": {"locked": True},
    "another serial": {"serial": "S-OTHER"},
    "another UUID": {"uuid": "11111111-1111-1111-1111-111111111111"},
    "another disk": {"disk": Hints(serial="disk-2")},
    "another card first": {"macs": ("52:54:00:88:88:88",)},
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("at", ["queued", "armed", "script served"])
def test_an_order_after_its_host_was_locked_or_changed(
    world: World, puppet: Puppet, change: str, at: str
) -> None:
    """The right machine, nonce and place: it is not what was confirmed any more."""
    ident = world.client.arm(puppet.name, yes=True).id if at == "queued" else puppet.arm()
    if at == "script served":
        assert b"pv.nonce=" in puppet.http(f"/boot/{puppet.mac}/boot.ipxe").body
    hosts = world.site.database.hosts
    hosts.put(hosts.get(puppet.name).model_copy(update=CHANGES[change]))
    reply = puppet.hello(serial="S-1")
    assert reply.status in (403, 404) and "token" not in reply.body.decode()
    row = world.client.deployment(ident)
    assert row.consumed == 0
    if change not in ("another serial", "another UUID") or reply.status == 403:
        world.await_event(ident, "order.refused")
        assert world.client.deployment(ident).stage == "failed"


SCRIPTS: dict[str, tuple[str, str]] = {
    "elsewhere": ("", ELSEWHERE),
    "the service's own address": ("", "10.77.0.1"),
    "a serial with a line": ("?serial=x%0Akernel%20http://evil/", ""),
    "a serial with a command": ("?serial=$(reboot)", ""),
    "a serial with a variable": ("?serial=${net0/ip}", ""),
    "a UUID that is none": ("?uuid=%00", ""),
    "an architecture with a line": ("?arch=x%0Achain", ""),
    "a long serial": ("?serial=" + "a" * 3000, ""),
    "everything twice": ("?serial=a&serial=b&uuid=a&uuid=b", ""),
}


@pytest.mark.parametrize("how", SCRIPTS)
@pytest.mark.parametrize("stage", ["never ordered", "armed", "writing", "paused", "locked", "ended"])
def test_a_boot_script_that_is_not_for_you(
    world: World, puppet: Puppet, untouched: Untouched, how: str, stage: str
) -> None:
    world.lan.add_address(f"{ELSEWHERE}/24")
    bring_to(world, puppet, stage)
    query, source = SCRIPTS[how]
    is_its_own = stage == "armed" and not source  # then it may boot, whatever it says of itself
    with nullcontext() if is_its_own else untouched():
        reply = puppet.http(f"/boot/{puppet.mac}/boot.ipxe{query}", source=source or puppet.address)
    lines = reply.body.decode().splitlines()
    assert reply.status == 200 and lines[0] == "#!ipxe"
    for word in ("evil", "reboot)", "net0/ip", "aaaa"):
        assert word not in reply.body.decode(), "what a machine sends is in no script"
    if not is_its_own:
        assert "pv.nonce" not in reply.body.decode() and holds_nothing(reply, world, puppet)
    if stage in ("armed", "writing", "paused") and not is_its_own:
        await_refusal(world, puppet, "its boot script", source or puppet.address)


def bring_to(world: World, puppet: Puppet, stage: str) -> None:
    if stage == "never ordered":
        return
    ident = puppet.arm()
    if stage == "writing":
        assert puppet.hello().status == 200
    if stage == "paused":
        puppet.http("/agent/v1/hello", body=puppet.greeting(), source=ELSEWHERE)
        assert puppet.row.paused
    if stage == "locked":
        hosts = world.site.database.hosts
        hosts.put(hosts.get(puppet.name).model_copy(update={"locked": True}))
        world.await_event(ident, "order.refused")
    if stage == "ended":
        world.client.cancel(ident)


PHONES: dict[str, tuple[dict[str, Any], str]] = {
    "another token": ({"token": "A" * 43}, ""),
    "no token": ({"token": ""}, ""),
    "another deployment": ({"deployment": "d-0000000000"}, ""),
    "elsewhere": ({}, ELSEWHERE),
    "elsewhere, with other keys": ({"host_keys": ["ssh-ed25519 AAAAthief"]}, ELSEWHERE),
    "the service's own address": ({}, "10.77.0.1"),
    "no keys at all": ({"host_keys": ["x"] * 9}, ""),
    "a token that is a number": ({"token": 7}, ""),
}


@pytest.mark.parametrize("how", PHONES)
def test_a_phone_home_of_somebody_else(
    world: World, puppet: Puppet, nowhere: Reply, untouched: Untouched, how: str
) -> None:
    world.lan.add_address(f"{ELSEWHERE}/24")
    puppet.reach_restarting()
    other, source = PHONES[how]
    real, puppet.address = puppet.address, source or puppet.address
    with untouched():
        reply = puppet.phone(**other)
    puppet.address = real
    assert reply == nowhere and holds_nothing(reply, world, puppet)
    assert puppet.row.stage == "restarting" and puppet.row.address == ""
    await_refusal(world, puppet, "the phone-home", source or puppet.address)


def test_thirty_hellos_at_once_have_one_winner(world: World, puppet: Puppet) -> None:
    ident = puppet.arm()
    greetings = [puppet.greeting(boot_id=f"boot-{number}") for number in range(30)]
    replies: list[Reply] = []

    def say(message: dict[str, Any]) -> None:
        replies.append(world.lan.http("/agent/v1/hello", body=message, source=puppet.address))

    world.lan.add_address(f"{puppet.address}/24")
    threads = [threading.Thread(target=say, args=[message]) for message in greetings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(reply.status for reply in replies) == [200] + [404] * 29
    kinds = world.kinds(ident)
    assert (kinds.count("agent.hello"), kinds.count("host.suspect")) == (1, 1)


def test_a_lock_and_a_hello_at_once_never_both_win(world: World, puppet: Puppet) -> None:
    for _ in range(5):
        ident = puppet.arm()
        greeting = puppet.greeting()
        lock = threading.Thread(target=partial(world.client.lock, puppet.name, locked=True))
        lock.start()
        reply = puppet.http("/agent/v1/hello", body=greeting)
        lock.join()
        row = world.client.deployment(ident)
        assert (reply.status == 200) is (row.consumed > 0)
        if not row.consumed:
            world.await_event(ident, "order.refused")
        else:
            world.client.cancel(ident)
        world.client.lock(puppet.name, locked=False)
        puppet.token = ""


READERS: dict[str, tuple[str, str]] = {
    "another serial": ("?serial=S-1&uuid=", "?serial=S-2"),
    "another UUID": (
        "?uuid=33221100-5544-7766-8899-aabbccddeeff",
        "?uuid=11111111-1111-1111-1111-111111111111",
    ),
    "another of both": (
        "?serial=S-1&uuid=33221100-5544-7766-8899-aabbccddeeff",
        "?serial=S-2&uuid=11111111-1111-1111-1111-111111111111",
    ),
}


@pytest.mark.parametrize("how", READERS)
def test_a_second_machine_that_reads_the_script(
    world: World, puppet: Puppet, untouched: Untouched, how: str
) -> None:
    ident = puppet.arm()
    first, second = (f"/boot/{puppet.mac}/boot.ipxe{query}" for query in READERS[how])
    assert b"pv.nonce=" in puppet.http(first).body
    world.await_event(ident, "script.served")
    with untouched():
        reply = puppet.http(second)
        suspect = world.await_event(ident, "host.suspect")
    assert b"pv.nonce=" not in reply.body and holds_nothing(reply, world, puppet)
    assert "a second machine has asked for its boot script" in suspect.describe()
    assert puppet.address in puppet.row.hint, "what to look at"
    assert b"pv.nonce=" not in puppet.http(first).body
    await_refusal(world, puppet, "its boot script", puppet.address)
    world.client.resume(ident)
    assert b"pv.nonce=" in puppet.http(first).body


SAME: dict[str, tuple[str, str]] = {
    "nothing said": ("", ""),
    "the serial in other letters": ("?serial=S-1", "?serial=s-1"),
    "the UUID in the other order of bytes": (
        "?uuid=33221100-5544-7766-8899-aabbccddeeff",
        "?uuid=00112233-4455-6677-8899-AABBCCDDEEFF",
    ),
    "a UUID that names no machine": (
        "?uuid=33221100-5544-7766-8899-aabbccddeeff",
        "?uuid=00000000-0000-0000-0000-000000000000",
    ),
    "one that does not say it": ("?serial=S-1", ""),
}


@pytest.mark.parametrize("how", SAME)
def test_the_same_machine_may_read_its_script_twice(world: World, puppet: Puppet, how: str) -> None:
    ident = puppet.arm()
    for query in SAME[how]:
        assert b"pv.nonce=" in puppet.http(f"/boot/{puppet.mac}/boot.ipxe{query}").body
    assert puppet.hello().status == 200
    assert "host.suspect" not in world.kinds(ident)


def test_a_host_that_boots_in_circles_gets_its_disk(world: World, puppet: Puppet) -> None:
    ident = puppet.arm()
    scripts = [puppet.http(f"/boot/{puppet.mac}/boot.ipxe").body for _ in range(20)]
    has_nonce = [b"pv.nonce=" in text for text in scripts]
    assert has_nonce[0] and not any(has_nonce[-8:]), "its nonce is not printed for ever"
    looped = world.await_event(ident, "netboot.looped")
    assert "its ramdisk never said hello" in looped.describe()
    status = world.provision("status", puppet.name)
    assert "asked for its boot script" in status.out and "retry" in status.out
    assert puppet.hello(nonce=puppet.used or "A" * 32).status == 404
    again = puppet.arm()
    assert again != ident and b"pv.nonce=" in puppet.http(f"/boot/{puppet.mac}/boot.ipxe").body


def test_a_flood_of_forged_hellos_is_one_line(world: World, puppet: Puppet) -> None:
    puppet.arm()
    forged = puppet.greeting(nonce="A" * 32)
    for _ in range(25):
        assert puppet.http("/agent/v1/hello", body=forged).status == 404
    found = await_refusal(world, puppet, "a hello", puppet.address, count=25)
    assert found.count == 25 and found.first > 0 and found.mac == puppet.mac
    assert [one.what for one in refusals(world, puppet)] == ["a hello"]
    assert puppet.hello().status == 200, "the order stands"


def test_what_is_refused_without_an_order_is_in_the_hosts_own_log(world: World) -> None:
    with world.machine() as quiet:
        body = {"nonce": "A" * 32, "boot_id": "b", "mac": quiet.mac, "macs": [quiet.mac]}
        body |= {"serial": "S-7", "uuid": "", "memory": 1, "version": "0", "disks": []}
        assert quiet.http("/agent/v1/hello", body=body).status == 404
        found = await_refusal(world, quiet, "a hello", quiet.address)
        assert (found.sentence, found.serial) == ("nothing is ordered", "S-7")
        shown = world.provision("host", "show", quiet.name)
        assert "Noted" in shown.out and "nothing is ordered" in shown.out
