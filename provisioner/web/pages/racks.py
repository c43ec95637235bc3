"""Racks: how the hosts of each were accepted, and the sheets that go with them."""

import time

from flask import Response, request

from provisioner.deployment import racks
from provisioner.domain.person import Role
from provisioner.errors import NotFoundError
from provisioner.web.pages import moving
from provisioner.web.pages.downloads import download
from provisioner.web.pages.page import Page, Shown
from provisioner.web.request import the_site

NO_RACK = "without-rack"


def list_all() -> Shown:
    """Every rack with its hosts, and what each host's newest report comes to."""
    found = racks.all_racks(the_site())
    rows = (each.deployment for rack in found for each in rack.hosts if each.deployment)
    return Shown("racks.html", {"racks": found, "going": moving.active(rows)})


def sheet() -> Response:
    """The sheet of the rack that is named, as PDF; without a name one page for each, and an overview.

    Raises NotFoundError: no host is in such a rack.
    """
    from provisioner.certificate import rack_pages  # takes a while to import

    site, wanted = the_site(), request.args.get("rack")
    found = [each for each in racks.all_racks(site) if wanted is None or each.name == wanted]
    if not found:
        raise NotFoundError(f"no host is in a rack {wanted or ''}".rstrip(), hint="all racks: /reports/racks")
    name = "racks" if wanted is None else f"rack-{wanted or NO_RACK}"
    day = time.strftime("%Y-%m-%d", time.gmtime(site.clock()))
    data = rack_pages.render_racks(racks.results(site, found), site.clock())
    return download(data, f"{name}-{day}.pdf", "application/pdf")


PAGES = (
    Page("GET", "/reports/racks", list_all, Role.VIEWER),
    Page("GET", "/reports/racks.pdf", sheet, Role.VIEWER),
)
