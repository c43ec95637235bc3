#!/usr/bin/python3
"""A site's check that starts as many processes as it can, each in a session of its own, and leaves them."""

import json
import os

SECONDS = "MARK"  # a test puts a number in its place, by which the processes are found

made = 0
while True:
    try:
        number = os.fork()
    except OSError:
        break
    made += 1
    if not number:
        os.setsid()
        os.execv("/bin/sleep", ["sleep", SECONDS])
print(json.dumps({"status": "pass", "observed": made}))
