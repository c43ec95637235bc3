"""As sitecustomize.py: Python is told to end when a program runs and its starter has not heard of it yet.

A busy machine does so now and then. The program is `docker exec`.
"""

import os
import signal
import subprocess
from typing import Any

genuine = subprocess.Popen._execute_child  # type: ignore[attr-defined]


def start(self: Any, argv: Any, *rest: Any) -> None:
    """Start it, and then this."""
    genuine(self, argv, *rest)
    if argv[1] == "exec":
        os.kill(os.getpid(), signal.SIGTERM)


subprocess.Popen._execute_child = start  # type: ignore[attr-defined]
