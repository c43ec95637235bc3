"""Names under `.local` on a client of systemd-resolved: it asks DNS for them only where a domain says so."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.wire import conftest
from tests.wire.dhcplab import Lab, Machine

if TYPE_CHECKING:
    from tests.wire.conftest import World

PROGRAMS = Path(__file__).with_name("programs")
RESOLVED = Path(os.environ.get("SYSTEMD_RESOLVED", "/lib/systemd/systemd-resolved"))
NETWORKD = Path("/lib/systemd/systemd-networkd")
# as cloud-init writes it of the network-config in a seed of ours
NETWORK = "[Match]\nName=eth0\n[Network]\nDHCP=ipv4\nDomains=vaultcube.local\n"
LIMIT = 20.0  # seconds for what takes one
pytestmark = pytest.mark.skipif(not RESOLVED.exists(), reason=f"there is no {RESOLVED}")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, World]]:
    folder = tmp_path_factory.mktemp("resolved")
    with ExitStack() as stack:
        lan = stack.enter_context(conftest.namespace())
        made = Lab(lan, folder, stack)
        world = conftest.World(lan, stack.enter_context(conftest.Inside(lan, folder, "")), folder)
        stack.callback(world.site.database.close)
        world.apply([{"name": "vc-1", "macs": ["52:54:00:aa:01:01"], "profile": "cube"}], [{"name": "cube"}])
        yield made, world


def started(lab: Lab, machine: Machine, program: Path, resolv_conf: Path) -> None:
    """One of systemd's daemons on the machine; those of one machine share their folder."""
    folder = lab.folder / machine.name
    folder.mkdir(exist_ok=True)
    machine.start("sh", PROGRAMS / "systemd.sh", program, folder, resolv_conf)


def leased(lab: Lab, machine: Machine) -> Path:
    """The resolv.conf that a DHCP client makes of our answer."""
    written = lab.folder / f"{machine.name}.resolv.conf"
    words = ("busybox", "udhcpc", "-f", "-q", "-n", "-i", "eth0", "-T", "1", "-t", "8", "-O", "search")
    machine.run("env", f"RESOLV_CONF={written}", *words, "-s", str(PROGRAMS / "lease.sh"))
    return written


def asked(machine: Machine, name: str) -> list[str]:
    """What the machine's own resolver says of a name, as soon as it says anything; empty for none."""
    until = time.monotonic() + LIMIT
    while True:
        said = machine.run("dig", "@127.0.0.53", "+tries=1", "+time=2", name, check=False)
        if status := re.search(r"status: (\w+)", said.out):
            return re.findall(r"\sIN\tA\t(\S+)", said.out) if status[1] == "NOERROR" else []
        assert time.monotonic() < until, machine.log.read_text()


def test_a_client_that_was_told_our_search_domain_resolves_the_sites_names(lab: tuple[Lab, World]) -> None:
    made, world = lab
    machine = made.machine("resolves")
    written = leased(made, machine)
    assert "nameserver 10.77.0.1\n" in written.read_text() and "vaultcube.local" in written.read_text()
    started(made, machine, RESOLVED, written)
    assert asked(machine, "provision.vaultcube.local") == ["10.77.0.1"]
    row = world.site.database.macs.get("52:54:00:aa:01:01")
    assert row and asked(machine, "vc-1.vaultcube.local") == [row.address]
    assert asked(machine, "nobody.vaultcube.local") == []


def test_without_the_search_domain_it_would_not(lab: tuple[Lab, World]) -> None:
    """So this is what the option is for; should it ever fail, the option is needed no more."""
    made, _ = lab
    machine = made.machine("refuses")
    written = leased(made, machine)
    servers = [line for line in written.read_text().splitlines() if line.startswith("nameserver")]
    written.write_text("\n".join(servers) + "\n")
    started(made, machine, RESOLVED, written)
    assert asked(machine, "provision.vaultcube.local") == []
    said = machine.run("dig", "@10.77.0.1", "+short", "provision.vaultcube.local")
    assert said.out.split() == ["10.77.0.1"], "the server itself would say it"


def test_a_host_with_our_seed_resolves_them_whatever_dhcp_says_of_domains(lab: tuple[Lab, World]) -> None:
    """systemd-networkd takes no domain from DHCP unless it is told to, so every seed names it."""
    made, _ = lab
    for name, network, wanted in (
        ("seeded", NETWORK, ["10.77.0.1"]),
        ("bare", NETWORK.replace("Domains=vaultcube.local\n", ""), []),
    ):
        machine = made.machine(name)
        folder = made.folder / name / "network"
        folder.mkdir(parents=True)
        (folder / "10-eth0.network").write_text(network)
        nothing = made.folder / "nothing"
        nothing.touch()
        started(made, machine, NETWORKD, nothing)
        machine.await_log("DHCPv4 address")
        started(made, machine, RESOLVED, nothing)
        assert asked(machine, "provision.vaultcube.local") == wanted
