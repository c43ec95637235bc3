"""An IPMI BMC at 10.77.1.1 whose machine is off: bmc FOLDER. Lasts until its standard input closes."""

import sys
from pathlib import Path

from provisioner.lab.chassis import Chassis
from provisioner.lab.ipmi_simulator import IpmiSimulator
from provisioner.power.protocol import BmcAddress

address = BmcAddress("ipmi", "10.77.1.1", 623, "provision", "lab-secret", "vc-1")
with IpmiSimulator(Chassis(lambda act: None, lambda: False), address, Path(sys.argv[1])):
    print("ready", flush=True)
    sys.stdin.read()
