"""The kinds of events: what is stored of them, what is read again, what people are told."""

import json
from typing import Any

import pytest

from provisioner.domain.event import Event
from provisioner.domain.events.agent import AgentHello, AgentProgress, AgentWritten
from provisioner.domain.events.clock import ClockGap
from provisioner.domain.events.payload import Payload, Unknown
from provisioner.domain.events.registry import KINDS, read
from provisioner.domain.progress import Progress
from provisioner.site.site import Site

# what the fields without a default may hold; the others need nothing
LEAST: dict[str, Any] = {
    "nonce": "sha256:0",
    "test": "load",
    "boot_id": "b",
    "token_hash": "t",
    "phone_hash": "p",
    "by": "ann",
    "image": "os@1",
    "stage": "writing",
    "seconds": 61,
    "service": "dns",
    "how": "kexec",
    "disk": {"name": "vda", "serial": "S1"},
    "change": "added",
    "before": "vc-1",
    "host": {"name": "vc-1", "macs": ["52:54:00:00:00:01"], "profile": "cube"},
    "machine": {"name": "vc-1", "macs": ["52:54:00:00:00:01"], "profile": "cube"},
}
# data as the release before the typed events wrote it
STORED: dict[str, tuple[dict[str, Any], str]] = {
    "order.armed": (
        {"by": "ann", "image": "os@1", "mac": "52:54:00:00:00:01", "serial": "", "expires": 1.8e9},
        "armed by ann: os@1",
    ),
    "power.on": (
        {"act": "reset", "state": "on", "boot": "network", "confirmed": True, "note": ""},
        "boot device network (read back), power reset",
    ),
    "dhcp.seen": (
        {"address": "10.77.0.64", "arch": 7, "uuid": "", "vendor_class": "PXEClient"},
        "first network packet, it gets 10.77.0.64",
    ),
    "agent.progress": (
        {"deployment": "d-1", "attempt": 1, "seq": 3, "phase": "writing", "done": 50, "total": 100}
        | {"rate": 10.0, "note": "", "disk": "vda"},
        "writing 50 %, 50 B of 100 B, 10 B/s, 5 s left",
    ),
    "agent.written": (
        {"deployment": "d-1", "attempt": 1, "seq": 9, "disk": {"name": "vda", "size": 1, "serial": "S1"}}
        | {"seconds": 20.0, "bytes_written": 31_500_000, "bytes_fetched": 12_600_000, "bytes_saved": 648},
        "written, verified and read back in 20 s: vda S1, 12.6 MB fetched, 31.5 MB written, "
        "648 B were right already",
    ),
    "agent.failed": (
        {"deployment": "d-1", "attempt": 1, "seq": 4, "code": 313, "sentence": "two disks fit", "hint": ""}
        | {"console": ["Kernel panic"]},
        "two disks fit",
    ),
    "os.phoned": (
        {"host_keys": ["ssh-ed25519 A"], "image_id": "os", "image_version": "1", "machine_id": "m"}
        | {"root_disk": {"name": "vda", "serial": "S1", "size": 1}, "boot_id": "b", "address": "10.77.0.64"},
        "the system on the disk reports os@1",
    ),
    "verify.task": (
        {"task": "memory", "result": "ok", "sentence": "memory 2 TiB", "seconds": 0.1},
        "memory 2 TiB",
    ),
    "clock.gap": ({"seconds": 75.2}, "nobody watched for 1 m 15 s: deadlines moved"),
}
# likewise of kinds that came since, as the release that brought them wrote it
STORED_SINCE: dict[str, tuple[dict[str, Any], str]] = {
    "verify.progress": (
        {"test": "load", "gpu": "GPU-5d1f", "done": 400, "total": 1000, "left": 200},
        "burn-in: load 40 % on GPU-5d1f, 3 m 20 s left",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_sentence_and_survives_its_own_json(kind: str) -> None:
    needed = {name for name, field in KINDS[kind].model_fields.items() if field.is_required()}
    data = read(kind, {name: LEAST[name] for name in needed})
    assert type(data) is KINDS[kind] and data.describe() not in ("", kind)
    event = Event.of_network(data, source="test", now=1.0)
    answered = json.loads(event.model_dump_json())
    assert (answered["kind"], answered["version"]) == (kind, 1)
    assert Event.model_validate(answered) == event


@pytest.mark.parametrize("kind", STORED | STORED_SINCE)
def test_what_a_release_before_wrote_is_read_as_typed(kind: str) -> None:
    stored, sentence = (STORED | STORED_SINCE)[kind]
    data = read(kind, stored)
    assert type(data) is KINDS[kind] and data.describe() == sentence
    known = {key: value for key, value in stored.items() if key in type(data).model_fields}
    assert data.model_dump(mode="json", exclude_unset=True) == known


@pytest.mark.parametrize(
    ("kind", "data"),
    [("agent.sneezed", {"how": "loud"}), ("agent.hello", {"boot_id": 7}), ("clock.gap", {"seconds": "long"})],
)
def test_what_cannot_be_read_is_shown_all_the_same(site: Site, kind: str, data: dict[str, Any]) -> None:
    row = {"time": 1.0, "host": "vc-1", "deployment": "d-1", "attempt": 1, "kind": kind, "source": "test"}
    with site.database.writing() as db:
        db.table("events").insert(row | {"data": json.dumps(data)})
    [event] = site.database.events.of("d-1")
    assert isinstance(event.data, Unknown) and event.describe() == kind
    assert event.model_dump(mode="json")["data"] == data


def test_only_what_was_given_is_stored_and_no_secret(site: Site) -> None:
    hello = AgentHello(nonce="n" * 32, boot_id="b", token_hash="t", phone_hash="p")
    with site.database.writing():
        site.database.events.add(Event.of_network(hello, source="agent", now=1.0))
    [(stored,)] = site.database.db.execute("SELECT data FROM events").fetchall()
    assert set(json.loads(stored)) == {"nonce", "boot_id", "token_hash", "phone_hash"}
    assert "n" * 32 not in stored and json.loads(stored)["nonce"].startswith("sha256:")
    [event] = site.database.events.notes(1)
    assert isinstance(event.data, AgentHello)


def test_an_event_keeps_the_version_of_the_release_that_wrote_it(site: Site) -> None:
    hello = AgentHello(nonce="n" * 32, boot_id="b", token_hash="t", phone_hash="p")
    of_later = Event.of_network(hello, source="agent", now=1.0).model_copy(update={"version": 7})
    site.database.events.note(of_later)
    [event] = site.database.events.notes(1)
    assert event.version == 7 and event.model_dump(mode="json")["version"] == 7
    assert isinstance(event.data, AgentHello)


def test_a_kind_is_one_class() -> None:
    def kinds(above: type[Payload]) -> set[type[Payload]]:
        return {above, *(kind for below in above.__subclasses__() for kind in kinds(below))}

    assert {found for found in kinds(Payload) if found.kind} == set(KINDS.values())


def test_a_report_of_the_agent_is_what_the_row_keeps() -> None:
    report = AgentProgress(seq=3, phase="writing", done=5, total=10, rate=1.0, note="", disk="vda")
    assert report.progress() == Progress(seq=3, phase="writing", done=5, total=10, rate=1.0, disk="vda")
    assert AgentWritten.closes_stage and not AgentProgress.closes_stage and AgentProgress.is_progress


@pytest.mark.parametrize("seconds", [float("inf"), float("nan")])
def test_no_number_of_seconds_breaks_a_sentence(seconds: float) -> None:
    assert ClockGap(seconds=seconds).describe() == "nobody watched for ? s: deadlines moved"
