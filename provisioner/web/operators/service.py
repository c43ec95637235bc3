"""The service itself."""

from provisioner import __version__
from provisioner.api.service import ServiceStatus
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
