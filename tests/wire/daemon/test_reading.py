"""What each process reads of the secrets and of the database is what docs/secrets-and-audit.md says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from provisioner.domain.host import Bmc, Host
from provisioner.domain.person import Role
from provisioner.domain.profile import Profile
from provisioner.state.connection import Connection

if TYPE_CHECKING:
    from tests.wire.conftest import Inside, Namespace

READING = Path(__file__).parent / "programs" / "reading"
PAGE = Path(__file__).parents[3] / "docs" / "secrets-and-audit.md"
PROCESSES = ("parent", "dhcp", "tftp", "dns", "web", "api", "worker")
HIDDEN = {"dhcp", "tftp", "dns"}  # from whom systemd hides the folder of secrets, too: test_units.py


class Allowed(NamedTuple):
    """What the page says of one process."""

    files: set[str]
    tables: set[str]


def documented() -> Mapping[str, Allowed]:
    rows = {}
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and cells[0] in PROCESSES:
            files, tables = (set(re.findall(r"`([^`]+)`", cell)) for cell in cells[1:])
            rows[cells[0]] = Allowed(files, tables)
    return rows


def known_tables(folder: Path) -> set[str]:
    connection = Connection(folder)
    connection.migrate()
    names = {
        str(name) for (name,) in connection.tuples("SELECT name FROM sqlite_schema WHERE type = 'table'")
    }
    connection.close()
    return {name for name in names if "sqlite_" not in name}


def test_the_page_names_every_process_and_no_table_that_is_none(tmp_path: Path) -> None:
    rows = documented()
    assert tuple(rows) == PROCESSES
    tables = known_tables(tmp_path)
    for name, allowed in rows.items():
        assert allowed.tables <= tables, name
    assert set().union(*(allowed.tables for allowed in rows.values())) == tables
    assert {name for name, allowed in rows.items() if not allowed.files} == HIDDEN
    assert {name for name, allowed in rows.items() if "secrets.key" in allowed.files} == {"parent"}
    assert {name for name, allowed in rows.items() if "secrets" in allowed.tables} == {
        "parent",
        "api",
        "web",
        "worker",
    }
    assert {name for name, allowed in rows.items() if "users" in allowed.tables} == {"parent", "api"}


@pytest.mark.timeout(300)
def test_each_process_reads_what_the_page_says_and_no_more(
    lan: Namespace, inside: type[Inside], tmp_path: Path
) -> None:
    service, written = inside(lan, tmp_path), tmp_path / "read"
    at = service._argv.index("--") + 1
    service._argv[at:at] = ["env", f"PYTHONPATH={READING}", f"READING={written}"]
    with service:
        use(service, lan)
    found: dict[str, Allowed] = {name: Allowed(set(), set()) for name in (*PROCESSES, "command")}
    for line in written.read_text().splitlines():
        name, kind, what = line.split(" ")
        (found[name].files if kind == "file" else found[name].tables).add(what)
    for name in PROCESSES:
        print(
            f"{name:7} {' '.join(sorted(found[name].files)) or '-'} | {' '.join(sorted(found[name].tables))}"
        )
    assert found["parent"].files and found["api"].files >= {"https.key", "worker.pub"}, "the finder finds"
    assert "secrets" in found["worker"].tables and "users" in found["api"].tables
    beyond = {
        name: (unnamed(found[name].files, allowed.files), found[name].tables - allowed.tables)
        for name, allowed in documented().items()
    }
    assert beyond == dict.fromkeys(PROCESSES, (set(), set()))


def unnamed(files: set[str], patterns: set[str]) -> set[str]:
    return {name for name in files if not any(fnmatchcase(name, pattern) for pattern in patterns)}


def use(service: Inside, lan: Namespace) -> None:
    """People come in, keep a login, change the inventory; the worker asks a BMC; machines ask for scripts."""
    client = service.client
    client.put_user("ann", Role.ADMIN, only_new=True)
    client.set_password("ann", "correct horse battery")
    reply = lan.https("/api/v1/login", body={"user": "ann", "password": "correct horse battery"})
    assert lan.https("/api/v1/whoami", token=reply.json["token"]).json["user"] == "ann"
    client.put_secret("lab", "ADMIN", "some-password")
    lan.add_address("10.77.2.1/24")  # so that there is a way to the BMC, and nobody
    bmc = Bmc.model_validate({"driver": "ipmi", "address": "10.77.2.9", "secret": "lab", "console": "none"})
    host = Host(name="vc-1", macs=("52:54:00:77:01:01",), profile="cube", bmc=bmc)
    client.apply([host], [Profile(name="cube")])
    assert client.checks()
    said = lan.provision("bmc", "test", "vc-1", "--state", service.state)
    assert said.code == 5, said
    assert lan.http("/boot/52:54:00:77:01:01/boot.ipxe").status == 200
    assert lan.provision("audit", "export", "--state", service.state).code == 0
