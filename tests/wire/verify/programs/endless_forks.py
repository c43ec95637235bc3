#!/usr/bin/python3
"""A site's check whose processes start others in sessions of their own for ever."""

import os
import sys

MARK = "MARK"  # a test puts a number in its place, by which the processes are found

if len(sys.argv) < 2:
    os.execv(sys.executable, [sys.executable, sys.argv[0], MARK])
while True:
    try:
        os.fork()
        os.setsid()
    except OSError:
        continue
