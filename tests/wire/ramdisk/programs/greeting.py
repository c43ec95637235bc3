"""In the agent's place in the ramdisk: shows that Python, zstd, minisign and mtools work, what is there."""

import _hashlib
import subprocess
from pathlib import Path

import zstandard


def names(folder: str) -> list[str]:
    """What lies in a folder, sorted."""
    return sorted(path.name for path in Path(folder).iterdir())


packed = zstandard.ZstdCompressor().compress(b"python says hello")
print(zstandard.ZstdDecompressor().decompress(packed).decode(), _hashlib.__name__)
print(subprocess.run(["minisign", "-v"], capture_output=True, text=True, check=False).stdout)
print(subprocess.run(["mdir", "-i", "/dev/vda@@1048576", "::/"], capture_output=True, text=True, check=False))
print("disks:", *names("/sys/block"), "keys:", *names("/etc/provisioner/keys"), "end")
