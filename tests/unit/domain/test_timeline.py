"""What people are told of a deployment, from its events alone."""

import itertools

import pytest

from provisioner.domain import timeline
from provisioner.domain.event import Event
from provisioner.domain.progress import Progress
from provisioner.domain.stage import Stage
from provisioner.system import units

NUMBERS = itertools.count(1)


HELLO = {"nonce": "sha256:0", "boot_id": "b", "token_hash": "t", "phone_hash": "p"}


def event(when: float, kind: str, attempt: int = 1, **data: object) -> Event:
    """As the API answers it."""
    row = {"id": next(NUMBERS), "time": when, "host": "vc-1", "deployment": "d-1", "attempt": attempt}
    return Event.model_validate(row | {"kind": kind, "source": "test", "data": data})


WRITTEN = [
    event(100, "order.armed", 0, by="ann", image="os@1"),
    event(101, "slot.given", 0),
    event(102, "power.began", nonce="sha256:0"),
    event(104, "power.on", boot="network", confirmed=True, act="on"),
    event(110, "dhcp.seen", address="10.77.0.64"),
    event(120, "script.served"),
    event(130, "agent.hello", **HELLO),
    event(132, "agent.progress", phase="writing", done=50, total=100, rate=10),
    event(150, "agent.written", disk={"name": "nvme0n1", "serial": "7Q1K"}, seconds=20),
]
READY = [
    *WRITTEN,
    event(151, "disk.chosen", note=""),
    event(152, "agent.rebooting"),
    event(200, "os.phoned", image_id="os", image_version="1"),
    event(205, "verify.task", task="memory", result="ok", sentence="memory 2 TiB"),
    event(206, "verify.task", task="gpus", result="ok", sentence="8 GPUs"),
    event(207, "verify.passed"),
    event(210, "seal.done", mode="full"),
]


def test_a_stage_lasts_from_the_event_that_begins_it_to_the_one_that_ends_it() -> None:
    told = timeline.read(READY)
    assert told.seconds() == [
        ("powering", 9.0),
        ("netbooting", 20.0),
        ("writing", 20.0),
        ("restarting", 50.0),
        ("verifying", 7.0),
        ("sealing", 3.0),
    ]
    assert (told.stage, told.began, told.ended) == (Stage.READY, 100, 210)


def test_what_a_stage_waited_for_is_said_of_that_stage() -> None:
    notes = {record.stage: record.note for record in timeline.read(READY).stages.values()}
    assert notes[Stage.POWERING] == "boot device network (read back), power on"
    assert notes[Stage.WRITING] == "written, verified and read back in 20 s: nvme0n1 7Q1K"
    assert notes[Stage.RESTARTING] == "the system on the disk reports os@1"
    assert notes[Stage.VERIFYING] == "2 checks: the host is what its profile says"
    assert notes[Stage.SEALING] == "sealed"


def test_a_second_attempt_begins_its_stages_anew() -> None:
    again = [
        *WRITTEN[:8],
        event(140, "agent.silent", 2, seconds=60),
        event(141, "power.began", 2, nonce="sha256:1"),
    ]
    told = timeline.read([*again, event(145, "dhcp.seen", 2, address="10.77.0.64")])
    assert told.attempt == 2
    assert told.stages[Stage.POWERING].began == 140
    assert told.stages[Stage.WRITING].began == 0


def test_why_it_failed_is_said_of_the_stage_in_which_it_failed() -> None:
    told = timeline.read([*WRITTEN[:8], event(140, "agent.failed", sentence="no disk fits the hints")])
    assert told.stages[Stage.WRITING].note == "no disk fits the hints"
    assert (told.stage, told.ended) == (Stage.FAILED, 140)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.6, "1 m 00 s"), (343, "5 m 43 s"), (7260, "2 h 01 m")]
)
def test_durations_are_written_for_people(seconds: float, text: str) -> None:
    assert units.duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"), [(512, "512 B"), (134_700_000, "134.7 MB"), (3_840_755_982_336, "3.84 TB")]
)
def test_sizes_are_written_for_people(number: int, text: str) -> None:
    assert units.size(number) == text


def test_progress_says_how_much_how_fast_and_how_long() -> None:
    progress = Progress(phase="writing", done=41 * 10**9, total=10**11, rate=1e9)
    assert progress.describe() == "writing 41 %, 41.0 GB of 100.0 GB, 1.0 GB/s, 59 s left"


def test_what_a_person_is_to_do_stays_until_the_stage_ends() -> None:
    asked = [*WRITTEN[:3], event(104, "power.asked", note="Power vc-1 on")]
    told = timeline.read(asked)
    assert told.request == "Power vc-1 on" == told.with_request(told.stages[Stage.POWERING].note)
    told.add(event(105, "order.resumed", by="ann"))
    assert told.request == "Power vc-1 on"
    assert told.with_request(told.stages[Stage.POWERING].note) == "Power vc-1 on; resumed by ann"
    told.add(event(110, "dhcp.seen", address="10.77.0.64"))
    assert told.request == ""
