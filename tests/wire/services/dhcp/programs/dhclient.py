"""dhclient gets a lease."""

from provisioner import run
from tests.wire.services.dhcp.programs.loop_lab import MAC, LoopLab

with LoopLab() as lab:
    script = lab.folder / "script"
    script.write_text(f'#!/bin/sh\n[ "$reason" = PREINIT ] || env > {lab.folder}/env\nexit 0\n')
    script.chmod(0o755)
    (lab.folder / "conf").write_text('send host-name "cube-7"; timeout 10;')
    files = (
        "-sf",
        script,
        "-cf",
        lab.folder / "conf",
        "-lf",
        lab.folder / "leases",
        "-pf",
        lab.folder / "pid",
    )
    client = lab.start("dhclient", "-1", "-v", "-d", *files, "eth0")
    lab.wait(lambda: lab.messages() == ["discover", "request"])
    lab.wait(lambda: lab.idles)
    lease = lab.leases.lease(MAC)
    lab.results["first"] = bool(lease and lease.bound)
    run.stop(client)
    lab.results["env"] = (lab.folder / "env").read_text()
