"""The manual's table of checks is that of the program; UPDATE_GOLDEN=1 renews it."""

import os
import re
from pathlib import Path

from provisioner.domain.acceptance import Level, Severity
from provisioner.domain.requirements import ON_DEMAND, Limits, Requirements
from provisioner.power.registry import DRIVERS
from provisioner.state import inventory
from provisioner.verify.judge import CHECKS
from provisioner.verify.judge.finding import Check
from tests.healthy_gpus import LIMITS

PAGE = Path(__file__).parents[3] / "docs" / "gpu-acceptance.md"
BEGIN = "<!-- checks: tests/unit/verify/test_manual.py holds this table against the program -->\n"
END = "<!-- end of checks -->\n"


def weight(check: Check) -> str:
    if check.severity is Severity.ADVISORY:
        return "advice"
    return "if there" if check.is_conditional else "required"


def table() -> str:
    head = "| check | what must be | by | limit | stage, level | | else |\n|---|---|---|---|---|---|---|\n"
    rows = (
        f"| `{check.id}` | {check.title} | {check.source} | {check.threshold} | {check.stage}, "
        f"{check.level} | {weight(check)} | {check.action} |\n"
        for check in CHECKS
    )
    return head + "".join(rows)


def test_the_manuals_table_of_checks_is_that_of_the_program() -> None:
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    whole = before + BEGIN + table() + END + rest.split(END)[1]
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(whole)
    assert PAGE.read_text() == whole, "UPDATE_GOLDEN=1 renews docs/gpu-acceptance.md"


def test_the_manuals_profile_is_one(tmp_path: Path) -> None:
    [text] = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    (tmp_path / "profiles.yml").write_text(text.replace('"…"', f'"{"a" * 64}"'))
    hosts = 'all: {hosts: {vc-1: {macs: ["52:54:00:00:00:01"], profile: vault-cube-h100}}}\n'
    (tmp_path / "hosts.yml").write_text(hosts)
    _, [profile] = inventory.read(tmp_path, DRIVERS)
    assert profile.acceptance.limits == LIMITS, "every limit is shown"
    assert set(LIMITS.model_dump(exclude_none=True)) == set(Limits.model_fields)
    assert profile.acceptance.level is Level.FULL and profile.acceptance.checks
    told = set(type(profile.gpus[0]).model_fields) - {"name", "power_tolerance"}
    assert told == profile.gpus[0].model_fields_set
    assert set(Requirements.model_fields) == profile.acceptance.model_fields_set


def test_levels_and_whatever_may_be_required_are_told() -> None:
    page = PAGE.read_text()
    for level in Level:
        assert f"\n| {level} |" in page
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    on_demand = {line.split("`")[1] for line in rows if "| advice |" in line or "| if there |" in line}
    assert on_demand == set(ON_DEMAND)
