"""The fuzzer's targets hold on a few inputs, always the same: so they follow the code that they call."""

import random

import pytest

from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_takes_any_bytes(name: str) -> None:
    source = random.Random(1)
    for _ in range(300):
        TARGETS[name](source.randbytes(source.randrange(400)))


def test_the_tftp_target_plays_a_whole_transfer() -> None:
    request = b"\0\1snponly.efi\0octet\0windowsize\x002\0"
    packets = [request, *(b"\0\4" + bytes([0, block]) for block in range(0, 12, 2))]
    TARGETS["tftp"](b"".join(bytes([len(packet)]) + packet for packet in packets))
