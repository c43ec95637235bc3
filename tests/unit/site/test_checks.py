"""What `provision check` says of the service's own machine, and that each fault turns one line red."""

from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner import run
from provisioner.domain.bootfiles import ARCHITECTURES
from provisioner.domain.check_line import CheckLine
from provisioner.domain.event import Event
from provisioner.domain.events.request import NetbootLooping
from provisioner.errors import ProgramError
from provisioner.site import checks, interface, ports
from provisioner.site.site import Site
from provisioner.state import disk_usage, integrity, secret_keys, site_certificate
from provisioner.state.alive import ServingMark
from provisioner.state.folder import prepare_folder
from provisioner.state.values import RogueServer
from tests.unit.conftest import Clock

SS = {
    "udp": "UNCONN 0 0 {address}:{port} 0.0.0.0:* {users}",
    "tcp": "LISTEN 0 4096 {address}:{port} 0.0.0.0:* {users}",
}


@pytest.fixture
def whole(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site of which nothing is wrong, on a machine that has its interface and none of its ports taken."""
    monkeypatch.setattr(interface, "check_interface", lambda settings: None)
    monkeypatch.setattr(ports, "look", lambda settings: [ports.Port("dhcp", "udp", 67, "python", True)])
    monkeypatch.setattr(disk_usage, "room", lambda state: 50e9)
    state = site.settings.state
    prepare_folder(state)
    site_certificate.ensure_certificate(state, site.settings.api_names)
    (state / "keys" / "release.pub").write_text("key")
    for name in {boot.name for boot in ARCHITECTURES.values()} | {"vmlinuz", "initrd.img", "local.efi"}:
        (state / "ramdisk" / name).write_bytes(b"x")
    return site


def lines(site: Site, subject: str) -> list[CheckLine]:
    return [line for line in checks.of_service(site) if line.subject == subject]


def bad(site: Site) -> list[CheckLine]:
    return [line for line in checks.of_service(site) if line.state != "ok"]


def test_where_nothing_is_wrong_every_line_is_green(whole: Site) -> None:
    assert bad(whole) == []
    assert len(checks.of_service(whole)) >= 10


def _room(amount: float) -> Callable[[Site, pytest.MonkeyPatch], None]:
    return lambda site, patch: patch.setattr(disk_usage, "room", lambda state: amount)


def _untrusted(site: Site, _: pytest.MonkeyPatch) -> None:
    (site.settings.state / "keys" / "release.pub").rename(site.settings.state / "keys" / "other.pub")


def _no_keys(site: Site, _: pytest.MonkeyPatch) -> None:
    (site.settings.state / "keys" / "release.pub").unlink()
    image = site.database.images.all()[0]
    site.database.images.put(image.model_copy(update={"signed_by": ""}))


def _rogue(site: Site, _: pytest.MonkeyPatch) -> None:
    site.database.values.put_rogue_servers(
        [RogueServer("10.77.0.9", "52:54:00:00:00:09", "lan0", "10.77.0.99")]
    )


def _deaf(site: Site, _: pytest.MonkeyPatch) -> None:
    site.database.values.put_deaf_interfaces(["lan0"])


def _open_secrets(site: Site, _: pytest.MonkeyPatch) -> None:
    (site.settings.state / "secrets" / "https.key").chmod(0o644)


def _lost_secret(site: Site, _: pytest.MonkeyPatch) -> None:
    (site.settings.state / "secrets" / "worker.pub").unlink()


def _pin(site: Site, _: pytest.MonkeyPatch) -> None:
    (site.settings.state / "secrets" / "vc-9.bmc.sha256").write_text("x")


def _idle_worker(site: Site, _: pytest.MonkeyPatch) -> None:
    site.database.requests.ask("vc-1", "test", "", site.clock() - 500)


def _foreign_port(site: Site, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        ports, "look", lambda settings: [ports.Port("tftp", "udp", 69, "dnsmasq, process 7", False)]
    )


def _damaged_row(site: Site, _: pytest.MonkeyPatch) -> None:
    site.database.db.execute("UPDATE hosts SET body = 'rubbish'")


def _future(site: Site, _: pytest.MonkeyPatch) -> None:
    looping = NetbootLooping(address="10.77.0.2")
    site.database.events.note(Event.of_host("vc-1", looping, source="test", now=site.clock() + 3600))


def _no_ss(site: Site, patch: pytest.MonkeyPatch) -> None:
    def missing(settings: object) -> None:
        raise ProgramError("ss is not installed", hint="apt-get install iproute2")

    patch.setattr(ports, "look", missing)


@pytest.mark.parametrize(
    ("spoil", "subject", "state", "code", "words"),
    [
        (_room(5e9), "free space", "warning", 0, "5.0 GB are left"),
        (_room(5e8), "free space", "fault", 609, "500.0 MB are left"),
        (_untrusted, "keys", "fault", 326, "vault-os@1 is signed by release, which is not trusted"),
        (_no_keys, "keys", "warning", 0, "no key is trusted"),
        (_rogue, "DHCP", "fault", 670, "10.77.0.9 (52:54:00:00:00:09) on lan0"),
        (_deaf, "DHCP", "warning", 0, "cannot be heard on lan0"),
        (_open_secrets, "secrets", "fault", 613, "others may look into"),
        (_lost_secret, "secrets", "warning", 0, "worker.pub is missing"),
        (_pin, "certificates", "warning", 0, "vc-9"),
        (_idle_worker, "worker", "fault", 674, "a request to the BMC of vc-1 waits for more than 2 m 00 s"),
        (_foreign_port, "ports", "warning", 0, "port 69/udp of tftp is held by dnsmasq, process 7"),
        (_damaged_row, "rows", "fault", 612, "the host vc-1 cannot be read"),
        (_future, "clock", "warning", 0, "1 h 00 m from now"),
        (_no_ss, "ports", "fault", 630, "ss is not installed"),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_each_fault_is_a_line_with_what_to_do(
    whole: Site,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Site, pytest.MonkeyPatch], None],
    subject: str,
    state: str,
    code: int,
    words: str,
) -> None:
    spoil(whole, monkeypatch)
    found = bad(whole)
    assert [(line.subject, line.state, line.code) for line in found] == [(subject, state, code)]
    assert words in found[0].sentence and found[0].hint


@pytest.mark.parametrize("boot", sorted({boot.name for boot in ARCHITECTURES.values()}))
def test_a_boot_file_is_missed_once_with_each_architecture_that_needs_it(whole: Site, boot: str) -> None:
    (whole.settings.state / "ramdisk" / boot).unlink()
    [line] = bad(whole)
    needed = ", ".join(str(number) for number, file in ARCHITECTURES.items() if file.name == boot)
    assert line.sentence.startswith(f"{boot} is missing (architecture") and f" {needed})" in line.sentence
    assert (line.subject, line.state) == ("boot files", "warning" if "arm64" in boot else "fault")


def test_a_clock_that_was_set_is_told_from_the_services_own(whole: Site, clock: Clock) -> None:
    whole.real_time = lambda: clock.now + 90
    [line] = bad(whole)
    assert (line.subject, line.state) == ("clock", "warning") and "1 m 30 s ahead of" in line.sentence


@pytest.mark.parametrize(
    ("listed", "holder", "ours"),
    [
        ('users:(("dnsmasq",pid=1,fd=4))', "dnsmasq, process 1", False),
        ('users:(("a",pid=1,fd=4),("b",pid=2,fd=3))', "a, process 1", False),
        ("", "a process that only root may see", False),
    ],
)
def test_a_port_is_held_by_whom_ss_names(
    site: Site, monkeypatch: pytest.MonkeyPatch, listed: str, holder: str, ours: bool
) -> None:
    def text(argv: list[str]) -> str:
        kind = argv[5].removeprefix("--")
        return SS[kind].format(address="0.0.0.0%lan0", port=argv[6].rpartition(":")[2], users=listed)

    monkeypatch.setattr(run, "text", text)
    found = ports.look(site.settings)
    assert [str(port) for port in found] == ["67/udp", "69/udp", "53/udp", "53/tcp", "80/tcp", "443/tcp"]
    assert {(port.holder, port.is_ours) for port in found} == {(holder, ours)}


def test_a_process_of_ours_that_may_not_be_looked_at_is_known_by_its_mark(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def text(argv: list[str]) -> str:
        kind = argv[5].removeprefix("--")
        return SS[kind].format(address="0.0.0.0%lan0", port=argv[6].rpartition(":")[2], users="")

    monkeypatch.setattr(run, "text", text)
    ServingMark(site.settings.state, "dns").set()
    (site.settings.state / "process-tftp.json").write_text('{"boot": "another", "process": 1}')
    (site.settings.state / "process-web.json").write_text("no JSON")
    assert {port.service for port in ports.look(site.settings) if port.is_ours} == {"dns"}


@pytest.mark.parametrize("address", ["127.0.0.1", "10.99.0.1", "0.0.0.0%eth9", "[::1]"])
def test_a_socket_elsewhere_is_not_in_our_way(
    site: Site, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(run, "text", lambda argv: f"UNCONN 0 0 {address}:67 0.0.0.0:*")
    assert {port.holder for port in ports.look(site.settings)} == {""}


def test_a_database_is_read_from_end_to_end(site: Site, tmp_path: Path) -> None:
    assert checks.of_database(site.settings.state).state == "ok"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "nobody has used" in checks.of_database(empty).sentence
    (empty / "database.created").write_text("there was one")
    assert (checks.of_database(empty).state, checks.of_database(empty).code) == ("fault", 608)


def test_the_database_of_a_newer_release_is_a_fault(site: Site) -> None:
    site.database.db.execute("PRAGMA user_version=999")
    line = checks.of_database(site.settings.state)
    assert (line.state, line.code) == ("fault", 611) and "newer release (schema 999" in line.sentence


@pytest.mark.parametrize("name", ["nowhere", "file", "file/below"])
def test_no_state_folder_is_a_fault(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("no folder")
    line = checks.of_database(tmp_path / name)
    assert (line.state, line.code) == ("fault", 150) and str(tmp_path / name) in line.sentence
    assert "--state" in line.hint


def test_what_may_not_be_read_is_said_in_words(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(integrity, "examine_in_use", refuse)
    line = checks.of_database(site.settings.state)
    assert (
        line.state == "unknown" and "you have no permission" in line.sentence and "Errno" not in line.sentence
    )


def test_a_damaged_page_is_found(site: Site) -> None:
    site.database.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path = site.database.path
    site.database.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)
    line = checks.of_database(site.settings.state)
    assert (line.state, line.code) == ("fault", 607) and line.hint


def test_a_database_that_this_release_has_not_seen_yet_is_looked_at_as_far_as_it_goes(whole: Site) -> None:
    whole.database.db.execute("DROP TABLE secrets")
    [line] = lines(whole, "secrets")
    assert line.state == "unknown" and "no such table" in line.sentence
    assert [line.state for line in lines(whole, "clock")] == ["ok"]


def test_the_place_of_the_key_is_said(whole: Site) -> None:
    [line] = lines(whole, "secrets")
    key = secret_keys.key_file(whole.settings)
    assert line.state == "ok" and line.sentence.endswith(f"from {key}")


def test_secrets_that_nobody_here_can_open_are_a_fault(whole: Site) -> None:
    whole.database.db.execute("UPDATE secrets SET body = replace(body, 'pv1.', 'pv1.0000')")
    [line] = lines(whole, "secrets")
    assert (line.state, line.code) == ("fault", 696)
