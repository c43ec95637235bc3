"""Requests to BMCs: put to the worker, which alone knows their secrets, and asked for their result."""

from provisioner.api.answer import WaitQuery
from provisioner.api.bmc import (
    BmcAnswer,
    BmcOrder,
    BmcOrdered,
    BmcRequestStatus,
    BmcSelection,
    BmcTestOrdered,
    BmcTestsOrdered,
)
from provisioner.deployment import plan, preflight
from provisioner.deployment.runs import select_hosts
from provisioner.domain.audit import Entry, Kind
from provisioner.domain.host import Host
from provisioner.domain.person import Role
from provisioner.errors import InputError, WorkerError
from provisioner.power import registry
from provisioner.site.site import Site
from provisioner.state.alive import last_look
from provisioner.state.requests import BmcRequest, changes
from provisioner.web.request import await_change, require, the_caller, the_site

LOOK = 1.0  # seconds between two looks whether the worker lives
WORKER_GONE = 8.0  # seconds: it looks every two
LARGEST_KEY = (1 << 63) - 1  # of a row (sqlite.org, Limits)


def order(body: BmcOrder) -> BmcOrdered:
    """Let the worker ask a BMC: test, power, boot device, the identification light, sensors."""
    site = the_site()
    host = plan.find_host(site, body.host)
    if not registry.find(host.bmc.driver, host.name).has_bmc:
        raise InputError(f"{host.name} has no BMC", hint="its profile is powered by hand", code=204)
    if host.locked and body.action in ("power", "boot") and body.argument not in ("", "state"):
        require(Role.OPERATOR, f"changing the power of {host.name}, which is locked,")
    argument = str(body.seconds) if body.seconds else body.argument
    entry = _entry(site, host.name, body.action, argument) if changes(body.action, argument) else None
    number = site.database.requests.ask(host.name, body.action, argument, site.clock(), entry)
    return BmcOrdered(request=number)


def _entry(site: Site, host: str, action: str, argument: str) -> Entry:
    """That somebody wants something done at a BMC; the worker adds what came of it."""
    what = f"bmc {action} {argument}".rstrip()
    return the_caller().origin.entry(Kind.POWER, site.clock(), host=host, what=what, sentence="ordered")


def test_many(body: BmcSelection) -> BmcTestsOrdered:
    """Let the worker test the BMCs of many hosts at the same time."""
    site = the_site()
    if body.hosts:
        hosts = [site.database.hosts.get(name) for name in body.hosts]
    else:
        hosts = select_hosts(site, body.select, everything=body.all)
    return BmcTestsOrdered(tests=tuple(_begin_test(site, host) for host in hosts))


def _begin_test(site: Site, host: Host) -> BmcTestOrdered:
    if not registry.find(host.bmc.driver, host.name).has_bmc:
        return BmcTestOrdered(host=host.name)
    for refusal in preflight.missing_logins(site, host):
        return BmcTestOrdered(host=host.name, refusal=refusal)
    number = site.database.requests.ask(host.name, "test", "quick", site.clock())
    return BmcTestOrdered(host=host.name, request=number)


def result(ident: int, query: WaitQuery) -> BmcAnswer:
    """What came of it, once that is known or `wait` seconds have passed.

    Raises WorkerError (PV-674) as soon as the worker is known to do nothing.
    """
    site, database = the_site(), the_site().database
    ident = min(ident, LARGEST_KEY)  # which no request has
    until = site.clock() + query.wait
    while True:
        left = until - site.clock()
        row = await_change(lambda: database.requests.get(ident), _is_done, min(left, LOOK))
        if _is_done(row):
            break
        _require_worker(site, row)
        if left <= LOOK:
            break
    return BmcAnswer(request=BmcRequestStatus.model_validate(row.model_dump(exclude_unset=True)))


def _is_done(row: BmcRequest) -> bool:
    return row.state == "done"


def _require_worker(site: Site, row: BmcRequest) -> None:
    """Raises WorkerError where nobody has looked since the request was made, or for long before."""
    silence = site.clock() - max(row.created, last_look(site.settings.state))
    if silence > WORKER_GONE:
        raise WorkerError(
            f"{row.host}: no BMC can be asked: the worker has done nothing for {silence:.0f} s",
            hint="is worker among the services? Its log says why: systemctl restart provisioner-worker; "
            "provision check",
        )
