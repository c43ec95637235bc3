"""Hostile DHCP packets, always the same: cases from the RFCs' limits, and damaged recordings."""

import random
import struct
from collections.abc import Iterator
from pathlib import Path

from provisioner.services.dhcp.packet import HEADER, MAGIC

GOLDEN = Path(__file__).parents[3] / "golden" / "dhcp"
MAC = bytes.fromhex("525400666601")
ADDRESSES = ("0.0.0.0", "10.77.0.1", "10.77.0.0", "10.77.0.255", "255.255.255.255", "127.0.0.1", "224.0.0.1")
SERVER = bytes([10, 77, 0, 1])
SEED = 6
MUTATED = 5600


def header(**changes: object) -> bytes:
    """A BOOTP header with the cookie; addresses as text."""
    base: dict[str, object] = {"op": 1, "htype": 1, "hlen": 6, "hops": 0, "xid": 7, "secs": 0, "flags": 0}
    base |= dict.fromkeys(("ciaddr", "yiaddr", "siaddr", "giaddr"), "0.0.0.0")
    base |= {"chaddr": MAC, "sname": b"", "file": b"", "cookie": MAGIC} | changes
    addresses = [
        bytes(map(int, str(base[name]).split("."))) for name in ("ciaddr", "yiaddr", "siaddr", "giaddr")
    ]
    numbers = [base[name] for name in ("op", "htype", "hlen", "hops", "xid", "secs", "flags")]
    rest = (base["chaddr"], base["sname"], base["file"])
    return HEADER.pack(*numbers, *addresses, *rest) + bytes(base["cookie"])  # type: ignore[call-overload]


def option(code: int, value: bytes) -> bytes:
    return bytes([code, len(value)]) + value


def message(kind: int, *options: bytes, **changes: object) -> bytes:
    return header(**changes) + option(53, bytes([kind])) + b"".join(options) + b"\xff"


def fixed() -> Iterator[bytes]:
    """One case for each limit that RFC 2131, 2132, 3004, 3046, 3396, 4578 or the wire sets."""
    whole = message(1)
    yield from (whole[:size] for size in (0, 1, 43, 44, 107, 108, 235, 236, 239, 240, 241, 242, 243))
    yield from (header(op=op) + b"\x35\x01\x01\xff" for op in (0, 2, 3, 255))
    yield from (message(1, hlen=size) for size in (0, 1, 5, 7, 8, 15, 16, 17, 128, 255))
    yield from (message(1, htype=kind) for kind in (0, 6, 7, 32, 255))
    yield from (message(1, hops=255, secs=65535, flags=65535, xid=xid) for xid in (0, 2**32 - 1))
    yield from (message(1, cookie=cookie) for cookie in (bytes(4), b"\x63\x82\x53\x62", b"\xff" * 4))
    macs = (bytes(6), b"\xff" * 6, b"\x01\x00\x5e\x00\x00\x01", b"\x33\x33\x00\x00\x00\x01", b"\xff" * 16)
    yield from (message(kind, chaddr=mac) for mac in macs for kind in (1, 3, 8))
    for kind in range(9):
        for field in ("ciaddr", "yiaddr", "siaddr", "giaddr"):
            yield from (message(kind, **{field: address}) for address in ADDRESSES)
    yield from (header() + option(53, value) + b"\xff" for value in (b"", b"\0", b"\x09", b"\xff", b"\1\1"))
    yield from (message(kind) for kind in range(256))
    yield from _lengths()
    yield from _shapes()
    yield from _words()
    yield from _threats()


def _lengths() -> Iterator[bytes]:
    """Each option that we read, with lengths that its definition does not know."""
    for code in (12, 43, 50, 51, 54, 55, 57, 60, 61, 66, 67, 77, 82, 93, 94, 97, 175):
        for size in (0, 1, 2, 3, 4, 5, 16, 17, 18, 64, 128, 254, 255):
            yield message(1, option(code, b"\xaa" * size))
            yield message(3, option(code, bytes(size)))


def _shapes() -> Iterator[bytes]:
    """Ends that are missing, lengths that run over, fields that lend themselves to options."""
    body = b"\x35\x01\x01"
    yield header() + body
    yield header() + bytes(3000)
    yield header() + body + b"\xff" * 3000
    yield header() + body + bytes(2000) + b"\x0c"
    yield from (header() + body + bytes([12, size]) + b"x" for size in (2, 100, 255))
    yield from (header() + body + option(52, bytes([value])) + b"\xff" for value in range(6))
    yield header() + body + option(52, b"") + b"\xff"
    yield header(file=b"\x34\x01\x03\xff", sname=b"\x34\x01\x03\xff") + body + option(52, b"\3") + b"\xff"
    yield header(file=b"\x0c\xff" + b"x" * 126, sname=b"\x0c\x40") + body + option(52, b"\3") + b"\xff"
    yield header(file=b"\0" * 128, sname=b"\xff" * 64) + body + option(52, b"\3") + b"\xff"
    yield header() + body + option(12, b"x" * 255) * 14 + b"\xff"
    yield header() + body + option(77, b"\0" * 255) * 14 + b"\xff"
    yield header() + body + option(82, b"\1\xff" + b"x" * 200) + b"\xff"
    yield header() + body + option(82, b"\5\4" + bytes([10, 77, 0, 0]) + b"\5\4" + SERVER) + b"\xff"
    yield header() + body + b"".join(option(code, b"x") for code in range(1, 52)) * 20 + b"\xff"
    yield header() + body * 1300 + b"\xff"
    yield header() + b"\xff" + body


def _words() -> Iterator[bytes]:
    """Texts that somebody may print, render or open."""
    texts = (
        *(
            b"../../../etc/passwd",
            b"/etc/shadow",
            b"..\\..\\boot.ini",
            b"$(reboot)",
            b"`id`",
            b"'; DROP TABLE",
        ),
        *(
            b"{{ 7 * 7 }}",
            b"${uuid}",
            b"%s%n%x",
            b"\x1b]0;owned\x07",
            b"\x1b[2J",
            b"a\nb\rc\0d",
            b"\xff\xfe\xfd",
        ),
        *(
            "\u202egnp.exe".encode(),
            b"A" * 255,
            b"<script>alert(1)</script>",
            b"iPXE" * 60,
            b"HTTPClient" * 25,
        ),
    )
    for text in texts:
        for code in (12, 60, 66, 67, 77, 81, 82, 124):
            yield message(1, option(code, text))
    yield from (message(1, option(60, b"PXEClient:Arch:%05d" % arch), option(93, struct.pack("!H", arch)))
                for arch in (*range(64), 65535))  # fmt: skip
    yield from (
        message(1, option(60, b"HTTPClient"), option(93, struct.pack("!H", arch))) for arch in range(64)
    )


def _threats() -> Iterator[bytes]:
    """What would take something from others: their addresses, our name, our ranges."""
    for address in (
        SERVER,
        bytes([10, 77, 0, 64]),
        bytes([10, 77, 0, 128]),
        bytes([10, 77, 0, 255]),
        bytes(4),
    ):
        for kind in (3, 4, 7):
            yield message(kind, option(50, address), option(54, SERVER))
            yield message(kind, option(50, address), option(54, SERVER), ciaddr=".".join(map(str, address)))
    for number in range(300):
        mac = b"\x02\x66" + number.to_bytes(4, "big")
        yield message(1, chaddr=mac)
        yield message(4, option(50, bytes([10, 77, 0, 128 + number % 64])), chaddr=mac)
    yield from (message(kind, option(54, SERVER), op=2, yiaddr="10.77.0.150") for kind in (2, 5, 6))


def mutated(count: int = MUTATED, seed: int = SEED) -> Iterator[bytes]:
    """Recorded requests of firmware with bytes flipped, cut, doubled, swapped and mixed."""
    chance = random.Random(seed)
    originals = []
    for place in sorted(GOLDEN.glob("*.txt")):
        lines = dict(line.split(": ", 1) for line in place.read_text().splitlines())
        originals += [bytes.fromhex(lines["request"]), bytes.fromhex(lines["reply"])]
    for _ in range(count):
        data = bytearray(chance.choice(originals))
        for _ in range(chance.choice((1, 1, 2, 4, 16))):
            _damage(data, chance, originals)
        yield bytes(data)


def _damage(data: bytearray, chance: random.Random, originals: list[bytes]) -> None:
    if not data:
        return
    at = (
        chance.randrange(240, len(data))
        if chance.random() < 0.7 and len(data) > 240
        else chance.randrange(len(data))
    )
    match chance.randrange(7):
        case 0:
            data[at] ^= 1 << chance.randrange(8)
        case 1:
            data[at] = chance.choice((0, 1, 4, 127, 128, 254, 255))
        case 2:
            del data[at:]
        case 3:
            del data[at : at + chance.randrange(1, 9)]
        case 4:
            data[at:at] = chance.randbytes(chance.randrange(1, 33))
        case 5:
            data[at:at] = data[at : at + chance.randrange(1, 65)]
        case _:
            other = chance.choice(originals)
            data[at:] = other[min(at, len(other)) :]


def everything() -> list[bytes]:
    """The whole corpus, at least 5,000 packets."""
    return [*fixed(), *mutated()]
