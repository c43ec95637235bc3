"""The agent on a host that is verified, against a service that would like it to write."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from provisioner import run
from provisioner.agent import protocol
from provisioner.agent.arguments import ExaminationArguments
from tests.wire.agent.test_survey import MAC, WISHES, service

AGENT = Path(__file__).with_name("programs") / "audited_examination.py"
SHIPPED = Path(__file__).parents[3] / "ansible" / "files"
PATH = "/agent/v1/examination"


def examine(server: Any, folder: Path, collectors: Path = SHIPPED) -> tuple[str, dict[str, Any]]:
    """Run the ramdisk's program to its restart: what it said, what it opened and loaded."""
    address = f"http://127.0.0.1:{server.server_address[1]}"
    arguments = ExaminationArguments(address, MAC, "n0nce")
    (folder / "cmdline").write_text(f"quiet {arguments}\n")
    (folder / "ours").write_bytes(b"")
    argv = [sys.executable, "-B", AGENT, folder / "cmdline", folder / "ours", collectors]
    said, _, rest = run.text(argv, timeout=120).partition("END")
    return said, json.loads(rest)


def test_it_says_what_the_host_is_until_it_may_restart(tmp_path: Path) -> None:
    with service((200, {"do": "continue"}), (200, {"do": "reboot"})) as server:
        said, _ = examine(server, tmp_path)
    assert [path for path, _ in server.asked] == [PATH, PATH]
    message = protocol.load(protocol.Examination, server.asked[0][1])
    assert (message.nonce, message.hardware.mac) == ("n0nce", MAC) and message.boot_id
    assert set(message.collected) == set(protocol.COLLECTORS)
    assert json.loads(message.collected["facts"])["memory"] > 1 << 20
    assert server.asked[1][1] == server.asked[0][1], "the same report, whatever becomes of the first"
    assert said.rstrip().endswith("this machine restarts and boots its disk")


@pytest.mark.parametrize("wish", [name for name in WISHES if name != "a list"])
def test_whatever_it_is_answered_it_restarts_and_writes_nothing(wish: str, tmp_path: Path) -> None:
    answers = [(200, WISHES[wish]), (200, {"do": "reboot"})]
    with service(*answers) as server:
        said, seen = examine(server, tmp_path)
    assert {path for path, _ in server.asked} == {PATH}, "an order in the answer is not followed"
    assert "no disk of this machine will be written" in said
    assert [path for path, writes in seen["opened"] if writes] == [str(tmp_path / "ours")]
    loaded = {name.removeprefix("provisioner.agent.") for name in seen["loaded"]}
    assert "examination" in loaded and not loaded & {"job", "writer", "block_device", "stream"}


def test_a_refusal_is_not_asked_again(tmp_path: Path) -> None:
    with service((404, {})) as server:
        said, _ = examine(server, tmp_path)
    assert len(server.asked) == 1 and "the verification ends here" in said


def test_a_program_that_fails_is_left_out_and_the_others_are_told(tmp_path: Path) -> None:
    collectors = tmp_path / "collectors"
    collectors.mkdir()
    (collectors / "facts.py").write_text("print('{}')")
    (collectors / "pcie.py").write_text("raise SystemExit(3)")
    with service((200, {"do": "reboot"})) as server:
        examine(server, tmp_path, collectors)
    assert server.asked[0][1]["collected"] == {"facts": "{}\n"}


def test_what_it_runs_is_what_the_ramdisk_holds() -> None:
    from provisioner import ramdisk
    from provisioner.agent import examination

    assert ramdisk.COLLECTORS == protocol.COLLECTORS
    assert str(examination.COLLECTORS) == f"/{ramdisk.COLLECTOR_FOLDER}"
    assert all((SHIPPED / f"{name}.py").is_file() for name in protocol.COLLECTORS)
