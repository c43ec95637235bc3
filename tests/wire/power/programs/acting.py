"""What `Acts` starts, with acts of the tests' own: echo, die, hang (it says its process id first)."""

import os
import signal
import socket
import sys

from provisioner.system import fork_server

if fork_server.serve(int(sys.argv[-1]), ()):
    act, _, number = sys.argv[1:]
    with socket.socket(fileno=int(number)) as line, line.makefile("rb") as asked:
        request = asked.read()
        if act == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if act == "hang":
            line.sendall(str(os.getpid()).encode())
            signal.pause()
        line.sendall(request)
    os._exit(0)
