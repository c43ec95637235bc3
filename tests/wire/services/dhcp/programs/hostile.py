"""Hundreds of datagrams that are no DHCP, then a client that wants a lease."""

import random

from provisioner import run
from tests.wire.services.dhcp.programs.loop_lab import LoopLab

random.seed(4)
GOOD = bytes.fromhex("0101060000000007" + "00" * 20 + "525400000099" + "00" * 10 + "00" * 192 + "63825363")
CASES = [
    *(b"", b"x", bytes(236), bytes(240), GOOD[:-1], GOOD, GOOD + b"\x35", GOOD + b"\x35\x01", GOOD + b"\xff"),
    *(GOOD + b"\x35\x01\x01\x34\x01\x03", GOOD + b"\x35\x01\x63", GOOD + b"\x0c\xff" * 200),
    *(b"\x02" + GOOD[1:] + b"\x35\x01\x02\xff", GOOD[:1] + b"\xff\xff" + GOOD[3:]),
    GOOD + b"\x35\x01\x01\x4d\xff" + b"\xff" * 255 + b"\x61\x02\x00\x00\xff",
    GOOD + bytes(8000),
    *(GOOD + random.randbytes(random.randrange(300)) for _ in range(200)),
    *(random.randbytes(random.randrange(600)) for _ in range(100)),
]

with LoopLab() as lab:
    (lab.folder / "cases").write_text("".join(case.hex() + "\n" for case in CASES))
    run.run(["ip", "-n", "far", "addr", "add", "10.77.0.9/24", "dev", "eth0"])
    lab.program("broadcast", lab.folder / "cases")
    run.run(["ip", "-n", "far", "addr", "flush", "dev", "eth0"])
    argv = ("busybox", "udhcpc", "-f", "-q", "-n", "-i", "eth0", "-s", "/bin/true", "-T", "1", "-t", "5")
    lab.results["lease"] = lab.client(*argv, check=False).stderr.decode()
