"""The ramdisk's program under Python's audit: audited_survey COMMAND_LINE FILE.

What the agent opens is seen by Python itself; the last open is ours, of FILE, and shows that writing would
be seen. Ends with `END` and one JSON object: `opened`, pairs of path and whether for writing, and `loaded`,
our modules.
"""

import json
import os
import sys
from pathlib import Path
from typing import NoReturn

opened: list[tuple[str, bool]] = []


def audit(event: str, arguments: tuple[object, ...]) -> None:
    """Keep what is opened (PEP 578)."""
    if event == "open" and isinstance(arguments[0], str | bytes) and isinstance(arguments[2], int):
        opened.append((os.fsdecode(arguments[0]), bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))))


def end() -> NoReturn:
    """Instead of the restart."""
    Path(sys.argv[2]).open("r+b").close()
    loaded = [name for name in sys.modules if name.startswith("provisioner")]
    print("END" + json.dumps({"opened": opened, "loaded": loaded}), flush=True)
    os._exit(0)


sys.addaudithook(audit)

from provisioner.agent import restart, start  # noqa: E402  # what they open is audited, too

restart.restart = end
start.main(Path(sys.argv[1]))
