"""What a restoration makes of the orders that the backup holds: none of them goes on."""

from provisioner.deployment.record import record, set_aside
from provisioner.domain.events.service import ServiceRestored
from provisioner.errors import UnreadableError
from provisioner.site.site import Site
from provisioner.state.requests import BmcFault, BmcResult


def end_all(site: Site, taken: str) -> list[str]:
    """End each order that was under way, and each request to a BMC; the hosts of the orders.

    `taken` is when the backup was made, in words. An order may have been consumed since, and its host may be
    in use: who had the order again would erase it.
    """
    sentence = f"the service was restored from the backup of {taken}; what became of this since, nobody knows"
    hosts = []
    for _, ident, _ in site.database.deployments.orders():
        try:
            row = site.database.deployments.get(ident)
            hint = f"look at it: provision host show {row.host}; then order again: provision retry {row.host}"
            lost = ServiceRestored(code=684, sentence=sentence, hint=hint)
            row = record(site, ident, lost, source="restore")
        except UnreadableError as fault:
            row = set_aside(site, ident, fault, by="restore")
        hosts.append(row.host)
    unasked = BmcResult(error=BmcFault(message=sentence, hint="ask again", code=684, exit=3))
    for request in site.database.requests.open():
        site.database.requests.answer(request.id, unasked)
    return hosts
