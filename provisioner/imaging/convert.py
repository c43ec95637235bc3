"""Makes a pack of the present format of one of an older: the same image, byte for byte, another manifest."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

from provisioner.imaging import digests, signature
from provisioner.imaging.manifest import FORMAT, Manifest, check
from provisioner.imaging.pack import Progress
from provisioner.imaging.unpack import expanded
from provisioner.system import outputs


def convert(
    pack: Path,
    manifest: Manifest,
    out: Path,
    *,
    key: Path,
    raw_sha256: bool = False,
    progress: Progress | None = None,
) -> Manifest:
    """OUT, OUT.json and OUT.json.minisig of a pack and its manifest, which was verified: all three, or none.

    What the frames hold is read and checked, and stays as it is, so that the root hash stays. With
    `raw_sha256` the manifest says it, where it did not.

    Raises:
        PackError: the pack is damaged (PV-321), or the key cannot sign.
        FileError: they cannot be written (PV-150, PV-151).
    """
    listed = f"{out.name}.json"
    with outputs.staging(out.parent, out.name, listed, f"{listed}.minisig") as stage:
        shutil.copyfile(pack, stage / out.name)
        chunks, whole = [], hashlib.sha256()
        for chunk, data in expanded(stage / out.name, manifest):
            checksum = digests.checksum(data) if chunk.kind == "data" else ""
            chunks.append(chunk._replace(checksum=checksum))
            if raw_sha256 and not manifest.raw_sha256:
                whole.update(data)
            if progress:
                progress(chunk.offset + chunk.length, manifest.raw_size)
        digest = manifest.raw_sha256 or (whole.hexdigest() if raw_sha256 else "")
        made = replace(manifest, chunks=tuple(chunks), raw_sha256=digest, format=FORMAT)
        check(made)
        (stage / listed).write_bytes(made.dump())
        signature.sign(stage / listed, key)
    return made
