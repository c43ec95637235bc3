"""IPMI BMCs on 127.0.0.1, one at each of COUNT ports from FIRST: rack_bmcs FOLDER FIRST COUNT SILENT MUTE.

Their machines are off. At SILENT more ports nobody answers, and at MUTE more one that falls silent in the
middle of each session. Lasts until its standard input closes.
"""

import socket
import sys
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Thread

from provisioner.lab.chassis import Chassis
from provisioner.lab.ipmi_simulator import IpmiSimulator
from provisioner.power.protocol import BmcAddress

ANSWERS = 6  # of a session that falls silent: its login, and one more


def fall_silent(port: int, behind: int) -> None:
    """At `port` is the BMC of the port `behind`, for some answers to each client."""
    lines: dict[tuple[str, int], socket.socket] = {}
    left: Counter[tuple[str, int]] = Counter()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as front:
        front.bind(("127.0.0.1", port))
        while True:
            asked, client = front.recvfrom(4096)
            line = lines.setdefault(client, socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            line.settimeout(1)
            left[client] += 1
            if left[client] > ANSWERS:
                continue
            line.sendto(asked, ("127.0.0.1", behind))
            with suppress(TimeoutError):
                front.sendto(line.recv(4096), client)


folder, first, count, silent, mute = Path(sys.argv[1]), *map(int, sys.argv[2:])
with ExitStack() as stack:
    for port in range(first, first + count):
        place = folder / str(port)
        place.mkdir()
        address = BmcAddress("ipmi", "127.0.0.1", port, "provision", "lab-secret", f"vc-{port}")
        stack.enter_context(IpmiSimulator(Chassis(lambda act: None, lambda: False), address, place))
    for port in range(first + count, first + count + silent):
        dead = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        dead.bind(("127.0.0.1", port))
    for port in range(first + count + silent, first + count + silent + mute):
        Thread(target=fall_silent, args=(port, first), daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()
