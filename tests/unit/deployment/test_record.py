"""The only writer of deployment state."""

import json
import shutil
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from provisioner.deployment.order import arm, secrets
from provisioner.deployment.record import record, standing, standings
from provisioner.domain.claim import Claim
from provisioner.domain.deployment import Deployment, WrittenDisk
from provisioner.domain.events.agent import AgentFailed, AgentHello, AgentSilent, AgentWritten, NetbootAgain
from provisioner.domain.events.clock import ClockGap
from provisioner.domain.events.installer import (
    InstallerDisk,
    InstallerDone,
    InstallerProgress,
    SeedServed,
)
from provisioner.domain.events.netboot import DhcpSeen
from provisioner.domain.events.order import OrderCancelled, SlotGiven
from provisioner.domain.events.payload import Payload, WriteClaim
from provisioner.domain.events.power import PowerBegan
from provisioner.domain.events.registry import KINDS, read
from provisioner.domain.events.system import DiskChosen, OsPhoned
from provisioner.domain.events.verification import SealDone, VerifyPassed
from provisioner.domain.host import Host
from provisioner.domain.image import Image
from provisioner.domain.lifecycle import following
from provisioner.domain.profile import Hints
from provisioner.domain.stage import RESTING, Stage
from provisioner.errors import RefusedError, TransitionError, UnreadableError
from provisioner.site.site import Site
from provisioner.state.database import Database
from provisioner.state.recording import Recording
from tests.unit.conftest import MAC, began_of, folders, hello_of, made_once, put_installer, settings_of

NONCE = "n" * 32


def arm_host(site: Site, **options: str) -> Deployment:
    return arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann", **options)


def tell(site: Site, row: Deployment, event: Payload) -> Deployment:
    return record(site, row.id, event, source="test")


def hello(nonce: str = NONCE, boot_id: str = "boot-1") -> AgentHello:
    return hello_of(nonce, boot_id=boot_id)


def writing(site: Site, **options: str) -> Deployment:
    row = arm_host(site, **options)
    tell(site, row, SlotGiven())
    tell(site, row, PowerBegan(nonce=NONCE))
    tell(site, row, DhcpSeen())
    return tell(site, row, hello())


def test_a_deployment_goes_its_way_from_order_to_ready(site: Site) -> None:
    row = writing(site)
    assert (row.stage, row.attempt) == (Stage.WRITING, 1)
    row = tell(site, row, AgentWritten(disk=WrittenDisk(name="vda", serial="S1")))
    assert (row.stage, row.disk.name, row.disk.serial) == (Stage.RESTARTING, "vda", "S1")
    tell(site, row, DiskChosen(note=""))
    row = tell(site, row, OsPhoned(host_keys=["ssh-ed25519 A"], address="10.77.0.64"))
    assert (row.stage, row.address, row.host_keys) == (Stage.VERIFYING, "10.77.0.64", ("ssh-ed25519 A",))
    tell(site, row, VerifyPassed())
    row = tell(site, row, SealDone())
    assert (row.stage, row.nonce, row.token_hash, row.phone_hash) == (Stage.READY, "", "", "")
    assert site.database.events.of(row.id)[0].kind == "order.armed"


@pytest.mark.parametrize("disk", [None, Hints(serial="Z2"), Hints()])
def test_of_many_orders_each_is_looked_at_as_alone(site: Site, disk: Hints | None) -> None:
    hints = (Hints(serial="Z1"), Hints(serial="Z9"))
    profile = site.database.profiles.get("cube").model_copy(update={"disks": hints})
    host = site.database.hosts.get("vc-1").model_copy(update={"disk": disk})
    site.database.put_inventory([host], [profile], site.settings.hosts_range)
    row = arm_host(site)
    assert standings(site, [row], 5.0) == {row.id: standing(site, row, 5.0)}
    assert standing(site, row, 5.0).hints == (hints[0] if disk is None else disk)


def test_a_profile_that_names_no_disk_is_said_to_be_unreadable_and_ends_nothing_else(site: Site) -> None:
    """Releases before took one, and its orders ended in an IndexError."""
    row = arm_host(site)
    body = site.database.profiles.get("cube").model_dump(mode="json") | {"disks": []}
    site.database.db.conn.execute("UPDATE profiles SET body = ?", [json.dumps(body)])
    assert standings(site, [row], 5.0) == {}
    with pytest.raises(UnreadableError, match="no disk is named") as caught:
        standing(site, row, 5.0)
    assert caught.value.code == 612 and "provision host apply" in caught.value.hint


def test_a_refused_event_leaves_no_trace(site: Site) -> None:
    row = arm_host(site)
    before = site.database.events.of(row.id)
    with pytest.raises(TransitionError, match=r"queued: agent\.hello is not expected"):
        tell(site, row, hello())
    assert site.database.events.of(row.id) == before
    assert site.database.deployments.get(row.id) == row


@pytest.mark.parametrize("nonce", ["", "wrong", NONCE + "x", NONCE[:-1]])
def test_a_hello_with_a_wrong_nonce_is_refused(site: Site, nonce: str) -> None:
    row = arm_host(site)
    tell(site, row, SlotGiven())
    tell(site, row, PowerBegan(nonce=NONCE))
    with pytest.raises(TransitionError, match="nonce is wrong"):
        tell(site, row, hello(nonce))


def test_an_empty_nonce_never_fits_an_order_that_has_none(site: Site) -> None:
    row = arm_host(site)
    tell(site, row, SlotGiven())
    with pytest.raises(TransitionError, match="nonce is wrong"):
        tell(site, row, hello(""))


def test_a_repeated_hello_of_the_same_boot_keeps_its_attempt_and_another_boot_is_refused(site: Site) -> None:
    row = writing(site)
    again = tell(site, row, hello().model_copy(update={"token_hash": "fresh"}))
    assert (again.attempt, again.token_hash) == (1, "fresh")
    with pytest.raises(TransitionError, match="used by another boot"):
        tell(site, row, hello(boot_id="boot-2"))


def test_power_lost_in_the_middle_of_writing_opens_attempt_two_with_a_new_nonce(site: Site) -> None:
    row = writing(site)
    row = tell(site, row, AgentSilent(seconds=61))
    assert (row.stage, row.attempt, row.nonce, row.token_hash) == (Stage.POWERING, 2, "", "")
    row = tell(site, row, PowerBegan(nonce="m" * 32))
    row = tell(site, row, hello("m" * 32, "boot-2"))
    assert (row.stage, row.attempt) == (Stage.WRITING, 2)


def test_attempts_end(site: Site) -> None:
    row = writing(site)
    for number in range(2, 6):
        tell(site, row, NetbootAgain())
        tell(site, row, PowerBegan(nonce=NONCE))
        row = tell(site, row, hello(boot_id=f"boot-{number}"))
    assert row.attempt == 5
    with pytest.raises(TransitionError, match="5 attempts"):
        tell(site, row, NetbootAgain())


def test_stop_after_ends_the_deployment_when_its_stage_is_left(site: Site) -> None:
    row = writing(site, stop_after="writing")
    row = tell(site, row, AgentWritten(disk=WrittenDisk()))
    assert (row.stage, row.reason) == (Stage.CANCELLED, "stopped after writing, as ordered")


def test_a_locked_host_is_refused(site: Site) -> None:
    site.database.hosts.put(site.database.hosts.get("vc-1").model_copy(update={"locked": True}))
    with pytest.raises(RefusedError, match="vc-1 is locked") as caught:
        arm_host(site)
    assert caught.value.code == 131


def test_a_host_is_armed_once(site: Site) -> None:
    first = arm_host(site)
    with pytest.raises(RefusedError, match=first.id):
        arm_host(site)
    tell(site, first, OrderCancelled(by="ann"))
    assert arm_host(site).id != first.id


def test_two_people_arming_at_once_get_one_deployment(site: Site) -> None:
    results: list[str] = []

    def one() -> None:
        try:
            results.append(arm_host(site).id)
        except RefusedError:
            results.append("refused")
        finally:
            site.database.close()

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results)[1:] == ["refused"] * 7


def test_no_secret_reaches_the_event_log(site: Site) -> None:
    row = writing(site)
    logged = "".join(event.model_dump_json() for event in site.database.events.of(row.id))
    assert NONCE not in logged and "sha256:" in logged


def test_time_in_which_nobody_looked_does_not_count(site: Site) -> None:
    row = writing(site)
    moved = tell(site, row, ClockGap(seconds=500))
    assert moved.deadline == row.deadline + 500
    assert moved.expires == row.expires, "what was ordered until then is ordered until then"
    assert moved.last_event_at == row.last_event_at + 500
    assert moved.last_event == row.last_event


DATA = {
    "nonce": NONCE,
    "boot_id": "b",
    "token_hash": "t",
    "phone_hash": "p",
    "disk": {},
    "host_keys": [],
    "address": "10.77.0.9",
    "seconds": 1,
    "by": "x",
    "stage": "writing",
    "test": "matmul-fp32",
    "how": "kexec",
}


def least(kind: str) -> dict[str, object]:
    """Of the data, what the kind needs."""
    return {name: DATA[name] for name, field in KINDS[kind].model_fields.items() if field.is_required()}


def claimed(event: Payload) -> Payload:
    """The event as the ordered machine tells it."""
    claim = Claim(MAC, is_own_address=True, nonce=NONCE, boot_id="b")
    return event.model_copy(update={"claim": claim}) if isinstance(event, WriteClaim) else event


@hypothesis_settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(sorted(kind for kind, found in KINDS.items() if found.moves)), max_size=25))
def test_whatever_happens_writing_is_entered_only_with_the_orders_nonce(kinds: list[str]) -> None:
    """Model-based: any sequence of events; the database is the real one."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder, "s")
        for made, wanted in zip(folders(made_once().path), folders(state), strict=True):
            shutil.copytree(made, wanted)
        database = Database(state)
        site = Site(settings_of(state), database)
        host = database.hosts.get("vc-1")
        image = Image(name="i", version="1", raw_size=1, raw_sha256="", pack_size=1, signed_by="", added=1)
        row, began = arm(site, host, image, by="ann"), False
        for kind in kinds:
            wanted = following(row.stage, kind)
            try:
                after = tell(site, row, claimed(read(kind, least(kind))))
            except TransitionError:
                assert database.deployments.get(row.id) == row
                continue
            assert after.stage == wanted
            if after.stage == Stage.WRITING and row.stage != Stage.WRITING:
                assert began, "written without a nonce of our own"
            began = (began or kind == "power.began") and after.stage not in RESTING
            row = after
        database.close()


def test_two_orders_of_one_second_never_share_an_id(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """An id has 18 random bits a second: 500 orders at once meet each other every third time."""
    drawn = iter([7, 7, 7, 8])
    monkeypatch.setattr(secrets, "randbits", lambda bits: next(drawn))
    monkeypatch.setattr(site, "clock", lambda: 1_800_000_000.0)
    second = Host(name="vc-2", macs=("52:54:00:00:00:02",), profile="cube")
    site.database.put_inventory(
        [site.database.hosts.get("vc-1"), second],
        [site.database.profiles.get("cube")],
        site.settings.hosts_range,
    )
    image = site.database.images.all()[0]
    rows = [arm(site, site.database.hosts.get(name), image, by="ann") for name in ("vc-1", "vc-2")]
    assert rows[0].id != rows[1].id and next(drawn, None) is None
    assert [site.database.deployments.get(row.id) for row in rows] == rows


def installing(site: Site) -> Deployment:
    """An armed order for the installer; its nonce was made."""
    image = put_installer(site)
    row = arm(site, site.database.hosts.get("vc-1"), image, by="ann", iso=image.id)
    tell(site, row, SlotGiven())
    return tell(site, row, PowerBegan(nonce=NONCE))


def test_an_installation_goes_its_way_to_the_reboot(site: Site) -> None:
    row = installing(site)
    row = tell(site, row, SeedServed())
    assert row.stage == Stage.NETBOOTING
    row = tell(site, row, began_of(NONCE))
    assert (row.stage, row.phone_hash, row.token_hash) == (Stage.WRITING, "p", "")
    claim = Claim(MAC, is_own_address=True, nonce=NONCE, boot_id="b", serial="X1")
    disk = WrittenDisk(name="vda", serial="S1")
    row = tell(site, row, InstallerDisk(claim=claim, disk=disk, boot_id="b", serial="X1"))
    assert (row.disk.serial, row.serial) == ("S1", "X1")
    tell(site, row, InstallerProgress(phase="copying"))
    assert tell(site, row, InstallerDone()).stage == Stage.RESTARTING


@pytest.mark.parametrize("nonce", ["", "wrong", NONCE + "x"])
def test_an_installer_with_a_wrong_nonce_is_refused(site: Site, nonce: str) -> None:
    row = installing(site)
    with pytest.raises(TransitionError, match="nonce is wrong"):
        tell(site, row, began_of(nonce))


def test_an_order_for_the_installer_is_not_for_the_agent_and_the_other_way_round(site: Site) -> None:
    row = installing(site)
    with pytest.raises(TransitionError, match="for the installer"):
        tell(site, row, hello())
    tell(site, row, OrderCancelled(by="ann"))
    row = arm_host(site)
    tell(site, row, SlotGiven())
    tell(site, row, PowerBegan(nonce=NONCE))
    with pytest.raises(TransitionError, match="not for an installer"):
        tell(site, row, began_of(NONCE))


def test_a_pack_that_is_streamed_from_the_installer_is_the_agents_order(site: Site) -> None:
    row = arm_host(site, iso="ubuntu@24.04.1")
    tell(site, row, SlotGiven())
    tell(site, row, PowerBegan(nonce=NONCE))
    tell(site, row, SeedServed())
    assert tell(site, row, hello()).stage == Stage.WRITING


def test_a_failure_keeps_the_consoles_last_words_without_the_nonce(site: Site) -> None:
    (site.settings.state / "logs").mkdir()
    row = writing(site)
    log = Recording(site.settings.state, row.id).log
    log.write_text(f"Command line: pv.nonce={NONCE} quiet\r\n\x1b[31mKernel panic\x1b[0m {NONCE}\r\n")
    tell(site, row, AgentFailed(code=316, sentence="the disk is broken", hint=""))
    words = site.database.events.of(row.id)[-1].data.console
    assert words == ("Command line: pv.nonce=… quiet", "Kernel panic …")
    assert site.database.events.last_of(row.id) == site.database.events.of(row.id)[-1]


def test_a_failure_is_recorded_though_the_console_cannot_be_read(site: Site) -> None:
    row = writing(site)
    Recording(site.settings.state, row.id).log.mkdir(parents=True)
    tell(site, row, AgentFailed(code=316, sentence="the disk is broken", hint=""))
    assert site.database.deployments.get(row.id).stage == Stage.FAILED
    assert "cannot be read" in site.database.events.of(row.id)[-1].data.console[0]


def test_what_does_not_fail_keeps_no_last_words(site: Site) -> None:
    row = writing(site)
    tell(site, row, OrderCancelled(by="ann"))
    assert "console" not in site.database.events.of(row.id)[-1].data
