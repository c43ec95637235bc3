"""Fetches the base image's packages: base_packages URL KEYRING CACHE [mirror].

With `mirror` from the mirror at URL alone. Prints the path of what was fetched.
"""

import sys
from pathlib import Path

from provisioner.golden import base

mirror = base.AptMirror(sys.argv[1], Path(sys.argv[2]), "test") if len(sys.argv) > 4 else None
print(base.packages(Path(sys.argv[3]), mirror=mirror))
