"""A BMC whose machine is on and has a serial line: console_bmc FOLDER ADDRESS sol|plain.

Each line of standard input, hexadecimal, is what the machine prints.
"""

import sys
from pathlib import Path

from provisioner.lab.chassis import Chassis
from provisioner.lab.ipmi_simulator import IpmiSimulator
from provisioner.lab.serial_line import SerialLine
from provisioner.power.protocol import BmcAddress

folder = Path(sys.argv[1])
address = BmcAddress("ipmi", sys.argv[2], 623, "provision", "lab-secret", "vc-1")
chassis = Chassis(lambda act: None, lambda: True)
with SerialLine(folder) as serial:
    port = serial.port if sys.argv[3] == "sol" else 0
    with IpmiSimulator(chassis, address, folder, serial_port=port):
        machine = (folder / "serial.out").open("wb", buffering=0)
        print("ready", flush=True)
        for line in sys.stdin:
            machine.write(bytes.fromhex(line))
