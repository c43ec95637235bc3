"""With `logs.format = "json"` every line of every process is an object, from the first to the last."""

from __future__ import annotations

import json
import re
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from provisioner import run
from provisioner.api.hosts import InventoryUpdate
from tests.wire.conftest import Inside, namespace

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = '[logs]\nformat = "json"\n'
SERVICES = ("dhcp", "tftp", "dns", "web", "api", "worker")
SINGLE = (["--process", "dhcp"], ["--process", "tftp"], ["--process", "dns"])
FORGED = 'x\\n{"time":"2026-01-01T00:00:00.000Z","level":"info","process":"api","message":"forged"}'


def lines(log: Path) -> list[dict[str, Any]]:
    """Raises ValueError for a line that is none."""
    return [json.loads(line) for line in log.read_text().splitlines()]


def await_line(service: Inside, words: str) -> None:
    until = time.monotonic() + 30
    while words not in service.log.read_text():
        assert time.monotonic() < until, words
        time.sleep(0.1)  # another process writes the file


@pytest.mark.timeout(180)
def test_every_process_says_objects_and_no_words_of_a_machine_make_one(tmp_path: Path) -> None:
    with namespace() as lan, Inside(lan, tmp_path, SETTINGS) as service:
        lan.http("/boot/52-54-00-99-99-99/boot.ipxe", "-H", f"User-Agent: {FORGED}")
        lan.http("/agent/v1/hello", body={"nonce": FORGED, "mac": FORGED})
        lan.https("/api/v1/hosts", token=FORGED)
        lan.http("/", method="G{T")  # gunicorn's own words
        host = {"name": "vc-1", "macs": ["52:54:00:77:01:01"], "profile": "cube"}
        update = InventoryUpdate.model_validate({"hosts": [host], "profiles": [{"name": "cube"}]})
        service.client.apply(update.hosts, update.profiles)
        await_line(service, "names of 1 MACs are answered")
        run.signal_process(service.pid("parent"), signal.SIGHUP)  # to which each says something
        for name in SERVICES:
            await_line(service, f'"process": "{name}", "message": "the settings were read again')
        service.stop()
        said = lines(service.log)
    assert {one["process"] for one in said} == {"parent", *SERVICES}
    for one in said:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", one["time"])
        assert one["level"] in ("debug", "info", "warning", "error", "critical") and one["message"]
        assert one["message"] != "forged"
    messages = [one["message"] for one in said]
    assert "all services are ready" in messages and "told to stop by SIGTERM" in messages
    assert any("request refused" in one for one in messages)
    assert any("sent what is no request" in one for one in messages)


@pytest.mark.timeout(180)
def test_an_error_at_the_start_is_an_object_too(tmp_path: Path) -> None:
    settings = tmp_path / "provisioner.toml"
    settings.write_text(f'interface = "none0"\naddress = "10.77.0.1/24"\n{SETTINGS}')
    with namespace() as lan:
        (tmp_path / "file").touch()
        words = ["serve", "--settings", settings, "--state"]
        here = ["--interface", "lo", "--address", "127.0.0.1/8"]  # for none0 it would wait
        no_folder = [tmp_path / "file" / "s", "--prepare", *here]
        for more in (no_folder, *([tmp_path / "s", *one] for one in ([], *SINGLE))):
            ended = lan.provision(*words, *more)
            said = [json.loads(line) for line in ended.err.splitlines()]
            assert ended.code and said[-1]["hint"] and re.search(r"\(PV-\d+\)$", said[-1]["message"])
