"""Kept rehearsals are read from a folder in which somebody else may have put whatever he likes."""

import os
from pathlib import Path

import pytest

from provisioner.errors import NotFoundError
from provisioner.state import rehearsals
from tests import kept_rehearsals


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One rehearsal, `one`, and a picture outside that nobody may see."""
    made = tmp_path / "rehearsals"
    kept_rehearsals.keep(made, "one", kept_rehearsals.report(), ended=1000)
    (tmp_path / "secret.png").write_bytes(kept_rehearsals.png())
    (tmp_path / "secret.log").write_text("secret")
    return made


def test_the_newest_is_first_and_what_is_no_folder_is_none(folder: Path) -> None:
    kept_rehearsals.keep(folder, "two", kept_rehearsals.report(), ended=2000)
    (folder / "file").write_text("")
    (folder / "linked").symlink_to(folder / "one")
    (folder / ".hidden").mkdir()
    os.mkfifo(folder / "pipe")
    assert [kept.name for kept in rehearsals.newest(folder)] == ["two", "one"]
    assert rehearsals.newest(folder / "none") == []


@pytest.mark.parametrize("name", ["none", "..", "../one", "one/vault-1", "", "a" * 101, "one\0"])
def test_no_other_name_is_one(folder: Path, name: str) -> None:
    with pytest.raises(NotFoundError):
        rehearsals.get(folder, name)


def test_a_report_that_is_a_link_or_too_large_is_told_and_not_read(folder: Path) -> None:
    report = folder / "one" / "report.json"
    text = report.read_text()
    assert rehearsals.get(folder, "one").report
    report.write_text(text + " " * rehearsals.LARGEST_REPORT)
    kept = rehearsals.get(folder, "one")
    assert kept.report is None and "too large" in kept.fault
    report.unlink()
    (folder.parent / "other.json").write_text(text)
    report.symlink_to(folder.parent / "other.json")
    kept = rehearsals.get(folder, "one")
    assert kept.report is None and "cannot be read" in kept.fault


def test_a_screen_is_a_plain_png_below_the_folder(folder: Path) -> None:
    one = folder / "one"
    (one / "link.png").symlink_to(folder.parent / "secret.png")
    (one / "away").symlink_to(folder.parent)
    (one / "text.png").write_text("no picture")
    with (one / "huge.png").open("wb") as huge:
        huge.write(kept_rehearsals.png())
        huge.truncate(rehearsals.LARGEST_SCREEN + 1)
    assert rehearsals.screen(folder, "one", "vault-1.png") == kept_rehearsals.png()
    wrong = ("link.png", "away/secret.png", "../../secret.png", "text.png", "huge.png", "report.json")
    for path in (*wrong, "/etc/passwd.png", "vault-1/../vault-1.png", "a/b/c.png", ""):
        with pytest.raises(NotFoundError):
            rehearsals.screen(folder, "one", path)
    listed = rehearsals.screens(folder, "one")
    assert "vault-1.png" in listed and "link.png" not in listed and "away/secret.png" not in listed


def test_of_a_log_the_last_lines_are_told_and_they_command_no_terminal(folder: Path) -> None:
    one = folder / "one"
    (one / "service.log").write_text("".join(f"line {number}\n" for number in range(5000)))
    (one / "link.log").symlink_to(folder.parent / "secret.log")
    found = {log.name: log.lines for log in rehearsals.logs(folder, "one")}
    assert sorted(found) == ["service.log", "vault-1/serial.log"]
    assert len(found["service.log"]) == rehearsals.LAST_LINES
    assert found["service.log"][-1] == "line 4999"
    assert "\x1b" not in " ".join(found["vault-1/serial.log"])
