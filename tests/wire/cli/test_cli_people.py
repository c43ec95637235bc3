"""People at the command line: on the service's machine, and over the network by TLS."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import pytest

from provisioner.cli.logins import Logins
from provisioner.state import site_certificate
from tests.wire.conftest import PROVISION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.wire.conftest import CommandResult, World

URL = "https://10.77.0.1"
PASSWORD = "correct horse battery"


class Person:
    """Somebody on another machine, with a home of his own."""

    def __init__(self, world: World, home: Path) -> None:
        self.world, self.config = world, home / "config" / "provisioner" / "logins.json"
        self.env = {"XDG_CONFIG_HOME": str(home / "config"), "PROVISION_STATE": "/var/lib/provisioner"}

    def says(self, *words: str, **env: str) -> CommandResult:
        return self.world.lan.provision(*words, env={**self.env, **env})

    def logs_in(self, password: str = PASSWORD, *words: str) -> CommandResult:
        return self.says("login", URL, "--user", "ann", *words, PROVISION_PASSWORD=password)


@pytest.fixture
def ann(world: World, tmp_path: Path) -> Iterator[Person]:
    assert world.provision("user", "add", "ann", "--role", "technician").code == 0
    said = world.provision("user", "password", "ann", env={"PROVISION_PASSWORD": PASSWORD})
    assert said.code == 0, said.err
    yield Person(world, tmp_path)
    assert world.provision("user", "remove", "ann", "--yes").code == 0


def test_root_is_an_admin_on_the_services_own_machine(world: World) -> None:
    said = world.provision("whoami", "-o", "json")
    identity = said.json["identity"]
    assert (identity["user"], identity["role"], identity["way"]) == ("root", "admin", "socket")


def test_a_person_logs_in_works_and_logs_out(world: World, ann: Person) -> None:
    shown = ann.logs_in()
    assert shown.code == 6 and "(PV-133)" in shown.err, "nobody is there to compare the certificate"
    fingerprint = site_certificate.fingerprint(world.state)
    said = ann.logs_in(PASSWORD, "--fingerprint", fingerprint)
    assert said.code == 0 and "ann is logged in" in said.err, said.err
    assert stat.S_IMODE(ann.config.stat().st_mode) == 0o600
    puppet = world.add_host()
    assert puppet.name in ann.says("host", "list", "-o", "name").out
    ordered = ann.says("deploy", puppet.name, "--yes", "--no-wait", "-o", "json", LOGNAME="somebody")
    assert ordered.code == 0, ordered.err
    assert puppet.row.armed_by == "ann"
    refused = ann.says("host", "unlock", puppet.name)
    assert refused.code == 6 and "(PV-701)" in refused.err and "ask " in refused.err
    assert ann.says("cancel", puppet.name, "--yes").code == 0
    token = json.loads(ann.config.read_text())["servers"][URL]["token"]
    assert ann.says("logout").code == 0
    assert token not in ann.config.read_text()
    assert world.lan.https("/api/v1/hosts", token=token).status == 401
    assert ann.says("host", "list", "--server", URL).code == 6


def test_a_wrong_password_is_refused_and_leaves_nothing(world: World, ann: Person) -> None:
    said = ann.logs_in("guessed it", "--fingerprint", site_certificate.fingerprint(world.state))
    assert said.code == 6 and "(PV-702)" in said.err and not ann.config.exists()


@pytest.mark.parametrize("words", [("host", "list"), ("login", URL), ("logout", URL)])
def test_another_certificate_is_refused(world: World, ann: Person, words: tuple[str, ...]) -> None:
    assert ann.logs_in(PASSWORD, "--fingerprint", site_certificate.fingerprint(world.state)).code == 0
    known = Logins.model_validate_json(ann.config.read_text())
    other = known.servers[URL].model_copy(update={"fingerprint": "ab" * 32})
    ann.config.write_text(known.with_server(URL, other, current=URL).model_dump_json())
    said = ann.says(*words, PROVISION_PASSWORD=PASSWORD)
    assert said.code == 6 and "(PV-706)" in said.err and "nothing was sent" in said.err
    assert world.lan.https("/api/v1/hosts", token=known.servers[URL].token).status == 200


def test_the_certificate_is_shown_and_what_is_typed_decides(world: World, ann: Person) -> None:
    words = " ".join([*PROVISION, "login", URL, "--user", "ann"])
    for answer, is_believed in ((b"n\n", False), (b"y\n", True)):
        env = {**ann.env, "PROVISION_PASSWORD": PASSWORD}
        said = world.lan.run("script", "-qec", words, "/dev/null", env=env, stdin=answer)
        assert "Is it the one that the service shows" in said.out, said
        assert ann.config.exists() is is_believed, said.out


def test_a_token_is_printed_once_and_revoked(world: World) -> None:
    made = world.provision("token", "create", "--role", "viewer", "--note", "prometheus", "-o", "json").json
    text, ident = made["text"], made["token"]["id"]
    assert world.lan.https("/metrics", token=text).status == 200
    assert world.lan.https("/api/v1/users", token=text).status == 403
    listed = world.provision("token", "list", "-o", "json")
    assert ident in listed.out and text not in listed.out
    assert world.provision("token", "revoke", ident).code == 0
    assert world.lan.https("/metrics", token=text).status == 401


def test_users_are_listed_and_given_roles(world: World, ann: Person) -> None:
    assert world.provision("user", "role", "ann", "operator").code == 0
    assert "ann" in (said := world.provision("user", "list").out) and "operator" in said
    again = world.provision("user", "add", "ann", "--role", "admin")
    assert again.code == 6 and "known already" in again.err
    assert "(PV-709)" in world.provision("user", "role", "nobodys", "viewer").err


def test_what_people_s_commands_answer_is_data(world: World, tmp_path: Path) -> None:
    ben = Person(world, tmp_path)
    env = {"PROVISION_PASSWORD": PASSWORD}

    def of(said: CommandResult, key: str) -> Any:
        assert said.code == 0 and said.json["schema_version"] == 1, said.err
        return said.json[key]

    def data(key: str, *words: str) -> Any:
        return of(world.provision(*words, "-o", "json", env=env), key)

    def ben_s(key: str, *words: str) -> Any:
        return of(ben.says(*words, "-o", "json", **env), key)

    assert data("user", "user", "add", "ben", "--role", "viewer")["role"] == "viewer"
    assert data("user", "user", "role", "ben", "operator")["role"] == "operator"
    assert data("user", "user", "password", "ben")["name"] == "ben"
    assert "ben" in [one["name"] for one in data("users", "user", "list")]
    pinned = ("--fingerprint", site_certificate.fingerprint(world.state))
    assert ben_s("identity", "login", URL, "--user", "ben", *pinned)["user"] == "ben"
    assert ben_s("identity", "whoami")["role"] == "operator"
    created = ben.says("token", "create", "--role", "viewer", "--note", "it", "-o", "json")
    made = of(created, "token")
    assert "text" in created.json
    assert made["id"] in [one["id"] for one in ben_s("tokens", "token", "list")]
    assert ben_s("token", "token", "revoke", made["id"])["id"] == made["id"]
    assert ben_s("logout", "logout") == {"url": URL, "user": "ben"}
    assert data("user", "user", "remove", "ben", "--yes")["name"] == "ben"
