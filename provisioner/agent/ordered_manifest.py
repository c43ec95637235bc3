"""The manifest of the image that was ordered: fetched, its signature checked, before anything is written."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from provisioner.agent.link import Link
from provisioner.agent.protocol import Order
from provisioner.errors import PackError
from provisioner.imaging import manifest as manifests
from provisioner.imaging import signature


def fetch(link: Link, order: Order, keys: Path, log: Callable[[str], None]) -> manifests.Manifest:
    """The order's manifest, signed by one of the `*.pub` in the folder `keys`.

    Raises PackError (PV-328: it is of another image) and what `link.fetch`, `signature.verify` and
    `manifest.load` raise.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pack.json"
        path.write_bytes(link.fetch(order.manifest_url))
        mark = path.with_name("pack.json.minisig")
        mark.write_bytes(link.fetch(order.manifest_url + ".minisig"))
        key = signature.verify(path, mark, sorted(keys.glob("*.pub")))
        manifest = manifests.load(path)
    if (manifest.name, manifest.version) != (order.image_name, order.image_version):
        raise PackError(
            f"the service gives {manifest.name}@{manifest.version}, "
            f"ordered was {order.image_name}@{order.image_version}",
            code=328,
        )
    log(f"manifest signed by {key}")
    return manifest
