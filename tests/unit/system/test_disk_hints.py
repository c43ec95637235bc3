"""Which disk is meant, in words."""

import pytest

from provisioner.domain.profile import Hints
from provisioner.system.units import exact_size


@pytest.mark.parametrize(
    ("hints", "words"),
    [
        ({}, ""),
        ({"min_size": "1TiB", "rotational": False}, "at least 1 TiB, not rotating"),
        ({"min_size": "1.92TB", "max_size": "1.92TB"}, "at least 1920 GB, at most 1920 GB"),
        (
            {"min_size": "500GB", "max_size": "2TB", "rotational": True},
            "at least 500 GB, at most 2 TB, rotating",
        ),
        ({"serial": "S6XNE0T9", "model": "Samsung PM9A3*"}, "serial S6XNE0T9, model Samsung PM9A3*"),
        ({"name": "/dev/nvme0n1"}, "called /dev/nvme0n1"),
        ({"by_path": "pci-0000:41:00.0-nvme-1"}, "at pci-0000:41:00.0-nvme-1"),
        ({"wwn": "0x5000c500a1b2c3d4"}, "WWN 0x5000c500a1b2c3d4"),
    ],
    ids=str,
)
def test_hints_are_said_in_words(hints: dict[str, object], words: str) -> None:
    assert Hints.model_validate(hints).describe() == words


@pytest.mark.parametrize(
    ("size", "words"),
    [(1 << 40, "1 TiB"), (10**12, "1 TB"), (3 << 29, "1536 MiB"), (3_840_755_982_336, "3840755982336 B")],
)
def test_a_size_is_said_exactly_in_the_unit_that_was_meant(size: int, words: str) -> None:
    assert exact_size(size) == words
