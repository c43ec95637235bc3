"""The screen of one host: what it waits for is whole, what is done makes room for it."""

import io

import pytest
from rich.console import Console

from provisioner.api.deployments import DeploymentDetails, DeploymentEvents
from provisioner.cli.watch import _LiveStages
from provisioner.domain.cause import Cause, Sight
from provisioner.domain.event import Event

NOW = 1_800_000_000.0
REQUEST = "Power vc-1 on, or restart it, and choose network boot: F12 on most boards, F11 on Supermicro"
STEPS = [
    ("order.armed", {"by": "ann", "image": "os@1"}),
    ("slot.given", {}),
    ("power.began", {"nonce": "sha256:0"}),
    ("power.asked", {"note": REQUEST}),
    ("dhcp.seen", {"address": "10.77.0.64"}),
    ("agent.hello", {"nonce": "n", "boot_id": "b", "token_hash": "t", "phone_hash": "p"}),
]


def cause(number: int) -> Cause:
    sight = Sight(sentence=f"no DHCP packet from ac:1f:6b:0a:42:{number:02x} since power-on", time=NOW - 5)
    actions = ("move the cable to LAN1", f"provision host edit vc-1 --mac AC:1F:6B:0A:42:{number:02X}")
    return Cause(
        code=210 + number, sentence="the cable is in another port", evidence=(sight,), actions=actions
    )


def drawn(width: int, height: int, steps: int, causes: int = 0, warning: str = "") -> list[str]:
    screen = Console(file=io.StringIO(), width=width + 1, height=height, color_system=None)
    row = DeploymentDetails(
        **{"id": "d-1", "host": "vc-1", "mac": "", "image": "os@1", "stage": "powering", "stage_since": NOW},
        **{"deadline": 0, "created": NOW, "expires": 0, "causes": tuple(map(cause, range(causes)))},
    )
    events = tuple(
        Event.model_validate(
            {"id": number, "time": NOW - 60 + number, "host": "vc-1", "deployment": "d-1", "attempt": 1}
            | {"kind": kind, "source": "test", "data": data}
        )
        for number, (kind, data) in enumerate(STEPS[:steps], 1)
    )
    view = _LiveStages(screen)
    view.update(DeploymentEvents(events=events, deployment=row, now=NOW))
    if warning:
        view.warn(warning)
    screen.print(view.draw(), soft_wrap=True)
    return screen.file.getvalue().splitlines()  # type: ignore[attr-defined]


def flat(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())


@pytest.mark.parametrize("width", [39, 79, 120])
@pytest.mark.parametrize("height", [12, 24])
@pytest.mark.parametrize("causes", [0, 1, 5])
def test_what_a_person_is_to_do_is_whole_on_every_screen(width: int, height: int, causes: int) -> None:
    lines = drawn(width, height, 4, causes, "no service answers; trying again")
    assert len(lines) <= height and max(map(len, lines)) <= width
    assert REQUEST in flat(lines) and "no service answers; trying again" in flat(lines)


@pytest.mark.parametrize("width", [39, 79])
def test_causes_are_whole_or_counted(width: int) -> None:
    lines = drawn(width, 24, 4, 9)
    shown = flat(lines).count("the cable is in another port")
    assert 1 <= shown < 9
    assert flat(lines).count("provision host edit vc-1 --mac AC:1F:6B:0A:42:") == shown
    assert f"and {9 - shown} more: provision diagnose vc-1" in flat(lines)


def test_what_is_done_makes_room_for_what_is_not() -> None:
    roomy, small = drawn(39, 24, 6), drawn(39, 7, 6)
    assert "the agent in the ramdisk says hello" in flat(roomy) and REQUEST in flat(roomy)
    assert len(small) <= 7 and any(line.startswith(" ▸ writing") for line in small)


def test_on_a_wide_terminal_notes_stand_beside_the_stages() -> None:
    assert drawn(140, 24, 5)[:2] == [
        f" ✓ powering         3 s  {REQUEST}",
        " ▸ netbooting      55 s  first network packet, it gets 10.77.0.64",
    ]
