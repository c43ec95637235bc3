"""Runs in the air gap's namespaces: serves the mirror there, runs the command, writes the account."""

import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from provisioner import run
from provisioner.errors import ProvisionError
from provisioner.mirror import gap
from provisioner.mirror.gap import Attempt
from provisioner.mirror.responder import PORT, DnsResponder
from provisioner.mirror.server import Server


def main(mirror: Path, name: str, account: Path, command: Sequence[str]) -> int:
    """Run the command to its end; `account` is written as JSON even where it failed."""
    with tempfile.TemporaryDirectory(prefix="gap-") as folder:
        Path(folder).chmod(0o755)  # another user of the build reads resolv.conf too
        gap.build(name, Path(folder))
        with DnsResponder(name, gap.ADDRESS) as responder, Server(mirror, gap.ADDRESS) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            code = _run(command)
            server.shutdown()
            names = [Attempt(queried, "", "dns", PORT, n) for queried, n in sorted(responder.asked.items())]
            attempts = [attempt.as_json() for attempt in (*names, *gap.packets())]
    account.write_text(json.dumps({"code": code, "attempts": attempts}))
    return code


def _run(command: Sequence[str]) -> int:
    """Its exit code as a shell has it; a polite end is handed on, and awaited."""
    process = run.start(command, stdin=0)  # ours
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda asked, _: run.signal_process(process.pid, asked))
    code = process.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4:]))
    except ProvisionError as fault:
        Path(sys.argv[3]).write_text(json.dumps({"error": fault.as_json()}))
        sys.exit(os.EX_SOFTWARE)
