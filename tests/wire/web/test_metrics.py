"""`/metrics` of a running service, fetched by curl, read by Prometheus' own parser."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from provisioner.domain.person import Role

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


def test_every_service_is_said_to_be_up(world: World) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        found = fetch(world)
        up = {labels for (name, labels), one in found.items() if name == "provision_service_up" and one}
        if {"service=dhcp", "service=tftp", "service=dns", "service=web", "service=api"} <= up:
            return
        time.sleep(0.2)  # the services write when they like; nobody wakes us
    raise AssertionError(f"up are {up}")


def test_requests_answers_and_refusals_are_counted(world: World) -> None:
    before = fetch(world)
    world.lan.http("/boot/52-54-00-99-99-99/boot.ipxe")
    world.lan.http("/no/such/path")
    after = fetch(world)
    for name, labels in (
        ("provision_requests_total", "kind=machines.boot_script service=web"),
        ("provision_requests_total", "kind=nowhere service=web"),
        ("provision_answers_total", "kind=machines.boot_script service=web status=200"),
        ("provision_refusals_total", "reason=status 404 service=web"),
    ):
        assert after[name, labels] - before.get((name, labels), 0) == 1, name
    assert after["provision_latency_seconds_count", "service=web"] > 2


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
