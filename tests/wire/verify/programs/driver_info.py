"""Prints what firmware.py's ioctl says of a network card: `driver_info.py SCRIPT INTERFACE`."""

import json
import runpy
import sys

script = runpy.run_path(sys.argv[1])
print(json.dumps(script["driver_info"](sys.argv[2])))
