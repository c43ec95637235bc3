"""What a technician sees at the rack with a phone, and what each button does."""

import html
import re
import time
from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from provisioner.certificate import canonical, statement
from provisioner.certificate.minisig import Signature
from provisioner.deployment.order import arm
from provisioner.domain.acceptance import Level
from provisioner.domain.cause import Cause, Sight
from provisioner.domain.deployment import Deployment
from provisioner.domain.event import Event
from provisioner.domain.events.payload import Payload
from provisioner.domain.events.power import PowerAsked, PowerBegan
from provisioner.domain.hardware import DiskInfo, HardwareFacts
from provisioner.domain.host import Bmc, Host
from provisioner.domain.person import Role
from provisioner.domain.profile import Profile
from provisioner.domain.progress import Progress
from provisioner.domain.stage import Stage
from provisioner.site.site import Site
from provisioner.state import alive
from provisioner.state.acceptance_reports import StoredReport
from provisioner.state.notify import Listener
from provisioner.state.requests import BmcFault, BmcResult
from provisioner.state.sightings import ClientPacket, NewSighting
from provisioner.state.surveys import SurveyRow
from provisioner.state.users import UserRow
from provisioner.web.application import create_app
from provisioner.web.pages import rack_steps, rack_words
from provisioner.web.session import COOKIE
from tests.access import token_of
from tests.certificates import healthy
from tests.hostile_words import WORDS
from tests.unit.conftest import MAC

STRANGER = "ac:1f:6b:0a:42:12"
BASE = "https://localhost"
HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)")
PATHS = ("", "/deploy", "/steps", "/label")


class Phone:
    """A browser of somebody with a role; the text of a page is what a person reads of it."""

    def __init__(self, client: FlaskClient, site: Site, role: Role) -> None:
        self._client, self._site, self._role = client, site, role

    def get(self, path: str) -> TestResponse:
        self._log_in()
        return self._client.get(path, base_url=BASE)

    def post(self, path: str, **form: str) -> TestResponse:
        self._log_in()
        return self._client.post(path, base_url=BASE, headers={"Sec-Fetch-Site": "same-origin"}, data=form)

    def read(self, path: str) -> str:
        reply = self.get(path)
        assert reply.status_code == 200, reply.text
        return words(reply)

    def read_anew(self, path: str) -> str:
        """Likewise, as things are now: a page may be a second old that something beside pages has changed."""
        self._client.application.extensions["live_parts"].forget()
        return self.read(path)

    def _log_in(self) -> None:
        token = token_of(self._site, self._role, user=f"a-{self._role}")
        self._client.set_cookie(COOKIE, token, secure=True)


def words(reply: TestResponse) -> str:
    page = reply.text.split('<main id="content">')[1].split("</main>")[0]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


@pytest.fixture
def client(site: Site) -> Iterator[FlaskClient]:
    with site.database.writing():
        for role in Role:
            site.database.users.put(UserRow(name=f"a-{role}", role=role))
    alive.mark_alive(site.settings.state, site.clock())
    with Listener(site.settings.state, "api") as listener:
        yield create_app(site, listener, "api").test_client()


@pytest.fixture
def phone(client: FlaskClient, site: Site) -> Phone:
    return Phone(client, site, Role.TECHNICIAN)


def change(site: Site, name: str = "vc-1", **values: object) -> Host:
    host = site.database.hosts.get(name).model_copy(update=values)
    site.database.put_inventory([host], [], site.settings.hosts_range)
    return host


def see(site: Site, mac: str, ago: float = 5, **more: str) -> None:
    packet = ClientPacket(mac, when=site.clock() - ago, arch=7, boots=True, **more)  # type: ignore[arg-type]
    site.database.sightings.put([NewSighting(mac, site.clock() - ago, 1, "10.77.0.140", packet)])


def deployed(site: Site, stage: Stage, **values: object) -> Deployment:
    """The last deployment of vc-1, at that stage since ten seconds ago."""
    host, image = site.database.hosts.get("vc-1"), site.database.images.all()[0]
    row = arm(site, host, image, by="ann")
    told = {"stage": stage, "stage_since": site.clock() - 10, "last_event_at": site.clock() - 10}
    row = row.model_copy(update={**told, "deadline": site.clock() + 600, **values})
    with site.database.writing():
        site.database.deployments.put(row)
    return row


def tell(site: Site, row: Deployment, *payloads: Payload) -> None:
    with site.database.writing():
        for payload in payloads:
            site.database.events.add(Event.of(row, payload, source="bmc", now=site.clock() - 5))


def certify(site: Site, row: Deployment) -> str:
    """The text of its code, as it is signed."""
    report = healthy()
    subject = report.subject.model_copy(update={"name": row.host})
    report = report.model_copy(update={"report_id": "a-20261130-0001", "subject": subject})
    body, value = canonical.render(report), b"ED" + bytes(range(72))
    said = statement.of_report(report, body)
    comment = statement.write(said, Signature(value, statement.FORMAT, bytes(64)))
    stored = StoredReport(
        id="a-20261130-0001",
        host=row.host,
        deployment=row.id,
        created=1_795_948_415,
        level=Level.FULL,
        verdict="accepted",
        body=body.decode(),
        signature=Signature(value, comment, bytes(64)).text(),
    )
    with site.database.writing():
        site.database.acceptance_reports.add(stored)
    return comment


def test_only_who_may_work_at_the_rack_sees_it(client: FlaskClient, site: Site) -> None:
    for path in ("/t", *(f"/t/host/vc-1{tail}" for tail in PATHS)):
        assert Phone(client, site, Role.VIEWER).get(path).status_code == 403
        client.delete_cookie(COOKIE)
        assert client.get(path, base_url=BASE).headers["Location"].startswith("/login")
    assert Phone(client, site, Role.VIEWER).post("/t/find", text="vc-1").status_code == 403


def test_where_nothing_asks_it_is_said_what_to_do(phone: Phone) -> None:
    assert "Switch one on" in phone.read("/t")


def test_the_menu_is_folded_away_and_whole(phone: Phone) -> None:
    menu = phone.get("/t").text.partition('<details class="menu">')[2].partition("</details>")[0]
    for told in ('href="/t" aria-current="page"', 'href="/hosts"', 'href="/account"', "Log out"):
        assert told in menu
    assert '<details class="menu">' not in phone.get("/hosts").text


def test_who_asked_in_the_last_two_minutes_is_listed_the_newest_first(site: Site, phone: Phone) -> None:
    change(site, rack="B3/U12")
    see(site, MAC, 8)
    see(site, STRANGER, 4, circuit="sw3/17")
    see(site, "ac:1f:6b:0a:42:99", 130)
    text = phone.read("/t")
    assert text.index(STRANGER) < text.index("vc-1")
    assert "sw3/17" in text and "Super Micro" in text and "rack B3/U12" in text and "never deployed" in text
    assert "42:99" not in text


def test_who_is_being_deployed_is_listed_too(site: Site, phone: Phone) -> None:
    deployed(site, Stage.WRITING)
    page = phone.get("/t")
    assert "In progress" in words(page) and 'href="/t/host/vc-1/steps"' in page.text


def test_a_fault_of_the_service_is_an_operators(site: Site) -> None:
    sight = Sight(sentence="the worker last looked at deployments", time=1)
    cause = Cause(code=674, sentence="it does nothing", evidence=(sight,), actions=("systemctl restart x",))
    fix = rack_words.of_cause(cause)
    assert fix.sentence == "The service itself has a fault"
    assert fix.advice == (rack_words.Advice("Tell an operator: PV-674"),)


def test_until_when_it_waits_is_told_by_the_hour(site: Site, phone: Phone) -> None:
    deadline = site.clock() + 4 * 3600
    deployed(site, Stage.WRITING, deadline=deadline, last_event_at=site.clock() - 7200)
    until = time.strftime("%H:%M", time.localtime(deadline))
    assert f"It waits until {until} (4 h 00 m)." in phone.read("/t/host/vc-1/steps")


def test_what_is_scanned_leads_to_its_host(site: Site, phone: Phone) -> None:
    change(site, serial="S-77")
    for text in ("vc-1", MAC.upper(), "5254.0000.0001", " S-77 "):
        assert phone.post("/t/find", text=text).headers["Location"] == "/t/host/vc-1"


def test_what_is_scanned_leads_to_its_stranger(site: Site, phone: Phone) -> None:
    see(site, STRANGER)
    assert phone.post("/t/find", text="AC1F6B0A4212").headers["Location"] == f"/t/machine/{STRANGER}"


def test_a_misread_label_is_told_with_what_was_meant(phone: Phone) -> None:
    reply = phone.post("/t/find", text="52:54:00:00:00:07")
    page = phone.get(reply.headers["Location"])
    assert "No machine here has '52:54:00:00:00:07'" in words(page)
    assert "Did you mean" in words(page) and 'href="/t/host/vc-1"' in page.text
    empty = phone.get(phone.post("/t/find", text="").headers["Location"])
    assert "Nothing was read" in words(empty) and "Did you mean" not in words(empty)


def test_what_is_scanned_is_text_and_nothing_else(phone: Phone) -> None:
    for word in (*HOSTILE, *(word for word in WORDS.values() if "\ud800" not in word)):
        page = phone.get(phone.post("/t/find", text=word).headers["Location"])
        assert page.status_code == 200, word
        assert "<img src=x" not in page.text and "<script>alert" not in page.text
        assert not re.search(r'href="(?!/|#)', page.text)


def test_a_host_that_is_not_there_is_told(phone: Phone) -> None:
    for tail in PATHS:
        assert phone.get(f"/t/host/vc-99{tail}").status_code == 404
    assert phone.get(f"/t/machine/{STRANGER}").status_code == 404


@pytest.mark.parametrize(
    ("stage", "label", "tail"),
    [
        (None, "Deploy", "deploy"),
        (Stage.CANCELLED, "Deploy", "deploy"),
        (Stage.WRITING, "Follow", "steps"),
        (Stage.FAILED, "What is wrong", "steps"),
        (Stage.REJECTED, "What is wrong", "steps"),
        (Stage.READY, "Certificate and label", "label"),
    ],
)
def test_a_host_has_one_main_button_by_how_it_stands(
    site: Site, phone: Phone, stage: Stage | None, label: str, tail: str
) -> None:
    change(site, serial="S-77", rack="B3/U12")
    if stage:
        deployed(site, stage, reason="x")
    page = phone.get("/t/host/vc-1")
    button = page.text.split('class="thumb"')[1]
    assert label in button and f'href="/t/host/vc-1/{tail}"' in button
    assert all(each in words(page) for each in ("vc-1", "Rack B3/U12", "S-77", MAC, "10.77.0."))


def test_what_waits_for_somebody_is_said_on_the_button(site: Site, phone: Phone) -> None:
    deployed(site, Stage.POWERING, paused=site.clock(), reason="the disk is another")
    assert "What to do now" in phone.read("/t/host/vc-1")


def test_only_a_host_with_a_bmc_has_a_light(site: Site, phone: Phone) -> None:
    assert "Light on" not in phone.read("/t/host/vc-1")
    refused = phone.post("/t/host/vc-1/light", light="on")
    assert refused.status_code == 400 and "has no BMC" in words(refused)
    change(site, bmc=Bmc(driver="ipmi", address=IPv4Address("10.77.0.9"), port=623, secret="cube"))
    assert "Light on" in phone.read("/t/host/vc-1")


def test_the_light_is_switched_and_what_came_of_it_is_told(site: Site, phone: Phone) -> None:
    change(site, bmc=Bmc(driver="ipmi", address=IPv4Address("10.77.0.9"), port=623, secret="cube"))
    where = phone.post("/t/host/vc-1/light", light="on").headers["Location"]
    asked = site.database.requests.open()[0]
    assert (asked.action, asked.argument, where) == ("identify", "on", f"/t/host/vc-1?light={asked.id}")
    assert "Asking its BMC to switch the light on" in phone.read(where)
    site.database.requests.answer(asked.id, BmcResult(light="on", confirmed=True))
    assert "The light is on." in phone.read_anew(where)
    where = phone.post("/t/host/vc-1/light", light="off").headers["Location"]
    fault = BmcFault(message="its BMC does not answer", hint="is its cable in?", code=201, exit=5)
    site.database.requests.answer(site.database.requests.open()[0].id, BmcResult(error=fault))
    assert "its BMC does not answer. is its cable in?" in phone.read(where)
    assert phone.post("/t/host/vc-1/light", light="blink").status_code == 400
    assert phone.get("/t/host/vc-1?light=99999").status_code == 200
    assert phone.get("/t/host/vc-1?light=x").status_code == 200


def survey(site: Site) -> None:
    see(site, STRANGER)
    disk = DiskInfo(name="nvme0n1", size=3_840_755_982_336, model="PM9A3", serial="S64FNE0R7Q1K")
    facts = HardwareFacts(
        mac=STRANGER, macs=(STRANGER,), serial="S-88", maker=HOSTILE[0], product="X13", disks=(disk,)
    )
    row = SurveyRow(STRANGER, macs=(STRANGER,), reported=site.clock(), hardware=facts)
    site.database.surveys.put(row)


def test_a_stranger_says_what_it_is_and_becomes_a_new_host(site: Site, phone: Phone) -> None:
    survey(site)
    page = phone.get(f"/t/machine/{STRANGER}")
    assert "S-88" in words(page) and "A new host" in words(page) and "<script>alert" not in page.text
    reply = phone.post(f"/t/machine/{STRANGER}/new", name="VC-77", rack="B9/U1")
    assert reply.headers["Location"] == "/t/host/vc-77"
    host = site.database.hosts.get("vc-77")
    assert (host.macs, host.serial, host.rack, host.profile) == ((STRANGER,), "S-88", "B9/U1", "cube")
    assert "It is vc-77 now" in phone.read(f"/t/machine/{STRANGER}")


@pytest.mark.parametrize(
    ("name", "fault"),
    [("", "has no name yet"), ("vc 77!", "can be no host's name"), ("vc-1", "There is a host vc-1 already")],
)
def test_a_name_that_cannot_be_is_told_and_what_was_typed_stays(
    site: Site, phone: Phone, name: str, fault: str
) -> None:
    see(site, STRANGER)
    reply = phone.post(f"/t/machine/{STRANGER}/new", name=name, rack="B9/U1")
    assert reply.status_code == 400 and fault in words(reply)
    assert 'value="B9/U1"' in reply.text and f'value="{name}"' in reply.text


def test_where_there_are_several_kinds_one_is_chosen(site: Site, phone: Phone) -> None:
    see(site, STRANGER)
    site.database.put_inventory([], [Profile(name="big", image="vault-os")], site.settings.hosts_range)
    assert "What kind of machine" in phone.read(f"/t/machine/{STRANGER}/new")
    assert phone.post(f"/t/machine/{STRANGER}/new", name="vc-77").status_code == 400
    assert phone.post(f"/t/machine/{STRANGER}/new", name="vc-77", profile="big").status_code == 303
    assert site.database.hosts.get("vc-77").profile == "big"


def test_a_stranger_becomes_a_host_that_was_never_seen(client: FlaskClient, site: Site) -> None:
    survey(site)
    path, operator = f"/t/machine/{STRANGER}/known", Phone(client, site, Role.OPERATOR)
    technician = Phone(client, site, Role.TECHNICIAN)
    told = technician.read(path)
    assert "An operator must do this" in told and "It is this one" not in told
    assert technician.post(path, host="vc-1").status_code == 403
    assert "no host was chosen" in words(operator.post(path)).lower()
    assert "It is this one" in operator.read(path)
    assert operator.post(path, host="vc-1").headers["Location"] == "/t/host/vc-1"
    host, facts = site.database.hosts.get("vc-1"), site.database.hosts.hardware("vc-1")
    assert (host.macs, host.serial) == ((STRANGER,), "S-88") and facts and facts.disks[0].model == "PM9A3"
    assert technician.get("/t").text.count(STRANGER) == 0 and "vc-1" in technician.read("/t")


def test_a_host_that_was_seen_keeps_its_machine(client: FlaskClient, site: Site) -> None:
    see(site, STRANGER)
    see(site, MAC)
    path, operator = f"/t/machine/{STRANGER}/known", Phone(client, site, Role.OPERATOR)
    assert "Every host of the list has been seen" in operator.read(path)
    assert operator.post(path, host="vc-1").status_code == 409
    assert site.database.hosts.get("vc-1").macs == (MAC,)


def with_disk(site: Site, **values: object) -> None:
    change(site, serial="S-0777", **values)
    disk = DiskInfo(name="sda", size=3_840_755_982_336, model="PM9A3", serial="S64FNE0R7Q1K", content="NTFS")
    facts = HardwareFacts(boot_id="b", mac=MAC, serial="S-0777", disks=(disk,))
    site.database.hosts.put_hardware("vc-1", facts, site.clock())


def hidden(reply: TestResponse) -> dict[str, str]:
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', reply.text)
    return dict(found)


def test_what_is_erased_is_shown_and_ordered_with_the_last_four(site: Site, phone: Phone) -> None:
    with_disk(site)
    page = phone.get("/t/host/vc-1/deploy")
    assert all(each in words(page) for each in ("PM9A3", "3.84 TB", "…7Q1K", "NTFS", "vault-os 1"))
    assert "the last 4 of the serial" in words(page) and "0777" not in page.text
    assert 'inputmode="numeric"' in page.text and 'autocomplete="off"' in page.text
    wrong = phone.post("/t/host/vc-1/deploy", confirmation="0778", **hidden(page))
    assert wrong.status_code == 409 and "That is not vc-1’s" in words(wrong)
    assert site.database.deployments.last_of("vc-1") is None
    right = phone.post("/t/host/vc-1/deploy", confirmation="0777", **hidden(wrong))
    assert right.headers["Location"] == "/t/host/vc-1/steps"
    row = site.database.deployments.last_of("vc-1")
    assert row and row.stage == Stage.QUEUED and row.armed_by == "a-technician"


def test_what_has_changed_since_it_was_shown_is_not_ordered(site: Site, phone: Phone) -> None:
    with_disk(site)
    shown = hidden(phone.get("/t/host/vc-1/deploy"))
    disk = DiskInfo(name="sda", size=480_103_981_056, model="Other", serial="S1", content="LVM")
    facts = HardwareFacts(boot_id="c", mac=MAC, serial="S-0777", disks=(disk,))
    site.database.hosts.put_hardware("vc-1", facts, site.clock())
    reply = phone.post("/t/host/vc-1/deploy", confirmation="0777", **shown)
    assert reply.status_code == 409 and "Something has changed since you looked" in words(reply)
    assert "Other" in words(reply) and hidden(reply)["shown"] != shown["shown"]
    assert site.database.deployments.last_of("vc-1") is None


def test_nothing_is_ordered_that_was_not_shown(site: Site, phone: Phone) -> None:
    with_disk(site)
    for shown in ("", "x", "0" * 64):
        reply = phone.post("/t/host/vc-1/deploy", confirmation="0777", shown=shown)
        assert reply.status_code in (400, 409) and site.database.deployments.last_of("vc-1") is None


def test_what_is_refused_says_what_to_do_and_asks_nothing(site: Site, phone: Phone) -> None:
    with_disk(site, locked=True)
    page = phone.get("/t/host/vc-1/deploy")
    assert "vc-1 is locked" in words(page) and "provision host unlock vc-1" in words(page)
    assert "Ask an operator to run this" in words(page) and 'name="confirmation"' not in page.text
    change(site, locked=False)
    site.database.put_inventory([], [Profile(name="cube")], site.settings.hosts_range)
    assert "no image is named for vc-1" in phone.read("/t/host/vc-1/deploy").lower()


def test_a_host_that_is_under_way_is_followed(site: Site, phone: Phone) -> None:
    deployed(site, Stage.WRITING)
    page = phone.get("/t/host/vc-1/deploy")
    assert "Follow it" in words(page) and 'href="/t/host/vc-1/steps"' in page.text


def states(page: str) -> list[str]:
    return re.findall(r'<li id="s-\w+" class="step (\w+)"', page)


def test_a_host_that_was_never_deployed_has_no_steps(phone: Phone) -> None:
    assert "never deployed" in phone.read("/t/host/vc-1/steps")


def test_whom_it_asks_for_the_button_sees_that_largest(site: Site, phone: Phone) -> None:
    row = deployed(site, Stage.POWERING)
    tell(site, row, PowerBegan(nonce="n" * 32), PowerAsked(note="Power vc-1 on: F12 on most boards"))
    page = phone.get("/t/host/vc-1/steps")
    assert '<p class="order asks">Press the power button now</p>' in page.text
    assert "F12 on most boards" in words(page) and states(page.text)[:2] == ["now", "next"]


@pytest.mark.parametrize(
    ("stage", "order", "done"),
    [
        (Stage.QUEUED, "Leave it alone", 0),
        (Stage.NETBOOTING, "I see it asking now", 1),
        (Stage.WRITING, "Do not switch it off", 2),
        (Stage.RESTARTING, "Leave it alone", 3),
        (Stage.SEALING, "Leave it alone", 5),
        (Stage.READY, "You can go on", 6),
    ],
)
def test_each_step_says_what_to_do_meanwhile(
    site: Site, phone: Phone, stage: Stage, order: str, done: int
) -> None:
    deployed(site, stage)
    page = phone.get("/t/host/vc-1/steps")
    assert order in words(page) and states(page.text).count("done") == done


def test_what_is_left_of_the_writing_is_told(site: Site, phone: Phone) -> None:
    moved = {"phase": "writing", "done": 6 << 30, "total": 18 << 30, "rate": 50e6}
    moved |= {"reported": site.clock(), "moved": site.clock()}
    deployed(site, Stage.WRITING, progress=Progress.model_validate(moved))
    text = phone.read("/t/host/vc-1/steps")
    assert "6.4 GB of 19.3 GB" in text and "About 4 minutes left" in text


def test_a_failure_opens_its_fix_in_words_for_who_has_no_command_line(site: Site, phone: Phone) -> None:
    deployed(
        site,
        Stage.REJECTED,
        reason=f"7 of 8 GPUs were found {HOSTILE[0]}",
        hint="provision report vc-1",
        code=521,
    )
    page = phone.get("/t/host/vc-1/steps")
    assert states(page.text) == [*["done"] * 4, "bad", "next", "next"]
    assert "7 of 8 GPUs were found" in words(page) and "<script>alert" not in page.text
    assert "names the part that is at fault" in words(page) and "try again, with the button" in words(page)
    assert "provision" not in words(page)


def test_what_is_paused_goes_on_by_a_button(site: Site, phone: Phone) -> None:
    row = deployed(site, Stage.WRITING, paused=site.clock(), reason="the disk is another")
    page = phone.get("/t/host/vc-1/steps")
    assert "the disk is another" in words(page)
    for _ in range(2):  # who taps twice is shown how it is, and no fault
        reply = phone.post("/t/host/vc-1/resume", **hidden(page))
        assert reply.headers["Location"] == "/t/host/vc-1/steps"
        assert site.database.deployments.get(row.id).paused == 0


def test_what_was_paused_for_another_reason_meanwhile_waits_on(site: Site, phone: Phone) -> None:
    row = deployed(site, Stage.WRITING, paused=site.clock() - 9, reason="the disk is another")
    shown = hidden(phone.get("/t/host/vc-1/steps"))
    with site.database.writing():
        site.database.deployments.put(row.changed(paused=site.clock(), reason="the firmware is another"))
    reply = phone.post("/t/host/vc-1/resume", **shown)
    assert reply.status_code == 409 and "paused once more since this page was shown" in words(reply)
    assert "the firmware is another" in words(reply) and site.database.deployments.get(row.id).paused


@pytest.mark.parametrize("act", ["resume", "cancel"])
def test_a_button_means_the_order_that_was_shown(site: Site, phone: Phone, act: str) -> None:
    deployed(site, Stage.WRITING, paused=site.clock(), reason="the disk is another")
    shown = hidden(phone.get("/t/host/vc-1/steps"))
    phone.post("/t/host/vc-1/cancel", **shown)
    row = deployed(site, Stage.WRITING, paused=site.clock(), reason="the firmware is another")
    for form in (shown, {}):
        reply = phone.post(f"/t/host/vc-1/{act}", **form)
        assert reply.status_code == 409 and "another order since this page was shown" in words(reply)
        assert "the firmware is another" in words(reply)
        assert 'hx-sse:connect="/t/host/vc-1/steps"' in reply.text
    now = site.database.deployments.get(row.id)
    assert (now.stage, now.paused > 0) == (Stage.WRITING, True)


def test_a_deployment_is_stopped_by_who_stands_there(client: FlaskClient, site: Site, phone: Phone) -> None:
    row = deployed(site, Stage.NETBOOTING)
    assert Phone(client, site, Role.VIEWER).post("/t/host/vc-1/cancel").status_code == 403
    shown = hidden(phone.get("/t/host/vc-1/steps"))
    for _ in range(2):
        assert phone.post("/t/host/vc-1/cancel", **shown).status_code == 303
    assert site.database.deployments.get(row.id).stage == Stage.CANCELLED
    text = phone.read("/t/host/vc-1/steps")
    assert "Cancelled by a-technician" in text and "Try again" in text


def test_a_label_has_the_code_of_the_certificate(site: Site, phone: Phone) -> None:
    change(site, serial="S-77", rack="B3/U12")
    assert "has no certificate yet" in phone.read("/t/host/vc-1/label")
    assert "<svg class=" not in phone.get("/t/host/vc-1/label").text.split("section")[1]
    comment = certify(site, deployed(site, Stage.READY))
    page = phone.get("/t/host/vc-1/label")
    told = ("vc-1", "Rack B3/U12", "S-77", MAC, "vault-os 1", "2026-11-29", "a-20261130-0001", "accepted")
    assert all(each in words(page) for each in told)
    assert "QR code of the certificate" in page.text and 'd="M4 4h7' in page.text
    assert phone.post("/t/find", text=comment).headers["Location"] == "/t/host/vc-1"
    assert "Certificate" in phone.read("/t/host/vc-1/steps")


@pytest.mark.parametrize("word", [*HOSTILE, "' onmouseover='x"])
def test_what_an_inventory_says_is_text_on_every_page(site: Site, phone: Phone, word: str) -> None:
    change(site, serial=word, rack=word)
    deployed(site, Stage.FAILED, reason=word, hint=word)
    see(site, MAC)
    for path in ("/t", *(f"/t/host/vc-1{tail}" for tail in PATHS)):
        page = phone.get(path).text
        assert "<img src=x" not in page and "<script>alert" not in page
        assert "' onmouseover='" not in page
        assert not re.search(r'href="(?!/|#)', page) and "style=" not in page


def cause_with(action: str) -> Cause:
    return Cause(code=210, sentence="x", evidence=(Sight(sentence="y", time=1),), actions=(action,))


def test_time_left_is_told_as_to_a_person_who_waits() -> None:
    assert rack_steps.about(-1) == "longer than usual"
    assert rack_steps.about(30) == "less than a minute left"
    assert rack_steps.about(70) == "about 1 minute left"
    assert rack_steps.about(250) == "about 4 minutes left"


@pytest.mark.parametrize(
    ("action", "text"),
    [
        ("provision retry vc-1", "Then try again, with the button below"),
        ("then: provision retry vc-1", "Then try again, with the button below"),
        ("provision bmc power vc-1 state", "Look at its power light: is it on?"),
        ("check its network cable", "Check its network cable"),
        ("vc-1 asks from another port", "vc-1 asks from another port"),
    ],
)
def test_commands_become_what_one_does_at_the_rack(action: str, text: str) -> None:
    fix = rack_words.of_cause(cause_with(action))
    assert [each.text for each in fix.advice] == [text] and not fix.advice[0].command


def test_what_only_an_operator_can_do_names_the_command() -> None:
    fix = rack_words.of_cause(cause_with("look for another DHCP server: provision net check"))
    assert [each.text for each in fix.advice] == ["Look for another DHCP server", rack_words.OPERATOR]
    assert fix.advice[1].command == "provision net check"
