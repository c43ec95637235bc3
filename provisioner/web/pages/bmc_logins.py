"""BMC logins: under which names they are kept and which hosts use each; never a login itself."""

import re
from collections.abc import Sequence

from flask import Response, request

from provisioner.api.answer import Removal
from provisioner.api.bmc import LoginUpdate, LoginUse
from provisioner.domain.person import Role
from provisioner.errors import ProvisionError
from provisioner.system.units import counted
from provisioner.web.operators import secrets
from provisioner.web.pages import notices, submitted
from provisioner.web.pages.page import Page, Shown
from provisioner.web.request import the_site

NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def list_all() -> Shown:
    """The names, and whose BMCs they are for."""
    return _all()


def _all(fault: ProvisionError | None = None) -> Shown:
    found = secrets.list_logins().secrets
    kept = {one.secret for one in found}
    hosts = the_site().database.hosts.all()
    missing: dict[str, list[str]] = {}
    for host in hosts:
        if host.bmc.secret and host.bmc.secret not in kept:
            missing.setdefault(host.bmc.secret, []).append(host.name)
    values = {
        "logins": found,
        "missing": sorted(missing.items()),
        "hosts": [host.name for host in hosts if host.bmc.secret],
        "fault": fault,
        "notice": "" if fault else _notice(found),
        "typed": {name: submitted.text(name)[:100] for name in ("name", "user", "host")} if fault else {},
        "wanted": request.args.get("name", "")[:64],
    }
    return Shown("bmc_logins.html", values, submitted.status_with(fault))


def _notice(found: Sequence[LoginUse]) -> str:
    """What was just done with one, as far as it is so still."""
    what, name = notices.told()
    kept = next((one for one in found if one.secret == name), None)
    if what == "removed" and kept is None and NAME.fullmatch(name):
        return f"The login {name} was removed."
    if kept is None or what not in ("kept", "replaced"):
        return ""
    return f"The login {name} was {what}. {counted(len(kept.hosts), 'host')} can use it."


def put() -> Shown | Response:
    """Keep one under a name, for all hosts that have the name or for one of them alone."""
    name, password = submitted.text("name"), request.form.get("password", "")
    typed = {"user": submitted.text("user"), "password": password, "host": submitted.text("host")}
    stored, fault = submitted.attempt(lambda: secrets.put_login(name, submitted.model(LoginUpdate, **typed)))
    if stored is None:
        return _all(fault)
    return notices.after("/admin/logins", "replaced" if stored.replaced else "kept", name)


def remove() -> Shown | Response:
    """Forget one that no host needs."""
    name = submitted.text("name")

    def act() -> None:
        submitted.require_word(request.form, name, f"the login {name} would be removed")
        secrets.remove_login(name, Removal())

    _, fault = submitted.attempt(act)
    if fault:
        return _all(fault)
    return notices.after("/admin/logins", "removed", name)


PAGES = (
    Page("GET", "/admin/logins", list_all, Role.OPERATOR),
    Page("POST", "/admin/logins", put, Role.OPERATOR),
    Page("POST", "/admin/logins/remove", remove, Role.OPERATOR),
)
