"""The TFTP service: it lends iPXE, and nothing else."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from provisioner.services.eventloop.rate_limited_log import Seldom
from provisioner.services.tftp.counts import Counts
from provisioner.services.tftp.loop import PORT, TftpLoop
from provisioner.site.site import Site
from provisioner.state import boot_files
from provisioner.state.counters import Writer
from provisioner.state.transfers import Transfer

log = logging.getLogger(__name__)
MOST_HEARD, MOST_KEPT = 1000, 4096  # addresses between two writings, and in all: invented ones fill no disk
LENT = ("snponly.efi", "snponly-arm64.efi", "undionly.kpxe")


def serve(site: Site, ready: Callable[[str], None]) -> None:
    """Answer TFTP on the settings' addresses until the process is ended. Raises ServiceError."""
    settings = site.settings
    addresses = [*settings.addresses, *settings.tftp.also]
    counts, seldom, evidence = Counts(), Seldom(log), Evidence(site)

    def lookup(name: str) -> Path | None:
        return boot_files.boot_file(settings.state, name) if name in LENT else None

    def heard(name: str, client: str, result: str, seconds: float, size: int) -> None:
        # what was refused is said once for each client, however many names it tries
        what = result if result.startswith("refused") else f"{name} {result}"
        line = "%.60r for %s: %.200s, %d bytes in %.1f s"
        seldom.say(client, what, line, name, client, result, size, seconds)
        evidence.heard(name, client, result, size)

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
        evidence.write()

    Writer(counts.all, settings.state, before).start()
    ready(f"tftp: answering on {', '.join(f'{address}:{PORT}/udp' for address in addresses)}")
    loop.run()


class Evidence:
    """How each address fared last, gathered by the loop and written by another thread every few seconds."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._lock = threading.Lock()
        self._waiting: dict[str, Transfer] = {}

    def heard(self, name: str, client: str, result: str, size: int) -> None:
        """The end of a transfer, or a refusal. OVMF's question for the size ends by an error: no news."""
        if result.startswith("aborted") and not size:
            return
        with self._lock:
            before = self._waiting.get(client)
            if before is None and len(self._waiting) >= MOST_HEARD:
                return
            self._waiting[client] = Transfer(
                address=client,
                time=self._site.clock(),
                count=before.count + 1 if before else 1,
                name=name[:100],
                result=result[:200],
                bytes=size,
            )

    def write(self) -> None:
        """Put down what has gathered; nothing is asked of the database where nothing has."""
        with self._lock:
            rows, self._waiting = list(self._waiting.values()), {}
        if rows:
            self._site.database.transfers.put(rows, MOST_KEPT)
