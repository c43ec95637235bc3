"""Whatever a machine says, nothing of it commands a terminal or forges a line, however it is told."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from pydantic import BaseModel
from rich.console import Console

from provisioner import cli
from provisioner.agent import protocol
from provisioner.api import ROOT
from provisioner.api.runs import RunEvents
from provisioner.cli import runs, watch
from provisioner.client import Client, transport
from provisioner.client.transport import Transport
from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.diagnosis.overdue import overdue
from provisioner.discovery import intake
from provisioner.domain.deployment import Deployment, Terms, WrittenDisk
from provisioner.domain.event import Event
from provisioner.domain.events.agent import AgentFailed
from provisioner.domain.events.order import OrderCancelled, SlotGiven
from provisioner.domain.events.payload import Payload
from provisioner.domain.events.power import PowerBegan, PowerOn
from provisioner.domain.events.system import DiskChosen
from provisioner.domain.hardware import DeviceInfo, DiskInfo, HardwareFacts, NicInfo
from provisioner.domain.person import Role
from provisioner.domain.progress import Progress
from provisioner.domain.run import Run
from provisioner.domain.stage import RESTING, Stage
from provisioner.services.dhcp.request import decode_text
from provisioner.services.tftp.service import TransferRecorder
from provisioner.settings import Discovery
from provisioner.site.site import Site
from provisioner.state.access_tokens import AccessToken
from provisioner.state.leases import LeaseRow
from provisioner.state.notify import Listener
from provisioner.state.recording import Recording
from provisioner.state.sightings import ClientPacket, NewSighting
from provisioner.state.surveys import SurveyRow
from provisioner.system.checksum import sha256_text
from provisioner.verify import SshTarget, ssh
from provisioner.web.application import create_app
from tests.hostile_words import ANY, FORGED, WORDS, faults, line_faults, texts

MAC, STRANGER, SEEN = "52:54:00:00:00:01", "ac:1f:6b:00:00:09", "ac:1f:6b:00:00:0a"
LOOKING = "10.77.0.130"  # an address of the discovery range
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
TOKEN = "operators-token"
RUN = Run(id="r-1", created=0, by="ann", select="")
AS_DATA = (  # commands that print data, in each of FORMS
    *(("status",), ("status", "vc-1"), ("diagnose", "vc-1"), ("host", "list"), ("host", "show", "vc-1")),
    *(("host", "list", "--unknown"), ("net", "watch", "--once"), ("profile", "learn", STRANGER)),
    *(("deploy", "vc-1", "--dry-run"), ("deploy", "--all", "--dry-run")),
)
FORMS = ("json", "jsonl", "yaml", "name")
STORABLE = [words for words in WORDS.values() if "\ud800" not in words]
FEW = settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
Say = Callable[..., str]


@pytest.fixture
def open_site(site: Site) -> Site:
    """The site with its keys, and discovery switched on."""
    state = site.settings.state
    for folder in ("secrets", "logs"):
        (state / folder).mkdir(exist_ok=True)
    database = site.database
    with database.writing():
        hashed = sha256_text(TOKEN)
        row = AccessToken(id="t-1", user="root", role=Role.ADMIN, hash=hashed, created=1, expires=1e11)
        database.access_tokens.add(row)
    return replace(site, settings=site.settings.model_copy(update={"discovery": Discovery(boot=True)}))


@pytest.fixture
def app(open_site: Site) -> Iterator[Flask]:
    with Listener(open_site.settings.state, "web") as listener:
        yield create_app(open_site, listener)


@pytest.fixture
def people(open_site: Site) -> Iterator[Flask]:
    with Listener(open_site.settings.state, "api") as listener:
        yield create_app(open_site, listener, "api")


@pytest.fixture
def say(people: Flask, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """`provision …` asking that service; what it printed. Its answers are looked at, too."""
    operator = people.test_client()

    def exchange(
        _: Transport,
        method: str,
        path: str,
        body: BaseModel | None = None,
        *,
        query: BaseModel | None = None,
        patience: float = 0,
        files: tuple[int, ...] = (),
    ) -> bytes:
        reply = operator.open(
            ROOT + path,
            method=method,
            query_string=query.model_dump(exclude_defaults=True) if query else None,
            data=body.model_dump_json(exclude_unset=True) if body else None,
            content_type="application/json",
            headers={"Authorization": f"Bearer {TOKEN}"},
        )
        assert reply.data.isascii() and line_faults(reply.data.decode()) == []
        return transport._checked(reply.status_code, reply.data)

    monkeypatch.setattr(Transport, "exchange", exchange)

    def run(*words: str) -> str:
        capsys.readouterr()
        cli.run([*words])
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err and "PV-621" not in printed.err, printed.err
        return printed.out + printed.err

    return run


def order(site: Site) -> Deployment:
    """An order for vc-1, whatever its disk holds; one that is under way is ended first."""
    last = site.database.deployments.last_of("vc-1")
    if last and last.stage not in RESTING:
        record(site, last.id, OrderCancelled(by="test"), source="test")
    site.clock.now += 1  # type: ignore[attr-defined]  # the last order is the last by its time
    host, image = site.database.hosts.get("vc-1"), site.database.images.all()[0]
    return arm(site, host, image, by="ann", terms=Terms(erase_foreign=True))


class Machine:
    """Plays vc-1: its address, its requests, its tokens; whatever it may say in words is `words`."""

    def __init__(self, site: Site, web: FlaskClient, words: str) -> None:
        known = site.database.macs.get(MAC)
        assert known
        self.site, self.web, self.address, self.words = site, web, known.address, words
        self.id = order(site).id
        record(site, self.id, SlotGiven(), source="worker")
        record(site, self.id, PowerBegan(nonce=f"n0nce-{self.id}"), source="worker")
        self.token = ""
        self.seed: dict[str, str] = {}

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self.web.post(
            path,
            json=body,
            headers={"Authorization": f"Bearer {self.token}"},
            environ_overrides={"REMOTE_ADDR": self.address},
        )

    @property
    def disk(self) -> dict[str, Any]:
        told = {name: self.words for name in ("model", "content", "foreign", "owner")}
        return {"name": "vda", "size": 64 << 30, "logical_sector": 512, "serial": "D1", **told}

    def hello(self) -> None:
        words = self.words
        body = {
            **{"nonce": f"n0nce-{self.id}", "boot_id": "boot-1", "mac": MAC, "macs": [MAC], "serial": ""},
            **{"uuid": "", "memory": 1 << 34, "disks": [self.disk], **told(words)},
            "devices": [{"id": "10de:2330", "kind": "030200", "place": words}],
            "nics": [{"name": words, "mac": MAC, "driver": words}],
            f"unknown {words}": words,
        }
        reply = self.post("/agent/v1/hello", body)
        assert reply.status_code == 200, reply.data
        self.token = reply.json["token"]
        self.seed = reply.json["order"]["seed"]

    def tell(self, kind: str, **more: Any) -> None:
        reply = self.post(f"/agent/v1/{kind}", {"deployment": self.id, "attempt": 1, "seq": 1, **more})
        assert reply.status_code == 200, reply.data

    def fail(self) -> None:
        """From the hello to a failure."""
        words = self.words
        self.hello()
        self.tell("progress", phase="writing", done=1, total=2, rate=1.5, note=words, disk=words)
        self.tell("log", lines=[words, f"ok {words}"])
        recording = Recording(self.site.settings.state, self.id)
        recording.log.write_bytes(f"boot {words}\r\n".encode(errors="surrogatepass") * 3)
        self.tell("failed", code=313, sentence=f"no disk: {words}", hint=words)

    def reach_restarting(self) -> None:
        """From the hello to the reboot."""
        self.hello()
        self.tell("written", disk=self.disk, seconds=2, bytes_written=1, bytes_fetched=1)
        record(self.site, self.id, DiskChosen(), source="bmc")

    def phone(self, **other: Any) -> int:
        files = yaml.safe_load(self.seed["user-data"])["write_files"]
        [written] = [json.loads(file["content"]) for file in files if file["permissions"] == "0600"]
        disk = {"name": self.words, "serial": "D1", "size": 1}
        said = {"host_keys": [KEY], "image_id": "vault-os", "image_version": "1", "root_disk": disk}
        body = {"deployment": self.id, "token": written["token"], **said, **other}
        status: int = self.post("/phone-home/v1", body).status_code
        return status

    @property
    def row(self) -> Deployment:
        return self.site.database.deployments.get(self.id)


def told(words: str) -> dict[str, str]:
    """What a machine says of itself for people."""
    return {name: words for name in ("version", "maker", "product", "cpu", "firmware")}


def hand_in(site: Site, words: str) -> None:
    """A stranger hands in its inventory, and another machine asks by DHCP."""
    disk = {"name": "sda", "size": 480 << 30, "logical_sector": 512, "model": words, "content": words}
    body = {"mac": STRANGER, "macs": [STRANGER], "serial": "", "uuid": "", "memory": 1 << 34, **told(words)}
    message = protocol.load(protocol.Inventory, {**body, "disks": [disk]})
    site.database.leases.put([LeaseRow(STRANGER, LOOKING, site.clock() + 600, bound=True)])
    assert intake.take(site, message, LOOKING)
    said = decode_text(words.encode(errors="surrogatepass"))
    see(site, ClientPacket(SEEN, vendor_class=said, user_class=said, hostname=said, arch=7, boots=True))


def see(site: Site, packet: ClientPacket, address: str = LOOKING) -> None:
    """As the DHCP service writes it down, of a stranger and of vc-1."""
    rows = [NewSighting(mac, site.clock(), 1, address, replace(packet, mac=mac)) for mac in (SEEN, MAC)]
    site.database.sightings.put(rows)


def stored(site: Site) -> Iterator[str]:
    """Every text in the database, those within its JSON too, and in the agents' logs."""
    for table in site.database.db.table_names():
        for row in site.database.db.table(table).rows:
            yield from (word for value in row.values() for word in inner_texts(value))
    for log in (site.settings.state / "logs").glob("*.agent.log"):
        yield from log.read_text().split("\n")


def inner_texts(value: object) -> Iterator[str]:
    """A column's text, or those in the JSON that it is."""
    if isinstance(value, str):
        try:
            inner = json.loads(value)
        except ValueError:
            inner = None
        yield from texts(inner if isinstance(inner, dict | list) else value)


def stored_faults(site: Site) -> list[str]:
    return [fault for text in stored(site) for fault in faults(text)]


def check_shown(say: Say) -> None:
    for words in (*AS_DATA, ("watch", "vc-1")):
        assert line_faults(say(*words), is_table=True) == [], words
    for words in AS_DATA:
        for form in FORMS:
            assert line_faults(say(*words, "-o", form)) == [], (words, form)


def test_a_failure_is_told_in_every_form_and_commands_nothing(open_site: Site, app: Flask, say: Say) -> None:
    @FEW
    @given(ANY)
    def shows(words: str) -> None:
        Machine(open_site, app.test_client(), words).fail()
        hand_in(open_site, words)
        assert stored_faults(open_site) == []
        check_shown(say)
        console = say("bmc", "console", "vc-1").replace("\t", "")  # its lines are the machine's own
        assert [fault for line in console.split("\n") for fault in faults(line)] == []

    shows()


def test_no_words_of_a_machine_are_stored_as_they_came(open_site: Site, app: Flask) -> None:
    for words in WORDS.values():
        Machine(open_site, app.test_client(), words).fail()
        hand_in(open_site, words)
    assert stored_faults(open_site) == []


def test_a_system_that_came_up_reaches_neither_ansible_nor_ssh_by_its_words(
    open_site: Site, app: Flask, say: Say
) -> None:
    for name, words in WORDS.items():
        machine = Machine(open_site, app.test_client(), f"EVIL{words}")
        machine.reach_restarting()
        assert "EVIL" not in json.dumps(machine.seed), "nothing of a machine is in its seed"
        assert machine.phone(host_keys=[KEY, f"{KEY} EVIL{words}"[:900]]) == 200, name
        assert machine.row.stage == Stage.VERIFYING
        state, keys = open_site.settings.state, machine.row.host_keys
        target = SshTarget("vc-1", machine.row.address, "provision", state / "key", keys)
        assert set(ssh.known_hosts_text(target).splitlines()) == {f"{machine.address} {KEY}"}, name
        with ssh.route(target, state) as route:
            assert "EVIL" not in json.dumps(ssh.inventory(route))
        assert line_faults(say("status", "vc-1"), is_table=True) == [], name
    assert stored_faults(open_site) == []


def test_another_system_than_was_written_is_named_and_commands_nothing(
    open_site: Site, app: Flask, say: Say
) -> None:
    for name, words in WORDS.items():
        machine = Machine(open_site, app.test_client(), "x")
        machine.reach_restarting()
        assert machine.phone(image_id=words[:15]) == 404, name
        assert (machine.row.stage, machine.row.code) == (Stage.FAILED, 420), name
        assert "came up with" in machine.row.reason and faults(machine.row.reason) == [], name
    assert line_faults(say("status"), is_table=True) == []


@pytest.mark.parametrize("part", range(4))
def test_what_an_older_release_has_stored_is_escaped_when_it_is_shown(
    open_site: Site, say: Say, part: int
) -> None:
    """Rows as they were written before words were looked at: the second line of defence."""
    site, words = open_site, " ".join(STORABLE[part::4])
    disk = DiskInfo(name="vda", size=1 << 36, model=words, serial="D1", content=words, foreign=words)
    facts = HardwareFacts(
        boot_id="b",
        mac=MAC,
        serial=words,
        disks=(disk,),
        nics=(NicInfo(name=words, mac=MAC),),
        devices=(DeviceInfo(id="10de:2330", place=words),),
        **told(words),
    )
    site.database.hosts.put_hardware("vc-1", facts, site.clock())
    site.database.surveys.put(SurveyRow(STRANGER, macs=(STRANGER,), reported=site.clock(), hardware=facts))
    see(site, ClientPacket(SEEN, vendor_class=words, hostname=words, circuit=words, note=words), words)
    ended = order(site).changed(
        stage=Stage.FAILED,
        code=313,
        reason=words,
        hint=words,
        serial=words,
        disk=WrittenDisk(name="vda", serial=words, model=words),
        progress=Progress(phase=words, note=words),
    )
    failed = AgentFailed(sentence=words, hint=words, console=(words, words))
    events: list[Payload] = [PowerOn(act=words, boot=words, note=words), failed]
    with site.database.writing():
        site.database.deployments.put(ended)
        for event in events:
            site.database.events.add(Event.of(ended, event, source="bmc", now=site.clock()))
    check_shown(say)


def test_what_is_redrawn_on_a_terminal_is_escaped_too(open_site: Site, app: Flask, say: Say) -> None:
    """The stages of one deployment, and the table of many."""
    client = Client(socket=Path("api.sock"))
    for name, words in WORDS.items():
        Machine(open_site, app.test_client(), words).fail()
        story = client.events("vc-1")
        screen = Console(file=io.StringIO(), width=100, color_system=None)
        stages, table = watch._LiveStages(screen), runs._LiveTable(screen)
        stages.update(story)
        rows = client.deployments()[:1]
        table.update(RunEvents(run=RUN, events=story.events, deployments=rows, now=story.now))
        for view in (stages, table):
            view.warn("the service is away")
            screen.print(view.draw())
        assert line_faults(screen.file.getvalue(), is_table=True) == [], name  # type: ignore[attr-defined]
    assert "vc-1" in say("status")


def test_why_a_stage_is_late_is_told_without_commands(open_site: Site, app: Flask) -> None:
    """By what the evidence holds: progress, sightings, transfers, what stood against an address."""
    recorder = TransferRecorder(open_site)
    for name, words in WORDS.items():
        machine = Machine(open_site, app.test_client(), words)
        said = decode_text(words.encode(errors="surrogatepass"))
        see(open_site, ClientPacket(SEEN, hostname=said, circuit=said, note=said))
        recorder.record(words, machine.address, f"aborted: {words}", 9)
        recorder.write()
        late = [overdue(open_site, machine.row.changed(stage=Stage.NETBOOTING))]
        machine.hello()
        machine.tell("progress", phase="writing", done=1, total=2, rate=1.5, note=words, disk=words)
        late.append(overdue(open_site, machine.row))
        assert [fault for passed in late for fault in faults(passed.sentence + passed.hint)] == [], name
    assert stored_faults(open_site) == []


def test_programs_read_to_the_letter_what_was_stored(open_site: Site, say: Say) -> None:
    words = f"\x1b[2J\u202e\x85\n{FORGED} ü\U000e0041"
    facts = HardwareFacts(boot_id="b", mac=MAC, maker=words)
    open_site.database.hosts.put_hardware("vc-1", facts, open_site.clock())
    shown = ("host", "show", "vc-1", "-o")
    assert json.loads(say(*shown, "json"))["facts"]["maker"] == words
    assert yaml.safe_load(say(*shown, "yaml"))["facts"]["maker"] == words


def test_a_boot_script_holds_nothing_that_ipxe_would_obey(open_site: Site, app: Flask) -> None:
    web, known = app.test_client(), open_site.database.macs.get(MAC)
    assert known
    for name, words in WORDS.items():
        said = words.encode(errors="replace").decode()
        row = order(open_site)
        with open_site.database.writing():
            open_site.database.deployments.put(row.changed(serial=f"EVIL{said}"))
        record(open_site, row.id, SlotGiven(), source="worker")
        record(open_site, row.id, PowerBegan(nonce="n0nce"), source="worker")
        strange = {key: said for key in ("uuid", "arch", "platform", "manufacturer", "product", "serial")}
        for query in (strange, {"serial": "S-OTHER"}):
            reply = web.get(
                f"/boot/{MAC}/boot.ipxe",
                query_string=query,
                environ_overrides={"REMOTE_ADDR": known.address},
            )
            text = reply.data.decode()
            assert reply.status_code == 200 and line_faults(text) == [], name
            evil = [line for line in text.splitlines() if "EVIL" in line.upper()]
            assert all(line.startswith(("# Boot this machine's own disk.", "echo ")) for line in evil), name
            assert not [line for line in evil if set(line) & set('$|&`\\{}"<>') or " ;" in line], name
        assert evil, "the order's serial is told to a machine that says another"
