"""Stands in for `provision serve --fork-server N`: each fork does what the file of its service says.

Words: `beat` for ever, `hang` after a beat, `exit`, `refuse` to start, `late` (ready after a while), `close`
the pulse, `silent` for ever. A file `forks` says it of the fork server itself: `refuse`, or `silent`.
The file is taken away when it was read, so that the next start beats; `always-…` is left.
"""

import os
import signal
import sys
import time
from pathlib import Path

from provisioner.system import fork_server


def main() -> None:
    forks = Path(sys.argv[1]) / "forks"
    if forks.exists():
        signal.pause() if forks.read_text() == "silent" else sys.exit(7)
    if not fork_server.serve(int(sys.argv[-1]), ()):
        return
    folder, name, descriptor = Path(sys.argv[1]), sys.argv[3], int(sys.argv[5])
    plan = folder / name
    word = plan.read_text().strip() if plan.exists() else "beat"
    if not word.startswith("always-"):
        plan.unlink(missing_ok=True)
    with (folder / f"{name}.starts").open("a") as starts:
        starts.write(f"{os.getpid()}\n")
    live(word.removeprefix("always-"), name, descriptor)


def live(word: str, name: str, descriptor: int) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if word == "refuse":
        sys.exit(6)
    if word == "silent":
        signal.pause()
    if word == "late":
        time.sleep(0.5)
    os.write(descriptor, f"ready {name}: here\n".encode())
    if word == "close":
        os.close(descriptor)
        signal.pause()
    if word == "exit":
        sys.exit(3)
    if word == "hang":
        os.write(descriptor, b"\n")
        signal.pause()
    while True:
        os.write(descriptor, b"\n")
        time.sleep(0.05)


if __name__ == "__main__":
    main()
