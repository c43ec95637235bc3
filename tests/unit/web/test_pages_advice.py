"""Advice on pages: what is a command is one, and what may be done instead is no step of its own."""

import re

import pytest

from provisioner.web.pages import advice


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("then: provision retry vc-1", ["provision retry vc-1"]),
        ("provision status shows what is under way", ["provision status"]),
        ("ssh provision@10.77.0.5: is it busy?", ["ssh provision@10.77.0.5"]),
        ("its log says why: systemctl restart provisioner-worker", ["systemctl restart provisioner-worker"]),
        ("its seed takes away the user provision, or its key", []),
        ("the user provision: provision profile render vc-1.", ["provision profile render vc-1"]),
        (
            "provision image trust a.pub; then provision ramdisk build",
            ["provision image trust a.pub", "provision ramdisk build"],
        ),
        (
            "provision host edit vc-1 --mac 52:54:00:00:00:01, then again",
            ["provision host edit vc-1 --mac 52:54:00:00:00:01"],
        ),
        ("another may have it: ping 10.77.0.5 with the host switched off", ["ping 10.77.0.5"]),
        ("provision bmc test vc-1; or look at it", ["provision bmc test vc-1"]),
        ("provision host list", ["provision host list"]),
        ("provision verify --local on the host itself", ["provision verify --local"]),
        ("look at its cable", []),
    ],
)
def test_commands_are_found_in_sentences(text: str, commands: list[str]) -> None:
    found = advice.pieces(text)
    assert [piece.text for piece in found if piece.is_command] == commands
    told = "".join(piece.text for piece in found)
    assert re.sub("[.:]", "", told).casefold() == re.sub("[.:]", "", text).casefold(), "nothing is lost"


def test_a_command_with_a_gap_is_not_copied() -> None:
    [whole], [gap] = advice.pieces("provision check"), advice.pieces("provision retry HOST")
    assert whole.is_whole and not gap.is_whole
    assert advice.of_host("provision retry HOST", "vc-1") == "provision retry vc-1"


def test_what_may_be_done_instead_is_no_step() -> None:
    found = advice.steps(["press its button", "or: provision bmc power vc-1 reset", "provision check"])
    assert [len(ways) for ways in found] == [2, 1]
    assert found[0][1] == (advice.Piece("provision bmc power vc-1 reset", is_command=True),)


@pytest.mark.parametrize("text", ["vc-0004 is silent", "provision check", "7 of 8 GPUs were found"])
def test_what_begins_with_a_name_a_command_or_a_number_stays(text: str) -> None:
    assert advice.sentence(text) == text
