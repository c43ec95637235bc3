"""At the deadline the same causes are named as before it, in the same words; nobody waits any longer."""

from dataclasses import replace

import pytest

from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.diagnosis.expectation import awaited
from provisioner.diagnosis.judges import judge
from provisioner.diagnosis.observations import observe
from provisioner.diagnosis.overdue import overdue
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.agent import AgentRebooting
from provisioner.domain.events.installer import SeedServed
from provisioner.domain.events.netboot import DhcpSeen, FileServed, ScriptServed
from provisioner.domain.events.order import SlotGiven
from provisioner.domain.events.payload import Payload
from provisioner.domain.events.power import PowerAsked, PowerBegan, PowerOn
from provisioner.domain.events.system import DiskChosen
from provisioner.domain.lifecycle import ROWS
from provisioner.domain.stage import RESTING, Stage
from provisioner.site.site import Site
from tests.unit.conftest import Clock
from tests.unit.diagnosis.evidence import seen_at

ON = PowerOn(boot="network", confirmed=True)


@pytest.fixture
def waiting(site: Site) -> Deployment:
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    record(site, row.id, SlotGiven(), source="worker")
    return record(site, row.id, PowerBegan(nonce="n"), source="worker")


@pytest.mark.parametrize("events", [(ON,), (ON, DhcpSeen()), (ON, DhcpSeen(), ScriptServed())])
def test_what_is_said_while_it_waits_is_said_at_its_deadline(
    site: Site, clock: Clock, waiting: Deployment, events: tuple[Payload, ...]
) -> None:
    for event in events:
        waiting = record(site, waiting.id, event, source="test")
    clock.now += 850
    [cause] = judge(observe(site, waiting))
    passed = overdue(site, waiting)
    assert passed.code == cause.code and passed.sentence.endswith(cause.sentence)
    assert passed.hint == "; ".join(cause.actions)
    assert passed.sentence.startswith(f"no {ROWS[waiting.stage].awaits}, after 14 min at {waiting.stage}: ")


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage not in RESTING])
def test_every_stage_that_ends_late_says_something(site: Site, waiting: Deployment, stage: Stage) -> None:
    """However short its deadline was: no function waits for its own time then."""
    passed = overdue(site, waiting.changed(stage=stage))
    assert passed.code and passed.sentence and passed.hint


def test_a_deadline_that_is_shorter_than_the_wait_names_the_cause_all_the_same(
    site: Site, clock: Clock, waiting: Deployment
) -> None:
    row = record(site, waiting.id, ON, source="bmc")
    clock.now += 60
    assert judge(observe(site, row)) == ()
    assert overdue(site, row).code == 210


@pytest.mark.parametrize(
    ("stage", "events", "words"),
    [
        (Stage.QUEUED, (), "a free slot"),
        (Stage.POWERING, (), "its BMC's word that boot device and power are set"),
        (Stage.POWERING, (ON,), "the first DHCP packet of 52:54:00:00:00:01"),
        (Stage.POWERING, (PowerAsked(),), "somebody who presses its power button"),
        (Stage.NETBOOTING, (ON, DhcpSeen()), "iPXE's request for its boot script"),
        (Stage.NETBOOTING, (ScriptServed(),), "iPXE's request for kernel and ramdisk"),
        (Stage.NETBOOTING, (ScriptServed(), FileServed(name="vmlinuz")), "the agent's hello"),
        (Stage.WRITING, (), "the agent's next report"),
        (Stage.RESTARTING, (), "its BMC's word that the boot device is the disk"),
        (Stage.RESTARTING, (DiskChosen(),), "the agent's reboot"),
        (Stage.RESTARTING, (DiskChosen(), AgentRebooting()), "the report of the system on its disk"),
        (Stage.VERIFYING, (), "Ansible's verdict"),
        (Stage.SEALING, (), "the end of the sealing"),
        (Stage.READY, (), ""),
    ],
)
def test_of_every_stage_is_said_what_comes_next(
    waiting: Deployment, stage: Stage, events: tuple[Payload, ...], words: str
) -> None:
    told = ((float(number), event) for number, event in enumerate(events))
    said = awaited(seen_at(waiting, 100, stage, *told))
    assert said.startswith(words) and bool(said) == bool(words)


def test_an_installer_has_steps_of_its_own(waiting: Deployment) -> None:
    row = waiting.model_copy(update={"iso": "ubuntu@1", "image": "ubuntu@1"})
    seen = seen_at(row, 100, Stage.NETBOOTING, (1.0, ScriptServed()))
    assert awaited(seen) == "the installer's request for its seed"
    seen = seen_at(row, 100, Stage.NETBOOTING, (1.0, ScriptServed()), (2.0, SeedServed()))
    assert awaited(seen) == "the installer's first report"
    assert awaited(seen_at(row, 100, Stage.WRITING)) == "the installer's next step"
    paused = replace(seen, row=seen.row.changed(paused=1.0))
    assert awaited(paused) == "a person who lets it go on"
