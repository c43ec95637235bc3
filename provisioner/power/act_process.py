"""The process in whose forks the acts of drivers are done, for power/acts.py: `--fork-server NUMBER`."""

import importlib
import os
import socket
import sys
import traceback

from provisioner.power import process
from provisioner.system import fork_server

PACKAGE = "provisioner.power"
PRELOADED = (f"{PACKAGE}.ipmi", f"{PACKAGE}.redfish", "pyghmi.ipmi.command")


def main() -> None:
    """Fork until our parent ends. Each fork does one act: DRIVER, an option, the number of its socket."""
    if not fork_server.serve(int(sys.argv[-1]), PRELOADED):
        return
    driver, _, descriptor = sys.argv[1:]
    code = 1
    try:
        _act(driver, int(descriptor))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)  # pyghmi's threads are not waited for


def _act(driver: str, descriptor: int) -> None:
    with socket.socket(fileno=descriptor) as line, line.makefile("rb") as asked:
        module = importlib.import_module(f"{PACKAGE}.{driver}")
        line.sendall(process.answer_to(asked.read(), module.session).encode())


if __name__ == "__main__":
    main()
