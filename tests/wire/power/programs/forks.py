"""Does each act of a driver, and runs each BMC, in a fork of this process: forks SOCKET.

What takes longest in a process of its own is to import; here it is done once. Each connection is one request,
a line of JSON; what its fork answers is the rest. A fork ends with its connection.
"""

import importlib
import json
import os
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path

from pyghmi.ipmi import command
from pyghmi.ipmi.private import session

from provisioner.power import (
    ipmi,
    ipmi_login,
    patience,
    process,
    read_back,
    redfish,
    redfish_boot,
    redfish_client,
)
from tests.wire.power.pace import seconds
from tests.wire.power.programs import ipmi_bmc

assert command  # imported for the forks


def keep_pace() -> None:
    """Every limit of the drivers that stands for a BMC's slowness."""
    ipmi.SETTLE, redfish.SETTLE = seconds(ipmi.SETTLE), seconds(redfish.SETTLE)
    ipmi.FRESH = redfish.FRESH = seconds(ipmi.FRESH)
    ipmi_login.ORDER_LIMIT = seconds(ipmi_login.ORDER_LIMIT)
    read_back.LOOK = seconds(read_back.LOOK)
    read_back.LOOKED_FOR |= {kind: seconds(limit) for kind, limit in read_back.LOOKED_FOR.items()}
    redfish_boot.PAUSE = seconds(redfish_boot.PAUSE)
    patience.SHORTEST = seconds(patience.SHORTEST)
    shortest, longest = redfish_client.TASK_PAUSES
    redfish_client.TASK_PAUSES = seconds(shortest), seconds(longest)
    redfish_client.TASK_LIMIT = seconds(redfish_client.TASK_LIMIT)
    session.initialtimeout = seconds(session.initialtimeout)


def act(line: socket.socket, driver: str, request: dict[str, object]) -> None:
    log_in = importlib.import_module(f"provisioner.power.{driver}").session
    line.sendall(process.answer_to(json.dumps(request).encode(), log_in).encode() + b"\n")


def bmc(line: socket.socket, port: int, dialect: str, starts: str, user: str, password: str) -> None:
    """Answers until the connection is closed."""
    threading.Thread(target=lambda: (line.recv(1), os._exit(0)), daemon=True).start()
    ipmi_bmc.main(port, dialect, Path(starts), user, password)


def serve(listener: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        line, _ = listener.accept()
        if os.fork():
            line.close()
            continue
        listener.close()
        request = json.loads(line.makefile().readline())
        try:
            (act if request.pop("do") == "act" else bmc)(line, **request)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(0)


def main(place: str) -> None:
    """Serve until it is ended."""
    keep_pace()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place)
        listener.listen(16)
        print("ready", flush=True)
        serve(listener)


if __name__ == "__main__":
    main(sys.argv[1])
