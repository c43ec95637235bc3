"""Many hosts by one command: the question, the watching, the exit code."""

from __future__ import annotations

import csv
import json
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest

from provisioner.deployment.record import record
from provisioner.domain.deployment import Terms
from provisioner.domain.events.order import OrderArmed, OrderCancelled
from provisioner.domain.events.power import PowerFailed
from provisioner.domain.events.verification import SealDone, VerifyPassed
from provisioner.errors import ProvisionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from provisioner.domain.events.payload import Payload
    from tests.wire.conftest import Puppet, World


@pytest.fixture
def rack(world: World, request: pytest.FixtureRequest) -> Iterator[list[Puppet]]:
    """Three hosts of a rack that no other test knows; their slots and addresses are free afterwards."""
    name = f"R{abs(hash(request.node.name)) % 10**8}"
    with ExitStack() as stack:
        rack = [stack.enter_context(world.machine(rack=name)) for _ in range(3)]
        yield list(rack)
    for puppet in rack:
        with suppress(ProvisionError):  # it was removed, or has another name
            world.client.remove_host(puppet.name)


def select(rack: list[Puppet]) -> str:
    host = rack[0].world.client.host(rack[0].name).host
    return f"rack={host.rack}"


def order(rack: list[Puppet], *words: str) -> str:
    count = str(len(rack))
    how = ("--yes", "--expect-count", count, "--no-wait", *words)
    said = rack[0].world.provision("deploy", "--select", select(rack), *how)
    assert said.code == 0, said.err
    return said.out.strip()


def end(puppet: Puppet, event: Payload) -> None:
    """Let the deployment of a host end so."""
    record(puppet.world.site, puppet.row.id, event, source="test")


def finish(puppet: Puppet, ident: str = "") -> None:
    """From its power-on to ready."""
    world, ident = puppet.world, ident or puppet.row.id
    world.await_event(ident, "power.asked")
    assert puppet.hello().status == 200
    puppet.tell("written")
    world.await_event(ident, "disk.chosen")
    assert puppet.phone().status == 200
    end(puppet, VerifyPassed())
    end(puppet, SealDone(mode="full"))


def test_the_hosts_are_shown_and_a_script_must_give_their_number(world: World, rack: list[Puppet]) -> None:
    said = world.provision("deploy", "--select", select(rack), "--yes")
    assert said.code == 6 and "(PV-134)" in said.err and "3 hosts would be erased" in said.err
    assert all(puppet.name in said.err for puppet in rack)
    said = world.provision("deploy", "--select", select(rack), "--yes", "--expect-count", "2")
    assert said.code == 6 and "3 hosts would be erased, not 2" in said.err
    assert all(puppet.row is None for puppet in rack)


def test_without_a_terminal_and_without_yes_nothing_is_ordered(world: World, rack: list[Puppet]) -> None:
    said = world.provision("deploy", "--select", select(rack))
    assert said.code == 6 and "(PV-133)" in said.err
    assert all(puppet.row is None for puppet in rack)


def test_on_a_terminal_the_number_is_asked(world: World, rack: list[Puppet]) -> None:
    with world.terminal("deploy", "--select", select(rack), "--no-wait") as terminal:
        terminal.await_text("Type the number of hosts")
        terminal.type("3\n")
        assert terminal.end() == 0
    assert all(puppet.row is not None for puppet in rack)


def test_other_hosts_than_were_shown_are_not_ordered_though_they_are_as_many(
    world: World, rack: list[Puppet]
) -> None:
    stranger, name = world.add_host(rack="ELSE"), select(rack).removeprefix("rack=")
    with world.terminal("deploy", "--select", select(rack), "--no-wait") as terminal:
        terminal.await_text("Type the number of hosts")
        for puppet, place in ((rack[0], "ELSE"), (stranger, name)):
            world.apply([{"name": puppet.name, "macs": [puppet.mac], "profile": "cube", "rack": place}], [])
        terminal.type("3\n")
        assert terminal.end() == 6
    seen = " ".join(terminal.seen.split())
    assert f"{stranger.name} was not shown; {rack[0].name} is not among them any more" in seen
    assert "(PV-146)" in seen
    assert all(puppet.row is None for puppet in (*rack, stranger))


def test_another_image_than_was_shown_is_not_ordered(world: World, rack: list[Puppet]) -> None:
    with world.terminal("deploy", "--select", select(rack), "--no-wait") as terminal:
        terminal.await_text("Type the number of hosts")
        newest = world.client.images()[-1]
        image = world.site.database.images.all()[0]
        added = image.model_copy(update={"version": "3", "added": newest.added + 1})
        world.site.database.images.put(added)
        try:
            terminal.type("3\n")
            assert terminal.end() == 6
        finally:
            with world.site.database.writing():
                world.site.database.images.remove(added.id)
    seen = " ".join(terminal.seen.split())
    assert f"of {rack[0].name} the image is otherwise: vault-os@3 in place of vault-os@1" in seen
    assert all(puppet.row is None for puppet in rack)


def test_a_retried_run_is_ordered_as_it_was_shown(world: World, rack: list[Puppet]) -> None:
    first = order(rack)
    assert world.provision("cancel", first, "--yes").code == 0
    with world.terminal("retry", first, "--no-wait") as terminal:
        terminal.await_text("Type the number of hosts")
        host = {"name": rack[1].name, "macs": [rack[1].mac], "profile": "cube"}
        world.apply([{**host, "disk": {"serial": "OTHER"}}], [])
        terminal.type("3\n")
        assert terminal.end() == 6
    assert f"of {rack[1].name} the disk is otherwise" in " ".join(terminal.seen.split())
    assert {puppet.row.run for puppet in rack} == {first}


def test_a_machine_that_got_the_name_of_a_removed_one_is_not_retried(
    world: World, rack: list[Puppet]
) -> None:
    first = order(rack)
    assert world.provision("cancel", first, "--yes").code == 0
    stranger, gone = world.add_host(), rack[0]
    ident = gone.row.id
    assert world.provision("host", "remove", gone.name, "--yes").code == 0
    assert world.provision("host", "rename", stranger.name, gone.name).code == 0
    listed = {row["name"]: row for row in world.provision("host", "list", "-o", "json").json["hosts"]}
    assert not listed[gone.name].get("deployment"), "what the other machine did is not its own"
    assert world.provision("status", gone.name).code == 2 and world.provision("status", ident).code == 0
    for what in (gone.name, ident):
        said = world.provision("retry", what, "--yes", "--no-wait")
        assert said.code == (2 if what == gone.name else 6), said
        assert ("(PV-123)" if what == gone.name else "(PV-142)") in said.err
    said = world.provision("retry", first, "--yes", "--expect-count", "2", "--no-wait")
    assert said.code == 0 and f"{gone.name} is another machine than {ident} was ordered for" in said.err
    assert gone.row is None, "nothing was armed for the stranger"


def test_a_dry_run_orders_nothing(world: World, rack: list[Puppet]) -> None:
    said = world.provision("deploy", "--select", select(rack), "--dry-run")
    assert said.code == 0 and rack[2].name in said.out
    assert all(puppet.row is None for puppet in rack)


@pytest.mark.parametrize(
    ("words", "number"),
    [
        (("--select", "colour=red"), 103),
        (("--select", "rack=nowhere"), 104),
        (("vc-1", "--all"), 100),
        (("vc-1", "--max-parallel", "2"), 100),
        (("--select", "rack=B3", "--all"), 103),
    ],
)
def test_a_selection_that_cannot_be_used_is_a_usage_error(
    world: World, words: tuple[str, ...], number: int
) -> None:
    said = world.provision("deploy", *words, "--yes", "--expect-count", "1")
    assert said.code == 2 and f"(PV-{number})" in said.err


def test_no_more_hosts_are_powered_than_may_be_at_one_time(world: World, rack: list[Puppet]) -> None:
    order(rack, "--max-parallel", "2")
    for puppet in rack[:2]:
        world.await_event(puppet.row.id, "power.asked")
    assert "slot.given" not in world.kinds(rack[2].row.id)
    end(rack[0], OrderCancelled(by="test"))
    world.await_event(rack[2].row.id, "power.asked")


def test_a_run_whose_hosts_end_differently_says_why_in_groups(world: World, rack: list[Puppet]) -> None:
    ident = order(rack)
    for puppet in rack:
        world.await_event(puppet.row.id, "power.asked")
    dead, wrong, good = rack
    end(dead, PowerFailed(code=201, sentence="the BMC at 10.1.1.1 does not answer", hint="check its cable"))
    for puppet in (wrong, good):
        assert puppet.hello().status == 200
    assert wrong.tell("failed", code=312, sentence="no disk fits the hints").status == 200
    good.tell("written")
    world.await_event(good.row.id, "disk.chosen")
    assert good.phone().status == 200
    end(good, VerifyPassed())
    end(good, SealDone(mode="full"))
    said = world.provision("watch", ident)
    assert said.code == 4, said.err
    assert "1 of 3 hosts is ready" in said.err
    assert f"failed (PV-201): {dead.name}" in said.err and "does not answer" in said.err
    assert f"failed (PV-312): {wrong.name}" in said.err and "no disk fits" in said.err


@pytest.mark.parametrize("verb", ["deploy", "retry", "watch"])
def test_who_waits_for_a_run_ends_as_it_does(world: World, rack: list[Puppet], verb: str) -> None:
    yes = ("--yes", "--expect-count", "3")
    words: tuple[str, ...] = (verb, "--select", select(rack), *yes)
    if verb != "deploy":
        ident = order(rack)
        words = (verb, ident)
    if verb == "retry":
        world.provision("cancel", ident, "--yes")
        words = (verb, ident, *yes)
    with world.lines(*words) as waiting:
        for puppet in rack:
            waiting.await_text(f"Power {puppet.name}")
        finish(rack[0])
        for puppet in rack[1:]:
            world.client.cancel(puppet.row.id)
        assert waiting.end() == 4, waiting.seen
    assert "1 of 3 hosts is ready" in waiting.seen


def test_a_run_with_no_host_ready_has_failed(world: World, rack: list[Puppet]) -> None:
    ident = order(rack)
    said = world.provision("cancel", ident, "--yes")
    assert said.code == 0 and "3 deployments" in said.err
    assert world.provision("watch", ident).code == 3


def test_the_rest_is_not_begun_when_hosts_fail_alike(world: World, rack: list[Puppet]) -> None:
    ident = order(rack, "--max-parallel", "1", "--stop-after", "1")
    world.await_event(rack[0].row.id, "power.asked")
    end(rack[0], PowerFailed(code=201, sentence="the BMC does not answer", hint=""))
    stopped = world.await_event(rack[1].row.id, "run.stopped")
    assert "1 host of the run failed (PV-201)" in stopped.data.sentence
    world.await_event(rack[2].row.id, "run.stopped")
    assert "slot.given" not in world.kinds(rack[1].row.id)
    assert world.provision("watch", ident).code == 3


def test_a_run_is_shown_as_data(world: World, rack: list[Puppet]) -> None:
    ident = order(rack)
    said = world.provision("status", ident, "-o", "json")
    rows = json.loads(said.out)["deployments"]
    assert [row["host"] for row in rows] == sorted(puppet.name for puppet in rack)
    assert {row["run"] for row in rows} == {ident}
    assert world.provision("watch", ident, "--timeout", "1").code == 7
    assert world.provision("status", "r-NOBODY").code == 2


def test_the_rest_waits_until_the_canary_is_ready(world: World, rack: list[Puppet]) -> None:
    order(rack, "--canary", "1")
    world.await_event(rack[0].row.id, "power.asked")
    assert [puppet.row.stage for puppet in rack[1:]] == ["queued", "queued"]
    finish(rack[0])
    for puppet in rack[1:]:
        world.await_event(puppet.row.id, "power.asked")


def test_a_canary_that_fails_stops_the_rest(world: World, rack: list[Puppet]) -> None:
    ident = order(rack, "--canary", "1")
    world.await_event(rack[0].row.id, "power.asked")
    end(rack[0], PowerFailed(code=201, sentence="the BMC does not answer", hint=""))
    stopped = world.await_event(rack[2].row.id, "run.stopped")
    assert f"the canary {rack[0].name} is failed (PV-201)" in stopped.data.sentence
    assert world.provision("watch", ident).code == 3


def test_what_waits_in_a_run_is_paused_and_resumed(world: World, rack: list[Puppet]) -> None:
    ident = order(rack, "--max-parallel", "1")
    world.await_event(rack[0].row.id, "power.asked")
    said = world.provision("pause", ident)
    assert said.code == 0 and "2 hosts wait, 1 go on" in said.err
    end(rack[0], OrderCancelled(by="test"))
    assert world.provision("pause", ident).code == 6
    assert [puppet.row.stage for puppet in rack[1:]] == ["queued", "queued"]
    shown = world.provision("status", ident)
    assert "its run is paused by" in shown.out
    assert world.provision("resume", ident).code == 0
    world.await_event(rack[1].row.id, "power.asked")
    assert "slot.given" not in world.kinds(rack[2].row.id)


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_only_a_run_that_is_there_can_be_paused(world: World, verb: str) -> None:
    assert world.provision(verb, "r-NOBODY").code == 2
    assert world.provision("pause", "vc-1").code == 2


def test_a_single_order_passes_a_run_that_waits(world: World, rack: list[Puppet]) -> None:
    urgent = world.add_host()
    order(rack, "--max-parallel", "1")
    urgent.arm()
    world.await_event(urgent.row.id, "power.asked")


def test_what_failed_in_a_run_is_retried_as_a_new_run(world: World, rack: list[Puppet]) -> None:
    first = order(rack, "--max-parallel", "2", "--stop-after", "2")
    for puppet in rack[:2]:
        world.await_event(puppet.row.id, "power.asked")
    finish(rack[0])
    end(rack[1], PowerFailed(code=201, sentence="the BMC does not answer", hint=""))
    world.await_event(rack[2].row.id, "power.asked")
    end(rack[2], OrderCancelled(by="test"))
    said = world.provision("retry", first, "--yes", "--expect-count", "2", "--no-wait")
    assert said.code == 0, said.err
    second = world.client.run(said.out.strip())
    assert second.run.retries == first and second.run.max_parallel == 2 and second.run.stop_after == 2
    assert {row.host for row in second.deployments} == {puppet.name for puppet in rack[1:]}
    world.provision("cancel", second.run.id, "--yes")
    finish(rack[1], world.client.arm(rack[1].name, yes=True).id)
    told = world.provision("cancel", rack[1].name)
    assert "is ready already" in told.err and "provision retry" not in told.err, "it would be erased"
    assert world.provision("cancel", world.client.arm(rack[1].name, yes=True).id).code == 0
    said = world.provision("retry", first, "--yes", "--expect-count", "1", "--no-wait")
    assert said.code == 0 and f"left out: {rack[1].name} was deployed since" in said.err


def test_a_run_that_has_not_failed_is_not_retried(world: World, rack: list[Puppet]) -> None:
    said = world.provision("retry", order(rack), "--yes", "--expect-count", "1")
    assert said.code == 2 and "(PV-104)" in said.err


def test_to_cancel_a_run_is_asked_and_says_whose_it_is(world: World, rack: list[Puppet]) -> None:
    ident = order(rack, "--max-parallel", "1")
    world.await_event(rack[0].row.id, "power.asked")
    said = world.provision("cancel", ident)
    assert said.code == 6 and "(PV-133)" in said.err
    for answer, code in (("n\n", 6), ("\x03", 130), ("\x04", 130)):
        with world.terminal("cancel", ident) as terminal:
            terminal.await_text("does not boot")
            assert "was ordered by" in terminal.seen and "1 moving, 2 waiting" in terminal.seen
            terminal.type(answer)
            assert terminal.end() == code
            assert "nothing was changed" in terminal.seen
    assert not any(puppet.row.stage == "cancelled" for puppet in rack)
    with world.terminal("cancel", ident) as terminal:
        terminal.await_text("does not boot")
        terminal.type("y\n")
        assert terminal.end() == 0
    assert {puppet.row.stage for puppet in rack} == {"cancelled"}


def test_a_run_is_reported_host_by_host(world: World, rack: list[Puppet], tmp_path: Path) -> None:
    ident = order(rack, "--max-parallel", "1")
    world.await_event(rack[0].row.id, "power.asked")
    finish(rack[0])
    world.await_event(rack[1].row.id, "power.asked")
    end(rack[1], PowerFailed(code=201, sentence="=the BMC does not answer", hint="look at HOST"))
    world.await_event(rack[2].row.id, "power.asked")
    said = world.provision("report", ident, "-o", "csv")
    rows = list(csv.DictReader(said.out.splitlines()))
    assert [(row["host"], row["result"], row["stage"], row["code"]) for row in rows] == [
        (rack[0].name, "ready", "sealing", ""),
        (rack[1].name, "failed", "powering", "PV-201"),
        (rack[2].name, "open", "powering", ""),
    ]
    assert rows[0]["disk_serial"] == "disk-1" and rows[0]["image"] == "vault-os@1"
    assert float(rows[0]["seconds"]) >= float(rows[0]["writing_seconds"] or 0)
    assert rows[1]["reason"] == "'=the BMC does not answer", "no formula of a spreadsheet"
    document = json.loads(world.provision("report", ident, "-o", "json").out)
    assert (document["run"]["id"], document["run"]["max_parallel"]) == (ident, 1)
    data = document["hosts"]
    assert [row["result"] for row in data] == ["ready", "failed", "open"]
    assert data[0]["stages"]["writing"] >= 0 and data[0]["began"].endswith("+00:00")
    text = world.provision("report", ident)
    assert "3 hosts: 1 ready, 1 failed, 1 open" in text.out and "not ended yet" in text.err
    assert f"failed (PV-201): {rack[1].name}" in text.err
    paper = tmp_path / "run.pdf"
    said = world.provision("report", ident, "--to", paper)
    assert said.code == 0 and f"{ident}, 3 hosts" in said.err and paper.read_bytes().startswith(b"%PDF-")
    said = world.provision("report", ident, "--to", tmp_path / "run.docx")
    assert said.code == 2 and ".pdf" in said.err and not (tmp_path / "run.docx").exists()


def test_a_limit_that_another_cuts_is_said(world: World, rack: list[Puppet]) -> None:
    limits = ("--stop-after", "2", "--max-parallel", "3", "--canary", "5")
    said = world.provision("deploy", "--select", select(rack), "--dry-run", *limits)
    assert "at most 2 are under way at one time" in said.out
    assert "all 3 are canaries" in said.out


def test_a_retry_keeps_what_was_said_of_the_order_and_takes_what_is_said_now(
    world: World, rack: list[Puppet]
) -> None:
    first = order(rack, "--wipe", "--until", "writing", "--canary", "1")
    world.provision("cancel", first, "--yes")
    shown = world.provision("retry", first, "--dry-run")
    assert shown.code == 0 and "makes the whole disk zeros" in shown.out, shown.err
    assert "each ends after writing" in shown.out and "52:54:" in shown.out
    how = ("--yes", "--expect-count", "3", "--no-wait")
    second = world.client.run(world.provision("retry", first, *how).out.strip())
    assert (second.run.terms.write_mode, second.run.until, second.run.canary) == ("wipe", "writing", 1)
    assert {(row.write_mode, row.stop_after) for row in second.deployments} == {("wipe", "writing")}
    world.provision("cancel", second.run.id, "--yes")
    third = world.client.run(world.provision("retry", second.run.id, *how, "--full").out.strip())
    assert (third.run.terms.write_mode, third.run.until) == ("full", "writing")
    world.provision("cancel", third.run.id, "--yes")
    alone = world.provision("retry", rack[0].name, "--yes", "--no-wait")
    assert alone.code == 0, alone.err
    assert (rack[0].row.write_mode, rack[0].row.stop_after) == ("full", "writing")
    fourth = world.provision("retry", third.run.id, "--dry-run", "--no-full", "--no-until")
    assert (
        "each fetches" not in fourth.out and "each ends after" not in fourth.out and "Keeps" not in fourth.err
    )


def test_a_retry_of_a_host_keeps_every_term_says_so_and_can_take_it_back(
    world: World, rack: list[Puppet]
) -> None:
    """The terms of the order, also those that no row keeps."""
    name = rack[0].name
    terms = ("--wipe", "--allow-downgrade", "--erase-foreign", "--until", "writing")
    assert world.provision("deploy", name, *terms, "--yes", "--no-wait").code == 0
    first = rack[0].row
    world.provision("cancel", name)
    said = world.provision("retry", name, "--yes", "--no-wait")
    kept = "--wipe, --erase-foreign, --allow-downgrade, --until writing"
    back = "--no-wipe, --no-erase-foreign, --no-allow-downgrade, --no-until"
    assert f"as ordered in {first.id}: {kept} (otherwise: {back})" in " ".join(said.err.split()), said.err
    assert "makes the whole disk zeros" in said.err and "an older one than the host has" in said.err
    assert ordered(world, rack[0]) == (
        Terms(write_mode="wipe", erase_foreign=True, allow_downgrade=True),
        "writing",
    )
    world.provision("cancel", name)
    said = world.provision("retry", name, "--yes", "--no-wait", "--no-wipe", "--no-until")
    assert said.code == 0 and "makes the whole disk zeros" not in said.err, said.err
    assert ordered(world, rack[0]) == (Terms(erase_foreign=True, allow_downgrade=True), "")
    world.provision("cancel", name)
    assert world.provision("retry", name, "--until", "writing", "--no-until").code == 2


def ordered(world: World, puppet: Puppet) -> tuple[Terms, str]:
    """The terms of the host's last order, and where it ends."""
    [armed] = world.site.database.events.of(puppet.row.id, kind="order.armed")
    assert isinstance(armed.data, OrderArmed)
    return armed.data.terms, puppet.row.stop_after


def test_hosts_of_which_none_fits_any_more_are_otherwise_than_shown(world: World, rack: list[Puppet]) -> None:
    """Not a selection that was mistyped (PV-104): it fitted when the plan was shown."""
    chosen = f"{select(rack)},state=never"
    assert world.provision("deploy", "--select", chosen, "--dry-run").code == 0
    with world.terminal("deploy", "--select", chosen, "--no-wait") as terminal:
        terminal.await_text("Type the number of hosts")
        world.provision("cancel", order(rack), "--yes")
        terminal.type("3\n")
        assert terminal.end() == 6
        assert "(PV-146)" in terminal.seen and "PV-104" not in terminal.seen
    assert {puppet.row.stage for puppet in rack} == {"cancelled"}


def test_to_cancel_a_canary_says_what_follows_and_asks(world: World, rack: list[Puppet]) -> None:
    ident = order(rack, "--canary", "1")
    first = world.client.run(ident).deployments[0]
    said = world.provision("cancel", first.host)
    assert said.code == 6 and "2 hosts of its run" in said.err and "(PV-133)" in said.err
    with world.terminal("cancel", first.host) as terminal:
        terminal.await_text("the rest of its run?")
        terminal.type("n\n")
        assert terminal.end() == 6
    assert world.client.deployment(first.host).stage != "cancelled"
    last = world.client.run(ident).deployments[-1]
    assert world.provision("cancel", last.host).code == 0, "nobody waits for that one"
    assert world.provision("cancel", first.host, "--yes").code == 0


def test_what_waits_says_for_what_of_its_run(world: World, rack: list[Puppet]) -> None:
    ident = order(rack, "--canary", "1", "--max-parallel", "1")
    first, *_, last = world.client.run(ident).deployments
    world.await_event(first.id, "power.asked")
    assert f"It waits for the canary {first.host}." in world.provision("diagnose", last.host).out
    assert f"the rest waits for the canary {first.host}" in world.provision("status", ident).err
    world.provision("pause", ident)
    said = world.provision("resume", last.host)
    assert said.code != 0 and f"provision resume {ident}" in said.err and "is not paused" not in said.err
    assert "a person who resumes its run" in world.provision("diagnose", last.host).out


def test_a_run_of_nobody_is_not_ordered(world: World, rack: list[Puppet]) -> None:
    for puppet in rack:
        world.client.lock(puppet.name, locked=True)
    said = world.provision("deploy", "--select", select(rack), "--yes", "--expect-count", "0")
    assert said.code == 6 and "no host can be deployed" in said.err and "(PV-134)" in said.err


def test_a_damaged_row_is_named_by_every_view_of_its_run(world: World, rack: list[Puppet]) -> None:
    ident = order(rack, "--canary", "1")
    first, *others = world.client.run(ident).deployments
    world.await_event(first.id, "power.asked")
    db = world.site.database.db.conn
    db.execute("UPDATE deployments SET progress = '{' WHERE id = ?", [first.id])
    for words in (("status", ident), ("report", ident)):
        said = world.provision(*words)
        assert "PV-612" in said.out + said.err and first.host in said.out, words
    assert "3 hosts: 1 unreadable, 2 open" in world.provision("report", ident).out
    assert first.id in world.provision("diagnose", others[0].host).out
    assert [row.stage for row in world.client.run(ident).deployments[1:]] == ["queued"] * 2
    said = world.provision("watch", ident)
    assert said.code == 3 and "PV-612" in said.err and f"provision cancel {first.id}" in said.err, said.err
    assert f"2 hosts cannot begin before {first.id} of {first.host} is set aside" in said.err
    said = world.provision("cancel", ident, "--yes")
    assert said.code == 0 and "3 deployments" in said.err, said.err
    assert {row.stage for row in world.client.run(ident).deployments} == {"cancelled"}


def test_deployments_are_not_counted_as_hosts(world: World, rack: list[Puppet]) -> None:
    world.provision("cancel", order(rack), "--yes")
    assert "3 hosts: 3 cancelled" in world.provision("status", "--select", select(rack)).err
    world.provision("cancel", order(rack), "--yes")
    said = world.provision("status", "--select", select(rack)).err
    assert "6 deployments of 3 hosts: 6 cancelled" in said
