"""A raw image streamed to a disk by one thread with a checksum, in the manner of Ironic's agent.

`python ironic.py URL DEVICE SHA256`: blocks of 1 MiB, hashed and written as they come, then fsync.
"""

import hashlib
import os
import sys
import urllib.request

CHUNK = 1 << 20


def main(url: str, device: str, wanted: str) -> None:
    """Raises SystemExit where the checksum is another."""
    digest = hashlib.sha256()
    with urllib.request.urlopen(url) as answer, open(device, "r+b") as disk:  # noqa: PTH123
        while block := answer.read(CHUNK):
            digest.update(block)
            disk.write(block)
        disk.flush()
        os.fsync(disk.fileno())
    if digest.hexdigest() != wanted:
        raise SystemExit("the checksum is another")


main(*sys.argv[1:])
