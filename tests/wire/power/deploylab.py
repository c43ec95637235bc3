"""A deployment whose host is behind a BMC under test: the worker's own loop, with a clock that is moved."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.netboot import DhcpSeen
from provisioner.domain.events.order import SlotGiven
from provisioner.domain.host import Bmc
from provisioner.domain.stage import Stage
from provisioner.site.site import Site
from provisioner.state.notify import Listener
from provisioner.worker.hearing import Hearing
from provisioner.worker.loop import Loop
from tests.logins import put_login
from tests.unit.conftest import Clock

ROUNDS = 60
PATIENCE = 0.02  # seconds in which the worker may be rung


class Now:
    """An executor that works at once."""

    def submit(self, work: Callable[[], None]) -> Future[None]:
        done: Future[None] = Future()
        work()
        done.set_result(None)
        return done


def powered(site: Site, clock: Clock, bmc: Bmc, login: tuple[str, str]) -> Deployment:
    """Order vc-1 with this BMC and let the worker work until it has told it, or has given up."""
    put_login(site, "lab", *login)
    host = site.database.hosts.get("vc-1")
    site.database.hosts.put(host.model_copy(update={"bmc": bmc.model_copy(update={"secret": "lab"})}))
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    record(site, row.id, SlotGiven(), source="worker")
    with _loop(site) as (loop, listener):
        for _ in range(ROUNDS):
            seen, before = listener.count, row.last_event_at
            loop.step()
            row = site.database.deployments.get(row.id)
            if row.stage != Stage.POWERING or row.last_event == "power.on":
                break
            if row.last_event_at == before:
                listener.wait(seen, PATIENCE)  # its console is taken first, by a process of its own
            clock.now += 5
    return row


@contextmanager
def _loop(site: Site) -> Iterator[tuple[Loop, Listener]]:
    with Listener(site.settings.state, "worker") as listener:
        yield (
            Loop(site, listener, Now(), Hearing(site)),  # type: ignore[arg-type]  # any executor will do
            listener,
        )


def story(site: Site, row: Deployment) -> list[str]:
    """What happened, for an assertion that fails."""
    return [f"{event.kind}: {event.describe()}" for event in site.database.events.of(row.id)]


def reaches_netbooting(site: Site, row: Deployment) -> bool:
    """Whether the host's first packet finds the deployment where it should be."""
    return record(site, row.id, DhcpSeen(), source="dhcp").stage == Stage.NETBOOTING
