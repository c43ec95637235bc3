"""Logins of BMCs: kept so that nobody but the worker can read them, and forgotten."""

import json
from secrets import token_hex

from provisioner.domain.audit import Kind, Origin
from provisioner.domain.host import Host
from provisioner.errors import InputError, NotFoundError
from provisioner.site.site import Site
from provisioner.state import audit, secrets
from provisioner.state.rotations import Rotation
from provisioner.state.sealed_secrets import BMC_LOGIN, OWN_BMC_LOGIN


def put(site: Site, name: str, user: str, password: str, origin: Origin) -> bool:
    """Keep a login under a name; whether one was replaced.

    Raises InputError (PV-100): not a name; SecretKeyError (PV-695).
    """
    secrets.require_name(name)
    body = json.dumps({"user": user, "password": password})
    with site.database.writing():
        is_known = site.database.secrets.put(BMC_LOGIN, name, body, now=site.clock())
        note(site, Kind.SECRET_WRITTEN, name, origin)
    return is_known


def put_own(site: Site, host: Host, name: str, user: str, password: str, origin: Origin) -> bool:
    """Keep a login for one host's BMC alone; whether one was replaced.

    Raises InputError (PV-100): the inventory does not say this name for it; SecretKeyError (PV-695).
    """
    if name != host.bmc.secret:
        raise InputError(
            f"the BMC of {host.name} has the login {host.bmc.secret or '(none)'} by the inventory, no {name}",
            hint=f"provision bmc secret {host.bmc.secret or 'NAME'} --user USER --host {host.name}",
        )
    body, now = json.dumps({"user": user, "password": password}), site.clock()
    with site.database.writing():
        is_known = bool(site.database.rotations.of(host).login)
        site.database.rotations.forget(host.name)
        row = Rotation(host=host.name, secret=name, login=f"{host.name}.{token_hex(4)}", changed=now)
        site.database.secrets.put(OWN_BMC_LOGIN, row.login, body, now=now)
        site.database.rotations.put(row)
        note(site, Kind.SECRET_WRITTEN, name, origin, host.name)
    return is_known


def names(site: Site) -> list[str]:
    """The names under which logins are kept."""
    return site.database.secrets.names(BMC_LOGIN)


def require(site: Site, name: str) -> None:
    """Raises NotFoundError (PV-120) where no login is kept under this name."""
    if not site.database.secrets.has(BMC_LOGIN, name):
        raise NotFoundError(f"no BMC login is kept as {name!r}", hint="provision bmc secret list", code=120)


def forget(site: Site, name: str, origin: Origin) -> None:
    """Forget a login."""
    with site.database.writing():
        site.database.secrets.remove(BMC_LOGIN, name)
        note(site, Kind.SECRET_REMOVED, name, origin)


def note(site: Site, kind: Kind, name: str, origin: Origin, host: str = "") -> None:
    """The audit's line of it, inside the caller's transaction."""
    audit.record(site.database, origin.entry(kind, site.clock(), host=host, what=f"{BMC_LOGIN} {name}"))
