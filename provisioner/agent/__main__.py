"""The program of the ramdisk: says hello, writes the disk as ordered, reports, reboots when told."""

import sys

from provisioner.agent.job import main

if __name__ == "__main__":
    sys.exit(main())
