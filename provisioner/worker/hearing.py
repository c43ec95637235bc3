"""Whether machines can be heard at all: silence counts only while they can."""

import http.client
import logging
import threading

from provisioner.domain.deployment import MOST_ATTEMPTS, Deployment
from provisioner.domain.events.agent import AgentSilent
from provisioner.domain.events.clock import DeadlinePassed
from provisioner.domain.events.payload import Payload
from provisioner.domain.lifecycle import INSTALLER_SILENCE, ROWS
from provisioner.domain.progress import FLUSH_LEAST
from provisioner.domain.stage import Stage
from provisioner.site.hearing import PATH
from provisioner.site.site import Site

log = logging.getLogger(__name__)
INTERVAL, PATIENCE = 2.0, 3.0  # seconds between two looks, and for one answer


class Hearing:
    """Asks the web service as machines do, again and again: at its address, over TCP, for an answer.

    `since`: from when on it answers without a break, by the service's clock; 0 where no break was seen.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._is_deaf = False
        self.since = 0.0

    def start(self) -> None:
        """Look from now on, in a thread of its own that ends with the process."""
        threading.Thread(target=self._work, name="hearing", daemon=True).start()

    def _work(self) -> None:
        pause = threading.Event()
        while True:
            self.look()
            pause.wait(INTERVAL)

    def look(self) -> None:
        """Ask once, and remember when there was no answer."""
        settings = self._site.settings
        reason = _ask(str(settings.address.ip), settings.http_port)
        if reason:
            self.since = self._site.clock()
        if bool(reason) != self._is_deaf:
            self._is_deaf = bool(reason)
            said = f"does not answer ({reason}): no silence is counted" if reason else "answers again"
            log.warning("our own web service %s", said)


def _ask(address: str, port: int) -> str:
    """Why there was no answer; empty where there was one, whatever it says."""
    connection = http.client.HTTPConnection(address, port, timeout=PATIENCE)
    try:
        connection.request("GET", PATH)
        connection.getresponse().read()
    except (OSError, http.client.HTTPException) as fault:
        return str(fault) or type(fault).__name__
    finally:
        connection.close()
    return ""


def silence_limit(row: Deployment) -> float:
    """Seconds without a word after which who writes the disk counts as lost, its disk's flush aside."""
    if row.is_installed:
        return INSTALLER_SILENCE
    return ROWS[Stage.WRITING].silence + max(0.0, row.progress.flush_seconds - FLUSH_LEAST)


def fell_silent(row: Deployment, unheard: float) -> Payload:
    """Who writes the disk fell silent: power it again, unless that was tried often enough."""
    seconds, who = round(unheard), "installer" if row.is_installed else "agent"
    if row.attempt < MOST_ATTEMPTS:
        return AgentSilent(seconds=seconds, who=who)
    sentence = f"the {who} fell silent in each of {row.attempt} attempts, the last time for {seconds} s"
    return DeadlinePassed(code=341, sentence=sentence, hint="look at the host's power and cable")
