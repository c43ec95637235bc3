"""The lifecycle of a deployment as tables: stages, signs of life, deadlines, and what leads where."""

from dataclasses import dataclass

from provisioner.domain.events.clock import ClockGap, DeadlinePassed
from provisioner.domain.events.order import OrderCancelled, StageHeld
from provisioner.domain.events.registry import KINDS
from provisioner.domain.profile import Profile
from provisioner.domain.stage import RESTING, Stage

S = Stage

INSTALLER_SILENCE = 1800  # seconds: Ubuntu's installer says nothing while it copies or installs a package


@dataclass(frozen=True)
class StageRow:
    """One stage: what we do, and the sign of life that is awaited.

    `deadline` and `silence` in seconds; 0 means that the order's expiry is the limit. `code` is the PV code
    of a deadline that has passed.
    """

    stage: Stage
    action: str
    awaits: str
    deadline: int
    silence: int = 0
    code: int = 0


# The deadlines allow a server's POST of 10 minutes; a profile may override each.
STAGES: tuple[StageRow, ...] = (
    StageRow(S.QUEUED, "wait for a slot", "a slot is free", 0, code=140),
    StageRow(
        S.POWERING,
        "boot device = network (read back), power on or reset",
        "first DHCP packet of that MAC after our power-on",
        900,
        code=210,
    ),
    StageRow(
        S.NETBOOTING,
        "answer DHCP, iPXE, ramdisk",
        "the agent's hello with the nonce",
        900,
        code=220,
    ),
    StageRow(
        S.WRITING,
        "stream, verify, write, read back",
        "progress every few seconds",
        7200,
        silence=60,
        code=340,
    ),
    StageRow(
        S.RESTARTING,
        "boot device = disk, then tell the agent to reboot",
        "phone-home from the OS on that disk",
        1800,
        code=410,
    ),
    StageRow(S.VERIFYING, "run Ansible over SSH", "its result", 1800, code=510),
    StageRow(
        S.SEALING,
        "full: cloud-init off, seed shredded, deployment key removed; or keep-access",
        "its result",
        600,
        code=520,
    ),
)

ROWS: dict[Stage, StageRow] = {row.stage: row for row in STAGES}

# Which event leads from which stage to which; any other pair is refused. An event that leads to its own
# stage is a sign of life or evidence.
TABLE: dict[tuple[Stage, str], Stage] = {
    (before, kind): after for kind, event in KINDS.items() for before, after in event.moves.items()
}


def following(stage: Stage, kind: str) -> Stage | None:
    """The stage that `kind` leads to from `stage`; None where it is refused."""
    return TABLE.get((stage, kind))


def deadline(stage: Stage, profile: Profile, now: float, expires: float | None) -> float:
    """Until when the stage's sign of life must have come, and never later than the order's expiry.

    `expires` is None for an order that was consumed: it cannot expire any more.
    """
    if stage in RESTING:
        return 0
    seconds = profile.deadlines.get(stage) or ROWS[stage].deadline
    limits = [limit for limit in (now + seconds if seconds else None, expires) if limit is not None]
    return min(limits)


def picture() -> str:
    """The state picture as Mermaid text; printed into docs/how-a-host-is-deployed.md, a test compares."""
    lines = ["stateDiagram-v2", "    [*] --> queued: order.armed"]
    everywhere = {ClockGap.kind, StageHeld.kind, DeadlinePassed.kind, OrderCancelled.kind}
    for kind, event in KINDS.items():
        if kind not in everywhere:
            lines += [f"    {a} --> {b}: {kind}" for a, b in event.moves.items() if a != b]
    lines += [f"    {stage} --> [*]" for stage in Stage if stage in RESTING]
    lines.append("    note right of failed: deadline.passed leads here from every stage that is not at rest")
    lines.append("    note right of cancelled: order.cancelled and stage.held lead here likewise")
    return "\n".join(lines) + "\n"
