"""Hosts alike compared: the numbers of a profile's hosts side by side, what stands out first."""

from flask import request

from provisioner.certificate.values import number
from provisioner.deployment import twin_table
from provisioner.domain.person import Role
from provisioner.verify.twins import FEWEST
from provisioner.web.pages.page import Page, Shown
from provisioner.web.request import the_site


def show() -> Shown:
    """The hosts of the profile that is named, else of the first one."""
    site = the_site()
    known = twin_table.profiles(site)
    wanted = request.args.get("profile", known[0] if known else "")
    table = twin_table.compare(site, wanted)
    values = {"table": table, "profiles": known, "number": number, "fewest": FEWEST + 1}
    return Shown("twins.html", values)


PAGES = (Page("GET", "/reports/twins", show, Role.VIEWER),)
