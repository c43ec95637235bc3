"""Causes while the disk is written, by the agent or by an installer."""

from statistics import median

from provisioner.diagnosis.observations import Observations
from provisioner.domain.cause import Cause, Sight
from provisioner.domain.progress import WRITES
from provisioner.domain.stage import Stage
from provisioner.system.units import size

AGENT_QUIET = 30.0  # seconds, and those that its disk may flush: it reports every two
STANDS_STILL = 60.0  # seconds in which a disk may be busy with itself
SPEED_KNOWN = 60.0  # seconds after which a speed is no longer that of the beginning
LEAST_PEERS = 3  # others whose speed is known
SLOW = 0.25  # of the others' median
GOOD_SPEED = 50e6  # bytes per second that a disk at fault, or a line of 100 Mbit/s, does not reach
STEP_UNWINDS = 30.0  # seconds for an installer to go on after a step that it can do without


def agent_quiet(seen: Observations) -> Cause | None:
    """Its agent reports nothing. Its next word speaks against it, and the time that its disk may flush."""
    row = seen.row
    limit = AGENT_QUIET + row.progress.flush_seconds
    if row.stage != Stage.WRITING or row.is_installed or seen.now - row.last_event_at < limit:
        return None
    told = f"its last word: {row.progress.describe(seen.now)}"
    return Cause(
        code=342,
        sentence="its agent says nothing any more: it has lost its power or its network",
        evidence=(Sight(sentence=told, time=row.last_event_at),),
        actions=(f"provision bmc power {row.host} state", "check its network cable", seen.see_console),
    )


def stands_still(seen: Observations) -> Cause | None:
    """Its agent reports, and no byte moves. Bytes speak against it, and that it waits for its turn."""
    row, progress = seen.row, seen.row.progress
    if row.stage != Stage.WRITING or progress.phase != WRITES or progress.is_queued:
        return None
    if seen.now - progress.reported >= AGENT_QUIET or seen.now - progress.moved < STANDS_STILL:
        return None
    why = f" ({progress.note})" if progress.note else ""
    return Cause(
        code=343,
        sentence=f"its agent reports, but no byte moves any more{why}",
        evidence=(
            Sight(sentence=f"a byte moved: {size(progress.done)} were done", time=progress.moved),
            Sight(sentence=f"its last report: {progress.describe()}", time=progress.reported),
        ),
        actions=(
            "is the way to the service and its images free? provision check",
            f"its disk may be failing: the agent's log, and {seen.see_console}",
        ),
    )


def slow_among_peers(seen: Observations) -> Cause | None:
    """It writes far slower than others of its run, or of its profile, that got the same image. The first
    minute speaks against it; and a fair speed, where only what differs is written, for theirs may have held
    the image before.
    """
    row, progress = seen.row, seen.row.progress
    if row.stage != Stage.WRITING or progress.phase != WRITES or progress.is_queued:
        return None
    speeds = {peer.host: peer.progress.speed for peer in seen.peers if peer.progress.speed}
    if len(speeds) < LEAST_PEERS or seen.now - progress.steady < SPEED_KNOWN:
        return None
    usual = median(speeds.values())
    limit = min(usual * SLOW, GOOD_SPEED) if row.write_mode == "delta" else usual * SLOW
    average = progress.done / (seen.now - progress.steady)
    if not 0 < progress.speed < limit or average >= limit:
        return None
    return Cause(
        code=345,
        sentence="it writes far slower than others of its profile",
        evidence=(
            Sight(sentence=f"it writes {size(progress.speed)}/s", time=progress.reported),
            Sight(
                sentence=f"{len(speeds)} others, such as {', '.join(sorted(speeds)[:3])}: {size(usual)}/s",
                time=seen.now,
            ),
        ),
        actions=(
            "does its port run at the full speed? Look at the switch, and change the cable",
            "its disk may be failing: the agent's log says how it reads and writes",
        ),
    )


def installer_unwinds(seen: Observations) -> Cause | None:
    """A step of the installer failed, and nothing followed. Its next step speaks against it."""
    row, progress = seen.row, seen.row.progress
    if row.stage != Stage.WRITING or not row.is_installed or not progress.unwinds:
        return None
    if not seen.is_over(STEP_UNWINDS, row.last_event_at):
        return None
    return Cause(
        code=350,
        sentence=f"the installer failed: {progress.failed or progress.phase}",
        evidence=(Sight(sentence=f"its last word: {progress.phase}", time=row.last_event_at),),
        actions=(
            f"{seen.see_console}, or its log in /var/log/installer",
            f"then: provision retry {row.host}",
        ),
    )


def unfinished(seen: Observations) -> Cause | None:
    """The disk was not written until the deadline, and nothing says why."""
    row = seen.row
    if row.stage != Stage.WRITING or not seen.is_late:
        return None
    if row.is_installed:
        sentence = f"the installer's last word was: {row.progress.phase or 'nothing'}"
        action = f"{seen.see_console}, or its log in /var/log/installer"
    else:
        sentence = f"{row.progress.done} of {row.progress.total} bytes were done"
        action = "look at the agent's log; the network may be slow"
    told = Sight(sentence="its last sign of life", time=row.last_event_at or row.stage_since)
    return Cause(code=340, sentence=sentence, evidence=(told,), actions=(action,))
