"""The TFTP service: it lends iPXE, and nothing else."""

import logging
from collections.abc import Callable
from pathlib import Path

from provisioner import catalogue
from provisioner.services.tftp_loop import PORT, TftpLoop
from provisioner.site import Site

log = logging.getLogger(__name__)
LENT = ("snponly.efi", "snponly-arm64.efi", "undionly.kpxe")


def serve(site: Site, ready: Callable[[str], None]) -> None:
    """Answer TFTP on the settings' address until the process is ended. Raises ServiceError."""
    addresses = list(site.settings.addresses)

    def lookup(name: str) -> Path | None:
        return catalogue.boot_file(site.settings.state, name) if name in LENT else None

    def heard(name: str, client: str, result: str, seconds: float, size: int) -> None:
        log.info("%.60s for %s: %s, %d bytes in %.1f s", name, client, result, size, seconds)

    loop = TftpLoop(addresses, lookup, heard)
    ready(f"tftp: answering on {', '.join(map(str, addresses))}, port {PORT}/udp")
    loop.run()
