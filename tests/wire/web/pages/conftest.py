"""A site with something of everything, served by TLS, and one browser for each module's tests."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser

from provisioner.domain.deployment import Deployment
from provisioner.site.site import Site
from provisioner.state import alive
from tests import pagelab
from tests.wire.web.pages import browserlab, every_page


@dataclass(frozen=True)
class Served:
    """A site, the newest deployment of each of its hosts, and where its pages are."""

    site: Site
    rows: list[Deployment]
    url: str


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for each module: Playwright holds its thread's event loop as long as it is open."""
    with browserlab.started() as made:
        yield made


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    site = pagelab.made_site(tmp_path_factory.mktemp("site") / "s")
    alive.mark_alive(site.settings.state, time.time())
    rows = every_page.fill(site)
    with pagelab.served(site) as url:
        yield Served(site, rows, url)
    site.database.close()
