"""A site's own checks: what an approved program may say, and what it may not do."""

import json
import os
import socket
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from provisioner import run

PROGRAMS = Path(__file__).with_name("programs")
SCRIPT = Path(__file__).parents[3] / "ansible/files/site_check.py"
PASS = '{"status": "pass", "observed": 3, "expected": 3, "reason": ""}'
Check = Callable[..., dict[str, Any]]


@pytest.fixture(params=["root", "user"] if os.geteuid() == 0 else ["user"])
def check(request: pytest.FixtureRequest) -> Iterator[Check]:
    """Runs a program as the host does: by the standard input, as root and as nobody in particular."""
    lower = ["setpriv", "--reuid=4711", "--regid=4711", "--clear-groups"]
    as_user = lower if request.param == "user" and os.geteuid() == 0 else []
    with TemporaryDirectory() as place:  # pytest's own folders are closed to others
        folder = Path(place)
        folder.chmod(0o755)
        yield partial(checked, as_user, folder / "check")


def checked(as_user: list[str], path: Path, program: str, *words: str, approved: str = "") -> dict[str, Any]:
    path.write_text(program)
    path.chmod(0o755)
    digest = approved or sha256(program.encode()).hexdigest()
    argv = [*as_user, "/usr/bin/python3", "-", path, digest, *words]
    done = run.run(argv, stdin=SCRIPT.read_bytes(), timeout=60)
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["sha256"] == digest
    return found


def program(name: str, mark: str = "") -> str:
    """The text of a program beside this file."""
    return (PROGRAMS / f"{name}.py").read_text().replace('"MARK"', f'"{mark}"')


def shell(text: str) -> str:
    return f"#!/bin/sh\n{text}\n"


def python(text: str) -> str:
    return f"#!/usr/bin/python3\n{text}\n"


def marked(number: str) -> list[str]:
    """Processes that carry the mark in their arguments."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            state = (place / "stat").read_text().rpartition(")")[2].split()[0]
            if number.encode() in (place / "cmdline").read_bytes() and state != "Z":
                found.append(place.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize("status", ["pass", "warn", "fail"])
def test_a_verdict_is_told_as_it_was_given(check: Check, status: str) -> None:
    said = {"status": status, "observed": [1, "a"], "expected": None, "reason": "the fan is loud"}
    found = check(shell(f"echo '{json.dumps(said)}'"))
    assert {name: found[name] for name in said} == said
    assert found["seconds"] >= 0


NONE = {
    "nothing": ("", "it printed no JSON verdict"),
    "no json": ("echo all is well", "it printed no JSON verdict"),
    "two verdicts": (f"echo '{PASS}'; echo '{PASS}'", "it printed no JSON verdict"),
    "words beside it": (f"echo checking; echo '{PASS}'", "it printed no JSON verdict"),
    "another status": ('echo \'{"status": "ok"}\'', "its verdict is not {status:"),
    "a list": ("echo '[]'", "its verdict is not {status:"),
    "a key too many": ('echo \'{"status": "pass", "score": 1}\'', "its verdict is not {status:"),
    "a key twice": ('echo \'{"status": "fail", "status": "pass"}\'', "a key comes twice"),
    "no number": ('echo \'{"status": "pass", "observed": NaN}\'', "NaN is no JSON"),
    "no reason": ('echo \'{"status": "fail"}\'', "its verdict is fail and gives no reason"),
    "deep": ("head -c 60000 /dev/zero | tr '\\0' '['", "it printed no JSON verdict"),
    "not text": ("printf '\\377\\376'", "it printed no JSON verdict"),
    "exit 1": (f"echo '{PASS}'; echo broken >&2; exit 1", "it ended with code 1: broken"),
    "a signal": (f"echo '{PASS}'; kill -SEGV $$", "it ended with code 139"),
    "endless output": ("exec yes", "it printed more than 64 KiB"),
    "endless errors": ("exec yes >&2", "it printed more than 64 KiB"),
}


@pytest.mark.parametrize(("program", "reason"), NONE.values(), ids=list(NONE))
def test_anything_but_a_verdict_is_an_error(check: Check, program: str, reason: str) -> None:
    found = check(shell(program))
    assert found["status"] == "error" and reason in found["reason"]


def test_a_program_that_is_no_program_is_an_error(check: Check) -> None:
    assert check("no first line")["reason"] == "it ended with code 126: it cannot be run: Exec format error"


def test_a_program_that_hangs_is_ended_at_its_limit_with_all_that_it_started(check: Check) -> None:
    began = time.monotonic()
    mark = f"31536{os.getpid()}"
    found = check(
        shell(f"sleep {mark} & setsid sleep {mark} & (setsid sleep {mark} &) ; wait"), "--seconds", "1"
    )
    assert (found["status"], found["reason"]) == ("error", "it did not end within 1 s")
    assert time.monotonic() - began < 30
    assert marked(mark) == []


def test_what_a_program_leaves_running_ends_with_it(check: Check) -> None:
    """It need not wait for it either: its verdict counts."""
    mark = f"31537{os.getpid()}"
    found = check(shell(f"(setsid sleep {mark} &)\necho '{PASS}'"))
    assert found["status"] == "pass" and found["seconds"] < 10
    assert marked(mark) == []


def test_a_fork_bomb_is_bounded_and_nothing_of_it_is_left(check: Check) -> None:
    mark = f"31538{os.getpid()}"
    found = check(program("fork_bomb", mark), "--processes", "20")
    assert found["status"] == "pass" and 1 <= found["observed"] <= 20
    assert marked(mark) == []


def test_a_fork_bomb_that_goes_on_and_on_is_ended_too(check: Check) -> None:
    mark = f"31539{os.getpid()}"
    found = check(program("endless_forks", mark), "--processes", "20", "--seconds", "2")
    assert (found["status"], found["reason"]) == ("error", "it did not end within 2 s")
    assert marked(mark) == []


def test_memory_is_bounded(check: Check) -> None:
    found = check(python("x = bytearray(1 << 30)"), "--memory", str(256 << 20))
    assert (found["status"], found["reason"]) == ("error", "it ended with code 1: MemoryError")


def test_another_program_than_was_approved_is_not_run(check: Check, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    found = check(shell(f"touch {ran}; echo '{PASS}'"), approved="0" * 64)
    assert found["status"] == "error"
    assert "is not the approved program: its SHA-256 is" in found["reason"]
    assert not ran.exists()


def test_a_program_that_is_swapped_after_it_was_hashed_is_not_what_runs(tmp_path: Path) -> None:
    path = tmp_path / "check"
    text = shell('echo \'{"status": "pass", "observed": "approved"}\'')
    path.write_text(text)
    digest = sha256(text.encode()).hexdigest()
    argv = ["/usr/bin/python3", PROGRAMS / "swap_after_hashing.py", path, digest]
    done = run.run(argv, stdin=SCRIPT.read_bytes())
    assert "swapped" in path.read_text(), "it was swapped in time"
    assert json.loads(done.stdout)["observed"] == "approved"


def test_the_running_program_cannot_be_written_to(check: Check) -> None:
    found = check(program("write_to_itself"))
    assert found["observed"] in ("Operation not permitted", "Permission denied", "Text file busy"), found


def test_a_file_that_is_missing_or_no_file_is_an_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "none", tmp_path, tmp_path / "fifo"):
        done = run.run(["/usr/bin/python3", SCRIPT, path, "0" * 64])
        assert json.loads(done.stdout)["status"] == "error"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make namespaces here")
@pytest.mark.parametrize("check", ["root"], indirect=True)
def test_root_gives_a_program_neither_its_rights_nor_the_network(check: Check) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = check(program("look_around", str(server.getsockname()[1])))
    assert found["observed"] == ["Network is unreachable", 65534, []]


def handed_over(data: bytes, approved: bytes) -> dict[str, Any]:
    """A check whose program comes by the standard input, as the play hands it over."""
    argv = ["/usr/bin/python3", "-c", SCRIPT.read_text(), "-", sha256(approved).hexdigest()]
    found: dict[str, Any] = json.loads(run.run(argv, stdin=data, timeout=60).stdout)
    return found


def test_a_program_that_is_handed_over_is_in_no_file() -> None:
    text = shell(f"echo '{PASS}'").encode()
    assert handed_over(b64encode(text) + b"\n", text)["status"] == "pass"
    other = handed_over(b64encode(text + b"#"), text)
    assert other["status"] == "error" and "is not the approved program" in other["reason"]
    half = handed_over(b64encode(text)[:-5], text)
    assert half["status"] == "error" and "was not handed over whole" in half["reason"]
