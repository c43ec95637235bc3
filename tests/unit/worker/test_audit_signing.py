"""The worker signs what the audit has come to, and never what was changed."""

import json
import logging

import pytest

from provisioner.domain import audit_export
from provisioner.domain.audit import Entry, Kind
from provisioner.domain.audit_export import SignedHead
from provisioner.errors import AuditError
from provisioner.site.site import Site
from provisioner.state import audit
from provisioner.state.sealed_secrets import AUDIT_KEY, SITE
from provisioner.system import ed25519
from provisioner.worker import audit_signing
from provisioner.worker.audit_signing import AuditSigning
from tests.unit.conftest import Clock

DAY = 86400.0


@pytest.fixture
def site(site: Site) -> Site:
    private, public = ed25519.make()
    with site.database.writing():
        site.database.secrets.put(AUDIT_KEY, SITE, private, public=public, now=1)
    return site


def note(site: Site, count: int = 1) -> None:
    with site.database.writing():
        for _ in range(count):
            audit.record(site.database, Entry(kind=Kind.LOGIN, time=site.clock(), by="ann"))


def heads(site: Site) -> list[SignedHead]:
    return [audit_export.read_head(raw) for raw in site.database.audit.heads()]


def verify(site: Site) -> audit_export.Head:
    key = site.database.secrets.public(AUDIT_KEY, SITE)
    return audit_export.verify_lines(site.database.audit.lines(0, 100_000), heads(site), [key])


def test_what_is_new_is_signed_every_five_minutes(site: Site, clock: Clock) -> None:
    signing = AuditSigning(site)
    note(site)
    signing.step()
    note(site)
    signing.step()
    assert [head.head.number for head in heads(site)] == [2]
    clock.now += audit_signing.EVERY
    signing.step()
    clock.now += audit_signing.EVERY
    signing.step()
    assert [head.head.number for head in heads(site)] == [2, 3], "nothing new is nothing to sign"
    assert verify(site).count == 3


def test_who_waits_is_not_left_waiting(site: Site) -> None:
    signing = AuditSigning(site)
    note(site)
    signing.step()
    note(site, 4)
    with site.database.writing():
        site.database.audit.ask_for_head(6)
    signing.step()
    assert site.database.audit.signed_until() == 6
    note(site)
    signing.step()
    assert site.database.audit.signed_until() == 6


def test_another_process_goes_on_where_the_last_one_was(site: Site, clock: Clock) -> None:
    note(site, 10)
    AuditSigning(site).step()
    note(site, 3)
    second = AuditSigning(site)
    second.step()
    assert second._chain.count == 14 and verify(site).number == 14


def test_a_long_audit_is_read_in_parts(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_signing, "AT_ONCE", 10)
    note(site, 25)
    signing = AuditSigning(site)
    signing.step()
    assert heads(site) == []
    signing.step()
    signing.step()
    assert [head.head.count for head in heads(site)] == [26]


def test_what_was_changed_is_not_signed_and_the_log_says_so(
    site: Site, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    signing = AuditSigning(site)
    note(site, 3)
    signing.step()
    note(site, 3)
    [(body,)] = site.database.tuples("SELECT body FROM audit WHERE number = 6")
    site.database.db.execute("UPDATE audit SET body = ? WHERE number = 6", [str(body).replace("ann", "eve")])
    clock.now += audit_signing.EVERY
    with caplog.at_level(logging.ERROR):
        signing.step()
    assert "PV-690" in caplog.text and site.database.audit.signed_until() == 4
    with pytest.raises(AuditError, match="line 7 of the audit"):
        verify(site)


def test_a_tail_that_was_cut_off_is_missed_even_when_others_follow(site: Site, clock: Clock) -> None:
    signing = AuditSigning(site)
    note(site, 9)
    signing.step()
    site.database.db.execute("DELETE FROM audit WHERE number > 5")
    with pytest.raises(AuditError) as cut:
        verify(site)
    assert cut.value.code == 692
    clock.now += 1
    note(site, 9)
    with pytest.raises(AuditError, match="is not the one that was there"):
        verify(site)


def test_old_lines_are_forgotten_and_it_is_still_whole(site: Site, clock: Clock) -> None:
    site.settings = site.settings.model_copy(
        update={"retention": site.settings.retention.model_copy(update={"audit_days": 30})}
    )
    signing = AuditSigning(site)
    for _ in range(10):
        note(site, 2)
        signing.step()
        clock.now += 10 * DAY
    signing.step()
    found = verify(site)
    assert found.first > 10 and found.count == found.number - found.first + 1
    assert [head.head.first for head in heads(site)][-1] == found.first
    kinds = [json.loads(raw)["kind"] for raw in site.database.audit.lines(0, 1000)]
    assert "audit.checkpoint" in kinds and len(kinds) < 16


def test_few_heads_are_kept(site: Site, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MOST_HEADS", 5)
    signing = AuditSigning(site)
    for _ in range(20):
        note(site)
        signing.step()
        clock.now += audit_signing.EVERY
    assert [head.head.number for head in heads(site)] == [17, 18, 19, 20, 21]


def test_a_process_without_the_key_signs_nothing(site: Site) -> None:
    site.opener = None
    note(site)
    AuditSigning(site).step()
    assert heads(site) == []
