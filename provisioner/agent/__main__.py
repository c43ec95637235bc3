"""The program of the ramdisk: does as ordered or takes the inventory, reports, reboots."""

import sys

from provisioner.agent.start import main

if __name__ == "__main__":
    sys.exit(main(arguments=" ".join(sys.argv[1:])))
