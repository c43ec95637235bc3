"""The API described in OpenAPI 3.1.0, generated from the table of endpoints and their models."""

import json
import re
from functools import cache
from typing import Literal

from pydantic import BaseModel, JsonValue
from pydantic.json_schema import models_json_schema

from provisioner import __version__
from provisioner.api import ROOT
from provisioner.api.answer import ErrorAnswer
from provisioner.web.audience import ANYBODY
from provisioner.web.operators.endpoints import ENDPOINTS, Endpoint

JsonObject = dict[str, JsonValue]
Mode = Literal["validation", "serialization"]
COMPONENTS = "#/components/schemas/{model}"
JSON, STREAM = "application/json", "text/event-stream"
LAST_EVENT_ID: JsonObject = {
    "name": "Last-Event-ID",
    "in": "header",
    "schema": {"type": "integer", "minimum": 0},
    "description": "The id of the last event that was seen: the stream goes on after it.",
}
PARAMETER_TYPES = {"int": "integer"}  # of Flask's converters; all others are strings
TOKEN: JsonObject = {
    "type": "http",
    "scheme": "bearer",
    "description": "Of /login or /tokens; a Unix socket needs none, for the kernel says who has connected.",
}
ERRORS = {
    "400": "What was sent cannot be used.",
    "401": "Nobody known: no token (PV-601), one that has expired (PV-708), a wrong password (PV-702).",
    "403": "The caller's role may not (PV-701), or he has none here (PV-700).",
    "404": "Nothing is known by that name.",
    "405": "The path has no such method; `Allow` has those that it has.",
    "409": "Refused, or not possible now; `code` is the PV code.",
    "413": "The body is larger than 4 MiB.",
    "421": "The service is not called so (PV-707).",
    "429": "Too many wrong passwords (PV-703), or streams of events (PV-710).",
    "500": "A fault of the service; its log has the details.",
    "502": "A BMC or the worker cannot be reached.",
}


@cache
def document() -> str:
    """The whole description as JSON text."""
    return json.dumps(description(), indent=2, ensure_ascii=False) + "\n"


def description() -> JsonObject:
    """The whole description as plain data (OpenAPI Specification 3.1.0, 4.8.1)."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Provisioner",
            "version": __version__,
            "summary": "Bare-metal provisioning on one deployment LAN, for people.",
        },
        "servers": [{"url": ROOT}],
        "security": [{"token": []}],
        "paths": _paths(),
        "components": {
            "schemas": _schemas(),
            "responses": {
                status: _response(text, _reference(ErrorAnswer)) for status, text in ERRORS.items()
            },
            "securitySchemes": {"token": TOKEN},
        },
    }


def _paths() -> JsonObject:
    paths: dict[str, JsonObject] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(_path(endpoint), {})[endpoint.method.lower()] = _operation(endpoint)
    return {**paths}


def _path(endpoint: Endpoint) -> str:
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", endpoint.path)


def _operation(endpoint: Endpoint) -> JsonObject:
    operation: JsonObject = {
        "operationId": endpoint.name,
        "tags": [endpoint.group],
        "summary": endpoint.summary,
        "description": f"For: {endpoint.audience}.",
        "security": [] if endpoint.audience == ANYBODY else [{"token": []}],
        "parameters": _parameters(endpoint),
        "responses": _responses(endpoint),
    }
    if endpoint.body:
        operation["requestBody"] = {
            "required": any(field.is_required() for field in endpoint.body.model_fields.values()),
            "content": {JSON: {"schema": _reference(endpoint.body)}},
        }
    return operation


def _parameters(endpoint: Endpoint) -> list[JsonValue]:
    headers: list[JsonValue] = [LAST_EVENT_ID] if endpoint.is_stream else []
    return [*_path_parameters(endpoint), *_query_parameters(endpoint), *headers]


def _path_parameters(endpoint: Endpoint) -> list[JsonValue]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": PARAMETER_TYPES.get(converter, "string")},
        }
        for converter, name in re.findall(r"<(?:(\w+):)?(\w+)>", endpoint.path)
    ]


def _query_parameters(endpoint: Endpoint) -> list[JsonValue]:
    if not endpoint.query:
        return []
    properties = endpoint.query.model_json_schema()["properties"]
    return [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]


def _responses(endpoint: Endpoint) -> JsonObject:
    schemas: list[JsonValue] = [_reference(model) for model in endpoint.answers]
    schema: JsonValue = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    errors: JsonObject = {status: {"$ref": f"#/components/responses/{status}"} for status in ERRORS}
    if endpoint.is_stream:
        lines: JsonObject = {
            "type": "string",
            "description": "Messages with `id`, and in `data` an event; `event: end` where no more come.",
            "contentMediaType": JSON,
            "contentSchema": schema,
        }
        over: JsonObject = {"description": "Nothing more will come after this id."}
        return {"200": _response("What happens.", lines, STREAM), "204": over, **errors}
    return {"200": _response("Done.", schema), **errors}


def _response(text: str, schema: JsonValue, media_type: str = JSON) -> JsonObject:
    return {"description": text, "content": {media_type: {"schema": schema}}}


def _reference(model: type[BaseModel]) -> JsonObject:
    return {"$ref": COMPONENTS.format(model=model.__name__)}


def _schemas() -> JsonObject:
    """Every model by its name: requests as they are read, answers as they are written."""
    bodies = {endpoint.body for endpoint in ENDPOINTS if endpoint.body}
    answers = {model for endpoint in ENDPOINTS for model in endpoint.answers} | {ErrorAnswer}
    wanted: list[tuple[type[BaseModel], Mode]] = [(model, "validation") for model in bodies]
    wanted += [(model, "serialization") for model in answers]
    _, schema = models_json_schema(wanted, ref_template=COMPONENTS)
    definitions = schema["$defs"]
    return {name: definitions[name] for name in sorted(definitions)}
