"""The TFTP service: it serves the boot files (domain/bootfiles.py), and nothing else."""

import logging
import threading
from pathlib import Path

from provisioner.domain.bootfiles import TFTP_FILES
from provisioner.services.eventloop.rate_limited_log import RateLimitedLog
from provisioner.services.tftp.loop import PORT, TftpLoop
from provisioner.services.tftp.metrics import TftpMetrics
from provisioner.site.site import Site
from provisioner.state import boot_files
from provisioner.state.counters import MetricsWriter
from provisioner.state.transfers import Transfer
from provisioner.system.pulse import Pulse
from provisioner.system.text import clean

log = logging.getLogger(__name__)
MAX_PENDING, MAX_ADDRESSES = 1000, 4096  # between two writings, and in all: forged ones fill no disk
MAX_LOG_LINES, LOG_PERIOD = 200, 60.0  # different lines in so many seconds; each is written once
LOG_SUMMARY = "%d more of what was said before, or of too many kinds to say"


def serve(site: Site, pulse: Pulse) -> None:
    """Answer TFTP on the settings' addresses until the process is ended. Raises ServiceError."""
    settings = site.settings
    addresses = [*settings.addresses, *settings.tftp.also]
    metrics, recorder = TftpMetrics(), TransferRecorder(site)
    transfer_log = RateLimitedLog(log, burst=MAX_LOG_LINES, period=LOG_PERIOD, summary=LOG_SUMMARY)

    def lookup(name: str) -> Path | None:
        return boot_files.boot_file(settings.state, name) if name in TFTP_FILES else None

    def ended(name: str, client: str, result: str, seconds: float, size: int) -> None:
        # what was refused is logged once for each client, however many names it tries
        what = result if result.startswith("refused") else f"{name} {result}"
        line = "%.60r for %s: %.200s, %d bytes in %.1f s"
        transfer_log.write(logging.INFO, line, name, client, result, size, seconds, key=(client, what))
        recorder.record(name, client, result, size, seconds)

    loop = TftpLoop(addresses, lookup, ended, metrics=metrics, pulse=pulse)

    reloads = metrics.registry.scalar("provision_settings_reloads_total")

    def adopt() -> None:
        loop.set_limits(site.settings.tftp.per_address, site.settings.tftp.at_once)
        reloads.inc()

    loop.set_limits(settings.tftp.per_address, settings.tftp.at_once)
    site.adopt = adopt

    def update() -> None:
        metrics.sessions.set(loop.transfers)
        transfer_log.flush()
        recorder.write()

    MetricsWriter(metrics.registry, settings.state, update).start()
    pulse.ready(f"tftp: answering on {', '.join(f'{address}:{PORT}/udp' for address in addresses)}")
    loop.run()


class TransferRecorder:
    """The last transfer of each address: gathered by the loop, written by another thread now and then."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._lock = threading.Lock()
        self._pending: dict[str, Transfer] = {}

    def record(self, name: str, client: str, result: str, size: int, seconds: float = 0.0) -> None:
        """The end of a transfer that lasted so long, or a refusal.

        Firmware asks for the size first, and then aborts, which is left out; or just asks anew, by another
        port. Of that one the last word was its request: it must not hide what has ended since.
        """
        if result.startswith("aborted") and not size:
            return
        is_unanswered = result.startswith("lost") and not size
        time = self._site.clock() - (seconds if is_unanswered else 0.0)
        with self._lock:
            before = self._pending.get(client)
            if (before is None and len(self._pending) >= MAX_PENDING) or (before and before.time > time):
                return
            self._pending[client] = Transfer(
                address=client,
                time=time,
                count=before.count + 1 if before else 1,
                name=clean(name, 100),
                result=clean(result),
                bytes=size,
            )

    def write(self) -> None:
        """Write what has gathered; the database is not asked where nothing has."""
        with self._lock:
            rows, self._pending = list(self._pending.values()), {}
        if rows:
            self._site.database.transfers.put(rows, MAX_ADDRESSES)
