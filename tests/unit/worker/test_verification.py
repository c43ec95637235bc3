"""What the worker makes of the verdict of a sealing."""

import pytest

from provisioner.deployment.order import arm
from provisioner.domain.deployment import Verdict
from provisioner.domain.events.verification import SealDone, SealFailed, SealTask
from provisioner.site.site import Site
from provisioner.worker import verification


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
