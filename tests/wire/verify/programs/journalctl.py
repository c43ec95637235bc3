#!/usr/bin/python3
"""Stands in for journalctl: prints the file that JOURNAL names, if it is asked as kernel_log.py asks."""

import os
import sys
from pathlib import Path

MISSED = "e9bf28e6e834481bb6f48f548ad13606"
OPTIONS = ["--boot", "--output=json", "--all", "--no-pager", "--quiet"]

if sys.argv[1:] != [*OPTIONS, "_TRANSPORT=kernel", "+", f"MESSAGE_ID={MISSED}"]:
    sys.exit(f"unrecognized option {sys.argv[1:]}")
print(Path(os.environ["JOURNAL"]).read_text(), end="")
