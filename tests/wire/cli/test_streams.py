"""What is typed, printed and written may be closed, full, unread or forbidden: sentences and exit codes."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provisioner import run
from provisioner.cli import options

if TYPE_CHECKING:
    from tests.wire.conftest import World

PROVISION = (sys.executable, "-m", "provisioner")
BUILD = {"started": 1.0, "seconds": 60.0, "result": "built", "image": "an-os@1", "builder": "qemu"}


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A journal of builds, which needs no service to be printed."""
    (tmp_path / "builds.jsonl").write_text(f"{json.dumps(BUILD)}\n" * 50)
    return tmp_path


def shell(redirection: str, *words: str | Path) -> tuple[int, str, str]:
    """`provision WORDS` with streams as a shell sets them: exit code, stdout, stderr."""
    done = run.run(["sh", "-c", f'exec "$@" {redirection}', "sh", *PROVISION, *words], check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def printing(cache: Path) -> list[tuple[str | Path, ...]]:
    """Commands that print by click, by rich, as JSON and as YAML."""
    forms = ("table", "json", "jsonl", "yaml", "name")
    return [("explain", "PV-210"), *(("image", "builds", "--cache", cache, "-o", form) for form in forms)]


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize(("redirection", "words"), [(">/dev/full", "no room is left"), (">&-", "is closed")])
def test_what_cannot_be_printed_is_an_error(cache: Path, number: int, redirection: str, words: str) -> None:
    code, _, err = shell(redirection, *printing(cache)[number])
    assert code == 2 and "Traceback" not in err and "Exception ignored" not in err
    if options.wants_data([str(word) for word in printing(cache)[number]]):
        error = json.loads(err)["error"]
        assert (
            error["message"].startswith("the output: ") and words in error["message"] and error["code"] == 152
        )
        return
    assert err.startswith("✗ the output: ") and words in err and "(PV-152)" in err, err
    assert err.count("✗") == 1


@pytest.mark.parametrize("number", range(6))
def test_that_nobody_reads_any_more_is_no_error(cache: Path, number: int) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        process = run.start([*PROVISION, *printing(cache)[number]], stdout=writer)
    finally:
        os.close(writer)
    assert process.wait(60) == 0


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_a_command_does_its_work_though_its_words_are_lost(cache: Path, redirection: str) -> None:
    code, out, _ = shell(redirection, "image", "keygen", "k", "--dir", cache)
    assert (code, out) == (0, "") and (cache / "k.key").exists() and (cache / "k.pub").exists()
    assert shell(redirection, "image", "builds", "--cache", cache, "-o", "name")[:2] == (0, "an-os@1\n" * 50)
    assert shell(redirection, "explain", "PV-999")[0] == 2
    assert shell(redirection, "no-such-command")[0] == 2
    assert shell(f"{redirection} >/dev/full", "explain", "PV-210")[0] == 2


def test_no_file_is_taken_for_a_closed_stream(tmp_path: Path) -> None:
    """The first file that is opened would get the number of standard output, and what is printed with it."""
    code, _, _ = shell(">&- 2>&- <&-", "image", "keygen", "k", "--dir", tmp_path)
    assert code == 0
    assert (tmp_path / "k.key").read_text().startswith("untrusted comment: ")
    assert "signs; keep it secret" not in (tmp_path / "k.key").read_text() + (tmp_path / "k.pub").read_text()


def test_a_closed_input_confirms_nothing(world: World, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(32 << 20))
    key = ("--pubkey", world.folder / "release.pub")
    code, out, err = shell("<&-", "image", "write", world.folder / "vault-os-1.pack", disk, *key)
    assert (code, out) == (6, "") and "PV-133" in err and "Traceback" not in err, err
    assert not any(disk.read_bytes())


def failing(folder: Path) -> dict[str, tuple[tuple[str | Path, ...], str]]:
    """Command lines that the file system refuses, and what is said of them."""
    (folder / "file").write_text("here before")
    (folder / "folder").mkdir()
    (folder / "circle").symlink_to(folder / "circle")
    keygen = ("image", "keygen", "k", "--dir")
    lock = ("mirror", "keygen", "k", "--dir")
    return {
        "a file where a folder is named": ((*keygen, folder / "file"), "something of that name is there"),
        "a file within the path": ((*keygen, folder / "file" / "x"), "a part of its path is a file"),
        "a name too long": ((*keygen, folder / ("n" * 300)), "the name is longer"),
        "links in a circle": ((*lock, folder / "circle"), "circle: "),
        "no folder can be there": ((*lock, Path("/proc/none")), "/proc/none: there is no such"),
        "a path for a name": (("image", "keygen", "x/y", "--dir", folder), "is no name for a key"),
    }


REFUSED = (
    *("a file where a folder is named", "a file within the path", "a name too long", "links in a circle"),
    *("no folder can be there", "a path for a name"),
)


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_file_system_refuses_is_said_in_words(tmp_path: Path, name: str) -> None:
    words, said = failing(tmp_path)[name]
    code, out, err = shell("", *words)
    assert (code, out) == (2, "") and said in err and "Traceback" not in err, err
    assert err.startswith("✗ ") and "  → " in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["circle", "file", "folder"]
    assert (tmp_path / "file").read_text() == "here before"


def test_a_read_only_file_system_is_said_in_words(tmp_path: Path) -> None:
    inside = 'mount -t tmpfs -o ro none "$0" && exec "$@"'
    space = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", inside, tmp_path)
    done = run.run([*space, *PROVISION, "image", "keygen", "k", "--dir", tmp_path], check=False)
    assert done.returncode == 2 and "its file system is read-only (PV-150)" in done.stderr.decode()


def test_a_pack_cannot_take_the_place_of_a_folder_or_of_its_image(world: World, tmp_path: Path) -> None:
    names = ("--name", "a-os", "--version", "1", "--sign", world.folder / "release.key")
    raw = tmp_path / "disk.raw"
    raw.write_bytes((world.folder / "raw.img").read_bytes())
    before = raw.read_bytes()
    (tmp_path / "link.pack").hardlink_to(raw)
    for out, words in ((tmp_path, "is a folder"), (raw, "is read"), (tmp_path / "link.pack", "is read")):
        code, _, err = shell("", "image", "pack", raw, "-o", out, *names)
        assert code == 2 and words in err and "Traceback" not in err, err
    assert raw.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"disk.raw", "link.pack"}


@pytest.mark.parametrize("limit", [5, 6, 8, 10])
def test_too_many_open_files_are_said_in_words(tmp_path: Path, limit: int) -> None:
    words = [*PROVISION, "image", "keygen", "k", "--dir", tmp_path]
    done = run.run(["sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh", *words], check=False)
    said = done.stderr.decode()
    assert done.returncode == 2 and "this process has too many open files (PV-150)" in said, said
    assert not list(tmp_path.iterdir())
