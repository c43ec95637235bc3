"""Each cause is named when its evidence is there, and none while a healthy machine is only slow."""

from dataclasses import replace

import pytest

from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.diagnosis.expectation import awaited
from provisioner.diagnosis.judges import causes_of, judge
from provisioner.diagnosis.observations import Observations, observe
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.netboot import DhcpSeen, FileServed, ScriptServed
from provisioner.domain.events.order import SlotGiven
from provisioner.domain.events.power import PowerBegan, PowerDelayed, PowerOn
from provisioner.domain.events.verification import VerifyProgress, VerifyUnreachable
from provisioner.domain.script_reads import MOST_BOOTS, ScriptReads
from provisioner.domain.stage import RESTING, Stage
from provisioner.services.tftp.service import TransferRecorder
from provisioner.site.site import Site
from provisioner.state.sightings import ClientPacket, NewSighting
from tests.unit.conftest import MAC, Clock
from tests.unit.diagnosis.evidence import (
    ADDRESS,
    ROGUE,
    START,
    asked,
    codes,
    seen_at,
    sibling,
    sighting,
    transfer,
)


@pytest.fixture
def waiting(site: Site) -> Deployment:
    """A deployment whose BMC was told at START to power it on."""
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    record(site, row.id, SlotGiven(), source="worker")
    return record(site, row.id, PowerBegan(nonce="n"), source="worker")


ON = (5.0, PowerOn(boot="network", confirmed=True))


def test_a_full_disk_of_ours_is_named_at_every_stage(waiting: Deployment) -> None:
    for stage in set(Stage) - set(RESTING):
        seen = seen_at(waiting, 1, stage)
        assert codes(replace(seen, free=1 << 10)) == [609]
        assert codes(replace(seen, free=1 << 30)) == []


@pytest.mark.parametrize("code", [201, 202, 205, 208, 215])
def test_a_bmc_that_does_not_do_it_is_named_by_its_own_code(waiting: Deployment, code: int) -> None:
    delay = (10.0, PowerDelayed(code=code, sentence="BMC 10.0.0.9 says no", hint="mend it"))
    cause = judge(seen_at(waiting, 11, Stage.POWERING, delay))[0]
    assert (cause.code, cause.sentence, cause.actions[0]) == (code, "BMC 10.0.0.9 says no", "mend it")
    assert cause.evidence[0].time == START + 10
    assert codes(seen_at(waiting, 31, Stage.POWERING, delay, (30.0, ON[1]))) == []
    assert codes(seen_at(waiting, 31, Stage.NETBOOTING, delay)) == []


def test_a_bmc_that_is_busy_for_a_moment_is_none(waiting: Deployment) -> None:
    busy = PowerDelayed(code=211, sentence="busy", first=START + 10)
    assert codes(seen_at(waiting, 60, Stage.POWERING, (55.0, busy))) == []
    assert codes(seen_at(waiting, 75, Stage.POWERING, (72.0, busy))) == [211]


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage not in RESTING])
def test_another_dhcp_server_hinders_what_boots_from_the_network(waiting: Deployment, stage: Stage) -> None:
    seen = replace(seen_at(waiting, 1, stage), rogues=(ROGUE,))
    is_hindered = stage in (Stage.QUEUED, Stage.POWERING, Stage.NETBOOTING)
    assert codes(seen) == ([670] if is_hindered else [])


def test_firmware_without_a_boot_file_is_named(waiting: Deployment) -> None:
    note = "there is no boot file for architecture 6 (x86 UEFI)"
    early = replace(seen_at(waiting, 140, Stage.POWERING), sighting=sighting(MAC, 30, 30, note=note))
    assert codes(early) == [], "it may try another way to boot"
    seen = replace(seen_at(waiting, 160, Stage.POWERING), sighting=sighting(MAC, 30, 30, note=note))
    assert codes(seen) == [671] and note in judge(seen)[0].sentence
    assert codes(replace(seen, sighting=sighting(MAC, 30, 30))) == []


@pytest.mark.parametrize(
    ("first", "last", "now", "named"),
    [
        (30, 60, 250, True),  # it has given that port up
        (30, 330, 331, True),  # it stays with that port
        (30, 60, 230, False),  # the next port may be the right one, after IPv6
        (-9000, 30, 45, False),  # known for long, asking again for a moment
    ],
)
def test_a_sibling_that_asks_instead_is_named(
    waiting: Deployment, first: float, last: float, now: float, *, named: bool
) -> None:
    other = sibling("52:54:00:00:00:02", first, last, is_certain=True, place="sw3 17")
    seen = replace(seen_at(waiting, now, Stage.POWERING, ON), siblings=(other,))
    assert codes(seen) == ([216] if named else [])
    if named:
        cause = judge(seen)[0]
        assert "52:54:00:00:00:02" in cause.sentence and "sw3 17" in cause.evidence[0].sentence
    assert codes(replace(seen, sighting=sighting(MAC, now, now))) == []


@pytest.mark.parametrize(
    ("first", "now", "named"),
    [
        (30, 830, []),  # the host may still test its memory
        (30, 850, [216]),
        (-60, 850, [210]),  # it asked before the power-on: it is another machine's
    ],
)
def test_a_card_that_is_only_near_waits_for_the_slowest_start(
    waiting: Deployment, first: float, now: float, named: list[int]
) -> None:
    near = sibling("52:54:00:00:00:02", first, 60)
    seen = replace(seen_at(waiting, now, Stage.POWERING, ON), siblings=(near,))
    assert codes(seen) == named
    advised = " ".join(action for cause in judge(seen) for action in cause.actions)
    assert "--mac" not in advised, "an order is bound to another machine by certain evidence only"


def test_of_two_cards_that_are_only_near_neither_is_the_hosts(waiting: Deployment) -> None:
    near = [sibling(f"52:54:00:00:00:0{number}", 30, 60) for number in (2, 3)]
    seen = seen_at(waiting, 850, Stage.POWERING, ON)
    assert codes(replace(seen, siblings=tuple(near))) == [210]
    certain = sibling("52:54:00:00:00:05", 30, 60, is_certain=True)
    named = judge(replace(seen, siblings=(certain, *near)))
    assert [cause.code for cause in named] == [216] and "probably" not in named[0].sentence


@pytest.mark.parametrize(
    ("result", "early", "late", "code"),
    [
        ("lost: no answer after 512 bytes", 40, 60, 222),
        ("refused: file not found", 40, 60, 223),
        ("done", 260, 280, 224),
    ],
)
def test_what_tftp_saw_is_named_if_nothing_follows(
    waiting: Deployment, result: str, early: float, late: float, code: int
) -> None:
    assert codes(replace(seen_at(waiting, early, Stage.NETBOOTING), transfer=transfer(result))) == []
    assert codes(replace(seen_at(waiting, late, Stage.NETBOOTING), transfer=transfer(result))) == [code]
    script = (late - 1.0, ScriptServed())
    assert codes(replace(seen_at(waiting, late, Stage.NETBOOTING, script), transfer=transfer(result))) == []
    writing = waiting.changed(last_event_at=START + late)
    assert codes(replace(seen_at(writing, late, Stage.WRITING), transfer=transfer(result))) == []


def test_firmware_that_asks_for_the_size_only_is_healthy(site: Site, waiting: Deployment) -> None:
    recorder = TransferRecorder(site)
    recorder.record("snponly.efi", ADDRESS, "aborted: error 8", 0)
    recorder.write()
    assert site.database.transfers.get(ADDRESS) is None
    aborted = transfer("aborted: error 8")
    assert codes(replace(seen_at(waiting, 260, Stage.NETBOOTING), transfer=aborted)) == []
    assert codes(replace(seen_at(waiting, 280, Stage.NETBOOTING), transfer=aborted)) == [222]


def test_who_took_no_byte_may_have_wanted_the_size(waiting: Deployment) -> None:
    vanished = replace(transfer("lost: no answer"), bytes=0)
    assert codes(replace(seen_at(waiting, 260, Stage.NETBOOTING), transfer=vanished)) == []
    assert codes(replace(seen_at(waiting, 280, Stage.NETBOOTING), transfer=vanished)) == [222]


@pytest.mark.parametrize(("deadline", "limit"), [(1800, 1560), (3600, 3360)])
def test_a_verification_may_take_what_its_stage_allows(
    waiting: Deployment, deadline: float, limit: float
) -> None:
    seen = seen_at(waiting, limit - 1, Stage.VERIFYING)
    seen = replace(seen, row=seen.row.changed(deadline=START + deadline))
    assert codes(seen) == []
    assert codes(replace(seen, now=START + limit)) == [514]


def test_a_refusal_of_ssh_in_its_start_says_nothing_of_later(waiting: Deployment) -> None:
    """The attempt after it got through, and is at work."""
    words = VerifyUnreachable(sentence="vc-1 cannot be reached: Connection refused")
    assert codes(seen_at(waiting, 270, Stage.VERIFYING, (235.0, words))) == []
    assert codes(seen_at(waiting, 270, Stage.VERIFYING, (245.0, words))) == [510]


@pytest.mark.parametrize(("deadline", "limit"), [(900, 840), (2400, 2340), (300, 840)])
def test_a_start_is_waited_for_as_long_as_its_stage_may_last(
    waiting: Deployment, deadline: float, limit: float
) -> None:
    on = (0.0, PowerOn(boot="network", confirmed=True))
    seen = seen_at(waiting, limit - 1, Stage.POWERING, on)
    seen = replace(seen, row=seen.row.changed(deadline=START + deadline))
    assert codes(seen) == []
    assert codes(replace(seen, now=START + limit)) == [210]


def test_a_ramdisk_that_never_says_hello_is_named_after_its_time(waiting: Deployment) -> None:
    files = [(61.0 + number, FileServed(name=name)) for number, name in enumerate(("vmlinuz", "initrd.img"))]
    told = ((60.0, ScriptServed()), *files)
    assert codes(seen_at(waiting, 480, Stage.NETBOOTING, *told)) == []
    assert codes(seen_at(waiting, 490, Stage.NETBOOTING, *told)) == [220]
    assert codes(seen_at(waiting.model_copy(update={"iso": "u.iso"}), 490, Stage.NETBOOTING, *told)) == []
    writing = waiting.changed(last_event_at=START + 488)
    assert codes(seen_at(writing, 490, Stage.WRITING, *told)) == []


@pytest.mark.parametrize(("fetched", "limit"), [((), 240), (("vmlinuz",), 600)])
def test_what_ipxe_does_not_fetch_is_named(waiting: Deployment, fetched: tuple[str, ...], limit: int) -> None:
    told = ((60.0, ScriptServed()), *((60.0, FileServed(name=name)) for name in fetched))
    assert codes(seen_at(waiting, 59 + limit, Stage.NETBOOTING, *told)) == []
    assert codes(seen_at(waiting, 61 + limit, Stage.NETBOOTING, *told)) == [228]
    all_of_it = (*told, (60.0, FileServed(name="initrd.img")))
    named = [220] if limit > 420 else []  # by then its ramdisk should have said hello
    assert codes(seen_at(waiting, 61 + limit, Stage.NETBOOTING, *all_of_it)) == named


def test_a_host_that_boots_again_and_again_is_named(waiting: Deployment) -> None:
    def after(boots: int) -> list[int]:
        row = waiting.changed(script=ScriptReads(reads=boots, boots=boots))
        return codes(seen_at(row, 200, Stage.NETBOOTING, (190.0, ScriptServed())))

    assert after(MOST_BOOTS) == [221]
    assert after(MOST_BOOTS - 1) == []


def test_silence_after_power_on_is_named_only_when_no_server_starts_so_slowly(waiting: Deployment) -> None:
    assert codes(seen_at(waiting, 600, Stage.POWERING, ON)) == []
    assert codes(seen_at(waiting, 850, Stage.POWERING, ON)) == [210]
    assert codes(seen_at(waiting, 850, Stage.POWERING)) == []
    assert codes(replace(seen_at(waiting, 850, Stage.POWERING, ON), sighting=asked(660))) == []


def test_ssh_that_stays_refused_is_named(waiting: Deployment) -> None:
    refused = VerifyUnreachable(sentence="connection refused")
    assert codes(seen_at(waiting, 230, Stage.VERIFYING, (220.0, refused))) == []
    assert codes(seen_at(waiting, 250, Stage.VERIFYING, (245.0, refused))) == [510]
    assert codes(seen_at(waiting, 250, Stage.VERIFYING, (160.0, refused))) == [], "it is at work"


def test_a_burn_in_that_goes_on_is_healthy_however_long_it_takes(waiting: Deployment) -> None:
    """Neither SSH, which failed at first, nor Ansible is at fault; a burn-in that says nothing more is."""
    refused, goes_on = (
        VerifyUnreachable(sentence="connection refused"),
        VerifyProgress(test="load", left=9000),
    )
    soak = waiting.changed(progress=goes_on.progress(), last_event=VerifyProgress.kind)

    def at(seconds: float, last: float) -> Observations:
        row = soak.changed(last_event_at=START + last)
        seen = seen_at(row, seconds, Stage.VERIFYING, (245.0, refused), (last, goes_on))
        return replace(seen, row=seen.row.changed(deadline=START + 22_000))

    assert codes(at(250, 249)) == [] and codes(at(18_000, 17_995)) == []
    assert awaited(at(250, 249)) == "the burn-in's next report, then the verdict"
    (cause,) = judge(replace(at(22_100, 100), is_late=True))
    assert (cause.code, cause.sentence) == (514, "the burn-in did not end")


def test_one_that_rests_well_or_is_paused_has_no_cause(waiting: Deployment) -> None:
    for stage in (Stage.READY, Stage.CANCELLED):
        assert codes(replace(seen_at(waiting, 1, stage), free=0)) == []
    paused = waiting.changed(paused=START)
    assert codes(replace(seen_at(paused, 1, Stage.POWERING), free=0)) == []


def test_every_cause_has_evidence_and_something_to_do(waiting: Deployment) -> None:
    refused = VerifyUnreachable(sentence="connection refused")
    silent = replace(seen_at(waiting, 850, Stage.POWERING, ON), rogues=(ROGUE,), free=0)
    named = [*judge(silent), *judge(seen_at(waiting, 700, Stage.VERIFYING, (660.0, refused)))]
    assert [cause.code for cause in named] == [609, 670, 210, 510]
    for cause in named:
        assert cause.evidence and cause.actions and all(sight.time <= START + 850 for sight in cause.evidence)


def test_what_the_site_has_written_down_is_observed(site: Site, clock: Clock, waiting: Deployment) -> None:
    record(site, waiting.id, PowerOn(boot="network"), source="worker")
    stranger = "52:54:00:00:00:02"
    site.database.sightings.put([NewSighting(stranger, clock.now, 1, "", ClientPacket(stranger, boots=True))])
    clock.now += 850
    row = site.database.deployments.get(waiting.id)
    assert [cause.code for cause in causes_of(site, row)] == [216]
    row = record(site, row.id, DhcpSeen(address=ADDRESS), source="dhcp")
    recorder = TransferRecorder(site)
    recorder.record("snponly.efi", ADDRESS, "lost: no answer", 512)
    recorder.write()
    assert causes_of(site, row) == ()
    clock.now += 30
    assert [cause.code for cause in causes_of(site, row)] == [222]


def test_what_came_before_the_power_on_is_no_evidence(site: Site, clock: Clock) -> None:
    packet = ClientPacket(MAC, note="there is no boot file for it", boots=True)
    site.database.sightings.put([NewSighting(MAC, clock.now, 1, ADDRESS, packet)])
    clock.now += 10
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    record(site, row.id, SlotGiven(), source="worker")
    row = record(site, row.id, PowerBegan(nonce="n"), source="worker")
    assert observe(site, row).sighting is None and causes_of(site, row) == ()
