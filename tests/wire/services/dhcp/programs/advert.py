"""A host solicits a router and is told that there is none."""

import threading

from provisioner import run
from provisioner.services.dhcp.router_advert import RouterAdvertiser
from tests.wire.services.dhcp.programs.loop_lab import LoopLab

with LoopLab() as lab:
    advert = RouterAdvertiser("near")
    thread = threading.Thread(target=advert.run, daemon=True)
    thread.start()
    lab.results["advert"] = lab.program("router_solicitation").stdout.decode().strip()
    advert.stop()
    thread.join(5)
    assert not thread.is_alive()
    advert.close()
    lab.results["routes"] = run.text(["ip", "-n", "far", "-6", "route", "show", "default"])
