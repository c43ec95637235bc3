"""Secrets that the service keeps: BMC logins."""

from provisioner.api.answer import Removal
from provisioner.api.bmc import LoginList, LoginStored, LoginUpdate, LoginUse
from provisioner.deployment import removal
from provisioner.domain.host import Host
from provisioner.state.secrets import bmc_login_names, put_bmc_login
from provisioner.web.request import the_site


def list_logins() -> LoginList:
    """The names of the BMC logins that are kept, and whose they are; never a login itself."""
    site = the_site()
    hosts = site.database.hosts.all()
    names = bmc_login_names(site.settings.state)
    return LoginList(secrets=tuple(LoginUse(secret=name, hosts=_users(hosts, name)) for name in names))


def _users(hosts: list[Host], login: str) -> tuple[str, ...]:
    """The hosts whose BMC a login is for."""
    return tuple(host.name for host in hosts if host.bmc.secret == login)


def put_login(name: str, body: LoginUpdate) -> LoginStored:
    """Keep a BMC's login in the state folder, in place of one of that name; it is never given back."""
    site = the_site()
    replaced = put_bmc_login(site.settings.state, name, body.user, body.password)
    return LoginStored(secret=name, replaced=replaced, hosts=_users(site.database.hosts.all(), name))


def remove_login(name: str, body: Removal) -> LoginStored:
    """Forget a BMC's login that no host needs."""
    removal.remove_login(the_site(), name, dry_run=body.dry_run)
    return LoginStored(secret=name)
