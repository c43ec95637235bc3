"""What tests of the pages about hosts share: a browser of each role, and a site with hosts in each state."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import unescape

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from provisioner.domain.host import Host
from provisioner.domain.person import Role
from provisioner.site.site import Site
from provisioner.state.notify import Listener
from provisioner.state.users import UserRow
from provisioner.web.application import create_app
from provisioner.web.session import COOKIE
from tests.access import token_of

NASTY = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)")


class Browser:
    """Somebody of a role before a browser: he sends the cookie, and says that our own page asks."""

    def __init__(self, site: Site, client: FlaskClient, role: Role) -> None:
        self._client = client
        client.set_cookie(COOKIE, token_of(site, role, user=f"a-{role}"), secure=False)

    def get(self, path: str, **query: str) -> TestResponse:
        return self._client.get(path, query_string=query or None)

    def see(self, path: str) -> str:
        """The page's text, which must be there."""
        reply = self.get(path)
        assert reply.status_code == 200, (path, reply.status_code, reply.text[-600:])
        return reply.text

    def see_anew(self, path: str) -> str:
        """Likewise, as things are now: a page may be a second old that something beside pages has changed."""
        self._client.application.extensions["live_parts"].forget()
        return self.see(path)

    def post(self, path: str, **fields: object) -> TestResponse:
        return self._client.post(path, data=fields, headers={"Sec-Fetch-Site": "same-origin"})

    def write_down(self) -> None:
        """What was refused so far is in the audit, without the wait for more of it."""
        self._client.application.config["REFUSALS"].write()

    def log_out(self) -> None:
        """The browser has no cookie any more."""
        self._client.delete_cookie(COOKIE)


As = Callable[[Role], Browser]


@contextmanager
def browsers(site: Site) -> Iterator[As]:
    """A browser for each role, all of them before the same application."""
    add_people(site)
    with Listener(site.settings.state, "api") as listener:
        app = create_app(site, listener, "api")
        yield lambda role: Browser(site, app.test_client(), role)


def add_people(site: Site) -> None:
    """One user of each role, `a-` and its name."""
    with site.database.writing():
        for role in Role:
            site.database.users.put(UserRow(name=f"a-{role}", role=role))


def field(page: str, name: str) -> str:
    """The value of the page's first input of this name."""
    tag = page.split(f'name="{name}"', 1)[1].split(">", 1)[0]
    return unescape(tag.split('value="', 1)[1].split('"', 1)[0])


def change(site: Site, name: str, **values: object) -> Host:
    """Somebody else changes it, beside all pages."""
    host = site.database.hosts.get(name).model_copy(update=values)
    site.database.put_inventory([host], [], site.settings.hosts_range)
    return host


def words(page: str) -> str:
    """What a person reads of it."""
    text = page.split('<main id="content">')[1].split("</main>", maxsplit=1)[0]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())
