"""The addresses of an interface, held against what `ip` says; the service's units may not start it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from provisioner import run
from provisioner.system import namespaces

PROGRAM = Path(__file__).with_name("programs") / "addresses.py"
SCRIPT = """
ip link set lo up
ip link add br0 type bridge; ip link add br01 type bridge; ip link add empty type bridge
for n in $(seq 1 200); do ip address add 10.1.$n.1/24 dev br0; done
ip address add 10.1.1.2/24 dev br0; ip address add 10.1.1.3/24 dev br0 label br0:one
ip address add 10.9.9.9/32 dev br01
ip address add fd00::1/64 dev br0
for name in lo br0 br01 empty; do ip -json -4 address show dev $name; done
"""


def test_they_are_those_that_ip_shows_with_aliases_and_of_no_other() -> None:
    names = ("lo", "br0", "br01", "empty")
    argv = [*namespaces.UNSHARE, "sh", "-ec", f'{SCRIPT}\nexec "$@"', "sh", sys.executable, PROGRAM, *names]
    *by_ip, ours = run.text(argv).splitlines()
    listed = [json.loads(line or "[]") for line in by_ip]
    wanted = {
        name: sorted(entry["local"] for link in links for entry in link.get("addr_info", []))
        for name, links in zip(names, listed, strict=True)
    }
    assert json.loads(ours) == wanted
    assert len(wanted["br0"]) == 202 and wanted["br01"] == ["10.9.9.9"]
