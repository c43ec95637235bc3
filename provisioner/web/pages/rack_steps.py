"""A deployment as a technician follows it: its steps, what the present one wants of a person, the fix."""

import time
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

from flask import Response, request

from provisioner.api.answer import EventQuery
from provisioner.api.deployments import DeploymentDetails
from provisioner.deployment import plan
from provisioner.diagnosis import usual
from provisioner.domain import remaining, timeline
from provisioner.domain.host import Host
from provisioner.domain.person import Role
from provisioner.domain.stage import RESTING, Stage
from provisioner.domain.timeline import Timeline
from provisioner.errors import NotFoundError, RefusedError
from provisioner.system.units import counted, duration
from provisioner.web.operators import certificates, deployments
from provisioner.web.operators.refused import note_fault_of_people
from provisioner.web.pages import look, rack_words, submitted
from provisioner.web.pages.page import Page, Shown, go
from provisioner.web.pages.rack_words import Fix
from provisioner.web.request import status_of, the_site

MINUTE, HOUR = 60.0, 3600.0
MOST_FIXES = 2  # causes that are told: who stands there can try no more


class Words(NamedTuple):
    """A step in a technician's words: what it is called, what one does meanwhile, and why."""

    title: str
    order: str
    reason: str


WORDS: dict[Stage, Words] = {
    Stage.QUEUED: Words("Wait", "Leave it alone", "It begins in a moment, or when other hosts are done."),
    Stage.POWERING: Words(
        "Power",
        "Leave it alone",
        "It is switched on from here, and tests its memory. The screen may be dark.",
    ),
    Stage.NETBOOTING: Words(
        "Network start",
        "I see it asking now",
        "Leave it alone: it starts from the network, not from its disk.",
    ),
    Stage.WRITING: Words(
        "Write the disk",
        "Do not switch it off",
        "Its disk is being erased and written. No cable may be pulled.",
    ),
    Stage.RESTARTING: Words(
        "Restart", "Leave it alone", "It restarts from its own disk. The screen may be dark for some minutes."
    ),
    Stage.VERIFYING: Words(
        "Test", "Leave it alone", "Its GPUs are tested under full load: the fans become loud. That is right."
    ),
    Stage.SEALING: Words("Seal", "Leave it alone", "The key that was used to set it up is removed."),
    Stage.READY: Words("Ready", "You can go on", "It works. Stick the label on, and go to the next one."),
}
MARKS = {"done": "check", "stuck": "alert", "bad": "cross", "good": "check"}
TONES = {"done": "ok", "now": "busy", "stuck": "warn", "bad": "bad", "next": "off", "good": "ok"}
STATES = {"done": "done", "now": "now", "stuck": "stuck", "bad": "stopped", "next": "later", "good": "done"}
PRESS = "Press the power button now"


@dataclass(frozen=True)
class Step:
    """One line of the list: `state` is done, now, stuck, bad, good or next; `took` in words."""

    stage: Stage
    title: str
    state: str
    number: int
    took: str = ""

    @property
    def icon(self) -> str:
        """What stands before it."""
        return MARKS.get(self.state, look.STAGES[self.stage].icon)

    @property
    def tone(self) -> str:
        """Its colour in style.css."""
        return TONES[self.state]

    @property
    def word(self) -> str:
        """What its icon says."""
        return STATES[self.state]


def show(name: str) -> Shown:
    """The steps of its last deployment; of a host that had none, that."""
    return _shown(plan.find_host(the_site(), name), None)


def _shown(host: Host, fault: RefusedError | None) -> Shown:
    """Where a press was refused, with why: what is shown then is what goes on now."""
    told_first = {
        "host": host,
        "faults": rack_words.of_fault(fault) if fault else [],
        "following": f"/t/host/{quote(host.name)}/steps",
    }
    try:
        row = deployments.show(host.name).deployment
    except NotFoundError:
        return Shown("rack_steps.html", {**told_first, "row": None}, status_of(fault) if fault else 200)
    told = timeline.read(deployments.events(row.id, EventQuery()).events)
    known = certificates.list_of_host(host.name).certificates
    values = {
        **told_first,
        "row": row,
        "steps": steps_of(row, told),
        "words": _words(row, told),
        "fixes": _fixes(row),
        "patience": _patience(row),
        "is_request": bool(told.request) and row.stage == Stage.POWERING and not row.paused,
        "left": _left(row),
        "in_all": _in_all(row),
        "part": _part(row),
        "is_at_rest": row.stage in RESTING,
        "is_held": row.ended_as_ordered and row.stage != Stage.READY,
        "certificate": known[0] if known else None,
    }
    return Shown("rack_steps.html", values, status_of(fault) if fault else 200)


def steps_of(row: DeploymentDetails, told: Timeline) -> list[Step]:
    """All of them in their order, each with how it stands."""
    wanted = remaining.stages_of(row)
    reached = _reached(row, told)
    place = wanted.index(reached) if reached in wanted else -1
    waits = [Step(Stage.QUEUED, WORDS[Stage.QUEUED].title, "now", 0)] if row.stage == Stage.QUEUED else []
    found = [_step(row, told, stage, number, number - place) for number, stage in enumerate(wanted)]
    if row.stop_after and row.stage != Stage.READY:  # it ends there, and is not made ready
        return [*waits, *found]
    end = "good" if row.stage == Stage.READY else "next"
    return [*waits, *found, Step(Stage.READY, WORDS[Stage.READY].title, end, len(wanted) + 1)]


def _step(row: DeploymentDetails, told: Timeline, stage: Stage, place: int, distance: int) -> Step:
    """One at a place from 0, so many behind the one that was reached."""
    title, record, number = WORDS[stage].title, told.stages.get(stage), place + 1
    took = duration(record.seconds(record.ended)) if record and record.began and record.ended else ""
    if row.stage == Stage.READY or distance < 0:
        return Step(stage, title, "done", number, took)
    if distance > 0:
        return Step(stage, title, "next", number)
    return Step(stage, title, _present(row), number, took)


def _present(row: DeploymentDetails) -> str:
    if row.stage in RESTING:
        return "bad"
    return "stuck" if row.paused or row.causes else "now"


def _reached(row: DeploymentDetails, told: Timeline) -> Stage:
    """The stage that it is at; where it has ended, the one at which it has."""
    if row.stage not in RESTING:
        return row.stage
    if row.stage == Stage.REJECTED:
        return Stage.VERIFYING
    begun = [
        stage for stage in remaining.stages_of(row) if (record := told.stages.get(stage)) and record.began
    ]
    return begun[-1] if begun else Stage.POWERING


def _words(row: DeploymentDetails, told: Timeline) -> Words:
    words = WORDS.get(row.stage, WORDS[Stage.QUEUED])
    if row.stage == Stage.POWERING and told.request:
        return Words(words.title, PRESS, told.request)
    return words


def _part(row: DeploymentDetails) -> tuple[int, int] | None:
    """Bytes that are written, of how many."""
    moved = row.progress
    can_be_counted = row.stage == Stage.WRITING and moved.is_of(row.stage) and moved.total > 1
    return (moved.done, moved.total) if can_be_counted else None


def _fixes(row: DeploymentDetails) -> list[Fix]:
    """The likeliest causes; of what has ended without any, what it says itself."""
    if row.stage == Stage.READY or (row.stage not in RESTING and not row.causes):
        return []
    return [rack_words.of_cause(cause) for cause in row.causes[:MOST_FIXES]] or [rack_words.of_failure(row)]


def _patience(row: DeploymentDetails) -> str:
    """Until when one that is stuck is still waited for."""
    seconds = row.deadline - the_site().clock()
    if row.stage in RESTING or row.paused or not row.deadline or seconds < MINUTE:
        return ""
    left = duration(seconds) if seconds >= HOUR else f"{int(seconds // MINUTE)} m"
    return f"It waits until {time.strftime('%H:%M', time.localtime(row.deadline))} ({left})."


def _left(row: DeploymentDetails) -> str:
    """How long the present step still takes, in words, as far as that is known."""
    now = the_site().clock()
    if row.stage in RESTING or row.paused:
        return ""
    moved = row.progress
    if moved.is_of(row.stage) and moved.seconds_left:
        return about(moved.seconds_left)
    if row.usual is None:
        return ""
    return about(row.usual.median - (now - row.stage_since))


def _in_all(row: DeploymentDetails) -> str:
    """How long all that is left of the order usually takes; empty where that is not known."""
    if row.stage in RESTING or row.paused:
        return ""
    site = the_site()
    times = usual.times(site.database, site.database.deployments.get(row.id))
    left = remaining.seconds_left(row, times, site.clock())
    return "" if left is None else about(left)


def about(seconds: float) -> str:
    """Seconds that are left, as one tells a person who waits."""
    if seconds < 0:
        return "longer than usual"
    if seconds < MINUTE:
        return "less than a minute left"
    return f"about {counted(round(seconds / MINUTE), 'minute')} left"


def resume(name: str) -> Response | Shown:
    """Let the one that was shown go on, after what it waited for then."""
    host = plan.find_host(the_site(), name)
    row = deployments.show(host.name).deployment
    try:
        _require_shown(row, request.form.get("order", ""))
        submitted.require_pause(row.paused, row.host)
    except RefusedError as fault:
        return _refused(host, fault)
    if row.paused and row.stage not in RESTING:
        deployments.resume(row.id)
    return go(f"/t/host/{quote(host.name)}/steps")


def cancel(name: str) -> Response | Shown:
    """Stop the one that was shown; the disk stays as it is then."""
    host = plan.find_host(the_site(), name)
    row = deployments.show(host.name).deployment
    try:
        _require_shown(row, request.form.get("order", ""))
    except RefusedError as fault:
        return _refused(host, fault)
    if row.stage not in RESTING:
        deployments.cancel(row.id)
    return go(f"/t/host/{quote(host.name)}/steps")


def _require_shown(row: DeploymentDetails, shown: str) -> None:
    """Raises RefusedError (PV-146) where another order was looked at than the host has now."""
    if shown != row.id:
        raise RefusedError(
            f"{row.host} has another order since this page was shown: nothing was done",
            hint="look once more: what is shown here is how it is now",
            code=146,
        )


def _refused(host: Host, fault: RefusedError) -> Shown:
    note_fault_of_people(fault)
    return _shown(host, fault)


PAGES = (
    Page("GET", "/t/host/<name>/steps", show, Role.TECHNICIAN),
    Page("POST", "/t/host/<name>/resume", resume, Role.TECHNICIAN),
    Page("POST", "/t/host/<name>/cancel", cancel, Role.TECHNICIAN),
)
