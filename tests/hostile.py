"""What nobody should send: fixed cases from the RFCs' limits, and recorded packets that were damaged.

The damage is drawn from a seed, so that every run sends the same packets.
"""

import itertools
import json
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"
SEED = 20261126
EXTREME = (0, 1, 0x0C, 0x3F, 0x40, 0x7F, 0x80, 0xBF, 0xC0, 0xFF)
LONGEST = 9000


def recorded(name: str) -> list[bytes]:
    """First packets of curl, tftp-hpa, atftp and busybox; of dig, host and nslookup."""
    return [bytes.fromhex(text) for text in json.loads((GOLDEN / name).read_text()).values()]


def corpus(seeds: list[bytes], fixed: list[bytes], count: int) -> list[bytes]:
    """`count` different packets: the fixed ones, then damaged ones."""
    chance = random.Random(SEED)
    corpus = dict.fromkeys(fixed)
    while len(corpus) < count:
        corpus[damage(chance.choice(seeds), seeds, chance)] = None
    return list(corpus)[:count]


def damage(data: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """A packet with one to four faults."""
    for _ in range(chance.randint(1, 4)):
        data = chance.choice(FAULTS)(data, others, chance)[:LONGEST]
    return data


Fault = Callable[[bytes, list[bytes], random.Random], bytes]


def _place(data: bytes, chance: random.Random) -> int:
    return chance.randrange(len(data) + 1)


def _flip(data: bytes, _: list[bytes], chance: random.Random) -> bytes:
    if not data:
        return b"\xff"
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]


def _extreme(data: bytes, _: list[bytes], chance: random.Random) -> bytes:
    at = _place(data, chance)
    return data[:at] + bytes([chance.choice(EXTREME)]) + data[at + 1 :]


def _extreme_word(data: bytes, _: list[bytes], chance: random.Random) -> bytes:
    at = _place(data, chance)
    return data[:at] + struct.pack("!H", chance.choice((0, 1, 0x7FFF, 0x8000, 0xFFFF))) + data[at + 2 :]


def _cut(data: bytes, _: list[bytes], chance: random.Random) -> bytes:
    return data[: _place(data, chance)]


def _remove(data: bytes, _: list[bytes], chance: random.Random) -> bytes:
    at = _place(data, chance)
    return data[:at] + data[at + chance.randint(1, 8) :]


def _insert(data: bytes, _: list[bytes], chance: random.Random) -> bytes:
    at = _place(data, chance)
    return data[:at] + chance.randbytes(chance.randint(1, 8)) + data[at:]


def _repeat(data: bytes, _: list[bytes], chance: random.Random) -> bytes:
    at = _place(data, chance)
    part = data[at : at + chance.randint(1, 32)]
    return data[:at] + part * chance.choice((2, 3, 40, 300)) + data[at:]


def _splice(data: bytes, others: list[bytes], chance: random.Random) -> bytes:
    other = chance.choice(others)
    return data[: _place(data, chance)] + other[_place(other, chance) :]


FAULTS: tuple[Fault, ...] = (_flip, _extreme, _extreme_word, _cut, _remove, _insert, _repeat, _splice)

# TFTP

NAMES = [
    *(b"", b".", b"..", b"/", b"//", b"\\", b"../../etc/passwd", b"/etc/shadow", b"..\\..\\boot.ini"),
    *(
        b"nul",
        b"con",
        b"aux.efi",
        b"/dev/zero",
        b"/proc/self/mem",
        b"%2e%2e/x",
        b"\xff",
        b"\xc3\xbc",
        b"%s%n%x",
    ),
    *(b"a" * 400, b"a" * 1000, b"a" * 5000, b"/" * 900, b"../" * 300, b"snponly.efi\xff", b"SNPONLY.EFI"),
    *(b"autoexec.ipxe", b"snponly.efi/../../secrets", b"-rf", b"$(reboot)", b"`id`", b"a\rb\nc", b"\x1b[2J"),
]
MODES = [b"octet", b"OcTeT", b"netascii", b"mail", b"binary", b"", b"o" * 300, b"octet\xff"]
NUMBERS = [
    b"0",
    b"-1",
    b"+1",
    b" 8",
    b"8",
    b"7",
    b"65464",
    b"65465",
    b"65535",
    b"65536",
    b"9" * 40,
    b"abc",
    b"1e3",
]
OPTIONS = [
    b"blksize",
    b"tsize",
    b"timeout",
    b"windowsize",
    b"multicast",
    b"BLKSIZE",
    b"rollover",
    b"",
    b"x" * 200,
]


def tftp_fixed() -> Iterator[bytes]:
    """Every opcode, name, mode and option at and beyond its limits (RFC 1350, 2347, 2348, 2349, 7440)."""
    for code in (*range(9), 255, 256, 32768, 65535):
        for body in (
            b"",
            b"\0",
            b"\0\0",
            b"\0\1",
            b"\xff\xff",
            b"a\0octet\0",
            b"\0\1data",
            b"\0\0text",
            bytes(1400),
        ):
            yield struct.pack("!H", code) + body
    for code, name, mode in itertools.product((1, 2), NAMES, MODES):
        yield struct.pack("!H", code) + name + b"\0" + mode + b"\0"
    for option, number in itertools.product(OPTIONS, NUMBERS):
        for end in (b"\0", b""):
            yield b"\0\x01snponly.efi\0octet\0" + option + b"\0" + number + end
    for count in (1, 2, 50, 200):
        yield b"\0\x01snponly.efi\0octet\0" + b"blksize\x00512\0" * count + b"\0" * count


def tftp_corpus(count: int = 6000) -> list[bytes]:
    return corpus(recorded("tftp/requests.json"), list(tftp_fixed()), count)


# DNS

QUESTION = b"\4vc-1\x09vaultcube\5local\0\0\1\0\1"
OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"


def dns_fixed() -> Iterator[bytes]:
    """Headers, names, counts and EDNS at and beyond their limits (RFC 1035, 2671, 6891, 9619)."""
    for flags in (*(1 << bit for bit in range(16)), 0xFFFF, 0x7FFF):
        for counts in (
            (0, 0, 0, 0),
            (1, 0, 0, 0),
            (2, 0, 0, 0),
            (1, 1, 0, 0),
            (1, 0, 1, 0),
            (1, 0, 0, 9),
            (65535,) * 4,
        ):
            yield struct.pack("!6H", 7, flags, *counts) + QUESTION
    for kind, kind_class in itertools.product(
        (0, 1, 6, 41, 249, 250, 251, 252, 255, 256, 65535), (0, 1, 3, 254, 255, 65535)
    ):
        yield struct.pack("!6H", 7, 0, 1, 0, 0, 0) + QUESTION[:-4] + struct.pack("!HH", kind, kind_class)
    for length in range(256):
        yield struct.pack("!6H", 7, 0, 1, 0, 0, 0) + bytes([length]) + b"a" * length + b"\0\0\1\0\1"
    for pointer in (0, 2, 11, 12, 13, 14, 20, 0x3FFF):
        yield struct.pack("!6H", 7, 0, 1, 0, 0, 0) + struct.pack("!HHH", 0xC000 | pointer, 1, 1)
        yield struct.pack("!6H", 7, 0, 1, 0, 0, 0) + b"\1a" + struct.pack("!HHH", 0xC000 | pointer, 1, 1)
    for labels in (1, 63, 126, 127, 128, 200):
        yield struct.pack("!6H", 7, 0, 1, 0, 0, 0) + b"\1a" * labels + b"\0\0\1\0\1"
    for size in range(64):
        yield (struct.pack("!6H", 7, 0, 1, 0, 0, 1) + QUESTION + OPT)[:size]
    for count in range(4):
        yield struct.pack("!6H", 7, 0, 1, 0, 0, count) + QUESTION + OPT * 2
    yield from (b"", bytes(12), bytes(65000), b"\xff" * 600)


def dns_corpus(count: int = 6000) -> list[bytes]:
    return corpus(recorded("dns/queries.json"), list(dns_fixed()), count)
