"""A window that leaves by one system call is the same on the line as packet by packet: seen through a tap."""

import json
import sys
from pathlib import Path

from provisioner import run

WINDOW = Path(__file__).with_name("programs") / "window.py"
ROOT = str(Path(__file__).parents[4])
# a network namespace whose line is a tap device that this program reads: what the kernel gives to a card


def cut(size: int, count: int, mtu: int = 1500) -> dict[str, object]:
    within = ("unshare", "--user", "--map-root-user", "--net", sys.executable, WINDOW)
    said = run.run([*within, str(size), str(count), str(mtu)], env={"PYTHONPATH": ROOT})
    found: dict[str, object] = json.loads(said.stdout)
    return found


def test_the_kernel_cuts_a_window_into_right_packets_in_order() -> None:
    for size, count in ((516, 4), (1472, 4), (1472, 16), (1472, 64), (12, 64)):
        assert cut(size, count) == {"same": True, "count": count, "wrong": 0, "whole": True}, (size, count)


def test_where_the_line_takes_no_such_packets_they_leave_one_by_one() -> None:
    """They are larger than the line's, so the kernel makes two fragments of each."""
    found = cut(1472, 3, mtu=1000)
    assert (found["whole"], found["count"]) == (False, 3), (
        "the first fragments of two, and the short last one"
    )
