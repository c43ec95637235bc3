"""Secrets that the service keeps: BMC logins."""

from provisioner.api.bmc import LoginStored, LoginUpdate
from provisioner.state.secrets import put_bmc_login
from provisioner.web.request import the_site


def put_login(name: str, body: LoginUpdate) -> LoginStored:
    """Keep a BMC's login in the state folder; it is never given back."""
    put_bmc_login(the_site().settings.state, name, body.user, body.password)
    return LoginStored(secret=name)
