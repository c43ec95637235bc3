"""A window that leaves by one system call is the same on the line as packet by packet: seen through a tap."""

import json
import sys
from pathlib import Path

from provisioner import run

ROOT = str(Path(__file__).parents[4])
# a network namespace whose line is a tap device that this program reads: what the kernel gives to a card
TAP = """
import fcntl, json, os, select, socket, struct, sys, time
from provisioner import run
from provisioner.services.tftp.packet import TransferRequest
from provisioner.services.tftp.policy import Content
from provisioner.services.tftp.session import Session

tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", b"tap0", 0x1002))  # TUNSETIFF: IFF_TAP, IFF_NO_PI
for words in (f"link set tap0 mtu {sys.argv[3]} up", "address add 10.9.0.1/24 dev tap0",
              "neighbour add 10.9.0.2 lladdr 52:54:00:00:00:02 dev tap0"):
    run.run(["ip", *words.split()])
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.bind(("10.9.0.1", 4000))
link.connect(("10.9.0.2", 2000))
session = Session(link, ("10.9.0.2", 2000), TransferRequest("a", "octet"), Content(b""), 0.0)
packets = [bytes([n]) * int(sys.argv[1]) for n in range(int(sys.argv[2]) - 1)] + [b"last"]
session.send(packets)

def checksum(data):
    data += b"\\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total

seen, wrong, until = [], 0, time.monotonic() + 10
while len(seen) < len(packets) and time.monotonic() < until:
    if not select.select([tap], [], [], 1)[0]:
        continue
    frame = os.read(tap, 70000)
    if frame[12:14] != b"\\x08\\0" or frame[23] != 17:
        continue
    ip, udp = frame[14:34], frame[34:]
    udp = udp[: struct.unpack("!H", udp[4:6])[0]]
    pseudo = ip[12:20] + b"\\0\\x11" + udp[4:6]
    wrong += checksum(ip) != 0xFFFF or checksum(pseudo + udp) != 0xFFFF or len(frame) > 1514
    seen.append(udp[8:])
whole = session._uses_gso
print(json.dumps({"same": seen == packets, "count": len(seen), "wrong": wrong, "whole": whole}))
"""


def cut(size: int, count: int, mtu: int = 1500) -> dict[str, object]:
    within = ("unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", TAP)
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
