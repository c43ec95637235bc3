"""Tokens for tests that come in over the network, and what of the service's certificate they must know."""

import ssl

from provisioner.deployment import people
from provisioner.domain.person import ROOT, Role
from provisioner.site.site import Site
from provisioner.state import site_certificate
from provisioner.state.secrets import secrets_folder


def token_of(site: Site, role: Role = Role.ADMIN, *, user: str = ROOT, seconds: float = 3600) -> str:
    """The text of a new token."""
    return people.make_token(site, user, role, site.clock() + seconds)[1]


def certified(site: Site) -> tuple[ssl.SSLContext, str]:
    """TLS as the service has it, and the SHA-256 of its certificate."""
    state = site.settings.state
    secrets_folder(state).mkdir(mode=0o700, exist_ok=True)
    site_certificate.ensure_certificate(state, site.settings.api_names)
    return site_certificate.server_context(state), site_certificate.fingerprint(state)
