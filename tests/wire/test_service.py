"""The service as a whole: what it says when it cannot start, and how it ends however it is ended."""

from __future__ import annotations

import re
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provisioner import run, settings
from provisioner.lab.service import FORK_SERVER
from provisioner.state import site_certificate
from provisioner.state.database import Database
from provisioner.state.schema import SCHEMA_VERSION
from provisioner.system import shipped
from tests.wire.answering import answering, next_answering

if TYPE_CHECKING:
    from tests.wire.conftest import CommandResult, Inside, Namespace

PROGRAMS = Path(__file__).with_name("programs")
NETWORK = ("--interface", "lan0", "--address", "10.77.0.1/24")
SERVICES = ("dhcp", "tftp", "dns", "web", "api", "worker")


@pytest.fixture(scope="module")
def service(
    lan: Namespace, inside: type[Inside], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Inside]:
    """One that the tests end, and that the next one starts again."""
    with inside(lan, tmp_path_factory.mktemp("ended")) as made:
        yield made


@pytest.fixture
def serve(lan: Namespace, tmp_path: Path) -> Callable[..., CommandResult]:
    """`provision serve` that is expected to end by itself."""

    def start(*words: str | Path, state: Path = tmp_path / "s") -> CommandResult:
        return lan.provision("serve", "--state", state, *words)

    return start


# it cannot start


@pytest.mark.parametrize(
    ("name", "kind", "port"),
    [
        ("dhcp", "SOCK_DGRAM", 67),
        ("tftp", "SOCK_DGRAM", 69),
        ("dns", "SOCK_DGRAM", 53),
        ("dns", "SOCK_STREAM", 53),
        ("web", "SOCK_STREAM", 80),
        ("api", "SOCK_STREAM", 443),
    ],
)
def test_a_port_that_is_in_use_is_named_with_the_service_that_needs_it(
    lan: Namespace,
    serve: Callable[..., CommandResult],
    held: Callable[..., object],
    name: str,
    kind: str,
    port: int,
) -> None:
    with held(lan.argv(sys.executable, PROGRAMS / "port_taker.py", kind, str(port))):
        said = serve(*NETWORK)
    assert said.code == 1
    assert re.search(
        rf"{name}[^:]*: port [\d.]+:{port}/\w+ is in use by another program \(PV-602\)", said.err
    ), said.err
    assert f"sport = :{port}" in said.err, "the way to the culprit"
    assert f"{name} did not start (exit code 1), so nothing is served" in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("words", "code", "number", "sentence", "hint"),
    [
        ((), 2, 610, "which network is to be served is not said", "--interface IF --address CIDR"),
        (NETWORK[:2], 2, 610, "which network is to be served is not said", "--address CIDR"),
        (NETWORK[2:], 2, 610, "which network is to be served is not said", "--interface IF"),
        (
            ("--interface", "lan7", *NETWORK[2:]),
            *(1, 605, "there is no interface lan7; this machine has lan0, lo", "ip link set lan7 up"),
        ),
        (
            ("--interface", "lan0", "--address", "10.78.0.1/24"),
            *(
                1,
                604,
                "the interface lan0 has not the address 10.78.0.1",
                "ip address add 10.78.0.1/24 dev lan0",
            ),
        ),
        (("--interface", "lan0", "--address", "10.77.0.1"), 2, 610, "10.77.0.1/32 is too small", ""),
        (("--interface", "lan0", "--address", "ten"), 2, 610, "the command line: address: ", ""),
        (("--http-port", "0", *NETWORK), 2, 610, "http_port: must be at least 1", ""),
        (
            ("--settings", "/no/such.toml"),
            2,
            610,
            "/no/such.toml: No such file or directory",
            "--settings FILE",
        ),
    ],
)
def test_what_the_command_line_lacks_is_said_with_the_way_out(
    serve: Callable[..., CommandResult],
    words: tuple[str, ...],
    code: int,
    number: int,
    sentence: str,
    hint: str,
) -> None:
    said = serve(*words)
    first, *rest = said.err.splitlines()
    assert said.code == code and said.out == ""
    assert sentence in first and first.startswith("✗ ") and first.endswith(f"(PV-{number})"), said.err
    assert hint in " ".join(rest)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("interfaces = 'lan0'\n", "interfaces: is not a known key"),
        ("[dhcp]\nlease = 3\n", "dhcp.lease: is not a known key"),
        ("services = ['dhcp', 'nfs']\n", "services: nfs unknown; one of dhcp, tftp, dns, web, worker"),
        ("[dhcp]\nhosts = {first = '10.1.0.1', last = '10.1.0.9'}\n", "10.1.0.1-10.1.0.9 does not lie in"),
        ("interface = \n", "not TOML: Invalid value"),
        ("interface = 'a'\ninterface = 'b'\n", "not TOML: Cannot overwrite a value"),
        ("state = '\udce9'\n", "not TOML"),
    ],
)
def test_a_settings_file_with_a_fault_is_refused_with_its_name_and_the_key(
    serve: Callable[..., CommandResult], tmp_path: Path, text: str, sentence: str
) -> None:
    file = tmp_path / "provisioner.toml"
    file.write_text(text, errors="surrogateescape")
    said = serve("--settings", file, *NETWORK)
    assert (said.code, said.out) == (2, "")
    assert f"✗ {file}: " in said.err and sentence in said.err and "(PV-610)" in said.err


def test_a_state_folder_of_a_newer_release_is_left_as_it_is(
    serve: Callable[..., CommandResult], tmp_path: Path
) -> None:
    (tmp_path / "s").mkdir(mode=0o700)
    (tmp_path / "s" / "provisioner.db").touch()
    database = Database(tmp_path / "s")
    database.db.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    database.close()
    said = serve(*NETWORK)
    assert said.code == 6 and "was written by a newer release" in said.err and "(PV-611)" in said.err
    assert database.db.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION + 1
    assert database.db.table_names() == []
    database.close()


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/nowhere"])
def test_a_state_folder_that_cannot_be_one_is_an_error_in_words(
    serve: Callable[..., CommandResult], tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").write_text("not a folder")
    said = serve(*NETWORK, state=tmp_path / place)
    assert said.code == 1 and "(PV-613)" in said.err and "Traceback" not in said.err, said.err


def test_a_state_folder_with_too_long_a_path_for_its_sockets_is_said(
    serve: Callable[..., CommandResult], tmp_path: Path
) -> None:
    short = len(str(tmp_path)) + 1
    assert short < 88
    said = serve(*NETWORK, state=tmp_path / ("l" * (88 - short)))  # api.sock fits, the longest bell does not
    assert said.code == 1 and "is too long for Unix sockets (PV-613)" in said.err, said.err


def test_a_folder_is_made_ready_without_an_interface_or_a_port(
    serve: Callable[..., CommandResult], tmp_path: Path
) -> None:
    words = ("--init", "--interface", "none0", "--address", "10.77.0.1/24")
    first, again = serve(*words), serve(*words)
    assert first.code == again.code == 0, first.err
    assert first.out == again.out == f"{site_certificate.fingerprint(tmp_path / 's')}\n"
    assert not [path for path in (tmp_path / "s" / "secrets").iterdir() if path.stat().st_mode & 0o077]


def test_a_socket_for_everybody_takes_no_files_place(
    serve: Callable[..., CommandResult], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    settings_file = tmp_path / "provisioner.toml"
    assert serve("--prepare", *NETWORK).code == 0
    for place, words in ((tmp_path / "file", "is no socket"), (tmp_path / "no" / "s", "no such folder")):
        settings_file.write_text(f'[access]\nsocket = "{place}"\n')
        said = serve("--settings", settings_file, "--only", "api", *NETWORK)
        assert said.code == 1 and words in said.err and "(PV-613)" in said.err, said.err
    assert (tmp_path / "file").read_text() == "mine"


def test_a_second_service_on_the_same_state_folder_is_refused(service: Inside) -> None:
    service.ensure()
    said = service.lan.provision("serve", "--state", service.state, *NETWORK)
    assert said.code == 1
    assert f"another service works on {service.state} already (PV-606)" in said.err
    assert service.client.service().hosts == 0, "the first one goes on"


# what is wrong with the state folder


@pytest.fixture
def quiet(service: Inside) -> Namespace:
    """The network while the service that the other tests end does not run."""
    service.stop()
    return service.lan


@pytest.fixture
def used(quiet: Namespace, inside: type[Inside], tmp_path: Path) -> Path:
    """The state folder of a service that was told to stop."""
    with inside(quiet, tmp_path) as made:
        made.stop()
    return tmp_path / "s"


def test_a_damaged_or_missing_database_ends_the_start_before_any_port_is_opened(
    used: Path, serve: Callable[..., CommandResult], lan: Namespace, held: Callable[..., object]
) -> None:
    path = used / "provisioner.db"
    whole = path.read_bytes()
    spoiled = {
        "is damaged": whole[:4096] + bytes(4096) + whole[8192:],
        "this file is no SQLite database": b"x" * len(whole),
        "it is empty, though this folder was used": b"",
    }
    with held(lan.argv(sys.executable, PROGRAMS / "port_taker.py", "SOCK_DGRAM", "67")):  # it would be missed
        for words, content in spoiled.items():
            path.write_bytes(content)
            said = serve(*NETWORK, state=used)
            assert (said.code, said.out) == (6, ""), said.err
            assert words in said.err and "(PV-607)" in said.err and "restore a backup" in said.err
            assert "port" not in said.err and "Traceback" not in said.err
            assert path.read_bytes() == content, "nothing is written over it"
        path.unlink()
        said = serve(*NETWORK, state=used)
        assert said.code == 6 and "is missing, though this folder was used" in said.err
        assert "(PV-608)" in said.err and not path.exists()


def test_a_row_that_cannot_be_read_is_named_at_the_start_and_in_the_status(
    quiet: Namespace, inside: type[Inside], tmp_path: Path
) -> None:
    inventory = tmp_path / "inventory"
    inventory.mkdir()
    (inventory / "profiles.yml").write_text("cube: {image: vault-os}\n")
    hosts = "".join(f'    vc-{n}: {{macs: ["52:54:00:77:01:0{n}"], profile: cube}}\n' for n in (1, 2))
    (inventory / "hosts.yml").write_text(f"all:\n  hosts:\n{hosts}")
    with inside(quiet, tmp_path) as made:
        assert quiet.provision("host", "apply", inventory, "--state", made.state).code == 0
        made.stop()
    database = Database(tmp_path / "s")
    with database.writing() as db:
        db.execute("UPDATE hosts SET body = '{' WHERE name = 'vc-1'")
    database.close()
    with inside(quiet, tmp_path) as made:
        assert "the host vc-1 cannot be read" in made.log.read_text()
        assert [host.name for host in made.client.hosts()] == ["vc-2"]
        status = quiet.provision("status", "--state", made.state)
        assert status.code == 0 and "the host vc-1 cannot be read" in status.err, status
        shown = quiet.provision("host", "show", "vc-1", "--state", made.state)
        assert shown.code == 1 and "(PV-612)" in shown.err and "host apply" in shown.err


def test_a_state_folder_that_others_could_look_into_is_closed(
    used: Path, quiet: Namespace, inside: type[Inside], tmp_path: Path
) -> None:
    used.chmod(0o755)
    (used / "secrets" / "https.key").chmod(0o644)
    with inside(quiet, tmp_path) as made:
        said = made.log.read_text()
        assert f"others could look into {used} (mode 0755); now they cannot (0700)" in said
        assert [path for path in (used, *used.rglob("*")) if is_open(path)] == [used / "images"]


def is_open(path: Path) -> bool:
    """Whether others may look into it; a public key they may."""
    try:
        return bool(path.lstat().st_mode & 0o077) and not path.is_symlink() and path.suffix != ".pub"
    except FileNotFoundError:  # a file of numbers that has just taken another's place
        return False


def test_a_full_disk_is_said_hinders_no_machine_and_is_over_when_there_is_room(
    quiet: Namespace, inside: type[Inside], tmp_path: Path
) -> None:
    state = tmp_path / "s"
    state.mkdir(mode=0o700)
    assert quiet.run("mount", "-t", "tmpfs", "-o", "size=12m,mode=0700", "tmpfs", state).code == 0
    inventory = tmp_path / "inventory"
    inventory.mkdir()
    (inventory / "profiles.yml").write_text("cube: {image: vault-os}\n")
    (inventory / "hosts.yml").write_text(
        'all:\n  hosts:\n    vc-1: {macs: ["52:54:00:77:01:01"], profile: cube}\n'
    )
    with inside(quiet, tmp_path) as made:
        sql = "PRAGMA wal_checkpoint(TRUNCATE)"  # what was freed in the log could be written to again
        code = f"import pysqlite3.dbapi2 as s; s.connect('{state}/provisioner.db').execute('{sql}')"
        assert quiet.run(sys.executable, "-c", code).code == 0
        assert quiet.run("dd", "if=/dev/zero", f"of={state}/filler", "bs=4k").code == 1
        for _ in range(3):
            said = quiet.provision("host", "apply", inventory, "--state", state)
            assert said.code == 1 and "(PV-609)" in said.err and "filler 1" in said.err, said.err
            script = quiet.http("/boot/52-54-00-77-01-01/boot.ipxe")
            assert script.status == 200 and b"local.efi" in script.body
        assert quiet.provision("status", "--state", state).code == 0
        assert quiet.run("rm", state / "filler").code == 0
        assert quiet.provision("host", "apply", inventory, "--state", state).code == 0
        assert made.exit_code is None and "Traceback" not in made.log.read_text()


# the shipped settings


@pytest.mark.parametrize("everything", [False, True])
def test_the_shipped_settings_are_the_defaults_with_and_without_the_comment_signs(
    tmp_path: Path, everything: bool
) -> None:
    text = (shipped.folder("systemd") / "provisioner.toml").read_text()
    if everything:
        text, count = re.subn(r"^#(?=\S)", "", text, flags=re.MULTILINE)
        assert count > 8
    file = tmp_path / "provisioner.toml"
    file.write_text(text)
    found = settings.load(file)
    bare = settings.check({"interface": "eno2", "address": "10.77.0.1/24"}, source="test")
    sections = {
        "dhcp": {"hosts", "discovery", "router", "time_server"},
        "mirror": {"path"},
        "dns": {"forward"},
        "secrets": {"key_file", "passphrase_file"},
        "networks": True,
        "access": {"socket"},
        "webhooks": True,
        "rehearsals": {"folder"},
    }  # examples: none by default
    assert found.model_dump(exclude=sections) == bare.model_dump(exclude=sections)
    assert (found.hosts_range, found.discovery_range) == (bare.hosts_range, bare.discovery_range)
    if everything:
        assert found.model_fields_set == set(settings.Settings.model_fields), "a setting is not in the file"
        assert found.dhcp.model_fields_set == set(settings.Dhcp.model_fields)
        [further] = found.networks
        assert further.model_fields_set == set(settings.Network.model_fields) - {"subnet"}
        [webhook] = found.webhooks
        assert webhook.model_fields_set == set(type(webhook).model_fields)
        assert found.access.model_fields_set == set(type(found.access).model_fields)
        assert found.secrets.model_fields_set == set(type(found.secrets).model_fields)
        assert found.logs.model_fields_set == set(type(found.logs).model_fields)
        assert found.orders.model_fields_set == set(settings.Orders.model_fields)
        assert found.mirror.model_fields_set == set(settings.Mirror.model_fields)
        assert found.retention.model_fields_set == set(settings.Retention.model_fields)


# it is ended


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_that_is_killed_is_started_again_while_the_others_go_on(service: Inside, name: str) -> None:
    service.ensure()
    others = {other: service.pid(other) for other in SERVICES if other != name}
    offset = service.log.stat().st_size
    service.kill(name)  # raises where a process outlives it, or where it does not come back
    said = service.log.read_text()[offset:]
    assert f"{name} was killed by signal 9; it is started again" in said and f"{name} serves again" in said
    assert service.exit_code is None
    assert {other: service.pid(other) for other in others} == others
    assert service.client.service().interface == "lan0"
    events = service.client.net().events
    assert any(event.kind == "service.replaced" and event.data.service == name for event in events)


@pytest.mark.alone
@pytest.mark.parametrize("names", [("dhcp", "tftp", "dns", "web", "worker"), ("answering",)])
def test_what_is_stopped_is_replaced_within_half_a_minute(service: Inside, names: tuple[str, ...]) -> None:
    """Each service, and the process behind the web's that answers requests."""
    service.ensure()
    began, offset = time.monotonic(), service.log.stat().st_size
    for name in names:
        web = service.pid("web")
        pid = answering(web) if name == "answering" else service.pid(name)
        run.signal_process(pid, signal.SIGSTOP)
    if names == ("answering",):
        await_other_process(service, offset, began + 30)
    else:
        for name in names:
            service.await_replaced(name, offset)
    assert service.client.service().interface == "lan0"
    assert time.monotonic() - began <= 30
    assert service.exit_code is None


def test_the_end_of_the_fork_server_ends_no_service(service: Inside) -> None:
    """It holds nothing, either: no port, no file, no thread."""
    service.ensure()
    pid, names = service.pid(FORK_SERVER), ("dhcp", "tftp", "dns", "web", "api", "worker")
    folder, serving = Path(f"/proc/{pid}"), {name: service.pid(name) for name in names}
    assert sorted(each.name for each in folder.glob("task/*")) == [str(pid)]
    assert len(list(folder.glob("fd/*"))) == 4 + 2 * len(names), "streams, its socket, and of each fork two"
    offset = service.log.stat().st_size
    run.signal_process(pid, signal.SIGKILL)
    until = time.monotonic() + 30
    while "fork server was killed by signal 9; it is started again" not in service.log.read_text()[offset:]:
        assert time.monotonic() < until
        time.sleep(0.1)  # the log tells nobody when it grows
    service.kill("dns")  # and is forked from another one
    assert {name: service.pid(name) for name in names if name != "dns"} == {
        name: one for name, one in serving.items() if name != "dns"
    }
    assert service.client.service().interface == "lan0"
    service.stop()  # nothing of it is left, whoever its parent is by now
    assert not [name for name, one in serving.items() if Path(f"/proc/{one}/exe").exists()]


@pytest.mark.alone
def test_what_hangs_before_it_serves_is_replaced_likewise(service: Inside) -> None:
    """Stopped as soon as it is there: it has given no sign of life, and has not made its application yet."""
    service.ensure()
    web = service.pid("web")
    old, offset = answering(web), service.log.stat().st_size
    new = next_answering(web, old)
    run.signal_process(new, signal.SIGSTOP)
    await_other_process(service, offset, time.monotonic() + 30)
    assert answering(web) != new
    assert service.exit_code is None


def await_other_process(service: Inside, offset: int, until: float) -> None:
    """Until the log says that the process that answers requests was silent, and is replaced."""
    while "the process that answers requests did not answer" not in service.log.read_text()[offset:]:
        assert time.monotonic() < until
        time.sleep(0.2)  # the log tells nobody when it grows


def test_a_killed_parent_takes_its_services_along(service: Inside) -> None:
    service.ensure()
    service.kill("parent")
    assert service.exit_code == -signal.SIGKILL
    service.start()
    assert service.client.service().interface == "lan0"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_being_told_to_stop_is_no_failure_even_while_a_client_hangs(
    service: Inside, number: signal.Signals
) -> None:
    service.ensure()
    with socket.socket(socket.AF_UNIX) as line:
        if number == signal.SIGTERM:
            line.connect(str(service.state / "api.sock"))
            line.sendall(b"GET /api/v1/service HTTP/1.1\r\nHost: here\r\n")  # half a request
        run.signal_process(service.pid("parent"), number)
        assert service.wait_end(20)
    assert service.exit_code == 0
    assert f"told to stop by {number.name}" in service.tail(3)
    assert not any("Traceback" in line for line in service.tail(20))
    service.check_ports()
