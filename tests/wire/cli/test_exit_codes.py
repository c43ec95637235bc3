"""Every exit code that the reference names for a command is reached by a test: here, or by one of REACHED."""

from __future__ import annotations

import ast
import json
import os
import re
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from werkzeug.serving import BaseWSGIServer, make_server

from provisioner import cli
from provisioner import settings as settings_module
from provisioner.cli import exit_codes
from provisioner.errors import Exit
from provisioner.imaging.manifest import pack_files
from provisioner.site.site import Site
from provisioner.state.database import Database
from provisioner.state.folder import prepare_folder
from provisioner.state.notify import Listener
from provisioner.state.schema import SCHEMA_VERSION
from provisioner.web.application import create_app
from tests.access import certified
from tests.unit.cli.test_documents import leaves
from tests.wire.conftest import make_image

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
# a command that asks the service → words with which it does; FILE and FOLDER are an inventory's
ASKING = {
    "deploy": "vc-1 --yes",
    "status": "",
    "watch": "vc-1",
    "diagnose": "vc-1",
    "retry": "vc-1 --yes",
    "pause": "r-1",
    "resume": "vc-1",
    "cancel": "vc-1 --yes",
    "report": "r-1",
    "host apply": "FOLDER",
    "host import": "FILE",
    "host move": "vc-1 vc-2 --yes",
    "host remove": "vc-1 --yes",
    "host list": "",
    "host show": "vc-1",
    "host add": "vc-1 --mac 52:54:00:77:01:01 --profile cube",
    "host lock": "vc-1",
    "host unlock": "vc-1",
    "host edit": "vc-1 --rack B3",
    "host history": "vc-1",
    "host rename": "vc-1 vc-2",
    "host prove-boot": "vc-1",
    "profile list": "",
    "profile show": "cube",
    "profile remove": "cube --yes",
    "profile render": "vc-1",
    "profile learn": "vc-1",
    "whoami": "",
    "user add": "ann --role viewer",
    "user list": "",
    "user role": "ann viewer",
    "user password": "",
    "user remove": "ann --yes",
    "token create": "",
    "token list": "",
    "token revoke": "t-1",
    "image list": "",
    "image add": "PACK",
    "image verify": "vault-os@1",
    "image remove": "vault-os@1 --yes",
    "image gc": "--yes",
    "bmc test": "vc-1",
    "bmc power": "vc-1 state",
    "bmc boot": "vc-1",
    "bmc identify": "vc-1",
    "bmc sensors": "vc-1",
    "bmc console": "vc-1",
    "bmc rotate": "vc-1",
    "audit list": "",
    "audit verify": "",
    "audit export": "",
    "audit key": "",
    "bmc secret put": "lab --user ann --password-file FILE",
    "bmc secret list": "",
    "bmc secret remove": "lab --yes",
    "net watch": "--once",
    "net leases": "",
    "net check": "",
    "net print": "--for kea",
    "verify": "vc-1 --key FILE",
    "certificate get": "vc-1",
    "certificate list": "vc-1",
    "check": "",
}
DEPLOY, RUNS = "tests/wire/cli/test_cli_deploy.py", "tests/wire/cli/test_cli_runs.py"
WRITE, MIRROR = "tests/wire/cli/test_image_write.py", "tests/wire/mirror/test_mirror.py"
FAKED = "tests/wire/golden/test_image_build.py"
ALONE, MANY = "test_who_waits_for_a_host_ends_as_it_does", "test_who_waits_for_a_run_ends_as_it_does"
LATE, NET = "test_a_timeout_is_exit_7_and_the_deployment_goes_on", "tests/wire/services/dhcp/test_modes.py"
CERTIFICATE = "tests/wire/cli/test_cli_certificate.py"
BUNDLE, PEOPLE = "tests/wire/bundle/test_bundle.py", "tests/wire/cli/test_cli_people.py"
UNMADE = "test_what_cannot_be_put_in_is_said_and_nothing_is_written"
VERIFY = "tests/wire/cli/test_cli_verify.py"
PROOF = "tests/wire/worker/test_boot_proof.py"
REACHED = {  # command, code → the test that reaches it
    ("host prove-boot", 3): f"{PROOF}::test_a_system_of_another_disk_is_not_taken_for_it",
    ("host prove-boot", 4): f"{PROOF}::test_where_one_of_two_is_proven_both_are_told",
    **{(verb, code): f"{DEPLOY}::{ALONE}" for verb in ("deploy", "retry", "watch") for code in (3, 8)},
    **{(verb, 4): f"{RUNS}::{MANY}" for verb in ("deploy", "retry", "watch")},
    **{(verb, 7): f"{DEPLOY}::{LATE}" for verb in ("deploy", "retry", "watch")},
    (
        "diagnose",
        3,
    ): "tests/wire/diagnosis/test_service.py::test_what_ended_it_is_named_with_the_disks_that_were_seen",
    ("net check", 3): f"{NET}::test_what_a_server_that_was_told_nothing_lacks_is_said",
    ("check", 3): "tests/wire/cli/test_cli_check.py::test_what_is_wrong_comes_first_with_what_to_do",
    ("bmc test", 4): "tests/wire/cli/test_preflight.py::test_all_are_asked_and_the_red_ones_come_first",
    ("image keygen", 6): "tests/wire/cli/test_exit_codes.py::test_a_key_is_never_written_over",
    ("image trust", 6): "tests/wire/cli/test_exit_codes.py::test_a_key_is_never_written_over",
    ("image untrust", 6): "tests/wire/cli/test_cli_removal.py::test_a_key_is_trusted_no_more",
    ("image build", 3): f"{FAKED}::test_a_failed_build_says_why_and_leaves_a_line",
    ("image build", 5): f"{FAKED}::test_a_catalogue_that_does_not_take_it_is_said",
    ("image build", 6): f"{FAKED}::test_a_catalogue_that_does_not_take_it_is_said",
    ("image diff", 3): "tests/wire/golden/test_golden.py::test_one_touched_file_is_the_only_difference_told",
    ("image pack", 6): "tests/wire/cli/test_exit_codes.py::test_nothing_is_packed_that_cannot_be_signed",
    ("image convert", 6): "tests/wire/cli/test_image_cli.py::test_what_cannot_be_converted_leaves_nothing",
    ("image write", 3): f"{WRITE}::test_a_disk_of_a_running_machine_is_refused",
    ("image write", 5): f"{WRITE}::test_a_server_that_gives_no_parts_is_given_up_in_words",
    ("image write", 6): f"{WRITE}::test_the_device_is_shown_and_must_be_named",
    ("mirror lock", 5): f"{MIRROR}::test_apt_must_trust_the_archives_key",
    ("mirror make", 5): f"{MIRROR}::test_other_bytes_under_a_locked_version_are_refused",
    ("mirror make", 6): f"{MIRROR}::test_only_a_mirrors_folder_is_written_to",
    ("mirror make", 9): f"{MIRROR}::test_a_package_that_has_left_its_archive_is_named_with_a_code_of_its_own",
    ("mirror keygen", 6): f"{MIRROR}::test_a_key_is_never_written_over_and_must_be_one",
    ("mirror verify", 6): f"{MIRROR}::test_each_difference_is_named",
    ("mirror airgap", 6): f"{MIRROR}::test_what_is_asked_elsewhere_is_named_and_fails",
    ("rehearse", 3): "tests/unit/cli/test_rehearse.py::test_one_rehearsal_that_went_wrong_fails_them_all",
    ("serve", 6): "tests/wire/test_service.py::test_a_state_folder_of_a_newer_release_is_left_as_it_is",
    ("verify", 3): f"{VERIFY}::test_a_user_who_may_not_be_root_ends_it_without_a_verdict",
    ("verify", 7): "tests/wire/web/test_examination.py::test_who_waits_for_a_time_is_told_and_it_goes_on",
    ("verify", 8): f"{VERIFY}::test_a_host_that_got_worse_is_8_and_stays_ready",
    ("certificate keygen", 6): f"{VERIFY}::test_a_key_pair_is_never_written_over",
    ("certificate verify", 6): f"{CERTIFICATE}::test_what_is_wrong_is_said_with_its_code",
    (
        "certificate verify",
        8,
    ): f"{CERTIFICATE}::test_a_good_certificate_ends_with_0_and_a_rejected_one_with_8",
    ("certificate export", 6): f"{CERTIFICATE}::test_nothing_is_exported_that_was_changed",
    ("bundle make", 5): f"{BUNDLE}::{UNMADE}",
    ("bundle make", 6): f"{BUNDLE}::{UNMADE}",
    ("bundle verify", 6): f"{BUNDLE}::test_it_is_verified_and_no_changed_byte_of_it_is_believed",
    ("bundle install", 6): f"{BUNDLE}::test_its_parts_come_to_their_places",
    ("restore", 6): "tests/wire/cli/test_exit_codes.py::test_what_is_no_backup_is_not_restored",
    ("backup", 6): "tests/wire/cli/test_exit_codes.py::test_a_folder_of_a_newer_release_is_not_backed_up",
    ("login", 5): "tests/wire/cli/test_exit_codes.py::test_where_nobody_answers_nobody_logs_in",
    ("login", 6): f"{PEOPLE}::test_a_wrong_password_is_refused_and_leaves_nothing",
    ("logout", 6): f"{PEOPLE}::test_another_certificate_is_refused",
    ("support-dump", 6): "tests/wire/cli/test_cli_support_dump.py::test_a_file_that_is_there_stays",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a service's API, which wants a token."""
    state = tmp_path_factory.mktemp("s")
    database = Database(state)
    database.migrate()
    plain = {"state": state, "interface": "lan0", "address": "10.77.0.1/24"}
    with ExitStack() as stack:
        stack.callback(database.close)
        site = Site(settings_module.check(plain, source="test"), database)
        tls, fingerprint = certified(site)
        listener = stack.enter_context(Listener(state, "web"))
        app = create_app(site, listener, "api")
        made: BaseWSGIServer = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=tls)
        stack.callback(made.server_close)
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        stack.callback(thread.join)
        stack.callback(made.shutdown)
        known = {"PROVISION_FINGERPRINT": fingerprint}
        stack.enter_context(mock.patch.dict(os.environ, known))
        yield f"https://127.0.0.1:{made.server_port}"


@pytest.fixture
def inventory(tmp_path: Path) -> dict[str, str]:
    """What stands for FILE, FOLDER and PACK."""
    (tmp_path / "i").mkdir()
    (tmp_path / "i" / "hosts.yml").write_text("all: {hosts: {}}\n")
    (tmp_path / "i" / "profiles.yml").write_text("cube: {image: vault-os}\n")
    (tmp_path / "hosts.csv").write_text("name,mac,profile\nvc-1,52:54:00:77:01:01,cube\n")
    for path in pack_files(tmp_path / "x.pack"):
        path.write_text("its files are opened before anything is asked\n")
    files = {"FILE": "hosts.csv", "FOLDER": "i", "PACK": "x.pack"}
    return {word: str(tmp_path / name) for word, name in files.items()}


def words_of(path: str, inventory: dict[str, str]) -> list[str]:
    return [*path.split(), *(inventory.get(word, word) for word in ASKING[path].split())]


@pytest.mark.parametrize("path", leaves())
def test_what_cannot_be_understood_is_a_usage_error(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([*path.split(), "--no-such-option"]) == Exit.USAGE
    assert "(PV-105)" in capsys.readouterr().err


@pytest.mark.parametrize("path", ASKING)
def test_a_service_that_does_not_answer_is_5(
    path: str, inventory: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([*words_of(path, inventory), "--state", str(tmp_path)]) == Exit.UNREACHABLE
    assert "(PV-620)" in capsys.readouterr().err


@pytest.mark.parametrize("path", ASKING)
def test_a_wrong_token_is_6(
    path: str,
    inventory: dict[str, str],
    server: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PROVISION_TOKEN", "guessed")
    assert cli.run([*words_of(path, inventory), "--server", server]) == Exit.REFUSED
    assert "(PV-601)" in capsys.readouterr().err


def test_a_key_is_never_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor is one trusted in another's place."""
    state = ["--state", str(tmp_path / "s")]
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        assert cli.run(["image", "keygen", "site", "--dir", str(tmp_path / folder)]) == 0
    assert cli.run(["image", "keygen", "site", "--dir", str(tmp_path / "a")]) == 6
    assert "exists already (PV-130)" in capsys.readouterr().err
    assert cli.run(["image", "trust", str(tmp_path / "a" / "site.pub"), *state]) == 0
    assert cli.run(["image", "trust", str(tmp_path / "b" / "site.pub"), *state]) == 6
    assert "another key of the name site is trusted already (PV-130)" in capsys.readouterr().err


def test_a_folder_of_a_newer_release_is_not_backed_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare_folder(tmp_path / "s")
    database = Database(tmp_path / "s")
    database.migrate()
    database.db.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    database.close()
    assert cli.run(["backup", str(tmp_path / "b.tar"), "--state", str(tmp_path / "s")]) == 6
    assert "(PV-611)" in capsys.readouterr().err and not (tmp_path / "b.tar").exists()


def test_what_is_no_backup_is_not_restored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "b.tar").write_bytes(bytes(10240))
    assert cli.run(["restore", str(tmp_path / "b.tar"), "--state", str(tmp_path / "s")]) == 6
    assert "is no backup" in capsys.readouterr().err and not (tmp_path / "s").exists()


def test_where_nobody_answers_nobody_logs_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("PROVISION_PASSWORD", "guessed")
    words = ["login", "https://127.0.0.1:1", "--user", "ann", "--fingerprint", "ab" * 32]
    assert cli.run(words) == 5
    assert "(PV-620)" in capsys.readouterr().err and list(tmp_path.iterdir()) == []


def test_nothing_is_packed_that_cannot_be_signed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_image(tmp_path / "raw.img")
    (tmp_path / "site.key").write_text("x")
    options = ["--name", "x", "--version", "1", "--sign", str(tmp_path / "site.key")]
    words = ["image", "pack", str(tmp_path / "raw.img"), "-o", str(tmp_path / "x.pack"), *options]
    assert cli.run(words) == 6
    assert "(PV-325)" in capsys.readouterr().err and not (tmp_path / "x.pack").exists()


def reached_here() -> set[tuple[str, int]]:
    asking = {(path, code) for path in ASKING for code in exit_codes.SERVICE}
    return asking | {(path, Exit.USAGE) for path in leaves()}


def test_every_documented_code_is_reached() -> None:
    documented = {
        (path, int(code)) for path in leaves() for code in exit_codes.of(path) if code is not Exit.DONE
    }
    reached = {(path, int(code)) for path, code in (*reached_here(), *REACHED)}
    assert sorted(documented - reached) == [], "name a test that reaches it"
    assert sorted(reached - documented) == [], "provisioner/cli/exit_codes.py does not name it"
    assert sorted(set(exit_codes.EXITS) ^ set(leaves())) == [], "name the exit codes of each command"


@pytest.mark.parametrize(("key", "place"), REACHED.items(), ids=str)
def test_a_test_that_is_named_runs_the_command_and_expects_the_code(key: tuple[str, int], place: str) -> None:
    path, code = key
    file, _, name = place.partition("::")
    text = (ROOT / file).read_text()
    tree = ast.parse(text)
    [test] = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    constants = {node.value for node in ast.walk(test) if isinstance(node, ast.Constant)}
    names = {node.attr for node in ast.walk(test) if isinstance(node, ast.Attribute)}
    assert code in constants or Exit(code).name in names, f"{place} expects no {code}"
    assert all(re.search(rf"\b{re.escape(word)}\b", text) for word in path.split()), f"{file} runs no {path}"


def test_help_names_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["check", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.endswith(
        "Exit codes: 0 done, 2 usage, 3 failed, or a fault was found, 5 unreachable, 6 refused."
    )


def test_one_error_of_a_check_is_told_as_it_is(
    server: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PROVISION_TOKEN", "guessed")
    assert cli.run(["check", "--server", server, "-o", "json"]) == Exit.REFUSED
    said = capsys.readouterr()
    [line] = [line for line in json.loads(said.out)["checks"] if line["state"] == "fault"]
    assert (line["subject"], line["code"]) == ("service", 601)
    assert json.loads(said.err.splitlines()[-1])["error"]["code"] == 601
