"""The bundle that every ask and tell is given; it decides nothing."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from provisioner.neighbours import find
from provisioner.settings import Settings
from provisioner.store import Store
from provisioner.templates import Templates


@dataclass(frozen=True)
class Site:
    """One deployment LAN: its settings, its memory, its templates, its clock (seconds since 1970).

    `neighbour` says which MAC has an address, and on which interface; both are empty for nobody.
    """

    settings: Settings
    store: Store
    templates: Templates = field(default_factory=Templates)
    clock: Callable[[], float] = time.time
    neighbour: Callable[[str], tuple[str, str]] = find
