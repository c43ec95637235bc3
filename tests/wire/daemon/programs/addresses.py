"""addresses NAME…: the IPv4 addresses of each interface as the service sees them, as JSON; without `ip`."""

import json
import os
import sys

from provisioner.site.interface import ipv4_addresses

os.environ["PATH"] = "/nonexistent"
print(json.dumps({name: sorted(ipv4_addresses(name)) for name in sys.argv[1:]}))
