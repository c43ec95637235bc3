"""`provision audit …` of a service that works, and of a file on a machine that has none."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provisioner.domain.audit import Kind

if TYPE_CHECKING:
    from tests.wire.conftest import Puppet, World


def listed(world: World, *words: str) -> list[dict[str, object]]:
    said = world.provision("audit", "list", "-o", "json", "-n", "1000", *words)
    assert said.code == 0, said
    found: list[dict[str, object]] = json.loads(said.out)["lines"]
    return found


@pytest.fixture
def puppet(world: World) -> Puppet:
    return world.add_host()


def test_a_deployment_can_be_followed_in_it(world: World, puppet: Puppet) -> None:
    ident = puppet.reach_restarting()
    puppet.http("/agent/v1/hello", body=puppet.greeting(nonce="not-the-right-one"))
    world.client.cancel(ident)
    told = [(line["kind"], line["what"]) for line in listed(world, "--host", puppet.name)]
    wanted = [
        (Kind.INVENTORY, "host.changed"),
        (Kind.ORDER_GIVEN, "order.armed"),
        (Kind.POWER, "power.asked"),
        (Kind.CONFIG_READ, "agent.hello"),
        (Kind.ORDER_ENDED, "order.cancelled"),
    ]
    assert [one for one in told if one in wanted] == wanted
    assert {line["deployment"] for line in listed(world, "--host", puppet.name)} == {"", ident}
    assert listed(world, "--host", puppet.name, "--kind", "order")
    assert listed(world, "--host", puppet.name, "--since", "2999-01-01") == []


def test_who_keeps_and_uses_a_login_is_told_and_the_login_is_not(world: World) -> None:
    world.client.put_secret("audited", "ADMIN", "Canary-of-audit")
    [line] = [line for line in listed(world, "--kind", "secret") if line["what"] == "bmc.login audited"]
    assert (line["kind"], line["door"]) == ("secret.written", "socket") and line["by"]
    assert "Canary" not in json.dumps(listed(world))


def test_what_is_refused_to_an_operator_is_told(world: World, puppet: Puppet) -> None:
    world.client.lock(puppet.name, locked=True)
    assert world.provision("deploy", puppet.name, "--yes", "--no-wait").code == 6
    until = time.monotonic() + 20
    while not (refused := listed(world, "--host", puppet.name, "--kind", "order.refused")):
        assert time.monotonic() < until
        time.sleep(0.1)  # refusals are gathered for a second, and nobody is told when they are written
    [line] = refused
    assert "PV-131" in str(line["sentence"]) and (line["door"], line["result"]) == ("socket", "refused")


def test_the_service_and_its_export_are_whole_until_a_line_is_changed(
    world: World, puppet: Puppet, tmp_path: Path
) -> None:
    said = world.provision("audit", "verify")
    assert said.code == 0 and "none was changed, lost or added" in said.err, said
    key = world.provision("audit", "key").out.strip()
    (tmp_path / "site.audit").write_text(key + "\n")
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    assert world.provision("audit", "export", "--to", first).code == 0
    puppet.arm()
    world.client.cancel(puppet.row.id)
    assert world.provision("audit", "export", "--to", second).code == 0
    away = {"PROVISION_STATE": str(tmp_path / "nowhere")}
    options = ("--key", tmp_path / "site.audit", "--earlier", first)
    said = world.provision("audit", "verify", second, *options, "-o", "json", env=away)
    assert said.code == 0 and json.loads(said.out)["audit"]["key"] == key, said

    lines = second.read_text().splitlines(keepends=True)
    for number, fault in ((3, "PV-690"), (len(lines) - 1, "PV-69")):
        edited = [*lines[: number - 1], lines[number - 1].replace(":", ": ", 1), *lines[number:]]
        (tmp_path / "edited").write_text("".join(edited))
        said = world.provision("audit", "verify", tmp_path / "edited", env=away)
        assert said.code == 6 and fault in said.err, said
    said = world.provision("audit", "verify", first, "--earlier", second, env=away)
    assert said.code == 6 and "PV-692" in said.err, said
    said = world.provision("audit", "verify", second, "--key", "ab" * 32, env=away)
    assert said.code == 6 and "PV-691" in said.err, said
    (tmp_path / "edited").write_text("".join(lines[:-1]))
    said = world.provision("audit", "verify", tmp_path / "edited", env=away)
    assert said.code == 6 and "PV-692" in said.err, said


@pytest.mark.parametrize(
    ("words", "code", "fault"),
    [
        (("verify", "no-such-file"), 2, "PV-150"),
        (("verify", "/etc/passwd"), 6, "PV-694"),
        (("verify", "/etc/passwd", "--key", "no key"), 2, "PV-100"),
        (("list", "--since", "yesterday"), 2, "PV-100"),
    ],
)
def test_what_cannot_be_used_is_said(world: World, words: tuple[str, ...], code: int, fault: str) -> None:
    said = world.provision("audit", *words)
    assert said.code == code and fault in said.err, said


def test_a_line_that_was_changed_in_the_database_is_found(world: World, puppet: Puppet) -> None:
    """By whoever may write there: it is put back, for the others."""
    database = world.site.database
    [(number, body)] = database.tuples(
        "SELECT number, body FROM audit WHERE json_extract(body, '$.host') = ? ORDER BY number LIMIT 1",
        puppet.name,
    )
    puppet.arm()
    changed = str(body).replace(puppet.name, "another")
    database.db.execute("UPDATE audit SET body = ? WHERE number = ?", [changed, number])
    try:
        said = world.provision("audit", "verify")
        assert said.code == 6 and "PV-690" in said.err, said
    finally:
        database.db.execute("UPDATE audit SET body = ? WHERE number = ?", [body, number])
    world.client.cancel(puppet.row.id)
    assert world.provision("audit", "verify").code == 0
