"""SIGHUP: the settings are read again, what is under way goes on, a faulty file changes nothing."""

from __future__ import annotations

import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provisioner import run, settings
from provisioner.settings import successor
from tests.wire.answering import answering, next_answering

if TYPE_CHECKING:
    from tests.wire.conftest import Inside, Namespace

SLOW = Path(__file__).with_name("programs") / "slow_tftp_client.py"
SERVICES = ("dhcp", "tftp", "dns", "web", "api", "worker")


@pytest.fixture
def service(lan: Namespace, inside: type[Inside], tmp_path: Path) -> Iterator[Inside]:
    with inside(lan, tmp_path, "[tftp]\nper_address = 16\n") as made:
        yield made


def say(service: Inside, text: str) -> None:
    """Other settings, and the signal for them."""
    (service.log.parent / "provisioner.toml").write_text(text)
    run.signal_process(service.pid("parent"), signal.SIGHUP)


def until(test: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not test():
        assert time.monotonic() < end
        time.sleep(0.1)  # nothing tells us when a process has read its settings


def dig(lan: Namespace, name: str) -> str:
    return lan.run("dig", "@10.77.0.1", "+short", f"{name}.vaultcube.local").out.strip()


def logged(service: Inside) -> str:
    return service.log.read_text()


def test_new_settings_hold_and_a_transfer_goes_on(
    service: Inside, lan: Namespace, held: Callable[..., object], tmp_path: Path
) -> None:
    content = bytes(range(256)) * 300
    (service.state / "ramdisk" / "snponly.efi").write_bytes(content)
    pids = {name: service.pid(name) for name in SERVICES}
    assert dig(lan, "ntp") == ""
    with held(lan.argv(sys.executable, SLOW, tmp_path / "got")) as slow:  # type: ignore[attr-defined]
        say(
            service,
            '[tftp]\nper_address = 1\n[dns]\nnames = { ntp = ["10.77.0.9"] }\n[images]\nstreams = 3\n',
        )
        until(lambda: dig(lan, "ntp") == "10.77.0.9")
        until(lambda: len(re.findall("the settings were read again", logged(service))) >= len(SERVICES))
        # the slow one has the only place of this address now
        other = ("curl", "-sS", "--max-time", "2", "-o", tmp_path / "other", "tftp://10.77.0.1/snponly.efi")
        assert lan.run(*other).code != 0
        slow.stdin.close()
        assert slow.wait(30) == 0
    assert (tmp_path / "got").read_bytes() == content
    assert lan.run(*other).code == 0
    assert {name: service.pid(name) for name in SERVICES} == pids, "no process was started anew"


def answers_to(lan: Namespace, name: str) -> bool:
    """Whether people's service may be called so."""
    return lan.https("/api/v1/whoami", "-H", f"Host: {name}").status != 421


def test_a_process_that_is_replaced_has_the_settings_of_today(service: Inside, lan: Namespace) -> None:
    assert not answers_to(lan, "cubes.site")
    say(service, '[access]\nnames = ["cubes.site"]\n')
    until(lambda: answers_to(lan, "cubes.site"))
    arbiter = service.pid("api")
    next_answering(arbiter, answering(arbiter))
    assert answers_to(lan, "cubes.site")
    assert logged(service).count("api: the settings were read again") == 1, (
        "the arbiter reads them in silence"
    )


@pytest.mark.parametrize("name", ["web", "api"])
def test_a_process_is_told_at_any_moment_of_its_start(service: Inside, lan: Namespace, name: str) -> None:
    """A signal that it does not know yet would end it."""
    arbiter = service.pid(name)
    new = next_answering(arbiter, answering(arbiter))
    (service.log.parent / "provisioner.toml").write_text('[access]\nnames = ["cubes.site"]\n')
    end, told = time.monotonic() + 60, f"{name}: the settings were read again"
    while told not in logged(service):
        run.signal_process(new, signal.SIGHUP)
        assert time.monotonic() < end
        time.sleep(0.01)  # each moment counts
    assert answering(arbiter) == new
    assert name == "web" or answers_to(lan, "cubes.site")


def test_settings_that_cannot_be_used_change_nothing_and_are_said(service: Inside, lan: Namespace) -> None:
    say(service, '[dns]\nnames = { ntp = ["10.77.0.9"] }\n[tftp]\nper_adress = 3\n')
    until(lambda: "the settings stay as they are" in logged(service))
    assert "tftp.per_adress: is not a known key (PV-610)" in logged(service)
    assert "told dns" not in logged(service)
    assert dig(lan, "ntp") == ""
    assert dig(lan, "apt") == "10.77.0.1"


def test_what_needs_a_start_is_named_and_stays() -> None:
    plain = {"state": "/s", "interface": "lan0", "address": "10.77.0.1/24"}
    old = settings.check({**plain, "tftp": {"per_address": 3}}, source="test")
    fresh = {
        "http_port": 8080,
        "dns": {"also": ["10.9.9.9"], "forward": "10.9.9.1"},
        "images": {"streams": 2},
    }
    new = settings.check({**plain, **fresh}, source="test")
    got, kept = successor(old, new)
    assert kept == ["http_port", "dns.also"]
    assert (got.http_port, got.dns.also) == (80, ())
    assert (got.images.streams, got.tftp.per_address, str(got.dns.forward)) == (2, 16, "10.9.9.1")
    assert successor(old, old) == (old, [])
