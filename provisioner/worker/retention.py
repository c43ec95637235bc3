"""Forgets what need not be kept, a little at a time; an order and its verdict only where that is set."""

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from provisioner.site.site import Site

log = logging.getLogger(__name__)
DAY = 86400.0
EVERY = 3600.0  # seconds between two looks, and before the first: by then a wrong clock has been set
STEP = 60.0  # seconds by which a clock may be set, or two may differ, without being mistrusted for EVERY more
AT_ONCE = 200  # rows of one transaction, files of one step: nobody waits for more
FOLDERS = ("logs", "runs")  # of the state folder; what lies there is called `DEPLOYMENT.…`


class Retention:
    """One small part of the work for each `step`, once there is any; all of it about once an hour.

    `clock` is monotonic, in seconds; `real_time` is what files are dated by. A clock that was just set,
    perhaps by years, or that differs from the other, ages nothing.
    """

    def __init__(
        self,
        site: Site,
        clock: Callable[[], float] = time.monotonic,
        real_time: Callable[[], float] = time.time,
    ) -> None:
        self._site, self._clock, self._real_time = site, clock, real_time
        self._offset = site.clock() - clock()
        self._next = clock() + EVERY

    def step(self) -> None:
        """Forget some, if it is time; more follows at the next step where there is more."""
        offset = self._site.clock() - self._clock()
        differ = abs(self._site.clock() - self._real_time()) > STEP
        if differ or abs(offset - self._offset) > STEP:
            self._offset, self._next = offset, self._clock() + EVERY
        if self._clock() < self._next:
            return
        if not self._forget():
            self._next = self._clock() + EVERY

    def _forget(self) -> bool:
        """Whether there may be more."""
        kept, now, database = self._site.settings.retention, self._site.clock(), self._site.database
        events = database.events.prune(now - kept.events_days * DAY, AT_ONCE)
        requests = database.requests.prune(now - kept.logs_days * DAY, AT_ONCE)
        verifications = database.verifications.prune(now - kept.logs_days * DAY, AT_ONCE)
        files = self._remove_files(self._real_time() - kept.logs_days * DAY)
        database.secrets.remove_orphaned_ssh_keys()
        orders = 0
        if kept.deployments_days:
            orders = database.deployments.prune(now - kept.deployments_days * DAY, AT_ONCE)
        if events or requests or verifications or files or orders:
            log.info(
                "forgot %d events, %d BMC requests, %d verifications, %d logs, %d deployments: they were old",
                *(events, requests, verifications, files, orders),
            )
        return AT_ONCE in (events, requests, verifications, files, orders)

    def _remove_files(self, before: float) -> int:
        """Remove what deployments that ended before then have left; how many files and folders."""
        old = list(islice(self._old_files(before), AT_ONCE))
        ended = self._site.database.deployments.ended_before(before, sorted({_owner(path) for path in old}))
        in_use = {row.folder for row in self._site.database.verifications.open()}  # a soak takes days
        gone = [path for path in old if _owner(path) in ended and path.name not in in_use]
        for path in gone:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        return len(gone)

    def _old_files(self, before: float) -> Iterator[Path]:
        for name in FOLDERS:
            folder = self._site.settings.state / name
            if folder.is_dir():
                yield from (path for path in sorted(folder.iterdir()) if path.lstat().st_mtime < before)


def _owner(path: Path) -> str:
    """The deployment that a file belongs to: `d-01JD8ABCDE.1.agent.log`."""
    return path.name.partition(".")[0]
