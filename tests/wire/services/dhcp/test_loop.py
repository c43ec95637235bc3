"""The DHCP loop against dhclient, udhcpc and hostile datagrams, in a network namespace of its own."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from provisioner import run

ROOT = str(Path(__file__).parents[4])
PROGRAMS = Path(__file__).with_name("programs")
UNSHARE = ["unshare", "--user", "--map-root-user", "--net", "--mount"]


def inside(tmp_path: Path, program: str) -> dict[str, Any]:
    """Run a program that enters a `LoopLab`; its results, and what it logged as `log`."""
    argv = [*UNSHARE, sys.executable, PROGRAMS / f"{program}.py", tmp_path]
    done = run.run(argv, timeout=90, env={"PYTHONPATH": ROOT})
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found | {"log": done.stderr.decode()}


def test_dhclient_gets_a_lease(tmp_path: Path) -> None:
    out = inside(tmp_path, "dhclient")
    assert out["first"]
    environment = dict(line.split("=", 1) for line in out["env"].splitlines() if "=" in line)
    assert environment["new_ip_address"] == "10.77.0.100"
    assert environment["new_subnet_mask"] == "255.255.255.0"
    assert environment["new_routers"] == environment["new_dhcp_server_identifier"] == "10.77.0.1"
    assert environment["new_domain_name"] == "test.local"
    assert environment["new_dhcp_lease_time"] == "3600"
    assert "new_filename" not in environment
    assert out["sightings"][0] == ["discover", "52:54:00:00:00:0a", "10.77.0.100", "cube-7", ""]


def test_udhcpc_gets_renews_and_releases_although_every_callback_fails(tmp_path: Path) -> None:
    out = inside(tmp_path, "udhcpc")
    assert out["bound"].count("\nip=10.77.0.100\n") == 2
    assert "\nip=10.77.0.100\n" in out["renew"]
    kinds = [seen[0] for seen in out["sightings"]]
    # udhcpc may miss the answer to its unicast renewal: it comes before the sending socket is closed
    assert kinds in [["discover", "request"] * 2 + ["request"] * times + ["release"] for times in (1, 2)]
    assert "the store is gone" in out["log"]


def test_hostile_datagrams_do_not_end_the_loop(tmp_path: Path) -> None:
    out = inside(tmp_path, "hostile")
    assert "obtained" in out["lease"]
    assert 1 <= out["log"].count("bytes: ") <= 30, "complaints are limited"


def test_a_taken_port_and_a_missing_interface_are_said_in_words(tmp_path: Path) -> None:
    out = inside(tmp_path, "bind")
    assert out["taken"][2] == 602 and "in use" in out["taken"][0] and "ss -lunp" in out["taken"][1]
    assert out["missing"][2] == 605 and "eth9" in out["missing"][0]


def test_a_missing_privilege_is_said_in_words() -> None:
    done = run.run([sys.executable, PROGRAMS / "unprivileged_loop.py"], env={"PYTHONPATH": ROOT})
    assert done.stdout.startswith(b"603 ") and b"CAP_NET_BIND_SERVICE" in done.stdout


def test_a_router_solicitation_is_told_that_there_is_no_router(tmp_path: Path) -> None:
    out = inside(tmp_path, "advert")
    advert = bytes.fromhex(out["advert"])
    assert (advert[0], advert[5], advert[6:8], len(advert)) == (134, 0, b"\0\0", 16)
    assert out["routes"] == ""


@pytest.mark.parametrize("interface", ["eth9"])
def test_without_an_interface_the_advert_is_only_missing(
    interface: str, caplog: pytest.LogCaptureFixture
) -> None:
    from provisioner.services.dhcp.router_advert import RouterAdvertiser

    advert = RouterAdvertiser(interface)
    advert.run()
    advert.close()
    assert "iPXE waits" in caplog.text
