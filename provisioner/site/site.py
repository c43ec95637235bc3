"""The bundle that every ask and tell is given; it decides nothing."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from provisioner.errors import SettingsError
from provisioner.settings import Settings, successor
from provisioner.site.templates import Templates
from provisioner.state.database import Database
from provisioner.system.neighbours import find
from provisioner.system.sealed_box import Opener

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Site:
    """One deployment LAN: its settings, its memory, its templates, its clocks (seconds since 1970).

    `clock` is what everything is compared with: steady, one for all processes. `real_time` is what this
    machine believes, for machines that ask us; somebody may set it at any moment.

    `neighbour` says which MAC has an address, and on which interface; both are empty for nobody.
    `load` reads the settings anew, where they come from a file; `adopt` is called after that, by whoever has
    kept something of the old ones. It runs in a signal handler: it may only leave a note for its loop.

    `opener` has the private keys of the site's secrets, in the worker's process alone.
    """

    settings: Settings
    database: Database
    templates: Templates = field(default_factory=Templates)
    clock: Callable[[], float] = time.time
    real_time: Callable[[], float] = time.time
    neighbour: Callable[[str], tuple[str, str]] = find
    load: Callable[[], Settings] | None = None
    adopt: Callable[[], None] = lambda: None
    opener: Opener | None = field(default=None, repr=False)

    def reload(self, *, is_told: bool = True) -> None:
        """Read the settings again; what cannot be used leaves the old ones as they are.

        It is not logged where another process of the same service tells it.
        """
        if not self.load:
            return
        try:
            self.settings, unchanged = successor(self.settings, self.load())
        except SettingsError as fault:
            if is_told:
                log.warning("the settings stay as they are: %s", fault)
            return
        self.adopt()
        if is_told:
            also = f"; {', '.join(unchanged)} at the next start" if unchanged else ""
            log.info("the settings were read again%s", also)
