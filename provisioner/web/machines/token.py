"""Whose an agent's token is, and at which stages it is worth anything."""

from flask import abort, request

from provisioner.deployment.tokens import hash_token, token_fits
from provisioner.domain.deployment import Deployment
from provisioner.domain.stage import Stage
from provisioner.web.request import the_site

AGENT_STAGES = frozenset({Stage.WRITING, Stage.RESTARTING})


def token_owner() -> Deployment:
    """The deployment whose agent sends the request; the uniform 404 for anybody else."""
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    row = the_site().database.deployments.by_token(hash_token(token)) if token else None
    if row is None or not token_fits(token, row.token_hash):
        abort(404)
    return row
