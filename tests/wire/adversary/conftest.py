"""What every attack is held against: nothing changes that was not ordered, and no secret leaves."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from provisioner.domain.events.request import RequestRefused
from provisioner.errors import RefusedError
from provisioner.site import opened_secrets

if TYPE_CHECKING:
    from tests.wire.conftest import Puppet, Reply, World

TABLES = ("deployments", "hosts", "macs", "profiles", "images", "runs", "requests")
# of a deployment under way these move by themselves, and by what is only evidence
MOVES = ("last_event", "last_event_at", "deadline", "progress")
TOLD = ("paused", "reason", "hint", "script")  # that somebody tried, and what to look at
Untouched = Callable[..., AbstractContextManager[None]]


def rows(world: World) -> dict[str, list[dict[str, Any]]]:
    """Every row that decides something, without what moves by itself."""
    found = {}
    for table in TABLES:
        listed = [dict(row) for row in world.site.database.rows(f"SELECT * FROM {table} ORDER BY rowid")]
        found[table] = [{k: v for k, v in row.items() if k not in (*MOVES, *TOLD)} for row in listed]
    return found


@pytest.fixture
def nowhere(world: World) -> Reply:
    """What is answered where nothing is."""
    return world.lan.http("/no/such/path")


@pytest.fixture(scope="module")
def hosts(world: World) -> list[Puppet]:
    """Two machines that all attacks of a module share: there are more attacks than addresses."""
    return [world.add_host(), world.add_host()]


@contextmanager
def renewed(world: World, puppet: Puppet) -> Iterator[Puppet]:
    """A machine as if nothing had been ordered for it; what is done to it is undone afterwards."""
    table = world.site.database.hosts
    inventory = table.get(puppet.name)
    puppet.token, puppet.used, puppet.order = "", "", {}
    try:
        yield puppet
    finally:
        if puppet.row:
            with suppress(RefusedError):  # it has ended
                world.client.cancel(puppet.row.id)
        table.put(inventory)


@pytest.fixture
def puppet(world: World, hosts: list[Puppet]) -> Iterator[Puppet]:
    """The machine that is attacked, or that attacks."""
    with renewed(world, hosts[0]) as made:
        yield made


@pytest.fixture
def other(world: World, hosts: list[Puppet]) -> Iterator[Puppet]:
    """Another machine of the rack, with an order of its own."""
    with renewed(world, hosts[1]) as made:
        yield made


@pytest.fixture
def untouched(world: World) -> Untouched:
    """A block in which no row may change that decides something."""

    @contextmanager
    def block() -> Iterator[None]:
        before = rows(world)
        yield
        assert rows(world) == before

    return block


def refusals(world: World, puppet: Puppet) -> list[RequestRefused]:
    """Who was refused, as the log of a host's last deployment says; or its own, where it has none."""
    row = puppet.row
    events = world.client.events(row.id).events if row else world.client.host(puppet.name).events
    return [event.data for event in events if isinstance(event.data, RequestRefused)]


def await_refusal(world: World, puppet: Puppet, what: str, address: str, count: int = 1) -> RequestRefused:
    """The line of the log that says so, as soon as it is there; at most ten seconds."""
    until = time.monotonic() + 30
    while True:
        found = refusals(world, puppet)
        for one in found:
            if one.what == what and one.address == address and one.count >= count:
                assert one.sentence, "it says why"
                return one
        assert time.monotonic() < until, f"no {what} of {address} in {found}"
        time.sleep(0.1)


def secrets_of(world: World, *puppets: Puppet) -> list[bytes]:
    """Every secret that is worth something now."""
    folder = world.state / "secrets"
    found = [line for line in (folder / "https.key").read_text().splitlines() if len(line) > 40]
    found += [line for line in opened_secrets.words(world.site) if len(line) > 40]
    for puppet in puppets:
        found += [puppet.used, puppet.token]
        found += [puppet.phone_token] if puppet.order else []
    return [secret.encode() for secret in found if secret]


def holds_nothing(reply: Reply, world: World, *puppets: Puppet) -> bool:
    """Whether no secret is in an answer, its headers included."""
    whole = reply.body + repr(reply.headers).encode()
    return not [secret for secret in secrets_of(world, *puppets) if secret in whole]


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The table: kind of attack, cases, held."""
    cases: Counter[tuple[str, str]] = Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            if "/adversary/" in report.nodeid and report.when == "call":
                cases[report.nodeid.split("::")[1].split("[")[0], outcome] += 1
    names = sorted({name for name, _ in cases})
    if not names:
        return
    terminalreporter.section("attacks")
    for name in names:
        held, broken = cases[name, "passed"], cases[name, "failed"]
        terminalreporter.line(
            f"{held + broken:5d} {'held' if not broken else f'{broken} BROKEN'}  {name[5:]}"
        )
    terminalreporter.line(f"{cases.total():5d} in all")
