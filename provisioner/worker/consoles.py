"""Keeps the serial console of every host recorded while it is deployed; evidence, never a condition."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from provisioner import run
from provisioner.deployment.record import try_record
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.power import ConsoleLost
from provisioner.domain.stage import ACTIVE
from provisioner.errors import NotNowError, PowerError, ProvisionError, UnreadableError
from provisioner.power import console, registry
from provisioner.site.site import Site
from provisioner.state import notify
from provisioner.state.recording import Recording
from provisioner.worker import power

log = logging.getLogger(__name__)
POWER_ON_WAIT = 25.0  # seconds that the power-on waits for the console, so that its first words are heard
SHORTEST, LONGEST = 1.0, 60.0  # seconds between two tries; doubled each time
GRACE = 6.0  # seconds for a recorder to end by itself
REFUSED = 202  # a login that a BMC refuses is not tried again: some lock the account


class Consoles:
    """A keeper for each deployment that is under way and whose host has a console."""

    def __init__(self, site: Site, ring: Callable[[], None]) -> None:
        """`ring` is called, from any thread, when something has changed for the power-on that waits."""
        self._site, self._ring = site, ring
        self._keepers: dict[str, Keeper] = {}

    def look(self, rows: list[Deployment]) -> None:
        """Begin what is under way, end what is not any more."""
        active = {row.id: row for row in rows if row.stage in ACTIVE}
        for ident, row in active.items():
            if ident not in self._keepers and self._has_console(row):
                self._keepers[ident] = Keeper(self._site, row, self._ring)
        for ident in [ident for ident in self._keepers if ident not in active]:
            self._keepers.pop(ident).stop()

    def _has_console(self, row: Deployment) -> bool:
        try:
            return registry.console_driver(self._site.database.hosts.get(row.host).bmc) is not None
        except UnreadableError:  # the others' consoles are recorded all the same
            return False

    def is_settled(self, row: Deployment) -> bool:
        """Whether the machine may be powered on: its console is recorded, or cannot be for now."""
        keeper = self._keepers.get(row.id)
        return keeper is None or keeper.is_settled()


class Keeper:
    """One recorder, started again when it ends, until `stop`."""

    def __init__(self, site: Site, row: Deployment, ring: Callable[[], None]) -> None:
        self._site, self._row, self._ring = site, row, ring
        self._stopped = threading.Event()
        self._settled = threading.Event()
        self._began = time.monotonic()
        self._recording = Recording(site.settings.state, row.id)
        self._is_reported = any(mark.mark == "lost" for mark in self._recording.marks())
        self._recorder: run.Process | None = None
        self._lock = threading.Lock()
        # the kernel ends the recorder with the thread that has started it
        self._thread = threading.Thread(target=self._keep, name=f"console {row.host}", daemon=True)
        self._thread.start()

    def is_settled(self) -> bool:
        """Whether the first try has come to an end, or takes too long to wait for."""
        return self._settled.is_set() or time.monotonic() - self._began > POWER_ON_WAIT

    def stop(self) -> None:
        """Let the recorder take what is on its way, and end. Does not wait for it."""
        with self._lock:
            self._stopped.set()
            if self._recorder:
                _end(self._recorder)

    def _keep(self) -> None:
        pause = SHORTEST
        while not self._stopped.is_set():
            began = time.monotonic()
            fault = self._record()
            self._settle()
            if self._stopped.is_set():
                break
            self._report(fault)
            if fault.code == REFUSED:
                break
            if time.monotonic() - began > LONGEST:
                pause = SHORTEST  # it had worked
            self._stopped.wait(pause)
            pause = min(2 * pause, LONGEST)
        notify.notify(self._site.settings.state, console.LISTENER)  # who follows learns that it is over

    def _record(self) -> ProvisionError:
        """One recorder from its start to its end; why it ended."""
        try:
            recorder = self._start()
        except (ProvisionError, OSError) as broken:
            return broken if isinstance(broken, ProvisionError) else PowerError(str(broken), code=209)
        fault = None
        while recorder.stdout and (line := recorder.stdout.readline()):
            fault = console.error_in(line)
            if fault is None:
                self._settle()
        code = run.stop(recorder, grace=GRACE)  # it is ending already: its output is closed
        for pipe in (recorder.stdin, recorder.stdout):
            if pipe:
                pipe.close()
        return fault or PowerError(f"its recorder ended with code {code}", code=209)

    def _start(self) -> run.Process:
        host = self._site.database.hosts.get(self._row.host)
        bmc = power.settled_address(self._site, host)
        driver = registry.console_driver(host.bmc)
        if driver is None or driver.port is None:
            raise PowerError(f"{host.name} has no serial console any more", code=209)
        if driver.name != bmc.driver:
            bmc = replace(bmc, driver=driver.name, port=driver.port)
        request = console.RecorderRequest(bmc, self._site.settings.state, self._row.id)
        recorder = console.start(driver.recorder, request)
        with self._lock:
            self._recorder = recorder
            if self._stopped.is_set():
                _end(recorder)
        return recorder

    def _settle(self) -> None:
        if not self._settled.is_set():
            self._settled.set()
            self._ring()

    def _report(self, fault: ProvisionError) -> None:
        """Every break into the recording's journal, the first one also into the story, if there is room."""
        log.warning("%s: the console is not recorded: %s", self._row.host, fault)
        lost = ConsoleLost(code=fault.code, sentence=str(fault), hint=fault.hint)
        try:
            self._recording.mark("lost", fault)
            if not self._is_reported:
                try_record(self._site, self._row.id, lost, source="bmc")
                self._is_reported = True
        except (OSError, NotNowError) as unwritten:
            log.warning("%s: that could not be written down: %s", self._row.host, unwritten)


def _end(recorder: run.Process) -> None:
    """Ask it to end; one that does not listen is killed."""
    if recorder.stdin:
        recorder.stdin.close()
    late = threading.Timer(GRACE, recorder.kill)
    late.daemon = True
    late.start()
