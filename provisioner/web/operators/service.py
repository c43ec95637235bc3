"""The service itself."""

from provisioner import __version__
from provisioner.api.service import ServiceChecks, ServiceStatus
from provisioner.site import checks
from provisioner.web.request import the_site


def show() -> ServiceStatus:
    """Who answers: version, settings that matter to a client, counts."""
    site = the_site()
    return ServiceStatus(
        version=__version__,
        interface=site.settings.interface,
        url=site.settings.url,
        state=str(site.settings.state),
        hosts=len(site.database.hosts.all()),
        under_way=len(site.database.deployments.under_way()),
    )


def check() -> ServiceChecks:
    """What it finds of itself and its machine: interface, ports, clock, keys, boot files, DHCP, worker."""
    return ServiceChecks(checks=checks.of_service(the_site()))
