"""BMC logins: under which names they are kept and which hosts use each; never a login itself."""

from flask import Response, request

from provisioner.api.answer import Removal
from provisioner.api.bmc import LoginUpdate
from provisioner.domain.person import Role
from provisioner.errors import ProvisionError
from provisioner.system.units import counted
from provisioner.web.operators import secrets
from provisioner.web.pages.filled import filled, require_same, status_with, text
from provisioner.web.pages.page import Page, Shown, go
from provisioner.web.request import the_site


def list_all() -> Shown:
    """The names, and whose BMCs they are for."""
    return _all()


def _all(fault: ProvisionError | None = None, notice: str = "") -> Shown:
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
        "notice": notice,
        "typed": {name: text(name)[:100] for name in ("name", "user", "host")} if fault else {},
        "wanted": request.args.get("name", "")[:64],
    }
    return Shown("bmc_logins.html", values, status_with(fault))


def put() -> Shown:
    """Keep one under a name, for all hosts that have the name or for one of them alone."""
    name = text("name")
    typed = {"user": text("user"), "password": request.form.get("password", ""), "host": text("host")}
    try:
        stored = secrets.put_login(name, filled(LoginUpdate, typed))
    except ProvisionError as fault:
        return _all(fault)
    verb = "replaced" if stored.replaced else "kept"
    return _all(notice=f"The login {name} was {verb}. It is for {counted(len(stored.hosts), 'BMC')}.")


def remove() -> Shown | Response:
    """Forget one that no host needs."""
    name = text("name")
    try:
        require_same(name, text("confirmation"), f"the login {name}")
        secrets.remove_login(name, Removal())
    except ProvisionError as fault:
        return _all(fault)
    return go("/admin/logins")


PAGES = (
    Page("GET", "/admin/logins", list_all, Role.OPERATOR),
    Page("POST", "/admin/logins", put, Role.OPERATOR),
    Page("POST", "/admin/logins/remove", remove, Role.OPERATOR),
)
