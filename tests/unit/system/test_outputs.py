"""Files that commands write: all or nothing, at whatever byte the disk is full."""

import os
import stat
import threading
from pathlib import Path

import pytest

from provisioner.errors import FileError, PackError
from provisioner.system import outputs
from tests.file_limit import room_for

NEW = b"what is new\n" * 3


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("old", [None, b"what was there before"])
def test_a_file_is_written_whole_or_not_at_all_wherever_the_room_ends(
    tmp_path: Path, old: bytes | None
) -> None:
    target = tmp_path / "report.json"
    if old is not None:
        target.write_bytes(old)
    before = content(tmp_path)
    for size in range(len(NEW)):
        words = r"report\.json: it would be larger than is allowed"
        with room_for(size), pytest.raises(FileError, match=words) as caught:
            outputs.write(target, NEW)
        assert caught.value.code == 151 and ".partial" not in str(caught.value)
        assert content(tmp_path) == before and not list(tmp_path.glob(".*"))
    with room_for(len(NEW)):
        outputs.write(target, NEW)
    assert content(tmp_path) == {"report.json": NEW}


def test_a_file_keeps_its_mode_unless_another_is_given(tmp_path: Path) -> None:
    target = tmp_path / "a"
    outputs.write(target, "text ü", mode=0o600)
    assert (stat.S_IMODE(target.stat().st_mode), target.read_text()) == (0o600, "text ü")
    outputs.write(target, "other")
    assert (stat.S_IMODE(target.stat().st_mode), target.read_text()) == (0o600, "other")


def test_what_a_link_leads_to_is_written_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    real, link = tmp_path / "there" / "real", tmp_path / "link"
    real.write_text("old")
    link.symlink_to(real)
    outputs.write(link, "new")
    assert link.is_symlink() and real.read_text() == "new"


def test_a_device_or_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    outputs.write(Path("/dev/null"), "nothing")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    pipe, got = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    outputs.write(pipe, "through it")
    reader.join(10)
    assert got == [b"through it"] and stat.S_ISFIFO(pipe.stat().st_mode)
    with pytest.raises(FileError, match="/dev/full: no room is left") as caught:
        outputs.write(Path("/dev/full"), "x")
    assert caught.value.code == 151


def test_files_that_belong_together_come_together_and_in_order(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("old")
    with outputs.staging(tmp_path, "a", "b") as stage:
        (stage / "a").write_text("1")
        (stage / "b").write_text("2")
        (stage / "scratch").write_text("3")
        assert content(tmp_path)["b"] == b"old" and not (tmp_path / "a").exists()
    assert content(tmp_path) == {"a": b"1", "b": b"2"} and not list(tmp_path.glob(".*"))


FAULTS = (OSError(5, "EIO"), PackError("no"), KeyboardInterrupt(), ValueError("a bug"))


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
def test_nothing_is_left_of_what_failed(tmp_path: Path, fault: BaseException) -> None:
    (tmp_path / "a").write_text("old")
    wanted = FileError if isinstance(fault, OSError) else type(fault)
    with pytest.raises(wanted), outputs.staging(tmp_path, "a") as stage:
        (stage / "a").write_text("new")
        raise fault
    assert content(tmp_path) == {"a": b"old"} and not list(tmp_path.glob(".*"))


def test_a_file_that_was_never_made_takes_the_others_with_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with (
        pytest.raises(FileError, match="b: there is no such file"),
        outputs.staging(tmp_path, "a", "b") as stage,
    ):
        (stage / "a").write_text("new")
    assert content(tmp_path) == {"a": b"old"}


def test_what_was_replaced_comes_back_where_the_next_one_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with (
        pytest.raises(FileError, match="c: it is a folder"),
        outputs.staging(tmp_path, "a", "b", "c") as stage,
    ):
        for name in "abc":
            (stage / name).write_text("new")
        (tmp_path / "c").mkdir()  # somebody else makes it meanwhile
    assert content(tmp_path) == {"a": b"old"} and not list(tmp_path.glob(".*"))


def test_a_name_that_is_a_folder_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(FileError, match="a: it is a folder"), outputs.staging(tmp_path, "a"):
        raise AssertionError("the work has begun")


def test_folders_that_are_missing_are_made_and_what_cannot_be_one_is_named(tmp_path: Path) -> None:
    outputs.write(tmp_path / "x" / "y" / "z", "1")
    assert content(tmp_path) == {"x/y/z": b"1"}
    with pytest.raises(FileError, match=r"z/w: "):
        outputs.write(tmp_path / "x" / "y" / "z" / "w" / "v", "1")
    with pytest.raises(FileError, match="the name is longer"):
        outputs.write(tmp_path / ("n" * 300), "1")
    assert content(tmp_path) == {"x/y/z": b"1"}
