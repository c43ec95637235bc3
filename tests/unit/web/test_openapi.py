"""The description of the operators' API: complete, valid, and checked in; UPDATE_GOLDEN=1 renews it."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from openapi_spec_validator import validate
from pydantic import BaseModel

from provisioner.api import ROOT
from provisioner.domain.values import FrozenModel
from provisioner.site.site import Site
from provisioner.state.notify import Listener
from provisioner.web.application import create_app
from provisioner.web.operators import openapi
from provisioner.web.operators.endpoints import ENDPOINTS

PAGE = Path(__file__).parents[3] / "docs" / "api.md"
GOLDEN = Path(__file__).parents[2] / "golden" / "openapi.json"


@pytest.fixture
def app(site: Site) -> Flask:
    with Listener(site.settings.state, "web") as listener:
        return create_app(site, listener, "api")


@pytest.fixture(scope="module")
def document() -> Any:
    return json.loads(openapi.document())


def test_the_description_is_checked_in() -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(openapi.document())
    assert GOLDEN.read_text() == openapi.document(), "UPDATE_GOLDEN=1 renews tests/golden/openapi.json"


def table() -> str:
    lines = []
    for endpoint in ENDPOINTS:
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", endpoint.path)
        lines.append(f"| `{endpoint.method} {path}` | {endpoint.audience} | {endpoint.summary} |")
    return "\n".join(["| endpoint | for | what it does |", "|---|---|---|", *lines]) + "\n"


def test_the_page_lists_every_endpoint() -> None:
    text, mark = PAGE.read_text(), "<!-- printed from the table of endpoints -->\n"
    head = text.partition(mark)[0]
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(head + mark + table())
    assert PAGE.read_text() == head + mark + table(), "UPDATE_GOLDEN=1 renews docs/api.md"


def test_an_independent_validator_accepts_it(document: Any) -> None:
    validate(document)


def test_every_schema_is_a_json_schema_and_every_reference_leads_somewhere(document: Any) -> None:
    import jsonschema  # compiles grammars for seconds

    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    wanted = {text.partition('"')[0] for text in json.dumps(document).split("#/components/schemas/")[1:]}
    assert wanted <= set(schemas)


def test_every_route_of_operators_has_its_models(app: Flask) -> None:
    described = {(f"operators_{endpoint.name}", ROOT + endpoint.path) for endpoint in ENDPOINTS}
    routes = {(rule.endpoint, rule.rule) for rule in app.url_map.iter_rules()}
    operators = {
        (name, path) for name, path in routes if name.startswith("operators_") or path.startswith(ROOT)
    }
    assert operators - described == {("operators_openapi.show", f"{ROOT}/openapi.json")}
    assert described <= operators
    for endpoint in ENDPOINTS:
        assert endpoint.summary.endswith("."), endpoint.name
        assert all(issubclass(model, BaseModel) for model in endpoint.answers), endpoint.name
        if endpoint.body:
            assert issubclass(endpoint.body, FrozenModel), f"{endpoint.name}: unknown keys are refused"


def test_every_path_parameter_is_described(document: Any) -> None:
    for path, operations in document["paths"].items():
        for operation in operations.values():
            described = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
            assert {f"{{{name}}}" for name in described} == {part for part in path.split("/") if "{" in part}


def test_every_model_says_what_it_is(document: Any) -> None:
    schemas = document["components"]["schemas"]
    assert [name for name, schema in schemas.items() if not schema.get("description")] == ["JsonValue"]
