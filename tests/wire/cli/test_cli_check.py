"""`provision check` at a running service, with real packets; and where it does not run."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from provisioner.domain.bootfiles import ARCHITECTURES
from provisioner.system import shipped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.wire.conftest import CommandResult, Inside, Namespace

SETTINGS = 'interface = "lan0"\naddress = "10.77.0.1/24"\n'


@pytest.fixture(scope="module")
def checked(
    lan: Namespace, inside: type[Inside], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Inside]:
    """A service with a file for each that machines fetch, and a trusted key."""
    folder = tmp_path_factory.mktemp("checked")
    state = folder / "s"
    (state / "ramdisk").mkdir(mode=0o700, parents=True)
    (state / "keys").mkdir()
    (state / "keys" / "release.pub").write_text("key")
    for number, name in enumerate({*(boot.name for boot in ARCHITECTURES.values()), *RAMDISK}):
        (state / "ramdisk" / name).write_bytes(bytes([number]) * (100_000 + number))
    with ExitStack() as stack:
        yield stack.enter_context(inside(lan, folder))


RAMDISK = ("vmlinuz", "initrd.img", "local.efi")


def check(lan: Namespace, state: Path, *words: str) -> CommandResult:
    return lan.provision("check", "--state", state, "-o", "json", *words)


def by_state(said: CommandResult, state: str) -> dict[str, Any]:
    return {line["subject"]: line for line in json.loads(said.out)["checks"] if line["state"] == state}


def test_a_whole_service_is_green_and_its_files_are_fetched(lan: Namespace, checked: Inside) -> None:
    said = check(lan, checked.state)
    assert (said.code, by_state(said, "fault")) == (0, {}), said.out
    lines = json.loads(said.out)["checks"]
    fetched = {line["sentence"] for line in lines if line["subject"] in ("TFTP", "HTTP")}
    for name in {boot.name for boot in ARCHITECTURES.values() if not boot.http}:
        assert any(sentence.startswith(f"{name}, 1000") for sentence in fetched), name
    for path in ("/boot/check/boot.ipxe", "/boot/files/vmlinuz", "/boot/files/snponly.efi"):
        assert any(f"http://10.77.0.1{path}: " in sentence for sentence in fetched), path
    ports = by_state(said, "ok")["ports"]["sentence"]
    assert ports == "ours: 67/udp, 69/udp, 53/udp, 53/tcp, 80/tcp, 443/tcp"


def test_what_is_wrong_comes_first_with_what_to_do(lan: Namespace, checked: Inside) -> None:
    name = "snponly.efi"
    path = checked.state / "ramdisk" / name
    path.rename(path.with_suffix(".away"))
    try:
        said = lan.provision("check", "--state", checked.state)
    finally:
        path.with_suffix(".away").rename(path)
    assert said.code == 3 and "(PV-673)" in said.err
    rows = said.out.splitlines()[1:]
    marks = [row[0] for row in rows if row[0] in "✗!?✓"]
    assert marks == sorted(marks, key="✗!?✓".index) and marks[0] == "✗"
    red = "\n".join(rows[: next(number for number, row in enumerate(rows) if row[0] in "!?✓")])
    assert f"{name} is missing" in red and "(PV-672)" in red and "→ provision ramdisk build" in red
    assert f"/boot/files/{name}: it is not there" in red


def test_a_service_that_does_not_answer_is_said_first(lan: Namespace, tmp_path: Path) -> None:
    settings = tmp_path / "provisioner.toml"
    settings.write_text(SETTINGS)
    said = check(lan, tmp_path, "--settings", str(settings))
    assert said.code == 5
    assert by_state(said, "fault")["service"]["code"] == 620
    assert "nobody has used" in by_state(said, "ok")["database"]["sentence"]
    assert json.loads(said.err.splitlines()[-1])["error"]["code"] == 620


def test_the_database_of_a_service_that_does_not_start_is_read(lan: Namespace, tmp_path: Path) -> None:
    database = tmp_path / "provisioner.db"
    database.write_bytes(b"SQLite format 3\0" + b"\xff" * 8000)
    said = check(lan, tmp_path, "--settings", str(shipped.file("systemd", "provisioner.toml")))
    assert said.code == 5
    assert by_state(said, "fault")["database"]["code"] == 607
    assert "service" in by_state(said, "fault")
