"""A note on a disk that is being written, where its boot sectors will be: what it holds half of."""

import json
from dataclasses import asdict, dataclass

from provisioner.imaging.manifest import Manifest

PLACE, LENGTH = 32 << 10, 4096  # behind the partition table, inside every first chunk, which is written last
MAGIC = b"provisioner: half of "


@dataclass(frozen=True)
class WriteMarker:
    """The image that was being written when the disk was last touched."""

    name: str
    version: str
    root_hash: str

    def dump(self) -> bytes:
        """The marker as it lies on the disk, padded to LENGTH bytes."""
        return (MAGIC + json.dumps(asdict(self)).encode() + b"\n").ljust(LENGTH, b"\0")


def mark(manifest: Manifest) -> bytes:
    """The marker of this image, LENGTH bytes for PLACE."""
    return WriteMarker(manifest.name, manifest.version, manifest.root_hash).dump()


def find(body: bytes) -> WriteMarker | None:
    """The note in LENGTH bytes from PLACE; None where there is none."""
    if not body.startswith(MAGIC):
        return None
    try:
        fields = json.loads(body[len(MAGIC) :].split(b"\n")[0])
        known = (fields["name"], fields["version"], fields.get("root_hash", ""))  # once it was another hash
        return WriteMarker(*(str(value)[:100] for value in known))
    except (ValueError, KeyError, TypeError):
        return None
