"""Hosts for which nothing is ordered, and that boot from the network again and again."""

import threading
from collections import deque

from provisioner.domain.script_reads import MOST_BOOTS, SAME_BOOT

WINDOW = (
    3600.0  # seconds: a host whose firmware tries the network first asks once for each time it is started
)
MOST = 4096  # hosts that are remembered; the one that asked longest ago goes first


class BootLoops:
    """When each MAC began its last boots. Shared by a process's threads, and forgotten by a restart."""

    def __init__(self) -> None:
        self._boots: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def is_loop(self, mac: str, now: float) -> bool:
        """Count a request; whether it begins one boot too many in a WINDOW. `now` in seconds."""
        with self._lock:
            boots = self._boots.pop(mac, deque(maxlen=MOST_BOOTS + 1))
            self._boots[mac] = boots
            if len(self._boots) > MOST:
                del self._boots[next(iter(self._boots))]
            if boots and 0 <= now - boots[-1] < SAME_BOOT:
                return False
            boots.append(now)
            return len(boots) > MOST_BOOTS and 0 <= now - boots[0] < WINDOW
