#!/usr/bin/python3
"""A site's check that tells as whom it runs, and whether it reaches a server of this machine."""

import json
import os
import socket

PORT = "MARK"  # a test puts the server's in its place

try:
    socket.create_connection(("127.0.0.1", int(PORT)), 2)
    network = "open"
except OSError as fault:
    network = os.strerror(fault.errno or 0)
print(json.dumps({"status": "pass", "observed": [network, os.getuid(), os.getgroups()]}))
