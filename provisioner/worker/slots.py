"""Who of those that wait begins now, and how many in one moment."""

from collections.abc import Mapping
from dataclasses import replace

from provisioner.deployment.record import record
from provisioner.deployment.runs import next_in_line
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.order import SlotGiven
from provisioner.domain.run import RunProgress
from provisioner.site import lan
from provisioner.site.site import Site

BATCH = 64  # slots of one pass, where nothing keeps them apart: the loop must look at the others, too


class Slots:
    """Gives slots; between two are `orders.stagger_seconds`, so that a rack's inrush currents do not add up.

    Where those are 0, one pass gives as many as may begin: a pass reads every deployment, so that a pass for
    each would read them as often as there are hosts.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._given = 0.0

    def give(self, rows: list[Deployment], runs: Mapping[str, RunProgress], now: float) -> None:
        """`rows` are all that are not at rest, `runs` those of which a host waits. Raises TransitionError."""
        orders = self._site.settings.orders
        if now - self._given < orders.stagger_seconds or not lan.is_sole_server(self._site):
            return
        known = dict(runs)
        for _ in range(1 if orders.stagger_seconds else BATCH):
            row = next_in_line(rows, known, orders.at_once)
            if row is None:
                return
            self._given = now
            begun = record(self._site, row.id, SlotGiven(), source="worker")
            rows = [begun if each.id == row.id else each for each in rows]
            if progress := known.get(row.run):
                others = (begun if each.id == row.id else each for each in progress.rows)
                known[row.run] = replace(progress, rows=tuple(others))
