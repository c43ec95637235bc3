"""People's application as a browser asks it: pages, and the forms of pages, for tests."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from provisioner.domain.person import Role
from provisioner.site.site import Site
from provisioner.state.notify import Listener
from provisioner.state.users import UserRow
from provisioner.web.application import create_app
from provisioner.web.session import COOKIE
from tests.access import token_of

BASE = "https://10.77.0.1"
Form = Mapping[str, str | Sequence[str]]
Ask = Callable[..., TestResponse]


@contextmanager
def browser(site: Site) -> Iterator[FlaskClient]:
    """The application's client; there is a user `a-ROLE` of each role."""
    with site.database.writing():
        for role in Role:
            site.database.users.put(UserRow(name=f"a-{role}", role=role))
    with Listener(site.settings.state, "api") as listener:
        yield create_app(site, listener, "api").test_client(use_cookies=False)


def asking(client: FlaskClient) -> Ask:
    """A GET, or with a form a POST as the page's own button sends it, by somebody of a role."""
    site: Site = client.application.config["SITE"]

    def ask(path: str, role: Role = Role.VIEWER, form: Form | None = None, **headers: str) -> TestResponse:
        sent = {"Cookie": f"{COOKIE}={token_of(site, user=f'a-{role}')}"}
        if form is None:
            return client.get(path, base_url=BASE, headers={**sent, **headers})
        sent["Sec-Fetch-Site"] = "same-origin"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return client.post(path, base_url=BASE, headers=sent, data=form)

    return ask


def content(reply: TestResponse) -> str:
    """The page without what all pages have."""
    return reply.get_data(as_text=True).partition("<main")[2].partition("</main>")[0]


def words(reply: TestResponse) -> str:
    """What is read: without tags, blanks collapsed."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", content(reply)))
