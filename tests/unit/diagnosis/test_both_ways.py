"""Each cause by its evidence, and again with what speaks against it: then it is not named."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

import pytest

from provisioner.deployment.order import arm
from provisioner.diagnosis import verification
from provisioner.diagnosis.judges import judge
from provisioner.diagnosis.observations import Observations
from provisioner.domain.deployment import Deployment, WrittenDisk
from provisioner.domain.events.agent import (
    AgentFailed,
    AgentProgress,
    AgentRebooting,
    AgentSilent,
    AgentWritten,
    NetbootAgain,
)
from provisioner.domain.events.installer import SeedServed
from provisioner.domain.events.netboot import DhcpSeen, ScriptServed
from provisioner.domain.events.payload import Payload
from provisioner.domain.events.power import PowerAsked, PowerDelayed, PowerOn
from provisioner.domain.events.request import PHONE_HOME, SCRIPT, RequestRefused
from provisioner.domain.events.system import DiskChosen
from provisioner.domain.events.verification import SealTask, VerifyTask, VerifyUnreachable
from provisioner.domain.hardware import HardwareFacts, NeighbourInfo, NicInfo
from provisioner.domain.progress import Progress
from provisioner.domain.stage import Stage
from provisioner.site.site import Site
from provisioner.state.sightings import Sighting
from provisioner.verify.judge import CHECKS
from tests.unit.conftest import MAC
from tests.unit.diagnosis.evidence import START, asked, codes, seen_at, sibling, system_asked, transfer

Told = tuple[float, Payload]
See = Callable[[Deployment], Observations]
ON: Told = (5.0, PowerOn(boot="network", confirmed=True))
UNSET: Told = (5.0, PowerOn(boot="refused", note="put the network first: BMC refuses"))
UNSHOWN: Told = (5.0, PowerOn(boot="unknown", note="asked for network, the BMC says unknown"))
DHCP: Told = (30.0, DhcpSeen(arch=7))
SCRIPTED: Told = (60.0, ScriptServed())
REBOOTED: tuple[Told, ...] = (
    (10.0, AgentWritten(disk=WrittenDisk(name="nvme0n1"))),
    (20.0, DiskChosen()),
    (30.0, AgentRebooting()),
)
UNCHOSEN = (REBOOTED[0], (20.0, DiskChosen(note="the BMC did not set the boot device to disk")), REBOOTED[2])


@dataclass(frozen=True)
class Case:
    """A cause's code, what names it, and what of it is otherwise where it is not named."""

    code: int
    named: See
    against: tuple[See, ...]


def see(now: float, stage: Stage, *events: Told, **known: object) -> See:
    def look(row: Deployment) -> Observations:
        return replace(seen_at(row, now, stage, *events), **known)  # type: ignore[arg-type]

    return look


def of(changes: dict[str, object], look: See) -> See:
    """The same of a deployment that is otherwise."""
    return lambda row: look(row.model_copy(update=changes))


def refused(what: str, when: float, count: int = 1) -> Told:
    return (
        when,
        RequestRefused(what=what, address="10.77.0.64", sentence="the deployment is otherwise", count=count),
    )


def progress(now: float, **known: object) -> dict[str, object]:
    """A deployment that has written for long and has just reported."""
    usual = {"phase": "writing", "done": 1 << 30, "total": 24 << 30, "speed": 1e7, "rate": 1e7}
    times = {"reported": START + now - 2, "moved": START + now - 2, "steady": START}
    return {
        "progress": Progress.model_validate({**usual, **times, **known}),
        "last_event_at": START + now - 2,
    }


PEERS = tuple(
    Deployment.model_construct(host=f"vc-{number}", progress=Progress(speed=4e8 + number))
    for number in (2, 3, 4)
)
OURS = frozenset({IPv4Address("10.77.0.1")})
OTHER_SERVER = asked(40, "request", server="10.77.0.9")


def unreachable(words: str, when: float) -> Told:
    return (when, VerifyUnreachable(sentence=words))


CASES = (
    Case(
        674,
        see(100, Stage.VERIFYING, worker_seen=START + 30),
        (see(100, Stage.VERIFYING, worker_seen=START + 98), see(100, Stage.VERIFYING)),
    ),
    Case(
        217,
        see(200, Stage.POWERING, ON, sighting=system_asked(160)),
        (
            see(170, Stage.POWERING, ON, sighting=system_asked(160)),
            see(200, Stage.POWERING, ON, sighting=system_asked(3)),
            see(200, Stage.POWERING, ON, sighting=asked(160)),
            see(200, Stage.POWERING, sighting=system_asked(160)),
            see(200, Stage.NETBOOTING, ON, DHCP, sighting=system_asked(160)),
        ),
    ),
    Case(
        218,
        see(20, Stage.POWERING, UNSET),
        (
            see(20, Stage.POWERING, ON),
            see(20, Stage.POWERING, UNSHOWN),
            see(20, Stage.POWERING, UNSET, boots_network_unset=True),
            see(40, Stage.NETBOOTING, UNSET, DHCP),
            see(70, Stage.NETBOOTING, UNSET, SCRIPTED),
        ),
    ),
    Case(
        219,
        see(850, Stage.POWERING, (5.0, PowerAsked(note="press it"))),
        (
            see(600, Stage.POWERING, (5.0, PowerAsked(note="press it"))),
            see(850, Stage.POWERING, (5.0, PowerAsked(note="press it")), sighting=asked(660)),
        ),
    ),
    Case(
        344,
        of({"attempt": 3, **progress(100)}, see(100, Stage.WRITING, (5.0, AgentSilent(seconds=60)))),
        (
            of({"attempt": 2, **progress(100)}, see(100, Stage.WRITING, (5.0, AgentSilent(seconds=60)))),
            of({"attempt": 3}, see(100, Stage.RESTARTING, (5.0, NetbootAgain()))),
        ),
    ),
    Case(
        675,
        see(60, Stage.NETBOOTING, ON, DHCP, sighting=OTHER_SERVER, addresses=OURS),
        (
            see(45, Stage.NETBOOTING, ON, DHCP, sighting=OTHER_SERVER, addresses=OURS),
            see(60, Stage.NETBOOTING, ON, DHCP, sighting=OTHER_SERVER),
            see(
                60,
                Stage.NETBOOTING,
                ON,
                DHCP,
                sighting=asked(40, "request", server="10.77.0.1"),
                addresses=OURS,
            ),
            see(
                60,
                Stage.NETBOOTING,
                ON,
                DHCP,
                addresses=OURS,
                sighting=asked(40, "request", server="10.77.0.9", relay="10.78.0.1"),
            ),
            see(70, Stage.NETBOOTING, ON, DHCP, SCRIPTED, sighting=OTHER_SERVER, addresses=OURS),
        ),
    ),
    Case(
        225,
        see(90, Stage.NETBOOTING, ON, DHCP, sighting=asked(80)),
        (
            see(60, Stage.NETBOOTING, ON, DHCP, sighting=asked(50)),
            see(90, Stage.NETBOOTING, ON, DHCP, sighting=asked(32)),
            see(90, Stage.NETBOOTING, ON, DHCP, sighting=asked(80, "request")),
            see(90, Stage.NETBOOTING, ON, DHCP, sighting=asked(80), transfer=transfer("done", 85)),
        ),
    ),
    Case(
        226,
        see(280, Stage.NETBOOTING, ON, DHCP, sighting=asked(31, "request")),
        (
            see(220, Stage.NETBOOTING, ON, DHCP, sighting=asked(31, "request")),
            see(310, Stage.NETBOOTING, ON, DHCP, transfer=transfer("done", 200)),
            see(100, Stage.NETBOOTING, ON, DHCP, SCRIPTED),
        ),
    ),
    Case(
        227,
        see(60, Stage.NETBOOTING, ON, DHCP, refused(SCRIPT, 50)),
        (
            see(60, Stage.NETBOOTING, ON, DHCP, refused("the phone-home", 50)),
            see(70, Stage.NETBOOTING, ON, DHCP, refused(SCRIPT, 50), SCRIPTED),
            of({"power_on": START + 55}, see(60, Stage.NETBOOTING, ON, DHCP, refused(SCRIPT, 50))),
        ),
    ),
    Case(
        229,
        of({"iso": "u@1"}, see(910, Stage.NETBOOTING, SCRIPTED)),
        (
            of({"iso": "u@1"}, see(890, Stage.NETBOOTING, SCRIPTED)),
            of({"iso": "u@1"}, see(910, Stage.NETBOOTING, SCRIPTED, (900.0, SeedServed()))),
        ),
    ),
    Case(
        230,
        of({"iso": "u@1"}, see(910, Stage.NETBOOTING, SCRIPTED, (300.0, SeedServed()))),
        (
            of({"iso": "u@1"}, see(890, Stage.NETBOOTING, SCRIPTED, (300.0, SeedServed()))),
            of(
                {"iso": "u@1", "image": "u@1", **progress(910, phase="x")},
                see(910, Stage.WRITING, (300.0, SeedServed())),
            ),
        ),
    ),
    Case(
        342,
        of({"last_event_at": START + 60}, see(106, Stage.WRITING)),
        (
            of({"last_event_at": START + 65}, see(106, Stage.WRITING)),
            of(
                {"last_event_at": START + 60, "progress": Progress(done=24 << 30, speed=8e6)},
                see(150, Stage.WRITING),
            ),
            of({"last_event_at": START + 60, "iso": "u@1", "image": "u@1"}, see(106, Stage.WRITING)),
            of({"last_event_at": START + 60}, see(106, Stage.RESTARTING, *REBOOTED)),
        ),
    ),
    Case(
        342,
        of(
            {"last_event_at": START + 60, "progress": Progress(done=24 << 30, speed=8e6)},
            see(158, Stage.WRITING),
        ),
        (),
    ),
    Case(
        343,
        of(progress(200, moved=START + 100), see(200, Stage.WRITING)),
        (
            of(progress(200), see(200, Stage.WRITING)),
            of(progress(200, moved=START + 150), see(200, Stage.WRITING)),
            of(progress(200, moved=START + 100, phase="finishing"), see(200, Stage.WRITING)),
            of(
                progress(200, moved=START + 100, note="waiting for our turn: 1 host before us"),
                see(200, Stage.WRITING),
            ),
        ),
    ),
    Case(
        345,
        of(progress(200), see(200, Stage.WRITING, peers=PEERS)),
        (
            of(progress(200), see(200, Stage.WRITING, peers=PEERS[:2])),
            of(progress(200, speed=6e7), see(200, Stage.WRITING, peers=PEERS)),
            of(progress(200, steady=START + 150), see(200, Stage.WRITING, peers=PEERS)),
            of(progress(200, phase="reading back"), see(200, Stage.WRITING, peers=PEERS)),
            of(progress(200, done=20 << 30), see(200, Stage.WRITING, peers=PEERS)),
        ),
    ),
    Case(
        350,
        of(
            {
                "iso": "u@1",
                "image": "u@1",
                **progress(200, unwinds=True, failed="curtin"),
                "last_event_at": START + 160,
            },
            see(200, Stage.WRITING),
        ),
        (
            of(
                {"iso": "u@1", "image": "u@1", **progress(200, unwinds=True, failed="curtin")},
                see(200, Stage.WRITING),
            ),
            of(
                {
                    "iso": "u@1",
                    "image": "u@1",
                    **progress(200, failed="curtin"),
                    "last_event_at": START + 160,
                },
                see(200, Stage.WRITING),
            ),
        ),
    ),
    Case(
        410,
        see(1000, Stage.RESTARTING, *REBOOTED),
        (
            see(980, Stage.RESTARTING, *REBOOTED),
            see(1000, Stage.VERIFYING, *REBOOTED, (990.0, VerifyTask(task="image", result="ok"))),
        ),
    ),
    Case(
        411,
        see(400, Stage.RESTARTING, *REBOOTED, refused(SCRIPT, 300, 3)),
        (
            see(400, Stage.RESTARTING, *REBOOTED, refused(SCRIPT, 300, 1)),
            see(400, Stage.RESTARTING, *REBOOTED, refused(SCRIPT, 25, 3)),
            see(
                740, Stage.RESTARTING, *REBOOTED, refused(SCRIPT, 300, 1), sighting=system_asked(500, "vc-1")
            ),
        ),
    ),
    Case(
        411,
        see(1280, Stage.RESTARTING, *REBOOTED, refused(SCRIPT, 300, 1)),
        (see(1240, Stage.RESTARTING, *REBOOTED, refused(SCRIPT, 300, 1)),),
    ),
    Case(412, see(1000, Stage.RESTARTING, *UNCHOSEN), (see(980, Stage.RESTARTING, *UNCHOSEN),)),
    Case(
        413,
        see(1020, Stage.RESTARTING, *REBOOTED, sighting=system_asked(290, "old-box")),
        (
            see(500, Stage.RESTARTING, *REBOOTED, sighting=system_asked(290, "old-box")),
            see(1020, Stage.RESTARTING, *REBOOTED, sighting=system_asked(20, "old-box")),
        ),
    ),
    Case(
        414,
        see(100, Stage.RESTARTING, (1.0, DhcpSeen(arch=7)), *REBOOTED, sighting=asked(90, arch=0)),
        (
            see(100, Stage.RESTARTING, (1.0, DhcpSeen(arch=7)), *REBOOTED, sighting=asked(90, arch=9)),
            see(100, Stage.RESTARTING, (1.0, DhcpSeen(arch=7)), *REBOOTED, sighting=asked(25, arch=0)),
            see(100, Stage.RESTARTING, (1.0, DhcpSeen()), *REBOOTED, sighting=asked(90, arch=0)),
            see(100, Stage.RESTARTING, (1.0, DhcpSeen(arch=0)), *REBOOTED, sighting=asked(90, arch=0)),
        ),
    ),
    Case(
        415,
        see(90, Stage.RESTARTING, *REBOOTED[:2]),
        (
            see(70, Stage.RESTARTING, *REBOOTED[:2]),
            see(90, Stage.RESTARTING, *REBOOTED),
            see(290, Stage.RESTARTING, REBOOTED[0]),
        ),
    ),
    Case(415, see(310, Stage.RESTARTING, REBOOTED[0]), (see(310, Stage.RESTARTING, *REBOOTED),)),
    Case(
        416,
        see(1020, Stage.RESTARTING, *REBOOTED, sighting=system_asked(290, "vc-1.vaultcube.local")),
        (
            see(500, Stage.RESTARTING, *REBOOTED, sighting=system_asked(290, "vc-1")),
            see(1020, Stage.RESTARTING, *REBOOTED, sighting=asked(290)),
        ),
    ),
    Case(
        417,
        see(100, Stage.RESTARTING, *REBOOTED, refused(PHONE_HOME, 90)),
        (
            see(100, Stage.RESTARTING, *REBOOTED, refused(SCRIPT, 90)),
            see(100, Stage.VERIFYING, *REBOOTED, refused(PHONE_HOME, 90)),
            see(100, Stage.RESTARTING, *REBOOTED, refused(PHONE_HOME, 5)),
        ),
    ),
    Case(
        511,
        see(20, Stage.VERIFYING, unreachable("10.0.0.9 shows another SSH host key than vc-1", 15)),
        (
            see(90, Stage.VERIFYING, unreachable("10.0.0.9 shows another SSH host key than vc-1", 15)),
            see(
                20,
                Stage.VERIFYING,
                unreachable("10.0.0.9 shows another SSH host key than vc-1", 15),
                (18.0, VerifyTask(task="image", result="ok")),
            ),
        ),
    ),
    Case(
        512,
        see(40, Stage.VERIFYING, unreachable("Permission denied (publickey)", 35)),
        (see(20, Stage.VERIFYING, unreachable("Permission denied (publickey)", 15)),),
    ),
    Case(
        513,
        see(250, Stage.VERIFYING, unreachable("Connection timed out", 245)),
        (see(230, Stage.VERIFYING, unreachable("Connection timed out", 225)),),
    ),
    Case(
        514,
        see(1561, Stage.VERIFYING),
        (
            see(1559, Stage.VERIFYING),
            of({"last_event_at": START + 200}, see(1561, Stage.VERIFYING)),
        ),
    ),
    Case(
        520,
        see(670, Stage.SEALING),
        (see(650, Stage.SEALING), of({"last_event_at": START + 500}, see(670, Stage.SEALING))),
    ),
    Case(514, see(670, Stage.VERIFYING, unreachable("Ansible did not end within 600 s", 660)), ()),
    Case(
        510,
        see(70, Stage.SEALING, (65.0, SealTask(result="unreachable", sentence="connection refused"))),
        (
            see(50, Stage.SEALING, (45.0, SealTask(result="unreachable", sentence="connection refused"))),
            see(70, Stage.SEALING, (65.0, SealTask(task="stop cloud-init", result="ok"))),
        ),
    ),
)


@pytest.fixture
def waiting(site: Site) -> Deployment:
    """A deployment that was powered at START."""
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    return row.changed(power_on=START, attempt=1)


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda number: f"{number}-PV-{CASES[number].code}")
def test_a_cause_is_named_by_its_evidence_and_not_beside_what_speaks_against_it(
    waiting: Deployment, number: int
) -> None:
    case = CASES[number]
    assert codes(case.named(waiting)) == [case.code]
    for place, look in enumerate(case.against):
        assert case.code not in codes(look(waiting)), place


@pytest.mark.parametrize(("name", "code"), verification.CODES)
def test_each_finding_of_the_verification_has_its_own_code(waiting: Deployment, name: str, code: int) -> None:
    task = f"{name} 10de:2330" if name in verification.OF_SEVERAL else name
    found: Told = (10.0, VerifyTask(task=task, result="deviation", sentence="it is otherwise"))
    good: Told = (10.0, VerifyTask(task=task, result="ok", sentence="it is so"))
    for stage in (Stage.VERIFYING, Stage.REJECTED):
        assert codes(seen_at(waiting, 20, stage, found)) == [code]
    assert codes(seen_at(waiting, 20, Stage.VERIFYING, good)) == []
    open_: Told = (10.0, VerifyTask(task=task, result="unproved", sentence="nobody could look"))
    warned: Told = (10.0, VerifyTask(task=task, result="warning", sentence="it is old"))
    assert codes(seen_at(waiting, 20, Stage.REJECTED, open_, warned)) == [504]
    other: Told = (10.0, VerifyTask(task="a check of tomorrow", result="deviation", sentence="so"))
    assert codes(seen_at(waiting, 20, Stage.VERIFYING, other)) == [501]


@pytest.mark.parametrize(
    ("code", "task"),
    [
        (543, "gpu row remap"),
        (544, "gpu throttle"),
        (545, "gpu mig"),
        (546, "gpu nvlink"),
        (547, "xid"),
        (548, "pcie path"),
        (549, "container reload"),
        (550, "firmware"),
        (551, "burn-in errors"),
        (552, "bandwidth h2d"),
        (553, "dcgm"),
        (554, "site check nfs"),
        (555, "gpu serial"),
    ],
)
def test_findings_of_one_kind_have_one_code(waiting: Deployment, code: int, task: str) -> None:
    told: Told = (10.0, VerifyTask(task=task, result="deviation", sentence="it is otherwise"))
    assert codes(seen_at(waiting, 20, Stage.REJECTED, told)) == [code]


def test_every_check_has_a_code_and_says_what_to_do(waiting: Deployment) -> None:
    assert {check.task for check in CHECKS} == {name for name, _ in verification.CODES}
    told: Told = (10.0, VerifyTask(task="xid", result="deviation", sentence="Xid 79", action="reseat it"))
    [cause] = judge(seen_at(waiting, 20, Stage.REJECTED, told))
    assert cause.actions == ("reseat it", "then: provision retry vc-1")
    told = (10.0, VerifyTask(task="pci 10de:2330", result="deviation", sentence="1 of 2"))
    [cause] = judge(seen_at(waiting, 20, Stage.REJECTED, told))
    assert cause.actions[0] == "reseat the card; is its slot switched on in the firmware?"


@pytest.mark.parametrize("code", [312, 313, 319, 202])
def test_what_ended_it_is_named_afterwards(waiting: Deployment, code: int) -> None:
    failed: Told = (10.0, AgentFailed(code=code, sentence="no disk fits", hint="correct the hints"))
    row = waiting.changed(code=code, reason="no disk fits", hint="correct the hints")
    assert codes(seen_at(row, 20, Stage.FAILED, failed)) == [code]
    assert codes(seen_at(row, 20, Stage.CANCELLED, failed)) == []


def test_a_bmc_that_only_cannot_show_its_boot_device_is_named_when_nothing_came(waiting: Deployment) -> None:
    assert codes(seen_at(waiting, 600, Stage.POWERING, UNSHOWN)) == []
    assert codes(seen_at(waiting, 850, Stage.POWERING, UNSHOWN)) == [218, 210]


def test_where_the_switch_port_of_its_card_is_known_it_is_named(waiting: Deployment) -> None:
    heard = NeighbourInfo(nic="eth0", system="sw3", port="Eth1/17")
    nics = (NicInfo(name="eth0", mac=MAC), NicInfo(name="eth1", mac="52:54:00:00:00:02"))
    seen = replace(
        seen_at(waiting, 850, Stage.POWERING, ON), hardware=HardwareFacts(nics=nics, neighbours=(heard,))
    )
    assert "(it was eth0 at sw3 Eth1/17)" in judge(seen)[0].actions[0]
    other = HardwareFacts(nics=nics, neighbours=(heard.model_copy(update={"nic": "eth1"}),))
    assert "it was" not in judge(replace(seen, hardware=other))[0].actions[0]


def test_a_bmcs_busy_moment_and_its_suite_have_codes_of_their_own(waiting: Deployment) -> None:
    for code in (206, 207):
        assert codes(
            seen_at(waiting, 20, Stage.POWERING, (10.0, PowerDelayed(code=code, sentence="no")))
        ) == [code]


def test_a_button_that_waits_is_no_cause_while_another_card_asks(waiting: Deployment) -> None:
    seen = seen_at(waiting, 850, Stage.POWERING, (5.0, PowerAsked(note="press it")))
    assert codes(replace(seen, siblings=(sibling("52:54:00:00:00:02", 600, 620),))) == [216]


def test_reports_of_progress_say_since_when_bytes_moved(waiting: Deployment) -> None:
    def told(row: Deployment, when: float, done: int, phase: str = "writing", note: str = "") -> Deployment:
        report = AgentProgress(phase=phase, done=done, total=1000, note=note)
        return report.apply(row, START + when)

    row = told(waiting, 0, 0, note="waiting for our turn: 2 hosts before us")
    row = told(row, 10, 0)
    assert (row.progress.steady, row.progress.speed) == (START + 10, 0)
    row = told(row, 12, 200)
    row = told(row, 14, 400)
    row = told(row, 20, 400)
    assert (row.progress.moved, row.progress.reported, row.progress.steady) == (
        START + 14,
        START + 20,
        START + 10,
    )
    assert 0 < row.progress.speed < 100
    after = told(row, 22, 0, phase="reading back")
    assert (after.progress.speed, after.progress.moved) == (row.progress.speed, START + 22)


def test_the_hosts_own_card_is_asked_for_and_no_other(waiting: Deployment) -> None:
    other = Sighting("52:54:00:00:00:09", START, START + 600, 1, "", asked(600).data)
    assert other.mac != MAC and codes(seen_at(waiting, 850, Stage.POWERING, ON)) == [210]
