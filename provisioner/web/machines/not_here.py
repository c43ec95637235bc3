"""Who calls people's paths by plain HTTP is told where they are: by TLS, at the same address."""

from collections.abc import Mapping

from flask import Blueprint, Response, abort, request

from provisioner.api import ROOT
from provisioner.errors import RefusedError
from provisioner.web.audience import LAN, Audience
from provisioner.web.machines.refusals import note_refused_here
from provisioner.web.request import answer_error, the_site

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")
AUDIENCES: Mapping[str, Audience] = {"not_here.moved": LAN, "not_here.first_page": LAN}
routes = Blueprint("not_here", __name__)


@routes.route("/", methods=["GET"], strict_slashes=False)
@routes.route("/<any(t, login):page>", methods=["GET"])
def first_page(page: str = "") -> Response:
    """Who types the address into a browser is sent to the pages; 404 where people have no port."""
    settings = the_site().settings
    if not settings.https_port or request.environ["PATH_INFO"].startswith("//"):
        abort(404)
    name = request.host.rpartition(":")[0] or request.host
    url = settings.api_url_as(name) if name in settings.api_names else settings.api_url
    return Response(status=303, headers={"Location": f"{url}/{page}"})


@routes.route("/metrics", methods=METHODS)
@routes.route(f"{ROOT}/<path:_>", methods=METHODS)
def moved(_: str = "") -> Response:
    """The same words for everybody, whatever he shows: a token that came by plain HTTP is read by others."""
    sentence = "plain HTTP serves machines alone: people and programs are answered by TLS"
    note_refused_here(f"{request.method} {request.path}", sentence)
    url = the_site().settings.api_url
    hint = f"provision login {url}; a token that was sent here is to be revoked"
    return answer_error(RefusedError(sentence, hint=hint, code=704))
