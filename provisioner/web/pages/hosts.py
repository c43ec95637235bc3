"""All hosts: a table that the address filters and sorts, and from which many are ordered at once."""

from flask import request

from provisioner.domain.person import Role
from provisioner.domain.selection import HINT, KEYS
from provisioner.web.pages import host_list, notices
from provisioner.web.pages.host_list import KINDS, ORDERS, HostFilter, HostListing
from provisioner.web.pages.page import Page, Shown
from provisioner.web.request import the_caller, the_site

COLUMNS = {
    "state": "State",
    "name": "Host",
    "rack": "Rack",
    "address": "Address",
    "image": "Image",
    "serial": "Serial, MAC",
    "changed": "Last change",
    "locked": "Lock",
}


def show() -> Shown:
    """The hosts that the address asks for."""
    found = listing(HostFilter.of(request.args.to_dict()))
    values = {
        "found": found,
        "notice": _notice(),
        "wanted": found.wanted,
        "kinds": KINDS,
        "columns": COLUMNS,
        "orders": tuple(ORDERS),
        "select_hint": HINT,
        "select_keys": ", ".join(KEYS),
        "may_order": the_caller().role.covers(Role.OPERATOR),
    }
    return Shown("hosts.html", values)


def _notice() -> str:
    """Which host was just removed, if there was one of this name and is none any more."""
    what, name = notices.told()
    database = the_site().database
    if what != "removed" or database.hosts.known({name}) or not database.events.history(name, 1):
        return ""
    return f"{name} is removed. Its history stays."


def listing(wanted: HostFilter) -> HostListing:
    """What fits now."""
    return host_list.choose(host_list.read(the_site()), wanted)


PAGES = (Page("GET", "/hosts", show, Role.VIEWER),)
