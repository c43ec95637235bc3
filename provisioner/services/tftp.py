"""The TFTP service: it lends iPXE, and nothing else."""

import logging
from collections.abc import Callable
from pathlib import Path

from provisioner import catalogue
from provisioner.counters import Writer
from provisioner.services.seldom import Seldom
from provisioner.services.tftp_counts import Counts
from provisioner.services.tftp_loop import PORT, TftpLoop
from provisioner.site import Site

log = logging.getLogger(__name__)
LENT = ("snponly.efi", "undionly.kpxe")


def serve(site: Site, ready: Callable[[str], None]) -> None:
    """Answer TFTP on the settings' addresses until the process is ended. Raises ServiceError."""
    settings = site.settings
    addresses = [settings.address.ip, *settings.tftp.also]
    counts, seldom = Counts(), Seldom(log)

    def lookup(name: str) -> Path | None:
        return catalogue.boot_file(settings.state, name) if name in LENT else None

    def heard(name: str, client: str, result: str, seconds: float, size: int) -> None:
        # what was refused is said once for each client, however many names it tries
        what = result if result.startswith("refused") else f"{name} {result}"
        line = "%.60r for %s: %.200s, %d bytes in %.1f s"
        seldom.say(client, what, line, name, client, result, size, seconds)

    loop = TftpLoop(addresses, lookup, heard, counts=counts)

    reloads = counts.all.number("provision_settings_reloads_total")

    def limit() -> None:
        loop.limit(site.settings.tftp.per_address, site.settings.tftp.at_once)
        reloads.add()

    loop.limit(settings.tftp.per_address, settings.tftp.at_once)
    site.adopt = limit

    def before() -> None:
        loop.check()
        counts.sessions.set(loop.transfers)
        seldom.flush()

    Writer(counts.all, settings.state, before).start()
    ready(f"tftp: answering on {', '.join(f'{address}:{PORT}/udp' for address in addresses)}")
    loop.run()
