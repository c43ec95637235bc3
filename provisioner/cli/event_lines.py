"""A deployment that is followed where nothing can be redrawn: a line for each event."""

from typing import TYPE_CHECKING

from provisioner.cli.diagnose import cause_lines, waiting_line
from provisioner.cli.output import info
from provisioner.domain.stage import RESTING
from provisioner.domain.timeline import Timeline
from provisioner.system.units import timestamp

if TYPE_CHECKING:
    from provisioner.api.deployments import DeploymentEvents

PROGRESS_INTERVAL = 10.0  # seconds between two lines of progress; reports come every two


class EventLines:
    """One time-stamped line for each event."""

    def __init__(self) -> None:
        self.timeline = Timeline()
        self._progress_at = 0.0
        self._named: frozenset[tuple[int, str]] = frozenset()
        self._awaited = ""
        self._warning = ""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, update: "DeploymentEvents") -> None:
        """Print new events."""
        self._warning = ""
        self._name_causes(update)
        for event in update.events:
            sentence = self.timeline.add(event)
            if not event.data.is_progress or self._is_due(event.time):
                info(f"{timestamp(event.time)} {event.host} {self.timeline.stage}: {sentence}")

    def _name_causes(self, update: "DeploymentEvents") -> None:
        """Print what it waits for, and each cause, once for as long as it lasts."""
        row, causes = update.deployment, update.deployment.causes
        if row.stage in RESTING:  # it says itself why it ended
            return
        if row.awaits != self._awaited:
            self._awaited = row.awaits
            waits = waiting_line(row, update.now).plain.strip()
            info(f"{timestamp(update.now)} {row.host} {row.stage}: {waits}")
        fresh = tuple(cause for cause in causes if (cause.code, cause.sentence) not in self._named)
        self._named = frozenset((cause.code, cause.sentence) for cause in causes)
        for words in cause_lines(row.model_copy(update={"causes": fresh}), update.now):
            info(words.plain)

    def _is_due(self, now: float) -> bool:
        if now - self._progress_at < PROGRESS_INTERVAL:
            return False
        self._progress_at = now
        return True

    def warn(self, sentence: str) -> None:
        """Print something about us, not about the deployment; once."""
        if sentence != self._warning:
            info(sentence)
        self._warning = sentence
