"""Why a stage's sign of life is absent at its deadline: the same causes, and nobody waits any longer."""

from dataclasses import replace

from provisioner.diagnosis.judges import judge
from provisioner.diagnosis.observations import Observations, observe
from provisioner.domain.cause import Cause, Sight
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.clock import DeadlinePassed
from provisioner.domain.events.order import HostSuspect
from provisioner.domain.lifecycle import ROWS
from provisioner.domain.stage import Stage
from provisioner.site.site import Site


def overdue(site: Site, row: Deployment) -> DeadlinePassed:
    """Why the stage's deadline has passed, as the event that ends the deployment."""
    stage, seen = ROWS[row.stage], replace(observe(site, row), is_late=True)
    minutes = max(1, round(seen.waited / 60))
    cause = _paused(seen) if row.paused else next(iter(judge(seen)), _unexplained(seen))
    is_expired = not row.consumed and seen.now > row.expires
    limit = "the order has expired" if is_expired else f"no {stage.awaits}"
    sentence = f"{limit}, after {minutes} min at {stage.stage}: {cause.sentence}"
    return DeadlinePassed(code=cause.code, sentence=sentence, hint="; ".join(cause.actions))


def _paused(seen: Observations) -> Cause:
    """Nobody let it go on; by now its own hint, how to, comes too late."""
    row, told = seen.row, seen.last(HostSuspect)
    evidence = (Sight(sentence=row.reason, time=row.paused),)
    code = ROWS[row.stage].code
    if row.stage == Stage.QUEUED:
        actions: tuple[str, ...] = (f"what of it is still wanted: provision retry {row.run}",)
    else:
        where = f"look at {told[0].address}" if told and told[0].address else "look who that was"
        actions = (where, f"if the host is still wanted: provision retry {row.host}")
    return Cause(code=code, sentence=row.reason, evidence=evidence, actions=actions)


def _unexplained(seen: Observations) -> Cause:
    """Nothing that was seen says why."""
    return Cause(
        code=ROWS[seen.row.stage].code,
        sentence="nothing that was seen says why",
        evidence=(
            Sight(sentence="its last sign of life", time=seen.row.last_event_at or seen.row.stage_since),
        ),
        actions=(seen.see_console,),
    )
