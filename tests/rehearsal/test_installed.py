"""The package in machines with systemd: a site from its bundle, through an upgrade, to another machine.

As docs/install.md and docs/backup.md say. A host of the lab is deployed by the installed site, and the
upgrade comes while its disk is written; the backup is restored on a second machine. What would have gone
beyond the LAN is counted all the while. `INSTALLED_REPORT` is where the result is kept, `INSTALLED_COMMIT`
of what (`make test-installed` sets them).
"""

import json
import os
import re
import secrets
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from provisioner import run
from provisioner.lab import network
from provisioner.system import namespaces
from tests.rehearsal import site_supplies

pytestmark = pytest.mark.long
PROGRAM = Path(__file__).with_name("programs") / "site_life.py"
ROLES = ("installed", "restored")
MOST = {"dhcp": 2.5}  # points of exposure; 2.0 unless it is here
PUBLIC = {"https.crt", "site.pub", "worker.pub"}
# the files of `secrets/` that each process can read, as docs/secrets-and-audit.md says; the others none
READABLE = {"web": PUBLIC | {"seed.key"}, "api": PUBLIC | {"https.key"}, "worker": PUBLIC}
UNITS = ("dhcp", "tftp", "dns", *READABLE)
# what shows that counting counts
CONTROL = {"name": "", "address": "192.0.2.77", "protocol": "udp", "port": 7, "count": 1}


def steps(role: str) -> list[str]:
    script = Path(__file__).with_name(f"{role}.sh")
    return re.findall(r"^step (\S+) ", script.read_text(), flags=re.MULTILINE)


def went(said: str) -> dict[str, str]:
    return dict(re.findall(r"@@ (\w+): (ok|FAILED with \d+)$", said, flags=re.MULTILINE))


def readable(said: str) -> dict[str, set[str]]:
    """What each process can read, `STATE/…` where it lies in the state folder."""
    found = re.findall(r"^@@ +readable by (\w+): (.*)$", said, flags=re.MULTILINE)
    return {name: set(places.split()) for name, places in found}


def keep(body: dict[str, Any]) -> None:
    if place := os.environ.get("INSTALLED_REPORT", ""):
        commit = os.environ.get("INSTALLED_COMMIT", "")
        Path(place).write_text(json.dumps({"schema_version": 2, "commit": commit, **body}, indent=1) + "\n")


@pytest.mark.timeout(14400)
def test_a_site_is_installed_deploys_is_upgraded_and_comes_back_elsewhere(tmp_path: Path) -> None:
    network.check()
    site_supplies.make(tmp_path, secrets.token_hex(8))
    began = time.monotonic()
    words = [*namespaces.UNSHARE, sys.executable, PROGRAM, tmp_path]
    env = {network.MARK: "1", "PYTHONPATH": str(site_supplies.ROOT)}
    life = run.start([str(word) for word in words], log=tmp_path / "life.log", env=env)
    try:
        code = life.wait(12000)
    finally:
        run.stop(life)
        said = {
            role: (tmp_path / f"{role}.log").read_text(errors="replace").replace("\r", "")
            for role in ROLES
            if (tmp_path / f"{role}.log").exists()
        }
        for text in said.values():
            print("\n".join(line for line in text.splitlines() if "@@" in line))
    assert code == 0, (tmp_path / "life.log").read_text(errors="replace")[-3000:]
    points = dict(
        re.findall(r"exposure level for provisioner-(\w+)\.service: ([0-9.]+)", said.get("installed", ""))
    )
    ended = {role: went(said.get(role, "")) for role in ROLES}
    body = {
        "seconds": round(time.monotonic() - began, 1),
        "steps": {
            role: {name: ended[role].get(name, "not reached") for name in steps(role)} for role in ROLES
        },
        "exposure": {name: float(point) for name, point in points.items()},
        "beyond_the_lan": json.loads((tmp_path / "attempts.json").read_text()),
        "starts_of_the_host": int((tmp_path / "starts").read_text()),
    }
    keep(body)
    seen = readable(said["installed"])
    assert tuple(seen) == UNITS
    for name, places in seen.items():
        assert [place for place in places if not place.startswith("STATE/")] == [], name
        secret = {place.removeprefix("STATE/secrets/") for place in places if "STATE/secrets/" in place}
        assert secret == READABLE.get(name, set()), name
    wrong = [(role, *row) for role, rows in body["steps"].items() for row in rows.items() if row[1] != "ok"]
    assert wrong == []
    assert len(points) == 7 and all(float(point) <= MOST.get(name, 2.0) for name, point in points.items())
    assert body["beyond_the_lan"] == [CONTROL]
    assert body["starts_of_the_host"] == 2, "the ramdisk, then its own disk: the upgrade cost no start"
