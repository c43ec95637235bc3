"""Hears LLDP on one end of a veth pair what is sent by the other: lldp_hears, in a network namespace."""

import dataclasses
import json
import socket

from provisioner import run
from provisioner.agent.lldp import LldpListener

FRAME = bytes.fromhex(
    "0180c200000e"
    "001c73aabbcc"
    "88cc"
    "020704001c73aabbcc"
    "040d0545746865726e6574312f3137"
    "06020078"
    "0a07737733"
    "2e6c6162"
    "0000"
)
NEAR, FAR = "lldp0", "lldp1"

run.run(["ip", "link", "add", NEAR, "type", "veth", "peer", "name", FAR])
for name in (NEAR, FAR):
    run.run(["ip", "link", "set", name, "up"])
listener = LldpListener([NEAR, "absent"])
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
    sender.bind((FAR, 0))
    sender.send(FRAME)
listener.news.wait(10)
run.run(["ip", "link", "delete", NEAR])
print(json.dumps([dataclasses.asdict(neighbour) for neighbour in listener()]))
