"""Secrets that the service keeps: BMC logins."""

from provisioner.api.answer import Removal
from provisioner.api.bmc import LoginList, LoginStored, LoginUpdate, LoginUse
from provisioner.deployment import logins, plan, removal
from provisioner.domain.host import Host
from provisioner.web.request import the_caller, the_site


def list_logins() -> LoginList:
    """The names of the BMC logins that are kept, and whose they are; never a login itself."""
    site = the_site()
    hosts = site.database.hosts.all()
    names = logins.names(site)
    own = {(row.secret, row.host) for row in site.database.rotations.all() if row.login}
    return LoginList(secrets=tuple(_use(name, _users(hosts, name), own) for name in names))


def _use(name: str, hosts: tuple[str, ...], own: set[tuple[str, str]]) -> LoginUse:
    return LoginUse(secret=name, hosts=hosts, own=tuple(host for host in hosts if (name, host) in own))


def _users(hosts: list[Host], login: str) -> tuple[str, ...]:
    """The hosts whose BMC a login is for."""
    return tuple(host.name for host in hosts if host.bmc.secret == login)


def put_login(name: str, body: LoginUpdate) -> LoginStored:
    """Keep a BMC's login, encrypted for the worker, in place of one of that name; it is never given back."""
    site = the_site()
    if body.host:
        host = plan.find_host(site, body.host)
        replaced = logins.put_own(site, host, name, body.user, body.password, the_caller().origin)
        return LoginStored(secret=name, replaced=replaced, hosts=(host.name,))
    replaced = logins.put(site, name, body.user, body.password, the_caller().origin)
    return LoginStored(secret=name, replaced=replaced, hosts=_users(site.database.hosts.all(), name))


def remove_login(name: str, body: Removal) -> LoginStored:
    """Forget a BMC's login that no host needs."""
    removal.remove_login(the_site(), name, the_caller().origin, dry_run=body.dry_run)
    return LoginStored(secret=name)
