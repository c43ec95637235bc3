"""People's endpoints as Flask blueprints: for whom each is, bodies and queries read."""

from collections.abc import Callable, Iterator
from itertools import groupby
from operator import attrgetter

from flask import Blueprint, Response

from provisioner.api import ROOT
from provisioner.api.answer import NoBody
from provisioner.domain.person import Role
from provisioner.web.audience import Audience
from provisioner.web.operators import openapi
from provisioner.web.operators.endpoints import ENDPOINTS, Endpoint
from provisioner.web.request import answer, read_body, read_query

OPENAPI = "openapi"


def blueprints() -> Iterator[Blueprint]:
    """One for each noun of the table, and one for the table's own description."""
    for noun, endpoints in groupby(sorted(ENDPOINTS, key=attrgetter("group")), attrgetter("group")):
        blueprint = _blueprint(noun)
        for endpoint in endpoints:
            blueprint.add_url_rule(
                endpoint.path, endpoint.handler.__name__, _view(endpoint), methods=[endpoint.method]
            )
        yield blueprint
    description = _blueprint(OPENAPI)
    description.add_url_rule("/openapi.json", "show", _describe, methods=["GET"])
    yield description


def audiences() -> dict[str, Audience]:
    """For whom each of them is, by the route's name."""
    declared = {f"{_name(each.group)}.{each.handler.__name__}": each.audience for each in ENDPOINTS}
    return {**declared, f"{_name(OPENAPI)}.show": Role.VIEWER}


def _name(noun: str) -> str:
    return f"operators_{noun}"  # machines' have the short names


def _blueprint(noun: str) -> Blueprint:
    return Blueprint(_name(noun), __name__, url_prefix=ROOT)


def _view(endpoint: Endpoint) -> Callable[..., Response]:
    def view(**variables: str | int) -> Response:
        models = {}
        if endpoint.body:
            models["body"] = read_body(endpoint.body)
        elif endpoint.method != "GET":
            read_body(NoBody)
        if endpoint.query:
            models["query"] = read_query(endpoint.query)
        given = endpoint.handler(**variables, **models)
        return given if isinstance(given, Response) else answer(given)

    return view


def _describe() -> Response:
    """The API's description, OpenAPI 3.1."""
    return Response(openapi.document(), mimetype="application/json")
