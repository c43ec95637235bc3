"""Serves the pack `small` of a folder: pack_server FOLDER PORT.

Prints its port; ends with its standard input.
"""

import sys
from pathlib import Path

from tests.wire.agentlab import ORDER, Service

folder, port = Path(sys.argv[1]), int(sys.argv[2])
manifest = folder / "small.pack.json"
files = {
    ORDER.manifest_url: manifest.read_bytes(),
    ORDER.manifest_url + ".minisig": manifest.with_name(manifest.name + ".minisig").read_bytes(),
    ORDER.pack_url: (folder / "small.pack").read_bytes(),
}
service = Service(files, port=port)
service.come()
print(service.port, flush=True)
sys.stdin.read()
