"""`/metrics` of a running service, fetched by curl, read by Prometheus' own parser."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from provisioner.domain.person import Role
from tests.unit.state.test_monitoring import PREDEFINED, expressions, family_of, metrics_of

if TYPE_CHECKING:
    from tests.wire.conftest import World


def fetch(world: World) -> dict[tuple[str, str], float]:
    """Name and labels of each sample → its value, by an operator on the LAN: who is asked knows itself."""
    reply = world.lan.https("/metrics", token=world.token(Role.VIEWER))
    assert (reply.status, reply.headers["content-type"][:25]) == (200, "text/plain; version=0.0.4")
    found = {}
    for family in text_string_to_metric_families(reply.body.decode()):
        for sample in family.samples:
            labels = " ".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            assert (sample.name, labels) not in found
            found[sample.name, labels] = sample.value
    return found


def fetch_settled(world: World) -> dict[tuple[str, str], float]:
    """Likewise, with all that the process for machines was asked before: it writes its numbers at times."""
    written = world.state / "run" / "web.metrics"
    for _ in range(2):  # what is under way may be older than the last request
        former, until = written.stat().st_mtime_ns, time.monotonic() + 20
        while written.stat().st_mtime_ns == former:
            assert time.monotonic() < until
            time.sleep(0.2)
    return fetch(world)


def test_every_service_is_said_to_be_up(world: World) -> None:
    services = ("dhcp", "tftp", "dns", "web", "api", "worker")
    until = time.monotonic() + 20
    while time.monotonic() < until:
        found = fetch(world)
        up = {labels for (name, labels), one in found.items() if name == "provision_service_up" and one}
        if {f"service={service}" for service in services} <= up:
            return
        time.sleep(0.2)  # the services write when they like; nobody wakes us
    raise AssertionError(f"up are {up}")


def test_requests_answers_and_refusals_are_counted(world: World) -> None:
    before = fetch_settled(world)
    world.lan.http("/boot/52-54-00-99-99-99/boot.ipxe")
    world.lan.http("/no/such/path")
    wanted = {
        ("provision_requests_total", "kind=machines.boot_script service=web"),
        ("provision_requests_total", "kind=nowhere service=web"),
        ("provision_answers_total", "kind=machines.boot_script service=web status=200"),
        ("provision_refusals_total", "reason=status 404 service=web"),
    }
    until, counted, after = time.monotonic() + 20, {}, before
    while counted != dict.fromkeys(wanted, 1) and time.monotonic() < until:
        time.sleep(0.2)  # another process writes them when it likes; nobody wakes us
        after = fetch(world)
        counted = {key: after.get(key, 0) - before.get(key, 0) for key in wanted}
    assert counted == dict.fromkeys(wanted, 1)
    assert after["provision_latency_seconds_count", "service=web"] >= 2


@pytest.mark.parametrize("token", ["", "wrong", "a" * 5000])
def test_a_stranger_on_the_lan_does_not_see_the_numbers(world: World, token: str) -> None:
    reply = world.lan.https("/metrics", token=token)
    assert reply.status == 401 and b"provision_" not in reply.body


def test_by_plain_http_nobody_gets_them(world: World) -> None:
    reply = world.lan.http("/metrics", "-H", f"Authorization: Bearer {world.token()}")
    assert reply.status == 403 and b"provision_" not in reply.body


def test_prometheus_verifies_the_certificate_by_its_file(world: World) -> None:
    crt = world.state / "secrets" / "https.crt"
    token = ("-H", f"Authorization: Bearer {world.token(Role.VIEWER)}")
    reply = world.lan.http("/metrics", "--cacert", str(crt), *token, scheme="https")
    assert reply.status == 200 and b"provision_service_up" in reply.body


def test_what_the_dashboard_and_the_alerts_name_is_there(world: World) -> None:
    """But for webhooks' numbers, which begin with a webhook: tests/wire/worker/test_webhooks.py."""
    named = {name for text in expressions().values() for name in metrics_of(text)} - PREDEFINED
    until, missing = time.monotonic() + 20, named
    while missing and time.monotonic() < until:
        missing = named - {name for name, _ in fetch(world)}
        if missing == {"provision_webhook_tries_total"}:
            return
        time.sleep(0.2)  # as above
    raise AssertionError(f"never seen: {missing}; {sorted(map(family_of, named))}")


def test_deployments_are_counted_by_stage_and_result(world: World) -> None:
    with world.machine() as puppet:
        puppet.arm()
        await_sample(world, ("provision_deployments", "service=worker stage=powering"), 1)
        world.client.cancel(puppet.row.id)
    await_sample(world, ("provision_deployments_ended_total", "result=cancelled service=worker"), 1)
    assert fetch(world)["provision_state_free_bytes", "service=worker"] > 0


def await_sample(world: World, key: tuple[str, str], least: float) -> None:
    until = time.monotonic() + 20
    while fetch(world).get(key, 0) < least:
        assert time.monotonic() < until, key
        time.sleep(0.2)  # as above
