"""Operators' endpoints as Flask blueprints: who may come in, bodies and queries read, faults explained."""

from collections.abc import Callable, Iterator
from itertools import groupby
from operator import attrgetter

from flask import Blueprint, Response

from provisioner.api import ROOT
from provisioner.errors import ProvisionError
from provisioner.web.operators import openapi
from provisioner.web.operators.authorization import only_operators
from provisioner.web.operators.endpoints import ENDPOINTS, Endpoint
from provisioner.web.request import (
    answer,
    answer_error,
    answer_fault,
    answer_file_fault,
    read_body,
    read_query,
)


def blueprints() -> Iterator[Blueprint]:
    """One for each noun of the table, and one for the table's own description."""
    for noun, endpoints in groupby(sorted(ENDPOINTS, key=attrgetter("group")), attrgetter("group")):
        blueprint = _blueprint(noun)
        for endpoint in endpoints:
            blueprint.add_url_rule(
                endpoint.path, endpoint.handler.__name__, _view(endpoint), methods=[endpoint.method]
            )
        yield blueprint
    description = _blueprint("openapi")
    description.add_url_rule("/openapi.json", "show", _describe, methods=["GET"])
    yield description


def _blueprint(name: str) -> Blueprint:
    blueprint = Blueprint(f"operators_{name}", __name__, url_prefix=ROOT)  # machines' have the short names
    blueprint.before_request(only_operators)
    blueprint.register_error_handler(ProvisionError, answer_error)
    blueprint.register_error_handler(OSError, answer_file_fault)
    blueprint.register_error_handler(500, answer_fault)
    return blueprint


def _view(endpoint: Endpoint) -> Callable[..., Response]:
    def view(**variables: str | int) -> Response:
        models = {}
        if endpoint.body:
            models["body"] = read_body(endpoint.body)
        if endpoint.query:
            models["query"] = read_query(endpoint.query)
        return answer(endpoint.handler(**variables, **models))

    return view


def _describe() -> Response:
    """The API's description, OpenAPI 3.1."""
    return Response(openapi.document(), mimetype="application/json")
