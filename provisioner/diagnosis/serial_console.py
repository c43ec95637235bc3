"""The words with which people are sent to a host's serial console."""

from provisioner.domain.deployment import Deployment
from provisioner.power import registry
from provisioner.site.site import Site


def see_console(site: Site, row: Deployment) -> str:
    """The command that shows the serial console, or `its console` where none is recorded."""
    host = site.database.hosts.known([row.host]).get(row.host)
    if host and registry.console_driver(host.bmc):
        return f"see its serial console (provision bmc console {row.host})"
    return "see its console"
