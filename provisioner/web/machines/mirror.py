"""The site mirror for whoever is on the LAN: files to read, no lists but the wheels' index.

Audience: anyone. It holds nothing that is secret, and who reads it checks its signature.
"""

from collections.abc import Mapping

from flask import Blueprint, Response, abort, request

from provisioner.mirror import layout
from provisioner.setting_sections import Mirror
from provisioner.web.audience import LAN, Audience
from provisioner.web.machines import files
from provisioner.web.request import the_site

routes = Blueprint("mirror", __name__)
METHODS = ("GET", "HEAD")
AUDIENCES: Mapping[str, Audience] = {"mirror.by_path": LAN}


@routes.before_app_request
def by_name() -> Response | None:
    """Under the mirror's own name there is nothing but the mirror."""
    mirror = _mirror()
    host = request.host.rpartition(":")[0] if ":" in request.host else request.host
    if mirror.path is None or host.lower() != mirror.name:
        return None
    if request.method not in METHODS:
        abort(404)
    return _file(request.path.removeprefix("/"))


@routes.get("/mirror/<path:asked>")
def by_path(asked: str) -> Response:
    """A file of the mirror, under any host name; 404 where there is none."""
    return _file(asked)


def _mirror() -> Mirror:
    return the_site().settings.mirror


def _file(asked: str) -> Response:
    root = _mirror().path
    path = layout.find(root, asked) if root else None
    if path is None:
        abort(404)
    return files.send(path, mimetype=layout.media_type(path))
