"""Whose an agent's token is, and at which stages it is worth anything."""

import logging

from flask import abort, request

from provisioner.deployment.record import pause
from provisioner.deployment.tokens import token_fits
from provisioner.domain.deployment import Deployment
from provisioner.domain.stage import Stage
from provisioner.site import lan
from provisioner.system.checksum import sha256_text
from provisioner.web.machines.refusals import note_refused_here
from provisioner.web.request import client_address, the_site

log = logging.getLogger(__name__)
AGENT_STAGES = frozenset({Stage.WRITING, Stage.RESTARTING})


def token_owner() -> Deployment:
    """The deployment whose agent sends the request, from its host's own address; 404 for anybody else."""
    site, address = the_site(), client_address()
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    row = site.database.deployments.by_token(sha256_text(token)) if token else None
    if row is None or not token_fits(token, row.token_hash):
        note_refused_here(request.path, "its token is nobody's" if token else "it has no token")
        abort(404)
    # where it said hello from; or what it has now, if that has changed since
    if address != row.agent_address and not lan.has_address(site, row.mac, address):
        log.warning("%s: its agent's token is used from %s, and refused", row.host, address)
        pause(site, row.id, f"its agent's token was used from {address}", address)
        abort(404)
    return row
