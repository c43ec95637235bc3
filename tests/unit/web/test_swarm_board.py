"""Who is named to whom as writing the same image, for how long, and how much each may give."""

from pathlib import Path

import pytest

from provisioner.agent import protocol
from provisioner.domain.deployment import WrittenDisk
from provisioner.domain.events.agent import AgentWritten, PeerLied
from provisioner.state import secrets
from provisioner.web.machines.swarm_board import LINGER, MOST, Place, SwarmBoard


class Clock:
    now = 50.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def board(clock: Clock) -> SwarmBoard:
    return SwarmBoard(clock=clock)


def place(number: int, *, image: str = "os@1", port: int = 4000, switch: str = "") -> Place:
    return Place(f"vc-{number}", image, f"10.77.0.{number}", port, switch)


def test_hosts_of_one_image_are_named_to_each_other_and_to_no_other(board: SwarmBoard) -> None:
    for number in (1, 2):
        board.report(f"d-{number}", place(number))
    board.report("d-3", place(3, image="os@2"))
    assert board.others("d-1", "os@1") == [place(2)]
    assert board.others("d-3", "os@2") == []
    assert board.host_at("10.77.0.2") == "vc-2" and board.host_at("10.77.0.9") == ""


def test_who_is_silent_has_failed_or_gives_nothing_is_named_to_nobody(
    board: SwarmBoard, clock: Clock
) -> None:
    for number in (1, 2, 3, 4):
        board.report(f"d-{number}", place(number))
    board.remove("d-2")
    board.report("d-3", place(3, port=0))
    assert board.others("d-1", "os@1") == [place(4)]
    clock.now += LINGER - 1
    board.report("d-1", place(1))
    clock.now += 2
    assert board.others("d-9", "os@1") == [place(1)]


def test_of_very_many_a_host_is_told_some(board: SwarmBoard) -> None:
    for number in range(MOST + 20):
        board.report(f"d-{number}", place(number))
    told = board.others("d-0", "os@1")
    assert len(set(told)) == MOST and place(0) not in told


def test_a_limit_of_a_switch_is_shared_by_its_hosts(board: SwarmBoard) -> None:
    for number in (1, 2, 3, 4):
        board.report(f"d-{number}", place(number, switch="sw1" if number < 4 else "sw2"))
    assert board.share("d-1", 0, 0) == 0
    assert board.share("d-1", 0, 300) == 100
    assert board.share("d-1", 70, 300) == 70
    assert board.share("d-4", 0, 300) == 300


def test_an_accusation_is_news_once(board: SwarmBoard) -> None:
    board.report("d-1", place(1))
    assert [board.is_news("d-1", address) for address in ("10.0.0.2", "10.0.0.2", "10.0.0.3")] == [
        True,
        False,
        True,
    ]


def test_the_token_is_the_images_and_the_same_after_a_restart(tmp_path: Path) -> None:
    secrets.secrets_folder(tmp_path).mkdir()
    secrets.seed_key_file(tmp_path).write_text("key\n")
    first = secrets.swarm_token(tmp_path, "os@1")
    assert first == secrets.swarm_token(tmp_path, "os@1") and len(first) == 64
    assert first != secrets.swarm_token(tmp_path, "os@2")
    secrets.seed_key_file(tmp_path).write_text("another\n")
    assert first != secrets.swarm_token(tmp_path, "os@1")


def test_an_agent_and_a_service_of_the_release_before_are_understood() -> None:
    old = {
        "deployment": "d-1",
        "attempt": 1,
        "seq": 1,
        "phase": "writing",
        "done": 1,
        "total": 2,
        "rate": 0.0,
    }
    report = protocol.load(protocol.Progress, old)
    assert (report.peer_port, report.liars) == (0, [])
    assert protocol.load(protocol.ProgressAnswer, {"do": "continue"}).swarm == protocol.SwarmNews()
    assert protocol.SwarmTerms().token == "", "an order without a swarm"


@pytest.mark.parametrize("address", ["10.77.0.2/24", "sw1", "10.77.0.2\n", ""])
def test_only_an_address_can_be_accused(address: str) -> None:
    message = {"deployment": "d-1", "attempt": 1, "seq": 1, "phase": "writing", "done": 1, "total": 2}
    with pytest.raises(protocol.ProtocolError, match="liars"):
        protocol.load(protocol.Progress, {**message, "rate": 0.0, "liars": [address]})


def test_people_read_how_much_came_from_other_hosts_and_who_lied() -> None:
    disk = WrittenDisk(name="vda", serial="S1")
    said = AgentWritten(
        disk=disk, seconds=9, bytes_written=5_000_000, bytes_fetched=4_000_000, bytes_from_peers=3_000_000
    )
    assert "4.0 MB fetched (3.0 MB from other hosts), 5.0 MB written" in said.describe()
    given = said.model_copy(update={"bytes_given": 2_000_000, "bytes_from_peers": 0})
    assert "4.0 MB fetched, 5.0 MB written, 2.0 MB given to other hosts" in given.describe()
    lied = PeerLied(address="10.77.0.7", host="vc-7")
    assert lied.describe().startswith("vc-7 (10.77.0.7) gave bytes that are not the image's")
