"""The dashboard and the alert rules name what the services count, in words that Prometheus can read."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from provisioner.domain.stage import RESTING
from provisioner.state.counters import FAMILIES

FOLDER = Path(__file__).parents[3] / "docs" / "monitoring"
PREDEFINED = {"up"}  # Prometheus' own
NAMES = re.compile(r"\b(?:provision_\w+|up)\b")
PARTS = ("_bucket", "_sum", "_count")
ADDED = {"job", "instance", "service", "le"}  # by Prometheus; by every registry; by a histogram
LABELS = {
    "provision_requests_total": {"kind"},
    "provision_answers_total": {"kind", "status"},
    "provision_refusals_total": {"reason"},
    "provision_transfers_total": {"result"},
    "provision_deployments": {"stage"},
    "provision_deployments_ended_total": {"result"},
    "provision_webhook_tries_total": {"webhook", "result"},
}


def rules() -> list[dict[str, Any]]:
    body = yaml.safe_load((FOLDER / "alerts.yml").read_text())
    return [rule for group in body["groups"] for rule in group["rules"]]


def board() -> Any:
    return json.loads((FOLDER / "grafana.json").read_text())


def expressions() -> dict[str, str]:
    """By where they stand; Grafana's variables as it fills them in."""
    found = {rule["alert"]: rule["expr"] for rule in rules()}
    for panel in board()["panels"]:
        for target in panel["targets"]:
            text = target["expr"].replace("$__rate_interval", "1m").replace("$job", "provisioner")
            found[f"{panel['title']} {target['refId']}"] = text
    return found


def selectors(node: Any) -> Iterator[Any]:
    """Every selector of a metric within an expression."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    elif isinstance(node, promql_parser.MatrixSelector):
        yield node.vector_selector
    for name in ("expr", "lhs", "rhs", "args"):
        child = getattr(node, name, None)
        for one in child if isinstance(child, list) else [child]:
            if one is not None and not isinstance(one, str):
                yield from selectors(one)


def family_of(name: str) -> str:
    base = next((name.removesuffix(part) for part in PARTS if name.endswith(part)), name)
    return base if base in FAMILIES and FAMILIES[base].kind == "histogram" else name


def metrics_of(expression: str) -> set[str]:
    return {selector.name for selector in selectors(promql_parser.parse(expression))}


@pytest.mark.parametrize(("place", "expression"), expressions().items(), ids=expressions().keys())
def test_prometheus_can_read_it_and_we_count_it(place: str, expression: str) -> None:
    found = list(selectors(promql_parser.parse(expression)))
    assert {selector.name for selector in found} == set(NAMES.findall(re.sub(r'"[^"]*"', "", expression)))
    for selector in found:
        assert selector.name in PREDEFINED or family_of(selector.name) in FAMILIES, place
        used = {matcher.name for matcher in selector.matchers.matchers}
        assert used <= ADDED | LABELS.get(selector.name, set()), place


def test_a_counter_is_asked_for_its_growth_and_a_gauge_is_not() -> None:
    for place, expression in expressions().items():
        for name in metrics_of(expression) - PREDEFINED:
            grows = FAMILIES[family_of(name)].kind != "gauge"
            assert grows == bool(re.search(rf"(rate|increase)\({name}\b", expression)), (place, name)


def test_what_is_summed_by_a_label_has_it() -> None:
    for place, expression in expressions().items():
        labels = {label for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(", ")}
        known = set().union(*(LABELS.get(name, set()) for name in metrics_of(expression)))
        assert labels <= ADDED | known, place


def test_results_of_deployments_are_those_that_there_are() -> None:
    text = (FOLDER / "alerts.yml").read_text()
    asked = {
        word for group in re.findall(r'ended_total\{result=~"([^"]*)"', text) for word in group.split("|")
    }
    assert asked and asked <= {stage.value for stage in RESTING}


def test_every_rule_says_what_it_means_and_what_to_do() -> None:
    assert len(rules()) == len({rule["alert"] for rule in rules()}) >= 8
    for rule in rules():
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"].keys() == {"summary", "action"}


def test_the_dashboard_shows_each_panel_in_a_place_of_its_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in board()["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + column, place["y"] + row)
            for column in range(place["w"])
            for row in range(place["h"])
        }
        assert place["x"] + place["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in board()["panels"]}) == len(board()["panels"]) >= 10


def test_every_metric_is_looked_at_somewhere_or_is_known_not_to_be() -> None:
    looked_at = {family_of(name) for text in expressions().values() for name in metrics_of(text)}
    assert set(FAMILIES) - looked_at == {
        "provision_answers_total",
        "provision_transfers_total",
        "provision_transfer_seconds",
        "provision_settings_reloads_total",
    }
