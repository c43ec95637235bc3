"""The lifecycle of a deployment as tables: stages, signs of life, deadlines, and what leads where."""

from dataclasses import dataclass

from provisioner.domain.profile import Profile
from provisioner.domain.stage import ACTIVE, RESTING, Stage

S = Stage

MOST_ATTEMPTS = 5  # of one deployment: power cuts happen, but not for ever

INSTALLER_SILENCE = 1800  # seconds: Ubuntu's installer says nothing while it copies or installs a package


@dataclass(frozen=True)
class StageRow:
    """One stage. `deadline` and `silence` in seconds; 0 means that the order's expiry is the limit."""

    stage: Stage
    we: str
    sign: str
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
MOVES: tuple[tuple[str, dict[Stage, Stage], str], ...] = (
    ("slot.given", {S.QUEUED: S.POWERING}, "its turn has come"),
    ("run.stopped", {S.QUEUED: S.CANCELLED}, "too many of its run failed alike"),
    ("power.began", {S.POWERING: S.POWERING}, "a nonce was made, the BMC is being told"),
    ("power.asked", {S.POWERING: S.POWERING}, "a person was asked to press the button"),
    ("power.on", {S.POWERING: S.POWERING, S.NETBOOTING: S.NETBOOTING}, "the BMC did it and read it back"),
    ("power.failed", {S.POWERING: S.FAILED}, "the BMC did not do it"),
    ("dhcp.seen", {S.POWERING: S.NETBOOTING}, "first packet after our power-on"),
    ("script.served", {S.POWERING: S.NETBOOTING, S.NETBOOTING: S.NETBOOTING}, "iPXE has its script"),
    (
        "agent.hello",
        {S.POWERING: S.WRITING, S.NETBOOTING: S.WRITING, S.WRITING: S.WRITING},
        "the nonce was right: order consumed, token issued",
    ),
    ("agent.progress", {S.WRITING: S.WRITING}, "bytes are moving"),
    ("agent.silent", {S.WRITING: S.POWERING}, "no word from the agent: power it again"),
    ("netboot.again", {S.WRITING: S.POWERING}, "it booted from the network in the middle of writing"),
    ("agent.written", {S.WRITING: S.RESTARTING, S.RESTARTING: S.RESTARTING}, "written, verified, read back"),
    ("agent.failed", {S.WRITING: S.FAILED}, "the agent cannot finish, and says why"),
    (
        "seed.served",
        {S.POWERING: S.NETBOOTING, S.NETBOOTING: S.NETBOOTING},
        "the installer has read its seed",
    ),
    (
        "installer.began",
        {S.POWERING: S.WRITING, S.NETBOOTING: S.WRITING},
        "the installer's first report had the nonce: order consumed",
    ),
    ("installer.disk", {S.WRITING: S.WRITING}, "the installer was told which disk it may erase"),
    ("installer.progress", {S.WRITING: S.WRITING}, "the installer goes on"),
    ("installer.done", {S.WRITING: S.RESTARTING}, "installed; it reboots by itself"),
    ("installer.failed", {S.WRITING: S.FAILED}, "the installer cannot finish, or may not begin"),
    ("disk.chosen", {S.RESTARTING: S.RESTARTING}, "boot device = disk was set, or refused and noted"),
    ("agent.rebooting", {S.RESTARTING: S.RESTARTING}, "the agent was told to reboot"),
    ("os.phoned", {S.RESTARTING: S.VERIFYING}, "the OS on the disk reported"),
    ("os.wrong", {S.RESTARTING: S.FAILED}, "another system came up than was written"),
    ("verify.task", {S.VERIFYING: S.VERIFYING}, "one task of the verification"),
    ("verify.unreachable", {S.VERIFYING: S.VERIFYING}, "SSH did not answer yet"),
    ("verify.passed", {S.VERIFYING: S.SEALING}, "the host is what its profile says"),
    ("verify.rejected", {S.VERIFYING: S.REJECTED}, "the host is not what its profile says"),
    ("verify.failed", {S.VERIFYING: S.FAILED}, "the verification could not be run"),
    ("seal.task", {S.SEALING: S.SEALING}, "one task of the sealing"),
    ("seal.done", {S.SEALING: S.READY}, "no key of ours opens it any more"),
    ("seal.failed", {S.SEALING: S.FAILED}, "the host could not be sealed"),
    ("console.lost", {stage: stage for stage in ACTIVE}, "its serial console is not recorded for now"),
    ("clock.gap", {stage: stage for stage in (S.QUEUED, *ACTIVE)}, "our own machine slept or was restarted"),
    ("stage.held", {stage: S.CANCELLED for stage in ACTIVE}, "the order says: stop here"),
    ("deadline.passed", {stage: S.FAILED for stage in (S.QUEUED, *ACTIVE)}, "no sign of life in time"),
    ("order.cancelled", {stage: S.CANCELLED for stage in (S.QUEUED, *ACTIVE)}, "a person ended it"),
)

TABLE: dict[tuple[Stage, str], Stage] = {
    (before, kind): after for kind, moves, _ in MOVES for before, after in moves.items()
}

KINDS: frozenset[str] = frozenset(kind for kind, _, _ in MOVES) | {"order.armed"}


def following(stage: Stage, kind: str) -> Stage | None:
    """The stage that `kind` leads to from `stage`; None where it is refused."""
    return TABLE.get((stage, kind))


def deadline(stage: Stage, profile: Profile, now: float, expires: float) -> float:
    """Until when the stage's sign of life must have come; never later than the order's expiry."""
    if stage in RESTING:
        return 0
    seconds = profile.deadlines.get(stage) or ROWS[stage].deadline
    return min(now + seconds, expires) if seconds else expires


def picture() -> str:
    """The state picture as Mermaid text; printed into docs/how-a-host-is-deployed.md, a test compares."""
    lines = ["stateDiagram-v2", "    [*] --> queued: order.armed"]
    skip = {"clock.gap", "stage.held", "deadline.passed", "order.cancelled"}
    for kind, moves, _ in MOVES:
        if kind not in skip:
            lines += [f"    {a} --> {b}: {kind}" for a, b in moves.items() if a != b]
    lines += [f"    {stage} --> [*]" for stage in Stage if stage in RESTING]
    lines.append("    note right of failed: deadline.passed leads here from every stage that is not at rest")
    lines.append("    note right of cancelled: order.cancelled and stage.held lead here likewise")
    return "\n".join(lines) + "\n"
