"""An IPMI BMC whose machine is off: bmc FOLDER [ADDRESS]. Lasts until its standard input closes."""

import sys
from pathlib import Path

from provisioner.lab.chassis import Chassis
from provisioner.lab.ipmi_simulator import IpmiSimulator
from provisioner.power.protocol import BmcAddress

place = sys.argv[2] if len(sys.argv) > 2 else "10.77.1.1"
address = BmcAddress("ipmi", place, 623, "provision", "lab-secret", "vc-1")
with IpmiSimulator(Chassis(lambda act: None, lambda: False), address, Path(sys.argv[1])):
    print("ready", flush=True)
    sys.stdin.read()
