"""Where the API was until people were given TLS: who calls it by plain HTTP is told where it is."""

from collections.abc import Mapping

from flask import Blueprint, Response, request

from provisioner.api import ROOT
from provisioner.errors import RefusedError
from provisioner.web.audience import LAN, Audience
from provisioner.web.machines.refusals import note_refused_here
from provisioner.web.request import answer_error, the_site

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")
AUDIENCES: Mapping[str, Audience] = {"not_here.moved": LAN}
routes = Blueprint("not_here", __name__)


@routes.route("/metrics", methods=METHODS)
@routes.route(f"{ROOT}/<path:_>", methods=METHODS)
def moved(_: str = "") -> Response:
    """The same words for everybody, whatever he shows: a token that came by plain HTTP is read by others."""
    sentence = "plain HTTP serves machines alone: people and programs are answered by TLS"
    note_refused_here(f"{request.method} {request.path}", sentence)
    url = the_site().settings.api_url
    hint = f"provision login {url}; a token that was sent here is to be revoked"
    return answer_error(RefusedError(sentence, hint=hint, code=704))
