"""Fifty secrets are planted and used, and looked for in everything that the service writes, sends and runs.

The finder knows each as it is, and as base64, hexadecimal digits, JSON, a URL or UTF-16 write it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import tarfile
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provisioner.api import ROOT
from provisioner.api.people import TokenOrder
from provisioner.domain.person import Role
from provisioner.site import opened_secrets
from provisioner.state import secret_keys
from provisioner.state.sealed_secrets import SSH_KEY
from provisioner.system.processes import PARENT, stat_fields
from provisioner.web.operators.endpoints import ENDPOINTS

if TYPE_CHECKING:
    from tests.wire.conftest import Puppet, Reply, World

LOGINS = 30
ORDERED = 6
HOMES = {"secrets/https.key", "secrets/seed.key"}  # what is kept there, is kept there
Canaries = Mapping[str, str]  # name → the secret


def forms(secret: str) -> Iterator[bytes]:
    """How a secret may be written."""
    raw = secret.encode()
    yield raw
    yield raw.hex().encode()
    yield json.dumps(secret)[1:-1].encode()
    yield urllib.parse.quote(secret, safe="").encode()
    yield secret.encode("utf-16-le")
    for shift in range(3):  # wherever it stands in what was encoded
        coded = base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 :]
        yield coded.rstrip(b"=")[:-1]


def found(canaries: Canaries, data: bytes) -> set[str]:
    """The names of those that are in it, in any form."""
    return {name for name, secret in canaries.items() if any(form in data for form in forms(secret))}


# --- what can find nothing can fail ----------------------------------------------------------------------

OPEN = {"login": 'S3cr3t "w/ords" ü', "key": "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU"}
WRITTEN = {
    "plain": lambda text: text.encode(),
    "json": lambda text: json.dumps({"password": text}).encode(),
    "url": lambda text: b"http://x/?p=" + urllib.parse.quote(text, safe="").encode(),
    "hex": lambda text: text.encode().hex().encode(),
    "utf-16": lambda text: text.encode("utf-16-le"),
    "basic": lambda text: base64.b64encode(f"ADMIN:{text}".encode()),
    "basic of a longer name": lambda text: base64.b64encode(f"ADMINS:{text}".encode()),
    "basic of a name that is longer still": lambda text: base64.b64encode(f"ADMINOS:{text}".encode()),
}


@pytest.mark.parametrize("form", WRITTEN)
@pytest.mark.parametrize("name", OPEN)
def test_the_finder_finds_one_that_is_written_in_the_open(name: str, form: str) -> None:
    assert found(OPEN, b"before " + WRITTEN[form](OPEN[name]) + b" after") == {name}
    assert found(OPEN, b"before " + WRITTEN[form]("nothing of ours") + b" after") == set()


def test_the_finder_finds_one_in_a_file_of_the_state_folder(world: World, tmp_path: Path) -> None:
    (world.state / "logs" / "planted.log").write_bytes(b"\0" + b"x" * 5000 + b"canary-in-the-open-1")
    try:
        assert found({"planted": "canary-in-the-open-1"}, everything_written(world)) == {"planted"}
    finally:
        (world.state / "logs" / "planted.log").unlink()


# --- the service ------------------------------------------------------------------------------------------


def everything_written(world: World) -> bytes:
    """All files of the state folder (database, WAL, logs, consoles, seeds that were served), and the log."""
    files = [path for path in sorted(world.state.rglob("*")) if path.is_file()]
    kept = [path for path in files if str(path.relative_to(world.state)) not in HOMES]
    assert {"provisioner.db", "provisioner.db-wal"} <= {path.name for path in kept}
    return b"\n".join([*(path.read_bytes() for path in kept), (world.folder / "service.log").read_bytes()])


def everything_answered(world: World, puppets: list[Puppet]) -> bytes:
    """Each GET of the API with names that are known, and the metrics."""
    token = world.token()
    names = {
        "name": puppets[0].name,
        "ident": puppets[0].order.get("deployment", puppets[0].name),
        "int:ident": "1",
        "kind": "dnsmasq",
        "path:name": puppets[0].name,
        "path:ident": puppets[0].name,
    }
    answers = []
    for endpoint in (one for one in ENDPOINTS if one.method == "GET" and not one.is_stream):
        path = re.sub(r"<([^>]+)>", lambda part: names[part[1]], endpoint.path)
        reply = world.lan.https(f"{ROOT}{path}", token=token)
        assert reply.status in (200, 404), (path, reply)
        answers.append(reply.body)
    metrics = world.lan.https("/metrics", token=token)
    return b"\n".join([*answers, metrics.body, streamed(world, token)])


def streamed(world: World, token: str) -> bytes:
    """All events so far, from the stream that never ends; the others are parts of it."""
    shown = ("--insecure", "-H", f"Authorization: Bearer {token}", "-H", "Last-Event-ID: 0")
    said = world.lan.run("curl", "-sS", "-N", "--max-time", "5", *shown, f"https://10.77.0.1{ROOT}/events")
    assert said.code == 28 and "data: {" in said.out, said
    return said.out.encode()


def everything_served(puppets: list[Puppet]) -> bytes:
    """What machines fetch: scripts, orders with their seeds."""
    scripts = [puppet.http(f"/boot/{puppet.mac}/boot.ipxe").body for puppet in puppets]
    return b"\n".join([*scripts, *(json.dumps(puppet.order).encode() for puppet in puppets)])


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    parents = {}
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(place.name)] = int(stat_fields(int(place.name))[PARENT])
    members, new = [pid], {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new}
        members += sorted(new)
    return members


def everything_shown(world: World) -> bytes:
    """Arguments and environments of every process of the service."""
    shown = []
    for pid in family(world.service._process.pid):  # type: ignore[union-attr]  it runs
        for name in ("cmdline", "environ"):
            try:
                shown.append(Path(f"/proc/{pid}/{name}").read_bytes())
            except OSError:
                continue
    assert any(b"provisioner.power.act_process\0ipmi" in words for words in shown), "a BMC is asked just now"
    return b"\n".join(shown)


def memory(pid: int) -> bytes:
    """All that a process can read and write."""
    parts = []
    with Path(f"/proc/{pid}/maps").open() as maps, Path(f"/proc/{pid}/mem").open("rb") as mem:
        for line in maps:
            place, rights, *_ = line.split()
            if not rights.startswith("rw"):
                continue
            begin, end = (int(part, 16) for part in place.split("-"))
            try:
                mem.seek(begin)
                parts.append(mem.read(end - begin))
            except (OSError, ValueError, OverflowError):
                continue
    return b"\0".join(parts)


def services(world: World) -> dict[str, list[int]]:
    """The processes of each service, those that it has started too."""
    found: dict[str, list[int]] = {}
    for pid in family(world.service._process.pid):  # type: ignore[union-attr]  it runs
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        if not words[0].endswith(("python", "python3")) or "provisioner" not in words:
            continue
        if "--fork-server" in words:
            found["fork server"] = [pid]
        elif "--only" in words and words[words.index("--only") + 1] not in found:
            found[words[words.index("--only") + 1]] = [
                each for each in family(pid) if b"provisioner" in Path(f"/proc/{each}/cmdline").read_bytes()
            ]
    return found


def keys_of(world: World) -> dict[str, str]:
    """What only the worker may know: the key of all secrets, and the keys that sign."""
    [key] = secret_keys.key_file(world.site.settings).read_text().split()
    private, _ = opened_secrets.audit_key(world.site)
    return {"the key of the secrets": key, "the audit's key": private}


def of_people(world: World) -> dict[str, str]:
    """What people type and are given: passwords, right and wrong, one where the name belongs, and tokens."""
    first, second, wrong = (f"Canary {word} {os.urandom(4).hex()}" for word in ("one", "two", "wrong"))
    world.client.put_user("canary", Role.OPERATOR, only_new=True)
    world.client.set_password("canary", first)
    world.client.set_password("canary", second)

    def log_in(user: str, password: str) -> Reply:
        return world.lan.https(f"{ROOT}/login", body={"user": user, "password": password})

    assert log_in("canary", first).status == log_in("canary", wrong).status == 401
    assert log_in(second, "canary").status == 401, "typed into the field before"
    token = log_in("canary", second).json["token"]
    assert world.lan.https(f"{ROOT}/hosts/none/unlock", token=token + "x", method="POST").status == 401
    made = world.client.create_token(TokenOrder(user="canary", days=1, note="canary"))
    revoked = world.client.create_token(TokenOrder(user="canary", days=1))
    world.client.revoke_token(revoked.token.id)
    key = (world.state / "secrets" / "https.key").read_text().splitlines()
    return {
        "a password that was replaced": first,
        "a password": second,
        "a wrong password": wrong,
        "the token of a login": token,
        "a program's token": made.text,
        "a token that was revoked": revoked.text,
        "the key of https": key[1],
    }


def ssh_keys_of(world: World) -> dict[str, str]:
    found = {}
    for name in world.site.database.secrets.names(SSH_KEY):
        lines = opened_secrets.read(world.site, SSH_KEY, name).splitlines()
        found[f"ssh key of {name}"] = lines[3]  # the line with the private half
    return found


@pytest.mark.timeout(300)
def test_none_of_fifty_secrets_is_anywhere(world: World, tmp_path: Path) -> None:
    canaries: dict[str, str] = {}
    for number in range(LOGINS):
        canaries[f"login {number}"] = f"Canary.{number:02d}.{os.urandom(4).hex()}"
        world.client.put_secret(f"rack-{number}", "ADMIN", canaries[f"login {number}"])
    for number in range(4):  # the one before is looked for, too
        canaries[f"login {number} anew"] = f"Canary-{number}-{os.urandom(4).hex()}"
        world.client.put_secret(f"rack-{number}", "ADMIN", canaries[f"login {number} anew"])
    puppets = [world.add_host() for _ in range(ORDERED)]
    for puppet in puppets[:2]:
        puppet.reach_restarting()
    for puppet in puppets[2:]:
        puppet.arm()
    canaries |= keys_of(world) | ssh_keys_of(world)
    for puppet in puppets[:2]:
        canaries[f"token of {puppet.name}"] = puppet.token
    canaries |= of_people(world)
    canaries["the key of installers' tokens"] = (world.state / "secrets" / "seed.key").read_text().strip()
    for number in range(len(canaries), 50):
        canaries[f"more {number}"] = f"Canary.{number}.{os.urandom(4).hex()}"
        world.client.put_secret(f"more-{number}", "root", canaries[f"more {number}"])
    assert len(canaries) >= 50

    world.lan.add_address("10.77.2.1/24")  # so that there is a way to it, and nobody
    bmc = {"driver": "ipmi", "address": "10.77.2.9", "secret": "rack-9", "console": "none"}
    silent = world.add_host(bmc=bmc)
    with world.lines("bmc", "test", silent.name) as asking:
        shown = poll_for(world)
        asking.end()
    dump = tmp_path / "dump.tar.gz"
    said = world.provision("support-dump", "--out", dump)
    assert said.code == 0, said
    exported = world.provision("audit", "export")
    assert exported.code == 0 and exported.out.count("\n") > 50, exported

    tokens = {name: secret for name, secret in canaries.items() if name.startswith("token of")}
    machines = {name: secret for name, secret in canaries.items() if name not in tokens}
    assert found(canaries, everything_written(world)) == set()
    assert found(canaries, everything_answered(world, puppets)) == set()
    assert found(machines, everything_served(puppets)) == set(), "a host is given its own token, and no more"
    assert found(canaries, shown) == set()
    assert found(canaries, unpacked(dump)) == set()
    assert found(canaries, (exported.out + exported.err + said.out + said.err).encode()) == set()


def poll_for(world: World) -> bytes:
    """What all processes show, while one of them talks to a BMC."""
    for _ in range(400):
        try:
            return everything_shown(world)
        except AssertionError:
            os.sched_yield()
    return everything_shown(world)


def unpacked(dump: Path) -> bytes:
    with tarfile.open(dump) as archive:
        members = [archive.extractfile(member) for member in archive.getmembers() if member.isfile()]
        return b"\n".join(member.read() for member in members if member)


def test_only_the_worker_has_the_key_in_its_memory(world: World) -> None:
    keys = {"text": keys_of(world)["the key of the secrets"]}
    raw = bytes.fromhex(keys["text"])
    found_in = {
        name: any(raw in data or keys["text"].encode() in data for data in map(memory, pids))
        for name, pids in services(world).items()
    }
    assert found_in.pop("worker"), "the finder finds it where it has to be"
    assert found_in == dict.fromkeys(("fork server", "dhcp", "tftp", "dns", "web", "api"), False)
