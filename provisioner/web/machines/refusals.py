"""Evidence of who asked for what was not his: gathered for two seconds, and then written down.

It is in the log of the host that it is about, and in the audit: of machines' requests the event is also the
audit's line (domain/audit_events.py); of people's there is a line with their name, whether a host is meant
or not (`note_access`).

A flood of forged requests costs a transaction a second, and of one kind a deployment keeps no more than
`state/events.py` says. What is gathered when the process ends is lost.
"""

import logging
import math
import threading
import time
from dataclasses import dataclass, replace

from flask import current_app

from provisioner.deployment.access import AccessEntry, audited, log_access
from provisioner.domain.audit import Entry
from provisioner.domain.event import Event
from provisioner.domain.events.request import RequestRefused
from provisioner.domain.stage import UNDER_WAY
from provisioner.domain.values import parse_mac
from provisioner.errors import ProvisionError
from provisioner.site import lan
from provisioner.site.site import Site
from provisioner.state import audit
from provisioner.system.text import clean
from provisioner.web.request import client_address, the_site

log = logging.getLogger(__name__)
PAUSE = 2.0  # seconds for which the same is gathered
LOOK = 1.0  # seconds between two looks for what is due
MOST = 64  # refusals of different kinds that are gathered; what comes beyond is counted as one
LONGEST = 200  # characters of a machine's words
OTHERS = "more than can be told apart"


@dataclass(frozen=True)
class _Key:
    """Of which host, of which deployment (none is under way where it is empty), and what."""

    host: str
    deployment: str
    event: RequestRefused


@dataclass
class _Gathered:
    first: float
    due: float  # by the monotonic clock
    count: int = 0


class Refusals:
    """What was refused since the last writing. Shared by a process's threads."""

    def __init__(self, site: Site, source: str = "guard") -> None:
        """`source` is that of its events."""
        self._site, self._source = site, source
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._gathered: dict[_Key | Entry, _Gathered] = {}
        self._timer: threading.Timer | None = None

    def add(self, host: str, event: RequestRefused) -> None:
        """Gather one, to be written soon after PAUSE seconds.

        Evidence is never a condition: what cannot be looked up or written down is in the service's log.
        """
        try:
            row = self._site.database.deployments.last_readable_order(host)
        except ProvisionError as fault:
            log.warning("a refusal could not be written down: %s", fault)
            return
        key = _Key(host, row.id if row and row.stage in UNDER_WAY else "", event)
        beyond = replace(key, event=RequestRefused(what="many requests", sentence=OTHERS))
        self._gather(key, beyond)

    def add_line(self, entry: Entry) -> None:
        """Gather a line of the audit, which is for its kinds that are counted."""
        untimed = entry.model_copy(update={"time": 0.0})
        self._gather(untimed, Entry(kind=entry.kind, time=0, sentence=OTHERS, result=entry.result))

    def _gather(self, key: _Key | Entry, beyond: _Key | Entry) -> None:
        with self._lock:
            if key not in self._gathered and len(self._gathered) >= MOST:
                key = beyond
            due = time.monotonic() + PAUSE
            self._gathered.setdefault(key, _Gathered(self._site.clock(), due)).count += 1
            if self._timer is None:
                self._start_timer()

    def _start_timer(self) -> None:
        self._timer = threading.Timer(LOOK, self._write_due)
        self._timer.daemon = True
        self._timer.start()

    def _write_due(self) -> None:
        try:
            self.write(time.monotonic())
        finally:
            self._site.database.close()  # of this thread
            with self._lock:
                self._timer = None
                if self._gathered:
                    self._start_timer()

    def write(self, due: float = math.inf) -> None:
        """Write down what is due by then, in seconds of the monotonic clock; without it, all."""
        with self._writing:
            with self._lock:
                gathered = {key: found for key, found in self._gathered.items() if found.due <= due}
                self._gathered = {key: found for key, found in self._gathered.items() if found.due > due}
            try:
                if gathered:
                    self._put(gathered)
            except ProvisionError as fault:
                log.warning("%d refusals could not be written down: %s", len(gathered), fault)

    def _put(self, gathered: dict[_Key | Entry, _Gathered]) -> None:
        database, now = self._site.database, self._site.clock()
        with database.writing():
            for key, found in gathered.items():
                if isinstance(key, Entry):
                    line = key.model_copy(update={"time": found.first})
                    audit.record(database, line, count=found.count)
                    continue
                data = key.event.model_copy(update={"first": found.first, "count": found.count})
                if key.deployment:
                    row = database.deployments.get(key.deployment)
                    event = Event.of(row, data, source=self._source, now=now)
                else:
                    event = Event.of_host(key.host, data, source=self._source, now=now)
                database.events.add(event, repeatable=True)


def note_refused(
    host: str, what: str, sentence: str, *, mac: str = "", serial: str = "", uuid: str = ""
) -> None:
    """The current request asked for `what` of a host and got nothing; the sentence says why."""
    words = {"what": what, "mac": mac, "serial": serial, "uuid": uuid, "sentence": sentence}
    kept = {name: clean(text, LONGEST) for name, text in words.items()}
    refusals().add(host, RequestRefused(address=client_address(), **kept))


def note_access(entry: AccessEntry) -> None:
    """Somebody was refused where people come in: in the service's log now, in the audit soon."""
    log_access(entry)
    refusals().add_line(audited(the_site(), entry))


def refusals() -> Refusals:
    """What the application that handles the current request has refused."""
    found: Refusals = current_app.config["REFUSALS"]
    return found


def note_refused_here(what: str, sentence: str) -> None:
    """Likewise, where it does not say which host: by the address that it comes from, if that is a host's."""
    try:
        host = lan.host_at(the_site(), client_address())
    except ProvisionError:  # evidence never changes an answer
        return
    if host:
        note_refused(host, what, sentence)


def note_refused_card(mac: str, what: str, sentence: str, *, serial: str = "", uuid: str = "") -> None:
    """Likewise, by a MAC that it names, if that is a host's."""
    try:
        host = the_site().database.hosts.by_mac(parse_mac(mac))
    except ProvisionError:
        return
    if host:
        note_refused(host.name, what, sentence, mac=mac, serial=serial, uuid=uuid)
