"""Tells receivers elsewhere of events. The queue is the log itself: of each receiver only its place is kept.

So nothing is lost with a process, and a receiver that is dead costs nothing but its own thread.
"""

import http.client
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from provisioner.domain import webhook as messages
from provisioner.domain.event import Event
from provisioner.domain.events.service import WebhookGivenUp
from provisioner.errors import ProvisionError, SettingsError
from provisioner.setting_sections import Webhook
from provisioner.site.site import Site
from provisioner.state.counters import MetricsRegistry
from provisioner.system.text import clean
from provisioner.system.units import counted, duration
from provisioner.worker.posting import post

log = logging.getLogger(__name__)
AT_ONCE = 200  # events that are read at one time
LONGEST_PAUSE = 600.0  # seconds between two tries; they begin at 1 and double
MOST_REFUSALS = 5  # of one event, until the next one is told
MOST_AGE = 72 * 3600.0  # seconds after which an event is old news
MOST_BEHIND = 100_000  # events of the log that a receiver may be behind
AGAIN = frozenset({408, 425, 429})  # of the 4xx those that say: later
Post = Callable[..., int]


class Webhooks:
    """`step` looks whether there is news; each receiver is told by a thread of its own."""

    def __init__(
        self, site: Site, pool: ThreadPoolExecutor, registry: MetricsRegistry | None = None, send: Post = post
    ) -> None:
        self._site, self._pool, self._send = site, pool, send
        self._registry = registry or MetricsRegistry("worker")
        self._receivers: dict[str, Receiver] = {}
        self._at_work: dict[str, Future[None]] = {}

    def step(self) -> None:
        """Begin to tell whoever is not being told already, and has not failed just now."""
        wanted = self._site.settings.webhooks
        if not wanted:
            return
        newest = self._site.database.events.newest()
        for webhook in wanted:
            receiver = self._receivers.setdefault(
                webhook.name, Receiver(self._site, self._send, registry=self._registry)
            )
            work = self._at_work.get(webhook.name)
            if (work is None or work.done()) and receiver.is_due(newest):
                self._at_work[webhook.name] = self._pool.submit(receiver.tell, webhook)


class Receiver:
    """One of them: how far it is, and when it is tried again. What is lost with the process is asked anew."""

    def __init__(
        self,
        site: Site,
        send: Post = post,
        clock: Callable[[], float] = time.monotonic,
        registry: MetricsRegistry | None = None,
    ) -> None:
        self._site, self._send, self._clock = site, send, clock
        self._registry = registry or MetricsRegistry("worker")
        self._until = -1  # the id up to which was looked
        self._next = 0.0
        self._failures = self._refusals = 0
        self._complaint = ""

    def is_due(self, newest: int) -> bool:
        """Whether there may be something to tell, and it is time."""
        return newest > self._until and self._clock() >= self._next

    @property
    def pause(self) -> float:
        """Seconds until the next try."""
        return max(0.0, self._next - self._clock())

    def tell(self, webhook: Webhook) -> None:
        """All that it does not know yet, oldest first, until it fails."""
        try:
            self._tell(webhook)
        except ProvisionError as fault:
            self._failed(webhook, f"{fault} (PV-{fault.code})")
        except Exception:
            log.exception("webhook %s met an error of its own", webhook.name)
            self._failed(webhook, "an error of its own")

    def _tell(self, webhook: Webhook) -> None:
        database = self._site.database
        if self._until < 0:
            self._until = self._begin(webhook)
        while events := database.events.after(self._until, AT_ONCE):
            newest, old = database.events.newest(), list[Event]()
            for event in events:
                if not messages.is_wanted(event.kind, webhook.stages, webhook.kinds):
                    pass
                elif self._is_old(event, newest):
                    old.append(event)
                else:
                    self._note_old(webhook, old)
                    old = []
                    if not self._deliver(webhook, event):
                        return
                self._until = event.id
            self._note_old(webhook, old)
        self._next = 0.0

    def _begin(self, webhook: Webhook) -> int:
        """Where it was; a new one is told what happens from now on."""
        values = self._site.database.values
        if (known := values.told_until(webhook.name)) is not None:
            return known
        newest = self._site.database.events.newest()
        with self._site.database.writing():
            values.put_told_until(webhook.name, newest)
        log.info("webhook %s is told of what happens from now on", webhook.name)
        return newest

    def _is_old(self, event: Event, newest: int) -> bool:
        return event.time < self._site.clock() - MOST_AGE or event.id <= newest - MOST_BEHIND

    def _deliver(self, webhook: Webhook, event: Event) -> bool:
        """Whether it was taken or given up, so that the next one may come."""
        status, why = self._try(webhook, event)
        if 200 <= status < 300:
            with self._site.database.writing():
                self._site.database.values.put_told_until(webhook.name, event.id)
            self._failures = self._refusals = 0
            self._say(webhook, "")
            self._count(webhook, "taken")
            return True
        if 300 <= status < 500 and status not in AGAIN:
            self._refusals += 1
            if self._refusals >= MOST_REFUSALS:
                self._give_up(webhook, [event], f"it refuses {event.kind} of event {event.id}: {why}")
                self._refusals = self._failures = 0
                return True
        self._failed(webhook, why)
        return False

    def _try(self, webhook: Webhook, event: Event) -> tuple[int, str]:
        """The status of its answer, 0 for none; and in words what was wrong."""
        body = messages.body_of(event)
        now = self._site.real_time()
        headers = messages.headers(event, body, _secrets(webhook), now)
        try:
            status = self._send(webhook.url, headers, body, webhook.ca_file)
        except (OSError, ValueError, http.client.HTTPException) as fault:
            return 0, clean(str(fault) or type(fault).__name__)
        return status, f"it answers {status}"

    def _count(self, webhook: Webhook, result: str, number: int = 1) -> None:
        names = {"webhook": webhook.name, "result": result}
        self._registry.scalar("provision_webhook_tries_total", **names).inc(number)

    def _failed(self, webhook: Webhook, why: str) -> None:
        self._count(webhook, "failed")
        pause = min(LONGEST_PAUSE, 2.0 ** min(self._failures, 16))
        self._failures += 1
        self._next = self._clock() + pause
        self._say(webhook, why)

    def _say(self, webhook: Webhook, complaint: str) -> None:
        """Each kind of trouble once, and its end."""
        if complaint == self._complaint:
            return
        self._complaint = complaint
        if complaint:
            log.warning("webhook %s cannot be told and is tried again: %s", webhook.name, complaint)
        else:
            log.info("webhook %s is told again", webhook.name)

    def _note_old(self, webhook: Webhook, old: list[Event]) -> None:
        if old:
            said = f"{counted(len(old), 'event')} of more than {duration(MOST_AGE)} ago, or too many to keep"
            self._give_up(webhook, old, said)

    def _give_up(self, webhook: Webhook, events: list[Event], sentence: str) -> None:
        """Said in the log of events, in the transaction that goes past them."""
        last, site = events[-1].id, self._site
        data = WebhookGivenUp(service=webhook.name, number=len(events), last=last, sentence=sentence)
        event = Event.of_network(data, source="worker", now=site.clock())
        with site.database.writing():
            site.database.values.put_told_until(webhook.name, last)
            site.database.events.add(event, repeatable=True)
        self._count(webhook, "given up", len(events))
        log.warning("%s", data.describe())


def _secrets(webhook: Webhook) -> list[bytes]:
    """Read at each try, so that one can be replaced while the service runs. Raises SettingsError (PV-610)."""
    path = webhook.secret_file
    try:
        return messages.read_secrets(path.read_text(), str(path))
    except (OSError, UnicodeDecodeError) as fault:
        raise SettingsError(
            f"{path} cannot be read: {getattr(fault, 'strerror', '') or 'it is no text'}",
            hint="the service's user has to be able to read it, and nobody else",
        ) from fault
