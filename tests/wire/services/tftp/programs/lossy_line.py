"""Fetches a file over a loopback that drops 5 % of all datagrams: lossy_line FILE COPY.

Prints the seconds.
"""

import sys
import threading
import time
from ipaddress import IPv4Address
from pathlib import Path

from provisioner import run
from provisioner.services.tftp.loop import TftpLoop

RULES = (
    "add table inet t; add chain inet t c { type filter hook input priority 0; };"
    "add rule inet t c meta l4proto udp numgen random mod 100 < 5 drop"
)

run.run(["ip", "link", "set", "lo", "up"])
run.run(["nft", RULES])
loop = TftpLoop([IPv4Address("127.0.0.1")], lambda name: Path(sys.argv[1]), port=69)
thread = threading.Thread(target=loop.run, daemon=True)
thread.start()
began = time.monotonic()
argv = ["curl", "-sS", "--tftp-blksize", "1428", "-o", sys.argv[2], "tftp://127.0.0.1/file"]
run.run(argv, timeout=90)
print(time.monotonic() - began)
loop.stop()
thread.join()
