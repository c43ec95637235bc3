"""Requests to BMCs: put to the worker, which alone knows their secrets, and asked for their result."""

from provisioner.api.answer import WaitQuery
from provisioner.api.bmc import BmcAnswer, BmcOrder, BmcOrdered, BmcRequestStatus
from provisioner.deployment import plan
from provisioner.errors import InputError
from provisioner.power import registry
from provisioner.web.request import await_change, the_site


def order(body: BmcOrder) -> BmcOrdered:
    """Let the worker ask a BMC: test it, read or change power, read or set the boot device."""
    site = the_site()
    host = plan.find_host(site, body.host)
    if not registry.find(host.bmc.driver, host.name).has_bmc:
        raise InputError(f"{host.name} has no BMC", hint="its profile is powered by hand", code=204)
    return BmcOrdered(request=site.database.requests.ask(host.name, body.action, body.argument, site.clock()))


def result(ident: int, query: WaitQuery) -> BmcAnswer:
    """What came of it, once that is known or `wait` seconds have passed."""
    database = the_site().database
    row = await_change(lambda: database.requests.get(ident), lambda row: row.state == "done", query.wait)
    return BmcAnswer(request=BmcRequestStatus.model_validate(row.model_dump(exclude_unset=True)))
