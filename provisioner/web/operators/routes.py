"""Operators' endpoints as Flask blueprints: who may come in, bodies and queries read, faults explained."""

import logging
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from operator import attrgetter

from flask import Blueprint, Response

from provisioner.api import ROOT
from provisioner.domain.audit import Entry, Kind
from provisioner.errors import Exit, ProvisionError
from provisioner.state import audit
from provisioner.web.operators import openapi
from provisioner.web.operators.authorization import only_operators
from provisioner.web.operators.caller import caller
from provisioner.web.operators.endpoints import ENDPOINTS, Endpoint
from provisioner.web.request import (
    answer,
    answer_error,
    answer_fault,
    answer_file_fault,
    read_body,
    read_query,
    the_site,
)

log = logging.getLogger(__name__)


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
        try:
            return answer(endpoint.handler(**variables, **models))
        except ProvisionError as fault:
            if fault.exit is Exit.REFUSED and endpoint.method != "GET":
                _note_refused(endpoint, fault, variables)
            raise

    return view


def _note_refused(endpoint: Endpoint, fault: ProvisionError, variables: Mapping[str, str | int]) -> None:
    """What an operator wanted and was not given. Evidence: the answer stays what it is."""
    site, who = the_site(), caller()
    entry = Entry(
        kind=Kind.ORDER_REFUSED,
        time=site.clock(),
        by=who.by,
        door=who.door,
        address=who.address,
        what=" ".join([endpoint.name, *map(str, variables.values())]),
        sentence=f"{fault} (PV-{fault.code})",
        result="refused",
    )
    try:
        with site.database.writing():
            audit.record(site.database, entry)
    except ProvisionError as unwritten:
        log.warning("a refusal could not be written down: %s", unwritten)


def _describe() -> Response:
    """The API's description, OpenAPI 3.1."""
    return Response(openapi.document(), mimetype="application/json")
