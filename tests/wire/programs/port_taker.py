"""Takes a port of the service's address: port_taker SOCK_DGRAM|SOCK_STREAM PORT."""

import socket
import sys

taken = socket.socket(socket.AF_INET, getattr(socket, sys.argv[1]))
of_tcp = sys.argv[1] == "SOCK_STREAM"
taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(of_tcp))  # closed connections linger
taken.bind(("10.77.0.1", int(sys.argv[2])))
if of_tcp:
    taken.listen()
print("ready", flush=True)
sys.stdin.read()
