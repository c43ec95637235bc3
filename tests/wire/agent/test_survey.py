"""The agent on a machine that nobody knows, against a service that would like it to write."""

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from provisioner import run
from provisioner.agent import protocol

MAC = "52:54:00:00:00:09"
ORDER = protocol.Order(
    *("d1", 1, "small-os", "1.0", "/images/small-os@1.0/manifest", "/images/small-os@1.0/pack"),
    *(protocol.DiskHints(), True, {"meta-data": "x"}),
)
AGENT = Path(__file__).with_name("programs") / "audited_survey.py"
WISHES: dict[str, Any] = {
    "an order": protocol.dump(protocol.HelloAnswer("continue", "t0ken", 1.8e9, ORDER)),
    "stop": {"do": "stop"},
    "a list": [],
    "nothing": {},
}


class Handler(BaseHTTPRequestHandler):
    """Answers whatever it is told to, and remembers who asked for what."""

    def log_message(self, *_: object) -> None:
        """Be quiet."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, json.loads(body)))  # type: ignore[attr-defined]
        status, answer = self.server.answers.pop(0)  # type: ignore[attr-defined]
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self) -> None:
        self.server.asked.append((self.path, None))  # type: ignore[attr-defined]
        self.send_error(404)


@contextmanager
def service(*answers: tuple[int, Any]) -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.answers = [], list(answers)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def survey(server: Any, folder: Path, more: str = "") -> tuple[str, dict[str, Any]]:
    """Run the ramdisk's program to its restart: what it said, what it opened and loaded."""
    (folder / "cmdline").write_text(
        f"quiet pv.server=http://127.0.0.1:{server.server_address[1]} pv.mac={MAC} pv.inventory=1 {more}\n"
    )
    (folder / "ours").write_bytes(b"")
    argv = [sys.executable, "-B", AGENT, folder / "cmdline", folder / "ours"]
    said, _, rest = run.text(argv, timeout=60).partition("END")
    return said, json.loads(rest)


@pytest.mark.parametrize("wish", WISHES)
def test_whatever_it_is_answered_it_reports_once_and_restarts(wish: str, tmp_path: Path) -> None:
    with service((200, WISHES[wish]), *[(200, {})] * 5) as server:
        said, _ = survey(server, tmp_path, "pv.nonce=n0nce" if wish == "an order" else "")
    asked = [path for path, _ in server.asked]
    assert set(asked) == {"/agent/v1/inventory"} and len(asked) == (2 if wish == "a list" else 1)
    assert "no disk of this machine will be written" in said and said.rstrip().endswith("boots its disk")
    body = server.asked[0][1]
    assert "nonce" not in json.dumps(body)
    message = protocol.load(protocol.Inventory, body)
    assert message.mac == MAC and message.memory > 1 << 20 and message.cpus == os.cpu_count()
    assert message.firmware in ("uefi", "bios")


def test_it_opens_nothing_for_writing_and_does_not_load_what_could(tmp_path: Path) -> None:
    with service((200, WISHES["an order"])) as server:
        _, seen = survey(server, tmp_path, "pv.nonce=n0nce")
    written = [path for path, writes in seen["opened"] if writes]
    assert written == [str(tmp_path / "ours")]
    assert any(path.startswith("/sys/") for path, _ in seen["opened"])
    loaded = {name.removeprefix("provisioner.agent.") for name in seen["loaded"]}
    assert "survey" in loaded and not loaded & {"job", "writer", "medium", "stream"}


def test_a_busy_service_is_asked_again_and_a_refusal_is_not(tmp_path: Path) -> None:
    with service((503, {}), (200, {"do": "reboot"})) as server:
        said, _ = survey(server, tmp_path)
    assert len(server.asked) == 2 and "knows now what this machine is" in said
    with service((404, {})) as server:
        said, _ = survey(server, tmp_path)
    assert len(server.asked) == 1 and "could not be handed in" in said
