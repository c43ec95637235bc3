"""Orders on the command line: confirmed or refused, watched to their end, and what is printed of them."""

from __future__ import annotations

import json
import re
import signal
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from provisioner import run
from provisioner.cli.output import TIMES
from provisioner.deployment.record import record
from provisioner.domain.deployment import Verdict
from provisioner.domain.events.verification import SealDone, VerifyPassed, VerifyRejected
from provisioner.domain.hardware import DeviceInfo, DiskInfo, HardwareFacts
from provisioner.domain.profile import Gpu, Profile
from provisioner.errors import RefusedError
from provisioner.site import opened_secrets
from provisioner.state.sealed_secrets import SSH_KEY

if TYPE_CHECKING:
    from tests.wire.conftest import CommandResult, Puppet, World

PROGRAMS = Path(__file__).with_name("programs")


def check(said: CommandResult, code: int, number: int, *words: str) -> None:
    """An error for people on stderr, nothing on stdout, the documented exit code."""
    assert (said.code, said.out) == (code, ""), said.err
    assert f"(PV-{number})" in said.err and "\n  → " in said.err and "Traceback" not in said.err, said.err
    for word in words:
        assert word in said.err


def last4(puppet: Puppet) -> str:
    return puppet.mac.replace(":", "")[-4:]


# confirmed or refused


@pytest.mark.parametrize("words", [(), ("--yes",)])
def test_a_locked_host_is_refused_with_and_without_a_word_of_consent(
    world: World, puppet: Puppet, words: tuple[str, ...]
) -> None:
    assert world.provision("host", "lock", puppet.name).code == 0
    check(
        world.provision("deploy", puppet.name, *words),
        6,
        131,
        "is locked",
        f"provision host unlock {puppet.name}",
    )
    assert puppet.row is None
    assert world.provision("host", "unlock", puppet.name).code == 0
    assert world.provision("deploy", puppet.name, "--yes", "--no-wait").code == 0


def test_without_a_terminal_only_yes_is_consent(world: World, puppet: Puppet) -> None:
    said = world.provision("deploy", puppet.name, stdin=f"{last4(puppet)}\n".encode())
    check(said, 6, 133, "no terminal to ask on; nothing was changed", "--yes")
    assert puppet.row is None
    with pytest.raises(RefusedError, match="not confirmed"):
        world.client.arm(puppet.name, confirmation="0000")


def test_a_wrong_confirmation_on_a_terminal_changes_nothing(world: World, puppet: Puppet) -> None:
    with world.terminal("deploy", puppet.name) as terminal:
        terminal.await_text("Type the last 4 of the MAC to continue")
        terminal.type("0000\n")
        assert terminal.end() == 6
    assert "not confirmed, nothing was changed" in terminal.seen and "(PV-133)" in terminal.seen
    assert puppet.row is None


def test_the_right_confirmation_arms_and_ctrl_c_leaves_the_deployment_alone(
    world: World, puppet: Puppet
) -> None:
    with world.terminal("deploy", puppet.name) as terminal:
        terminal.await_text("Type the last 4 of the MAC to continue")
        terminal.type(f"{last4(puppet).upper()}\n")
        terminal.await_text("powering")
        assert terminal.end("\x03") == 130
    assert f"Detached; the deployment goes on. Back with: provision watch {puppet.name}" in terminal.seen
    world.await_event(puppet.row.id, "power.asked")
    assert world.client.deployment(puppet.row.id).stage == "powering"


def test_an_image_whose_key_is_trusted_no_more_is_said_so_and_refused(world: World, puppet: Puppet) -> None:
    key = world.state / "keys" / "release.pub"
    text = key.read_text()
    try:
        assert world.provision("image", "untrust", "release", "--yes").code == 0
        said = world.provision("deploy", puppet.name, "--dry-run")
        assert said.code == 6 and "signed by release, which is trusted no more" in " ".join(said.out.split())
        assert (
            "✓" not in said.out and "(PV-326)" in said.err and "provision image trust release.pub" in said.err
        )
        assert world.provision("deploy", puppet.name, "--yes", "--no-wait").code == 6
        many = ("--select", f"name={puppet.name}", "--yes", "--expect-count", "1", "--no-wait")
        assert world.provision("deploy", *many).code == 6
        assert "release, trusted no more" in " ".join(world.provision("image", "list").out.split())
    finally:
        key.write_text(text)
    assert puppet.row is None
    assert world.provision("deploy", puppet.name, "--yes", "--no-wait").code == 0


DISKS = tuple(
    DiskInfo(name=name, size=64 << 30, serial=serial)
    for name, serial in (("vda", "FIRST"), ("vdb", "SECOND"))
)


@pytest.mark.parametrize("command", ["deploy", "retry"])
def test_what_was_changed_during_the_question_is_refused_and_told(
    world: World, puppet: Puppet, command: str
) -> None:
    if command == "retry":
        world.client.cancel(puppet.arm())
    before = puppet.row
    host = {"name": puppet.name, "macs": [puppet.mac], "profile": "cube"}
    world.site.database.hosts.put_hardware(puppet.name, HardwareFacts(disks=DISKS), 1234.5)
    world.apply([{**host, "disk": {"serial": "FIRST"}}], [])
    with world.terminal(command, puppet.name, "--no-wait") as terminal:
        terminal.await_text("to continue")
        world.apply([{**host, "disk": {"serial": "SECOND"}}], [])
        terminal.type(f"{last4(puppet)}\n")
        assert terminal.end() == 6
    seen = " ".join(terminal.seen.split())
    assert "since it was shown, of" in seen and "the disk is otherwise: SECOND in place of FIRST" in seen
    assert "(PV-146)" in seen and "nothing was ordered" in seen
    assert puppet.row == before, "nothing was armed"


def test_what_does_not_decide_may_change_during_the_question(world: World, puppet: Puppet) -> None:
    with world.terminal("deploy", puppet.name, "--no-wait") as terminal:
        terminal.await_text("to continue")
        world.apply([{"name": puppet.name, "macs": [puppet.mac], "profile": "cube", "rack": "ELSE"}], [])
        terminal.type(f"{last4(puppet)}\n")
        assert terminal.end() == 0
    assert puppet.row is not None


def test_an_order_over_the_api_may_name_the_plan_that_was_shown(world: World, puppet: Puppet) -> None:
    plan = world.client.plan(puppet.name)
    with pytest.raises(RefusedError, match="since it was shown, something is otherwise") as caught:
        world.client.arm(puppet.name, yes=True, shown="0" * 64)
    assert caught.value.code == 146 and puppet.row is None
    assert world.client.arm(puppet.name, yes=True, shown=plan.digest).host == puppet.name


@pytest.mark.parametrize("key", ["\x03", "\x04"], ids=["Ctrl-C", "Ctrl-D"])
def test_ending_the_question_orders_nothing(world: World, puppet: Puppet, key: str) -> None:
    with world.terminal("deploy", puppet.name) as terminal:
        terminal.await_text("to continue")
        assert terminal.end(key) == 130
    assert "interrupted" in terminal.seen and puppet.row is None


def test_a_second_deployment_is_refused_while_one_is_under_way(world: World, puppet: Puppet) -> None:
    first = world.provision("deploy", puppet.name, "--yes", "--no-wait")
    assert first.code == 0 and re.fullmatch(r"d-\w{10}\n", first.out)
    check(
        world.provision("deploy", puppet.name, "--yes"),
        6,
        132,
        "is being deployed already",
        first.out.strip(),
    )
    check(world.provision("retry", puppet.name, "--yes"), 6, 132, "is being deployed already")
    assert puppet.row.id == first.out.strip()


def test_a_dry_run_shows_the_plan_on_stdout_and_changes_nothing(world: World, puppet: Puppet) -> None:
    before = world.client.deployments()
    said = world.provision("deploy", "--mac", puppet.mac.upper().replace(":", "-"), "--dry-run")
    assert (said.code, said.err) == (0, "")
    for words in (puppet.name, puppet.mac, "vault-os 1", "signed by release", "Erases", "press the button"):
        assert words in said.out
    data = json.loads(world.provision("deploy", puppet.name, "--dry-run", "-o", "json").out)
    assert data["plan"]["erases"] == {"seen": False, "hints": {}, "foreign": ""}
    assert data["plan"]["refusals"] == []
    assert data["schema_version"] == 1
    assert world.client.deployments() == before and puppet.row is None


def test_a_dry_run_says_why_no_disk_that_was_seen_is_meant(world: World, puppet: Puppet) -> None:
    stick = DiskInfo(name="sda", size=10**10, serial="4C53", medium="a USB medium")
    world.site.database.hosts.put_hardware(puppet.name, HardwareFacts(disks=(stick,)), 1234.5)
    said = world.provision("deploy", puppet.name, "--dry-run")
    words = " ".join(said.out.split())
    assert said.code == 0 and "not among those seen; the one disk that fits: no hint" in words, words
    assert "this machine shows no disk that could be meant. Seen: sda 10 GB serial 4C53: it is a USB" in words
    assert "(PV-312)" in words


def test_a_plan_says_what_was_written_to_the_disk_since_it_was_seen(world: World, puppet: Puppet) -> None:
    ident = puppet.reach_restarting()
    world.client.cancel(ident)
    said = world.provision("deploy", puppet.name, "--dry-run")
    words = " ".join(said.out.split())
    at = r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d [A-Z0-9+-]+"
    assert re.search(f"seen {at} by the ramdisk's hello of deployment {ident} ", words), words
    assert re.search(f"since then vault-os 1, written by {ident} on {at}", words), words
    erases = world.provision("deploy", puppet.name, "--dry-run", "-o", "json").json["plan"]["erases"]
    assert erases["seen_in"] == erases["written"]["by"] == ident and erases["written"]["whole"]
    assert erases["seen_at"] <= erases["written"]["ended"], "times as RFC 3339 has them"
    disk = world.provision("host", "show", puppet.name).out
    assert f"holds vault-os 1, written by {ident}" in disk
    many = world.provision("deploy", "--select", f"name={puppet.name}", "--dry-run")
    assert f"vault-os 1, written by {ident}" in " ".join(many.out.split())


def test_a_dry_run_says_what_of_the_hardware_would_be_rejected(world: World, puppet: Puppet) -> None:
    name = puppet.name
    wanted = Profile(
        name="dense", image="vault-os", memory_min=64 << 30, gpus=(Gpu(id="10de:2330", count=8),)
    )
    host = world.site.database.hosts.get(name).model_copy(update={"profile": "dense"})
    world.site.database.put_inventory([host], [wanted], world.site.settings.hosts_range)
    seen = HardwareFacts(memory=32 << 30, devices=(DeviceInfo(id="10de:2330", kind="030200"),) * 7)
    world.site.database.hosts.put_hardware(name, seen, 1234.5)
    words = "8 PCI devices 10de:2330 expected, 7 found; memory 32 GiB, the profile wants at least 64 GiB"
    said = world.provision("deploy", name, "--dry-run")
    assert said.code == 0 and f"Hardware {words}: the verification would" in " ".join(said.out.split()), said
    many = world.provision("deploy", "--select", f"name={name}", "--dry-run")
    assert many.code == 0 and f"{name}: {words}" in " ".join(many.out.split()), many
    data = json.loads(world.provision("deploy", name, "--dry-run", "-o", "json").out)
    assert data["plan"]["deviations"] == words.split("; ")


def test_a_dry_run_names_every_refusal_and_ends_as_the_order_would(world: World, puppet: Puppet) -> None:
    puppet.arm()
    assert puppet.hello().status == 200  # what is being written outlives the lock
    assert world.provision("host", "lock", puppet.name).code == 0
    said = world.provision("deploy", puppet.name, "--dry-run")
    assert said.code == 6 and "Erases" in said.out
    for words in ("is locked (PV-131)", "is being deployed already", "(PV-132)", "provision host unlock"):
        assert words in said.err
    printed = world.provision("deploy", puppet.name, "--dry-run", "-o", "json")
    refusals = json.loads(printed.out)["plan"]["refusals"]
    assert printed.code == 6 and [refusal["code"] for refusal in refusals] == [131, 132]
    assert world.provision("deploy", puppet.name, "--yes").code == 6
    name = world.client.host(puppet.name).host.name
    many = world.provision("deploy", "--select", f"name={name}", "--dry-run")
    assert many.code == 6 and f"left out: {name} is locked" in many.out


def test_who_ordered_is_who_the_kernel_names_whatever_he_says(world: World, puppet: Puppet) -> None:
    said = world.provision("deploy", puppet.name, "--yes", "--no-wait", env={"LOGNAME": "DOM\\ann.lee"})
    assert said.code == 0, said.err
    assert puppet.row.armed_by == "root"


# watched to its end


def test_two_disks_that_fit_fail_the_deployment_and_watch_tells_why(world: World, puppet: Puppet) -> None:
    puppet.arm()
    puppet.hello()
    puppet.tell("failed")
    said = world.provision("watch", puppet.name)
    check(said, 3, 313, f"{puppet.name} failed: two disks fit: vda, vdb", "  → name one by its serial")
    story = world.provision("status", puppet.name)
    assert (story.code, story.err) == (0, "") and "two disks fit: vda, vdb (PV-313)" in story.out


def test_a_rejected_verification_is_exit_8(world: World, puppet: Puppet) -> None:
    ident = puppet.reach_restarting()
    assert puppet.phone().json == {"do": "continue"}
    verdict = Verdict(result="rejected")
    rejected = VerifyRejected(code=501, sentence="7 of 8 GPUs", hint="mend the hardware", verdict=verdict)
    record(world.site, ident, rejected, source="ansible")
    check(
        world.provision("watch", puppet.name),
        8,
        501,
        f"{puppet.name} rejected: 7 of 8 GPUs",
        "→ mend the hardware",
    )


def test_a_host_that_is_ready_is_exit_0(world: World, puppet: Puppet) -> None:
    ident = puppet.reach_restarting()
    puppet.phone()
    for event in (VerifyPassed(), SealDone(mode="full")):
        record(world.site, ident, event, source="ansible")
    said = world.provision("watch", ident)
    assert (said.code, said.out) == (0, "") and f"{puppet.name} is ready." in said.err


@pytest.mark.parametrize("verb", ["deploy", "retry", "watch"])
def test_who_waits_for_a_host_ends_as_it_does(world: World, puppet: Puppet, verb: str) -> None:
    yes = () if verb == "watch" else ("--yes",)

    def begin() -> None:
        if verb == "watch":
            puppet.arm()

    if verb == "retry":
        world.client.cancel(puppet.arm())
    begin()
    with world.lines(verb, puppet.name, *yes) as waiting:
        waiting.await_text(f"Power {puppet.name}")
        world.client.cancel(puppet.row.id)
        assert waiting.end() == 3, waiting.seen
    begin()
    with world.lines(verb, puppet.name, *yes) as waiting:
        waiting.await_text(f"Power {puppet.name}")
        assert puppet.hello().status == 200
        puppet.tell("written")
        world.await_event(puppet.row.id, "disk.chosen")
        assert puppet.phone().status == 200
        rejected = VerifyRejected(code=501, sentence="x", hint="y", verdict=Verdict(result="rejected"))
        record(world.site, puppet.row.id, rejected, source="ansible")
        assert waiting.end() == 8, waiting.seen


@pytest.mark.parametrize("command", ["deploy", "retry", "watch"])
def test_a_timeout_is_exit_7_and_the_deployment_goes_on(world: World, puppet: Puppet, command: str) -> None:
    if command != "deploy":
        ident = puppet.arm()
    if command == "retry":
        world.client.cancel(ident)
    said = world.provision(command, puppet.name, "--timeout", "1", *([] if command == "watch" else ["--yes"]))
    assert (said.code, said.out) == (7, "")
    assert "at --timeout; the deployment goes on" in said.err and "Traceback" not in said.err
    world.await_event(puppet.row.id, "power.asked")


def test_cancelling_ends_who_watches_with_exit_3(world: World, puppet: Puppet) -> None:
    ident = puppet.arm()
    with world.lines("watch", puppet.name, FORCE_COLOR="1") as watching:
        watching.await_text("Power vc-")
        assert world.provision("cancel", puppet.name, env={"LOGNAME": "DOM\\ann"}).code == 0
        assert watching.end() == 3
    assert f"{puppet.name} cancelled: " in watching.seen and "cancelled by root" in watching.seen
    assert "\x1b[?25l" not in watching.seen, "colours were asked for, but nothing is redrawn in a pipe"
    check(
        world.provision("cancel", ident),
        6,
        140,
        f"{ident} of {puppet.name} is cancelled already",
        "provision retry",
    )


def test_sigint_ends_the_watching_with_130_and_not_the_deployment(world: World, puppet: Puppet) -> None:
    ident = puppet.arm()
    with world.lines("watch", puppet.name) as watching:
        watching.await_text("Power vc-")
        watching.signal(signal.SIGINT)
        assert watching.end() == 130
    assert f"Detached; the deployment goes on. Back with: provision watch {puppet.name}" in watching.seen
    assert "\x1b" not in watching.seen, "no colours where nobody looks"
    assert world.client.deployment(ident).stage == "powering"


# what is printed


@pytest.fixture(scope="module")
def told(world: World) -> str:
    """The name of a host that was deployed and has failed."""
    with world.machine() as puppet:
        puppet.arm()
        puppet.hello()
        puppet.tell("failed")
        return puppet.name


def leaves(value: Any, key: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [leaf for name, item in value.items() for leaf in leaves(item, name)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in leaves(item)]
    return [(key, value)]


@pytest.mark.parametrize("command", ["status", "host list", "image list", "status HOST", "host show HOST"])
def test_data_is_printed_in_every_form_with_version_and_utc_times(
    world: World, told: str, command: str
) -> None:
    words = command.replace("HOST", told).split()
    printed = {form: world.provision(*words, "-o", form) for form in ("json", "jsonl", "yaml", "name")}
    assert {said.code for said in printed.values()} == {0} and {said.err for said in printed.values()} == {""}
    whole = json.loads(printed["json"].out)
    assert yaml.safe_load(printed["yaml"].out) == whole
    lines = [json.loads(line) for line in printed["jsonl"].out.splitlines()]
    kind, content = next((name, value) for name, value in whole.items() if name != "schema_version")
    rows = content if isinstance(content, list) else [content]
    assert len(lines) == len(rows) and all(line["schema_version"] == 1 for line in [whole, *lines])
    key = "id" if command == "image list" else "host" if kind.startswith("deployment") else "name"
    assert printed["name"].out.split() == [row[key] for row in rows]
    times = [value for name, value in leaves(whole) if name in TIMES and value is not None]
    assert times and all(
        re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", time) for time in times
    )
    assert all(datetime.fromisoformat(time).utcoffset().total_seconds() == 0 for time in times)
    numbers = [leaf for leaf in leaves(whole) if isinstance(leaf[1], int | float) and 1.5e9 < leaf[1] < 3e9]
    assert not numbers, "seconds since 1970 are for machines"


def test_no_secret_is_printed_served_or_logged(world: World, puppet: Puppet, tmp_path: Any) -> None:
    ident = puppet.reach_restarting()
    world.client.put_secret("kept", "root", "bmc-password-5")
    secrets = [puppet.nonce, puppet.token, puppet.phone_token, "bmc-password-5"]
    secrets.append((world.state / "secrets" / "https.key").read_text().splitlines()[1])
    secrets.append(opened_secrets.read(world.site, SSH_KEY, ident).splitlines()[2])
    assert len(secrets) == 6 and all(len(secret) > 12 for secret in secrets)
    puppet.phone()
    puppet.http("/agent/v1/hello", body=puppet.greeting(nonce="not-the-right-one"))
    said = [
        world.provision(*words, "-o", "json").out
        for words in (("status",), ("status", ident), ("host", "list"))
    ]
    said.append(world.provision("host", "show", puppet.name, "-o", "json").out)
    paths = (
        f"/deployments/{ident}/events",
        "/deployments",
        f"/hosts/{puppet.name}",
        "/hosts",
        "/sightings",
        "/service",
    )
    said += [world.client.exchange("GET", path).decode() for path in paths]
    said.append(world.service.log.read_text())
    assert "agent.hello" in said[4] and "not-the-right-one" not in said[-1] and puppet.name in said[-1]
    for number, text in enumerate(said):
        assert not [secret for secret in secrets if secret in text], number


def test_colours_are_for_terminals_that_want_them(world: World) -> None:
    def colours(*words: str, **env: str) -> bool:
        with world.terminal(*words, env=env) as terminal:
            assert terminal.end() == 2
        assert "✗" in terminal.seen
        return "\x1b[" in terminal.seen

    wrong = ("status", "nobody")
    assert colours(*wrong)
    assert not colours(*wrong, NO_COLOR="1")
    assert not colours("--color", "never", *wrong)
    assert "\x1b[" in world.provision("--color", "always", *wrong).err
    assert "\x1b[" not in world.provision(*wrong).err


def test_every_command_has_help_with_a_sentence(world: World) -> None:
    done = run.run(
        [world.python, PROGRAMS / "every_help.py"]
    )  # a process of its own: click keeps what it once made
    pages = json.loads(done.stdout)
    assert len(pages) > 40
    for words, code, out in pages:
        assert code == 0 and out.startswith(" ".join(["Usage: provision", *words[:-1]])), words
        assert re.search(r"\n\n  [A-Z][^.]*\.", out), words


def test_a_code_is_explained_offline_in_any_notation(world: World) -> None:
    for text in ("PV-210", "pv210", "210"):
        said = world.provision("explain", text, env={"PROVISION_STATE": "/nowhere"})
        assert (said.code, said.err) == (0, "")
        assert said.out.startswith("PV-210  No network packet of this host came after power-on.\n")
    check(world.provision("explain", "PV-999"), 2, 100, "'PV-999'", "codes look like PV-210")


def test_a_reader_who_leaves_early_is_no_fault(world: World) -> None:
    done = run.run(["sh", "-c", f"{world.python} -m provisioner host list --state {world.state} | true"])
    assert done.stderr == b""


# the API beneath


def test_what_the_api_cannot_do_is_an_error_of_ours_too(world: World, puppet: Puppet) -> None:
    ident = puppet.arm()
    for path, code in (("/bmc/99999999999999999999", 124), ("/bmc/7777", 124), ("/no/such/thing", 120)):
        with pytest.raises(Exception) as caught:
            world.client.exchange("GET", path)
        assert getattr(caught.value, "code", 0) == code, path
    asked = f"/deployments/{ident}/events?after={'x' * 30}&wait=nan"
    assert json.loads(world.client.exchange("GET", asked))["events"]
