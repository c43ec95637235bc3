"""Logins of BMCs, as tests give them to a site."""

import time
from pathlib import Path

from provisioner import settings as settings_module
from provisioner.deployment import logins
from provisioner.domain.audit import Origin
from provisioner.site.site import Site
from provisioner.state import vault
from provisioner.state.database import Database
from provisioner.state.folder import prepare_folder

ORIGIN = Origin(by="tests", door="socket")


def put_login(site: Site, name: str, user: str, password: str) -> None:
    logins.put(site, name, user, password, ORIGIN)


def site_with_keys(state: Path) -> Site:
    """A site on a new state folder, as the service prepares it at its first start."""
    plain = {"state": state, "interface": "lan0", "address": "10.77.0.1/24"}
    settings = settings_module.check(plain, source="test")
    prepare_folder(state)
    database = Database(state)
    database.migrate()
    return Site(settings, database, opener=vault.prepare(settings, database, time.time()))
