"""Runs site_check.py, whose text comes by the standard input, and swaps the program once it was hashed.

`swap_after_hashing.py PROGRAM SHA256`.
"""

import hashlib
import sys
import types
from pathlib import Path
from typing import Any

OTHER = '#!/bin/sh\necho \'{"status": "pass", "observed": "swapped"}\'\n'


def sha256(data: bytes) -> Any:
    found = hashlib.sha256(data)
    Path(sys.argv[1]).write_text(OTHER)
    return found


module = types.ModuleType("site_check")
exec(compile(sys.stdin.read(), "site_check", "exec"), module.__dict__)
module.__dict__["hashlib"] = types.SimpleNamespace(sha256=sha256)
module.__dict__["main"]()
