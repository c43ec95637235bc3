"""The lifecycle of a deployment as tables: stages, signs of life, deadlines, and what leads where."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from provisioner.domain.events.clock import ClockGap, DeadlinePassed
from provisioner.domain.events.order import OrderCancelled, StageHeld
from provisioner.domain.events.registry import KINDS
from provisioner.domain.profile import Profile
from provisioner.domain.stage import RESTING, Stage

S = Stage

NOTHING_LEARNED: Mapping[Stage, float] = MappingProxyType({})
TIB = 1 << 40
MEMORY_TESTED = 300  # seconds of POST for each TiB of memory beyond the first
NAMED_BEFORE = 60  # seconds of a learned limit that are left to name a cause in
ONE_RUN, LATE_BEGIN = 600, 300  # seconds of one run of the verification; of its stage that are not its
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


# The deadlines allow a server's POST of 10 minutes; a profile may override each, `allowed` prolongs some.
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


def allowed(
    stage: Stage, profile: Profile, memory: int = 0, learned: Mapping[Stage, float] = NOTHING_LEARNED
) -> float:
    """Seconds that a stage may take: what the profile says; else our own limit, or what was learned of
    healthy hosts where that is longer. 0 where the order's expiry is the limit.

    `memory` in bytes is tested at each start, so a restart may last as much longer as a start. Burn-in and
    site checks prolong the verification by what they may take.
    """
    if is_fixed(stage, profile):
        return profile.deadlines.get(stage, 0)
    seconds = float(ROWS[stage].deadline)
    if stage == S.POWERING:
        seconds += MEMORY_TESTED * max(0, memory - TIB) / TIB
    if stage == S.VERIFYING:
        seconds += profile.acceptance.seconds
    if stage == S.RESTARTING:
        start = allowed(S.POWERING, profile, memory, learned)
        seconds += max(0.0, start - ROWS[S.POWERING].deadline)
    return max(seconds, learned[stage] + NAMED_BEFORE) if stage in learned else seconds


def is_fixed(stage: Stage, profile: Profile) -> bool:
    """Whether its limit is what the profile or the order says, whatever the host is and did before."""
    return stage in profile.deadlines or not ROWS[stage].deadline


def deadline(
    stage: Stage,
    profile: Profile,
    now: float,
    expires: float | None,
    memory: int = 0,
    learned: Mapping[Stage, float] = NOTHING_LEARNED,
) -> float:
    """Until when the stage's sign of life must have come, and never later than the order's expiry.

    `expires` is None for an order that was consumed: it cannot expire any more. The rest as in `allowed`.
    """
    if stage in RESTING:
        return 0
    seconds = allowed(stage, profile, memory, learned)
    limits = [limit for limit in (now + seconds if seconds else None, expires) if limit is not None]
    return min(limits)


def verification_seconds(since: float, deadline: float) -> float:
    """Seconds that one run of the verification may take in a stage from then until then: all but those in
    which its host may still start SSH.
    """
    return max(ONE_RUN, deadline - since - LATE_BEGIN)


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
