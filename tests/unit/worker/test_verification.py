"""What the worker makes of the verdict of a sealing, and of a burn-in while it runs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.deployment import Deployment, Verdict, WrittenDisk
from provisioner.domain.events.agent import AgentWritten
from provisioner.domain.events.order import OrderCancelled, SlotGiven
from provisioner.domain.events.power import PowerBegan
from provisioner.domain.events.system import OsPhoned
from provisioner.domain.events.verification import SealDone, SealFailed, SealTask, VerifyProgress
from provisioner.domain.stage import Stage
from provisioner.errors import DiskFullError, TransitionError
from provisioner.site.site import Site
from provisioner.verify import Verdict as Result
from provisioner.verify.burnin import BurnInProgress
from provisioner.worker import verification
from tests.unit.conftest import Clock, hello_of


@pytest.mark.parametrize(
    ("sentences", "said"),
    [(("sshd would not start", "the key is there"), "sshd would not start; the key is there"), ((), "")],
)
def test_a_sealing_that_failed_says_why_and_what_to_do(
    site: Site, sentences: tuple[str, ...], said: str
) -> None:
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    event = verification._sealed(row, Verdict(result="failed", sentences=sentences), "full")
    assert isinstance(event, SealFailed)
    assert (event.code, event.sentence) == (521, said or "the sealing did not end")
    assert event.hint == "provision retry vc-1"


def test_a_sealing_that_passed_or_could_not_be_done_yet_fails_nothing(site: Site) -> None:
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    assert isinstance(verification._sealed(row, Verdict(result="passed"), "full"), SealDone)
    assert isinstance(verification._sealed(row, Verdict(result="unreachable"), "full"), SealTask)


def verifying(site: Site) -> Deployment:
    """A deployment whose host has phoned home."""
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="tom")
    for event in (
        SlotGiven(),
        PowerBegan(nonce="n"),
        hello_of("n"),
        AgentWritten(disk=WrittenDisk(serial="S5XX")),
        OsPhoned(host_keys=("ssh-ed25519 AAAA",), address="10.77.0.5"),
    ):
        record(site, row.id, event, source="test")
    return site.database.deployments.get(row.id)


@dataclass
class FakeVerification:
    """What the worker gives to the verification, and what the verification then does."""

    does: Callable[[dict[str, Any]], None] = lambda given: None
    given: dict[str, Any] = field(default_factory=dict)

    def __call__(self, target: object, expected: object, **given: Any) -> Result:
        self.given = given
        self.does(given)
        return Result("unreachable", ("no route",))


def burn(given: dict[str, Any]) -> None:
    for number in range(100):
        given["on_progress"](BurnInProgress("load", f"GPU-{number % 8}", number, 100, 300 - number))


def test_a_burn_in_is_a_sign_of_life_and_does_not_fill_the_database(
    site: Site, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    row, seconds = verifying(site), iter(range(0, 1000, 2))
    monkeypatch.setattr(verification, "run_verification", FakeVerification(burn))
    monkeypatch.setattr(verification, "monotonic", lambda: float(next(seconds)))
    clock.now += 50
    verification.verify(site, row)
    (event,) = site.database.events.of(row.id, kind=VerifyProgress.kind)
    assert isinstance(event.data, VerifyProgress) and 1 < event.data.count <= 40
    assert event.data.describe().startswith("burn-in: load 9")
    after = site.database.deployments.get(row.id)
    assert after.progress.is_of(Stage.VERIFYING) and after.last_event_at == clock.now


def test_a_burn_in_goes_on_while_nothing_can_be_written(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise DiskFullError("no room")

    note = verification._paced(refuse)
    note(BurnInProgress("load", "GPU-0", 1, 2, 3))


def test_a_verification_that_was_cancelled_ends_its_burn_in(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, seen = verifying(site), list[bool]()

    def cancel(given: dict[str, Any]) -> None:
        seen.append(given["is_cancelled"]())
        record(site, row.id, OrderCancelled(by="tom"), source="test")
        seen.append(given["is_cancelled"]())

    monkeypatch.setattr(verification, "run_verification", FakeVerification(cancel))
    with pytest.raises(TransitionError):
        verification.verify(site, row)
    assert seen == [False, True]


def test_site_checks_lie_where_the_settings_say(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeVerification()
    monkeypatch.setattr(verification, "run_verification", fake)
    verification.verify(site, verifying(site))
    assert fake.given["checks"] == site.settings.acceptance.checks == Path("/etc/provisioner/checks")
