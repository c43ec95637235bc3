"""The service as a whole: what it says when it cannot start, and how it ends however it is ended."""

from __future__ import annotations

import re
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provisioner import daemon, run, settings
from provisioner.errors import ServiceError
from provisioner.state.database import Database
from provisioner.state.schema import SCHEMA_VERSION
from provisioner.system import shipped

if TYPE_CHECKING:
    from tests.wire.conftest import CommandResult, Inside, Namespace

PROGRAMS = Path(__file__).with_name("programs")
NETWORK = ("--interface", "lan0", "--address", "10.77.0.1/24")
SERVICES = ("dhcp", "tftp", "dns", "web", "worker")


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
        (("--http-port", "0", *NETWORK), 2, 610, "http_port: Input should be greater than or equal to 1", ""),
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
    (tmp_path / "s").mkdir()
    database = Database(tmp_path / "s")
    database.db.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    database.close()
    said = serve(*NETWORK)
    assert said.code == 1 and "was written by a newer release" in said.err and "(PV-611)" in said.err
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


def test_a_second_service_on_the_same_state_folder_is_refused(service: Inside) -> None:
    service.ensure()
    said = service.lan.provision("serve", "--state", service.state, *NETWORK)
    assert said.code == 1
    assert f"another service works on {service.state} already (PV-606)" in said.err
    assert service.client.service().hosts == 0, "the first one goes on"


def test_a_service_that_says_nothing_for_too_long_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On loopback; the child is a program that never becomes ready."""
    monkeypatch.setattr(daemon, "READY_LIMIT", 0.2)
    site = settings.check(
        {"state": tmp_path, "interface": "lo", "address": "127.0.0.1/8", "services": ["web"]}, source="test"
    )
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        with pytest.raises(ServiceError, match=r"web is not ready after 0.2 s, so nothing is served"):
            daemon.serve(site, ["sh", "-c", "exec sleep 100"], lambda: site)
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


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
        "networks": True,
    }  # examples: none by default
    assert found.model_dump(exclude=sections) == bare.model_dump(exclude=sections)
    assert (found.hosts_range, found.discovery_range) == (bare.hosts_range, bare.discovery_range)
    if everything:
        assert found.model_fields_set == set(settings.Settings.model_fields), "a setting is not in the file"
        assert found.dhcp.model_fields_set == set(settings.Dhcp.model_fields)
        [further] = found.networks
        assert further.model_fields_set == set(settings.Network.model_fields) - {"subnet"}
        assert found.orders.model_fields_set == set(settings.Orders.model_fields)
        assert found.mirror.model_fields_set == set(settings.Mirror.model_fields)


# it is ended


@pytest.mark.parametrize("name", SERVICES)
def test_the_first_service_to_be_killed_stops_all_and_is_named(service: Inside, name: str) -> None:
    service.ensure()
    service.kill(name)  # raises where a process or a port outlives it
    assert service.exit_code == 1
    assert service.tail(1) == [
        f"{name} was killed by signal 9, so all services stop; whoever started this starts it again"
    ]
    service.start()
    assert service.client.service().interface == "lan0"


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
