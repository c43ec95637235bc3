"""udhcpc gets a lease, renews it and releases it, while every callback of the loop fails."""

import signal
import threading

from provisioner import run
from tests.wire.services.dhcp.programs.loop_lab import LoopLab

with LoopLab() as lab:
    script = lab.folder / "script"
    script.write_text(
        "#!/bin/sh\ncase $1 in bound|renew) ip addr replace $ip/$mask dev $interface;; esac\n"
        f"env >> {lab.folder}/env.$1\n"
    )
    script.chmod(0o755)
    argv = ("busybox", "udhcpc", "-f", "-i", "eth0", "-s", script, "-T", "1", "-t", "5", "-R")
    lab.client(*argv, "-q", "-n", "-x", "hostname:breaks", "-r", "192.168.9.9")
    lab.wait(lambda: lab.messages() == ["discover", "request"])
    client = lab.start(*argv)
    lab.wait(lambda: len(lab.sightings) == 4)
    while (lab.folder / "env.bound").read_text().count("\nip=") != 2:
        threading.Event().wait(0.05)
    client.send_signal(signal.SIGUSR1)  # renew, by unicast
    while not (lab.folder / "env.renew").exists():
        threading.Event().wait(0.05)
    run.stop(client)
    lab.wait(lambda: lab.messages()[-1] == "release")
    for name in ("bound", "renew"):
        lab.results[name] = (lab.folder / f"env.{name}").read_text()
