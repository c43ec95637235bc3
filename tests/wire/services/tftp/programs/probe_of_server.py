"""Probes another TFTP server on the service's address: probe_of_server FILE SERVER ARGUMENTS…

FILE is a TftpFile as a JSON object. Prints the probe's result as one.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from provisioner import run
from provisioner.domain.bootfiles import TftpFile
from provisioner.services.tftp.probe import probe

run.run(["ip", "link", "set", "lo", "up"])
run.run(["ip", "address", "add", "10.77.0.1/32", "dev", "lo"])  # in.tftpd takes no loopback address
file = TftpFile(**json.loads(sys.argv[1]))
with run.running(sys.argv[2:], log=Path("server.log")):
    for _ in range(3):
        result = probe("10.77.0.1", file)
        if not result.fault.startswith("nothing listens"):  # it has not begun yet
            break
print(json.dumps(asdict(result)))
