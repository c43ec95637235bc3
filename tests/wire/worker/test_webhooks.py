"""Webhooks of a running service: told in time, told after kill -9, and counted."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from provisioner.domain.person import Role
from tests.wire.conftest import World, held, namespace

if TYPE_CHECKING:
    from tests.wire.conftest import Inside

RECEIVER = Path(__file__).parent / "programs" / "webhook_receiver.py"
KEY = bytes(range(32))
SETTINGS = """
[[webhooks]]
name = "tickets"
url = "http://10.77.0.1:8099/hook"
secret_file = "{secret}"
kinds = ["host.changed"]

[[webhooks]]
name = "dead"
url = "http://10.77.0.1:8098/hook"
secret_file = "{secret}"
kinds = ["host.changed"]
"""


def add_host(world: World, number: int) -> str:
    name = f"vc-{number}"
    world.apply([{"name": name, "macs": [f"52:54:00:77:00:{number:02x}"], "profile": "cube"}], [])
    return name


def await_all(kept: Path, wanted: list[str]) -> list[dict[str, Any]]:
    """What was taken (status 200), once each of these hosts is in it; at most a minute."""
    until = time.monotonic() + 60
    while True:
        lines = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
        taken = [line for line in lines if line["status"] == 200]
        hosts = [json.loads(line["body"])["data"]["host"] for line in taken]
        if set(wanted) <= set(hosts):
            return taken
        assert time.monotonic() < until, hosts
        time.sleep(0.1)  # another process writes the file


TRIED = (
    'provision_webhook_tries_total{service="worker",result="taken",webhook="tickets"}',
    'provision_webhook_tries_total{service="worker",result="failed",webhook="dead"}',
)


def await_numbers(world: World, wanted: tuple[str, ...]) -> None:
    """Until all are among the metrics, at most half a minute: the worker writes its numbers at times."""
    until, token, numbers = time.monotonic() + 30, world.token(Role.VIEWER), ""
    while not all(one in numbers for one in wanted):
        assert time.monotonic() < until, numbers
        time.sleep(0.2)
        numbers = world.lan.https("/metrics", token=token).body.decode()


@pytest.mark.timeout(240)
def test_each_event_is_told_whatever_is_killed(tmp_path: Path, inside: type[Inside]) -> None:
    secret, kept, status = tmp_path / "s.secret", tmp_path / "kept", tmp_path / "status"
    secret.write_text("whsec_" + base64.b64encode(KEY).decode())
    status.write_text("200")

    def receiver(world: World) -> Any:
        return held(world.lan.argv(sys.executable, RECEIVER, "8099", kept, status))

    with namespace() as lan, inside(lan, tmp_path, SETTINGS.format(secret=secret)) as service:
        world = World(lan, service, tmp_path)
        world.apply([], [{"name": "cube", "image": "vault-os"}])
        with receiver(world):
            hosts = [add_host(world, 1)]
            await_all(kept, hosts)
            status.write_text("500")
            hosts += [add_host(world, number) for number in (2, 3)]
            service.kill("worker")
            hosts.append(add_host(world, 4))
            status.write_text("200")
            await_all(kept, hosts)
        hosts.append(add_host(world, 5))  # while nobody is there
        service.kill("parent")
        service.start()
        with receiver(world):
            hosts.append(add_host(world, 6))
            taken = await_all(kept, hosts)
        await_numbers(world, TRIED)
        world.site.database.close()
    ids = [json.loads(one["body"])["data"]["id"] for one in taken]
    assert ids == sorted(ids), "in their order, one of which may have come twice"
    for one in taken:
        head, body = one["headers"], one["body"]
        signed = f"{head['webhook-id']}.{head['webhook-timestamp']}.{body}".encode()
        digest = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
        assert head["webhook-signature"] == f"v1,{digest}"
