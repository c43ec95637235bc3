"""The bundle that every ask and tell is given; it decides nothing."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from provisioner.settings import Settings
from provisioner.store import Store
from provisioner.templates import Templates


@dataclass(frozen=True)
class Site:
    """One deployment LAN: its settings, its memory, its templates, its clock (seconds since 1970)."""

    settings: Settings
    store: Store
    templates: Templates = field(default_factory=Templates)
    clock: Callable[[], float] = time.time
