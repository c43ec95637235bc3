"""Runs, deployments and consoles in a browser: what people see, what their buttons do, what they may not."""

import csv
import io
import json
import logging
import re
import time
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.deployment.runs import arm_run
from provisioner.domain.deployment import Deployment
from provisioner.domain.event import Event
from provisioner.domain.events.agent import AgentFailed
from provisioner.domain.events.order import HostSuspect, OrderCancelled, SlotGiven
from provisioner.domain.host import Bmc, Host
from provisioner.domain.person import Role
from provisioner.domain.progress import Progress
from provisioner.domain.run import Run
from provisioner.domain.stage import Stage
from provisioner.site.site import Site
from provisioner.state.notify import Listener
from provisioner.state.recording import Recording, RecordingWriter
from provisioner.state.users import UserRow
from provisioner.web.application import create_app
from provisioner.web.session import COOKIE
from tests.access import token_of
from tests.hostile_words import WORDS, faults
from tests.unit.conftest import Clock
from tests.walked import DISK, fail, walk, write

OURS = {"Sec-Fetch-Site": "same-origin"}
MARKUP = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)")
STORABLE = [words for words in WORDS.values() if "\ud800" not in words]
WRONG_DIGEST = "f" * 64


@pytest.fixture
def client(site: Site) -> Iterator[FlaskClient]:
    with site.database.writing():
        for role in Role:
            site.database.users.put(UserRow(name=f"a-{role}", role=role))
    (site.settings.state / "logs").mkdir()
    with Listener(site.settings.state, "api") as listener:
        yield create_app(site, listener, "api").test_client()


def ask(client: FlaskClient, path: str, role: Role = Role.VIEWER) -> TestResponse:
    client.application.extensions["live_parts"].forget()  # what a test has put is seen at once
    _come_as(client, role)
    return client.get(path)


def press(client: FlaskClient, path: str, role: Role, **form: str) -> TestResponse:
    _come_as(client, role)
    return client.post(path, data=form, headers=OURS)


def _come_as(client: FlaskClient, role: Role) -> None:
    site: Site = client.application.config["SITE"]
    client.set_cookie(COOKIE, token_of(site, user=f"a-{role}"), path="/", secure=True)


def seen(reply: TestResponse) -> str:
    """What a page says, without its markup."""
    words = re.sub(r"<(script|style|svg)\b.*?</\1>|<[^>]*>", " ", reply.text, flags=re.DOTALL)
    return " ".join(unescape(words).split())


class Elements(HTMLParser):
    """The tags of a page, with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.found if name == tag]


def posts_to(reply: TestResponse) -> set[str]:
    return {form["action"] for form in Elements(reply.text).of("form") if form.get("method") == "post"}


def links(reply: TestResponse) -> set[str]:
    return {link.get("href", "") for link in Elements(reply.text).of("a")}


def field(reply: TestResponse, name: str) -> str:
    return next(each["value"] for each in Elements(reply.text).of("input") if each.get("name") == name)


def add_hosts(site: Site, count: int) -> list[Host]:
    made = [
        Host(
            name=f"gpu-{number:03}",
            macs=(f"52:54:00:01:{number >> 8:02x}:{number & 255:02x}",),
            profile="cube",
            rack=f"B{number // 20 + 1}/U{number % 20 + 1}",
            serial=f"S{number:05}",
            bmc=Bmc(driver="manual"),
        )
        for number in range(count)
    ]
    pool = site.settings.hosts_range.model_copy(update={"last": site.settings.hosts_range.first + 2000})
    site.database.put_inventory(made, [], pool)
    return made


def make_run(site: Site, count: int = 4, **terms: object) -> tuple[Run, list[Deployment]]:
    values = {"id": "r-1", "created": site.clock(), "by": "ann", "select": "rack=B1", **terms}
    run, image = Run.model_validate(values), site.database.images.all()[0]
    return run, arm_run(site, run, [(host, image) for host in add_hosts(site, count)])


def put(site: Site, row: Deployment, **changes: object) -> Deployment:
    changed = row.model_copy(update={"stage_since": site.clock(), **changes})
    with site.database.writing():
        site.database.deployments.put(changed)
    return changed


class Advance:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, seconds: float) -> None:
        self._clock.now += seconds


# deployments


def test_a_deployment_tells_its_stages_beside_what_is_usual(
    site: Site, client: FlaskClient, clock: Clock
) -> None:
    for _ in range(3):
        walk(site, "vc-1", Advance(clock))
    row = walk(site, "vc-1", Advance(clock), slow=2)
    reply = ask(client, f"/deployments/{row.id}")
    said = seen(reply)
    assert reply.status_code == 200
    assert "powering 10 m 12 s usually 5 m 06 s" in said and "sealing 4 s usually 2 s" in said
    bars = [each["width"] for each in Elements(reply.text).of("rect") if each["class"] in ("ok", "warn")]
    assert bars == ["100.0"] * 6, "each took twice as long as the three before it"
    assert "Samsung PM9A3, 3.84 TB" in said and DISK.serial in said and "Written" in said
    assert "armed by ann: vault-os@1" in said and "8 of 8 GPUs, driver 580.95" in said


def test_a_deployment_does_not_count_among_those_it_is_measured_by(
    site: Site, client: FlaskClient, clock: Clock
) -> None:
    rows = [walk(site, "vc-1", Advance(clock)) for _ in range(3)]
    said = seen(ask(client, f"/deployments/{rows[-1].id}"))
    assert "usually 5 m" not in said and "once three hosts of this profile have ended well" in said


def test_writing_tells_how_far_how_quickly_and_how_long_yet(
    site: Site, client: FlaskClient, clock: Clock
) -> None:
    row = write(site, walk(site, "vc-1", Advance(clock), Stage.WRITING), Advance(clock), share=0.5)
    reply = ask(client, f"/deployments/{row.id}")
    said = seen(reply)
    assert re.search(r"5\d % writing, [\d.]+ GB of 19.3 GB [\d.]+ MB/s \d+ s left", said)
    chart = Elements(reply.text).of("throughput-chart")[0]
    points = json.loads(chart["points"])
    assert len(points) == row.progress.seq and points[0][0] == 0 and points[1][0] == 2
    assert all(3.3e8 < rate < 4.7e8 for _, rate in points)
    assert "Median " in said


def test_stages_that_nobody_remembers_are_done_where_later_ones_began(
    site: Site, client: FlaskClient, clock: Clock
) -> None:
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    moved = Progress(phase="writing", done=7 << 30, total=18 << 30, rate=412e6)
    put(site, row, stage=Stage.WRITING, progress=moved)
    said = seen(ask(client, f"/deployments/{row.id}"))
    assert "done powering" in said and "done netbooting" in said and "not yet restarting" in said
    assert "/s" not in said.split("Stages")[0] and " left" not in said.split("Stages")[0], "nobody reports"


def test_each_attempt_is_a_line_of_its_own_in_the_chart(
    site: Site, client: FlaskClient, clock: Clock
) -> None:
    row = write(site, walk(site, "vc-1", Advance(clock), Stage.WRITING), Advance(clock), share=0.1)
    write(site, put(site, row, attempt=2), Advance(clock), share=0.1)
    chart = Elements(ask(client, f"/deployments/{row.id}").text).of("throughput-chart")[0]
    assert [rate for _, rate in json.loads(chart["points"])].count(None) == 1


def test_what_failed_says_why_what_to_do_and_its_consoles_last_words(
    site: Site, client: FlaskClient, clock: Clock
) -> None:
    row = walk(site, "vc-1", Advance(clock), Stage.WRITING)
    RecordingWriter(Recording(site.settings.state, row.id)).add(
        b"\x1b[31mkernel panic\x1b[0m <b>not bold</b>\n"
    )
    fail(site, row, Advance(clock))
    reply = ask(client, f"/deployments/{row.id}")
    said = seen(reply)
    assert "The image's stream broke off five times PV-322" in said and "Look at the switch" in said
    assert "kernel panic <b>not bold</b>" in said and "\x1b" not in reply.text
    assert "/explain/PV-322" in links(reply)
    assert "writing 4 s" in said and "restarting" in said


def test_a_deployment_is_found_by_its_host_too(site: Site, client: FlaskClient, clock: Clock) -> None:
    row = walk(site, "vc-1", Advance(clock), Stage.NETBOOTING)
    for name in ("vc-1", "52:54:00:00:00:01"):
        assert row.id in seen(ask(client, f"/deployments/{name}"))


def test_where_a_deployment_belongs_is_said_above_it(site: Site, client: FlaskClient, clock: Clock) -> None:
    row = walk(site, "vc-1", Advance(clock), Stage.NETBOOTING)
    text = ask(client, f"/deployments/{row.id}").text
    assert '<a href="/hosts" aria-current="page">Hosts</a>' in text
    way = text.partition('<p class="crumb">')[2].partition("</p>")[0]
    assert re.sub(r"\s*<[^>]*>\s*", "", way) == "Hosts/vc-1/Deployment" and 'href="/hosts/vc-1"' in way
    assert "<h1>Deployment of vc-1</h1>" in text


@pytest.mark.parametrize("path", ["/deployments/d-none", "/deployments/d-none/console", "/runs/r-none"])
def test_what_is_not_there_is_a_page_that_says_so(client: FlaskClient, path: str) -> None:
    reply = ask(client, path, Role.ADMIN)
    assert reply.status_code == 404 and "There is nothing here" in seen(reply)


def test_the_log_shows_what_is_looked_for(site: Site, client: FlaskClient, clock: Clock) -> None:
    row = walk(site, "vc-1", Advance(clock))
    everything = seen(ask(client, f"/deployments/{row.id}"))
    assert everything.index("its turn has come") < everything.index("the agent reboots into the disk")
    found = ask(client, f"/deployments/{row.id}?text=REBOOTS").text.split('role="log"')[1]
    assert "the agent reboots into the disk" in found and "its turn has come" not in found
    assert "No line of 14 contains “zebra”" in seen(ask(client, f"/deployments/{row.id}?text=zebra"))


def test_cancelling_asks_first_and_then_ends_it(site: Site, client: FlaskClient, clock: Clock) -> None:
    row = walk(site, "vc-1", Advance(clock), Stage.WRITING)
    page = ask(client, f"/deployments/{row.id}", Role.TECHNICIAN)
    assert f"/deployments/{row.id}/cancel" in links(page)
    question = ask(client, f"/deployments/{row.id}/cancel", Role.TECHNICIAN)
    assert "A half-written disk does not boot" in seen(question)
    assert site.database.deployments.get(row.id).stage == Stage.WRITING
    reply = press(client, f"/deployments/{row.id}/cancel", Role.TECHNICIAN)
    assert (reply.status_code, reply.headers["Location"]) == (303, f"/deployments/{row.id}")
    ended = site.database.deployments.get(row.id)
    assert ended.stage == Stage.CANCELLED
    assert site.database.events.of(row.id)[-1].data.by == "a-technician"  # type: ignore[attr-defined]
    late = press(client, f"/deployments/{row.id}/cancel", Role.TECHNICIAN)
    assert (late.status_code, late.headers["Location"]) == (303, f"/deployments/{row.id}")
    assert "It is cancelled already" in seen(ask(client, f"/deployments/{row.id}/cancel", Role.TECHNICIAN))


def test_whoever_cancels_a_canary_is_told_who_will_not_begin(site: Site, client: FlaskClient) -> None:
    _, rows = make_run(site, 5, canary=1)
    record(site, rows[0].id, SlotGiven(), source="worker")
    question = seen(ask(client, f"/deployments/{rows[0].id}/cancel", Role.TECHNICIAN))
    assert "It is a canary: 4 hosts of its run that wait for it will not start" in question
    assert "gpu-004" in question
    assert "canary" not in seen(ask(client, f"/deployments/{rows[1].id}/cancel", Role.TECHNICIAN))


def test_what_is_paused_is_let_go_on(site: Site, client: FlaskClient, clock: Clock) -> None:
    row = walk(site, "vc-1", Advance(clock), Stage.WRITING)
    assert f"/deployments/{row.id}/resume" not in posts_to(ask(client, f"/deployments/{row.id}", Role.ADMIN))
    suspect = HostSuspect(sentence="another machine has its nonce", address="10.77.0.9", hint="whose is it?")
    record(site, row.id, suspect, source="guard")
    page = ask(client, f"/deployments/{row.id}", Role.TECHNICIAN)
    assert "another machine has its nonce" in seen(page) and "paused" in seen(page)
    assert f"/deployments/{row.id}/resume" in posts_to(page)
    late = press(client, f"/deployments/{row.id}/resume", Role.TECHNICIAN, paused="1.5")
    assert late.status_code == 409 and "paused once more since this page was shown" in seen(late)
    paused = {"paused": str(site.database.deployments.get(row.id).paused)}
    assert paused["paused"] in page.text
    assert press(client, f"/deployments/{row.id}/resume", Role.TECHNICIAN, **paused).status_code == 303
    assert site.database.deployments.get(row.id).paused == 0


def test_a_retry_is_planned_confirmed_and_ordered_with_the_same_terms(
    site: Site, client: FlaskClient, clock: Clock
) -> None:
    row = fail(site, walk(site, "vc-1", Advance(clock), Stage.WRITING), Advance(clock))
    put(site, row, write_mode="wipe")
    path = f"/deployments/{row.id}/retry"
    assert path in links(ask(client, f"/deployments/{row.id}", Role.TECHNICIAN))
    plan = ask(client, path, Role.TECHNICIAN)
    assert "Type the last 4 of the MAC" in seen(plan) and "vault-os 1, signed by release" in seen(plan)
    digest = field(plan, "shown")
    wrong = press(client, path, Role.TECHNICIAN, confirmation="9999", shown=digest)
    assert wrong.status_code == 409 and "not confirmed, nothing was changed" in seen(wrong)
    assert path in posts_to(wrong), "the form is there again"
    for shown in (WRONG_DIGEST, "", "zebra"):
        otherwise = press(client, path, Role.TECHNICIAN, confirmation="0001", shown=shown)
        assert otherwise.status_code == 409 and "since it was shown, something is otherwise" in seen(
            otherwise
        )
    assert len(site.database.deployments.newest()) == 1
    reply = press(client, path, Role.TECHNICIAN, confirmation="0001", shown=digest)
    new = site.database.deployments.last_of("vc-1")
    assert new and new.id != row.id and new.armed_by == "a-technician"
    assert (reply.status_code, reply.headers["Location"]) == (303, f"/deployments/{new.id}")
    assert new.image == row.image and new.write_mode == row.write_mode


def test_a_retry_that_was_refused_is_written_down(
    site: Site, client: FlaskClient, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    row = fail(site, walk(site, "vc-1", Advance(clock), Stage.WRITING), Advance(clock))
    with caplog.at_level(logging.WARNING):
        press(client, f"/deployments/{row.id}/retry", Role.TECHNICIAN, confirmation="no", shown="")
    assert "order refused: a-technician (127.0.0.1): pages.deployments_retry" in caplog.text


def test_another_machine_of_the_name_is_not_deployed_again(
    site: Site, client: FlaskClient, clock: Clock
) -> None:
    row = fail(site, walk(site, "vc-1", Advance(clock), Stage.WRITING), Advance(clock))
    host = site.database.hosts.get("vc-1").model_copy(update={"macs": ("52:54:00:00:00:99",)})
    site.database.put_inventory([host], [], site.settings.hosts_range)
    for reply in (
        ask(client, f"/deployments/{row.id}/retry", Role.TECHNICIAN),
        press(client, f"/deployments/{row.id}/retry", Role.TECHNICIAN, confirmation="0099", shown=""),
    ):
        assert reply.status_code == 409 and "vc-1 is another machine" in seen(reply)
    assert len(site.database.deployments.newest()) == 1


def test_a_viewer_is_shown_no_button_and_may_press_none(
    site: Site, client: FlaskClient, clock: Clock
) -> None:
    row = walk(site, "vc-1", Advance(clock), Stage.WRITING)
    page = ask(client, f"/deployments/{row.id}")
    assert not {each for each in posts_to(page) if "deployments" in each}
    assert not {each for each in links(page) if each.endswith(("/cancel", "/retry", "/console"))}
    for act in ("cancel", "resume", "retry"):
        assert press(client, f"/deployments/{row.id}/{act}", Role.VIEWER).status_code == 403
    for page_of in ("cancel", "retry", "console", "console/output"):
        assert ask(client, f"/deployments/{row.id}/{page_of}").status_code == 403
    assert site.database.deployments.get(row.id).stage == Stage.WRITING


def test_no_word_of_a_machine_is_markup_or_moves_what_stands_beside_it(
    site: Site, client: FlaskClient, clock: Clock
) -> None:
    row = walk(site, "vc-1", Advance(clock), Stage.WRITING)
    for words in (*MARKUP, *STORABLE):
        put(site, row, run="r-1", reason=words, hint=words, code=322, stage=Stage.FAILED)
        RecordingWriter(Recording(site.settings.state, row.id)).add(words.encode(errors="replace") + b"\n")
        fault = AgentFailed(code=322, sentence=words, hint=words, console=(words,))
        with site.database.writing():
            site.database.runs.put(Run(id="r-1", created=clock.now, by=words[:40], select=words[:200]))
            happened = Event.of(row, fault, source="machine", now=clock.now)
            site.database.events.add(happened)
        searched = {"text": words[:60]}
        for path in (f"/deployments/{row.id}", f"/deployments/{row.id}/console", "/runs", "/runs/r-1"):
            _come_as(client, Role.ADMIN)
            reply = client.get(path, query_string=searched)
            assert reply.status_code == 200, (path, words)
            assert harm(reply.text) == [], (path, words)


def harm(text: str) -> list[str]:
    """What a page has that none of ours has: elements, handlers, addresses, and characters that hide."""
    page = Elements(text)
    found = [tag for tag, _ in page.found if tag in ("img", "b", "bold", "iframe", "style")]
    found += [each for each in page.of("script") if not each.get("src", "").startswith("/static/")]
    found += [name for _, each in page.found for name in each if name.startswith("on") or name == "style"]
    found += [each["href"] for each in page.of("a") if not each.get("href", "").startswith(("/", "#"))]
    return [*map(str, found), *faults(re.sub(r"[\n\t]", "", text))]


# consoles


def test_the_console_is_readable_without_a_script_and_whole_for_the_terminal(
    site: Site, client: FlaskClient, clock: Clock
) -> None:
    row = walk(site, "vc-1", Advance(clock), Stage.NETBOOTING)
    lines = b"".join(b"\x1b[32mline %d\x1b[0m\r\n" % number for number in range(300))
    RecordingWriter(Recording(site.settings.state, row.id)).add(lines)
    page = ask(client, f"/deployments/{row.id}/console", Role.TECHNICIAN)
    assert "line 299" in page.text and "line 100" in page.text and "line 99\n" not in page.text
    assert "\x1b" not in page.text
    place = next(each for each in Elements(page.text).of("div") if each.get("id") == "console")
    answer = ask(client, f"{place['data-output']}?offset=0", Role.TECHNICIAN).get_json()
    assert answer["offset"] == len(lines) and answer["live"] is False
    rest = ask(client, f"{place['data-output']}?offset={len(lines) - 5}", Role.TECHNICIAN).get_json()
    assert rest["offset"] == len(lines)


def test_a_console_that_was_not_recorded_says_why(site: Site, client: FlaskClient, clock: Clock) -> None:
    row = walk(site, "vc-1", Advance(clock), Stage.NETBOOTING)
    page = ask(client, f"/deployments/{row.id}/console", Role.TECHNICIAN)
    assert page.status_code == 200
    assert "vc-1 has no BMC, so its console cannot be recorded" in seen(page)
    assert "look at its screen" in seen(page)


# runs


def test_without_a_run_the_list_says_how_to_begin_one(site: Site, client: FlaskClient) -> None:
    assert "There was no run yet" in seen(ask(client, "/runs"))


def test_the_list_has_the_newest_run_first_and_counts_its_hosts(
    site: Site, client: FlaskClient, clock: Clock
) -> None:
    _, rows = make_run(site, 4)
    put(site, rows[0], stage=Stage.READY)
    put(site, rows[1], stage=Stage.FAILED, code=201, reason="no answer")
    put(
        site, rows[2], stage=Stage.CANCELLED, stop_after="writing", reason="stopped after writing, as ordered"
    )
    clock.now += 60
    with site.database.writing():
        site.database.runs.put(Run(id="r-2", created=clock.now, by="bob", select="", retries="r-1"))
    reply = ask(client, "/runs")
    said = seen(reply)
    assert said.index("Retry of what failed") < said.index("Rack B1")
    assert "1 failed, 1 waiting, 1 ended as ordered, 1 ready 4 hosts" in said and "needs attention" in said
    assert "retries what failed in r-1" in said and "bob" in said
    assert {"/runs/r-1", "/runs/r-2"} <= links(reply)


def test_each_host_of_a_run_is_a_square_that_says_all_in_words(site: Site, client: FlaskClient) -> None:
    _, rows = make_run(site, 12)
    put(site, rows[0], stage=Stage.READY)
    put(site, rows[1], stage=Stage.REJECTED, code=521, reason="7 of 8 GPUs were found")
    put(site, rows[2], stage=Stage.VERIFYING)
    reply = ask(client, "/runs/r-1")
    squares = [each for each in Elements(reply.text).of("a") if each.get("class", "").startswith("square")]
    assert len(squares) == 12
    assert [each["href"] for each in squares] == [f"/deployments/{row.id}" for row in rows]
    assert squares[1]["aria-label"] == "gpu-001, rejected: 7 of 8 GPUs were found" == squares[1]["title"]
    assert squares[11]["aria-label"] == "gpu-011, queued"
    listed = seen(ask(client, "/runs/r-1?view=list"))
    assert "gpu-001 rejected 7 of 8 GPUs were found" in listed and "gpu-011 queued" in listed


def test_the_canaries_gate_is_shut_then_open_or_stays_shut(site: Site, client: FlaskClient) -> None:
    _, rows = make_run(site, 5, canary=2)
    put(site, rows[0], stage=Stage.READY)
    said = seen(ask(client, "/runs/r-1"))
    assert (
        "Canaries: 1 of 2 ended well" in said and "the rest starts once all of them have ended well" in said
    )
    put(site, rows[1], stage=Stage.READY)
    assert "The gate is open: the rest may start" in seen(ask(client, "/runs/r-1"))
    put(site, rows[1], stage=Stage.FAILED, code=201, reason="no answer")
    said = seen(ask(client, "/runs/r-1"))
    assert "The gate stays closed. The canary gpu-001 is failed (PV-201), so the rest was not begun" in said


def test_hosts_that_failed_alike_are_told_once(site: Site, client: FlaskClient) -> None:
    _, rows = make_run(site, 40)
    for row in rows[:30]:
        put(
            site, row, stage=Stage.FAILED, code=201,
            reason=f"the BMC of {row.host} is silent", hint=f"ping {row.host}",
        )  # fmt: skip
    said = seen(ask(client, "/runs/r-1"))
    trouble = said.split("Needs attention")[1]
    assert trouble.count("is silent") == 1 and "and 29 alike" in trouble and "ping HOST" in trouble
    assert "gpu-023" in trouble and "gpu-024" not in trouble and "and 6 more" in trouble


def test_a_run_is_paused_resumed_and_cancelled(site: Site, client: FlaskClient) -> None:
    _, rows = make_run(site, 3)
    page = ask(client, "/runs/r-1", Role.TECHNICIAN)
    assert posts_to(page) >= {"/runs/r-1/pause"} and "/runs/r-1/cancel" not in links(page)
    assert press(client, "/runs/r-1/pause", Role.TECHNICIAN).status_code == 303
    assert all(site.database.deployments.get(row.id).paused for row in rows)
    assert press(client, "/runs/r-1/resume", Role.TECHNICIAN).status_code == 403
    page = ask(client, "/runs/r-1", Role.OPERATOR)
    assert "The run is paused" in seen(page) and "/runs/r-1/resume" in posts_to(page)
    assert "/runs/r-1/pause" not in posts_to(page)
    assert press(client, "/runs/r-1/resume", Role.OPERATOR, paused="1.5").status_code == 409
    paused = {"paused": str(site.database.deployments.get(rows[0].id).paused)}
    assert paused["paused"] in page.text
    assert press(client, "/runs/r-1/resume", Role.OPERATOR, **paused).status_code == 303
    assert not any(site.database.deployments.get(row.id).paused for row in rows)
    question = ask(client, "/runs/r-1/cancel", Role.OPERATOR)
    assert "3 hosts that wait will not begin" in seen(question)
    assert press(client, "/runs/r-1/cancel", Role.TECHNICIAN).status_code == 403
    assert press(client, "/runs/r-1/cancel", Role.OPERATOR).status_code == 303
    assert {site.database.deployments.get(row.id).stage for row in rows} == {Stage.CANCELLED}
    assert "All of it is at rest already" in seen(ask(client, "/runs/r-1/cancel", Role.OPERATOR))


def test_a_viewer_of_a_run_is_shown_no_button(site: Site, client: FlaskClient) -> None:
    make_run(site, 3)
    page = ask(client, "/runs/r-1")
    assert not {each for each in posts_to(page) | links(page) if each.endswith(("pause", "cancel", "retry"))}
    for act in ("pause", "resume", "cancel", "retry"):
        assert press(client, f"/runs/r-1/{act}", Role.VIEWER).status_code == 403
    assert ask(client, "/runs/r-1/retry", Role.TECHNICIAN).status_code == 403


def test_what_failed_in_a_run_is_ordered_again_once_its_number_is_typed(
    site: Site, client: FlaskClient
) -> None:
    _, rows = make_run(site, 3, canary=1, max_parallel=2)
    for row in rows:
        record(site, row.id, OrderCancelled(by="ann"), source="operator")
    plan = ask(client, "/runs/r-1/retry", Role.OPERATOR)
    assert "This erases the disks of 3 hosts" in seen(plan) and "at most 2 at one time" in seen(plan)
    digest = field(plan, "shown")
    for count in ("2", "", "three", "-3", "٣"):
        wrong = press(client, "/runs/r-1/retry", Role.OPERATOR, expect_count=count, shown=digest)
        assert wrong.status_code == 409 and "3 hosts would be erased" in seen(wrong), count
    for shown in ("", WRONG_DIGEST):
        wrong = press(client, "/runs/r-1/retry", Role.OPERATOR, expect_count="3", shown=shown)
        assert wrong.status_code == 409 and "otherwise" in seen(wrong)
    assert site.database.runs.count() == 1
    reply = press(client, "/runs/r-1/retry", Role.OPERATOR, expect_count="3", shown=digest)
    new = site.database.runs.newest(1)[0]
    assert (reply.status_code, reply.headers["Location"]) == (303, f"/runs/{new.id}")
    assert (new.retries, new.canary, new.max_parallel, new.by) == ("r-1", 1, 2, "a-operator")


def test_a_report_is_a_table_and_a_file(site: Site, client: FlaskClient, clock: Clock) -> None:
    _, rows = make_run(site, 2)
    record(site, rows[0].id, SlotGiven(), source="worker")
    clock.now += 61
    put(site, rows[0], stage=Stage.FAILED, code=201, reason="=cmd|' /C calc'!A0")
    page = ask(client, "/runs/r-1/report")
    assert "gpu-000" in seen(page) and "1 m 01 s" in seen(page) and "/runs/r-1/report.csv" in links(page)
    reply = ask(client, "/runs/r-1/report.csv")
    assert reply.mimetype == "text/csv" and 'filename="r-1.csv"' in reply.headers["Content-Disposition"]
    lines = list(csv.DictReader(io.StringIO(reply.text)))
    assert [line["host"] for line in lines] == ["gpu-000", "gpu-001"]
    assert lines[0]["code"] == "PV-201" and lines[0]["reason"].startswith("'=cmd")


def test_a_run_of_300_hosts_is_there_at_once(site: Site, client: FlaskClient) -> None:
    _, rows = make_run(site, 300, canary=2, max_parallel=40)
    stages = (Stage.READY, Stage.FAILED, Stage.WRITING, Stage.VERIFYING, Stage.QUEUED)
    for number, row in enumerate(rows):
        stage = stages[number % 5] if number > 1 else Stage.READY
        code = {"code": 201, "reason": f"the BMC of {row.host} is silent"} if stage == Stage.FAILED else {}
        put(site, row, stage=stage, **code)
    ask(client, "/runs/r-1")
    began = time.process_time()
    reply = ask(client, "/runs/r-1")
    took = time.process_time() - began
    assert reply.text.count('class="square ') >= 300
    assert took < 1.0, "0.3 s where nothing else goes on"


def test_a_run_goes_on_by_itself(site: Site, client: FlaskClient) -> None:
    _, rows = make_run(site, 2)
    _come_as(client, Role.VIEWER)
    reply = client.get("/runs/r-1", headers={"Accept": "text/event-stream"})
    parts = (part.decode() if isinstance(part, bytes) else part for part in reply.iter_encoded())
    first = next(part for part in parts if "data:" in part)
    assert "gpu-001" in first and "<html" not in first
    reply.close()
    assert rows[0].id in first
