"""The pages of codes: what each means, and which hosts have it."""

import re
from collections.abc import Iterator
from html import unescape

import pytest
from flask.testing import FlaskClient

from provisioner.deployment.order import arm
from provisioner.domain.stage import Stage
from provisioner.explanations.codes import CODES
from provisioner.site.site import Site
from tests.browser import Ask, asking, browser, content, words


@pytest.fixture
def client(site: Site) -> Iterator[FlaskClient]:
    with browser(site) as made:
        yield made


@pytest.fixture
def ask(client: FlaskClient) -> Ask:
    return asking(client)


def fail(site: Site, code: int) -> None:
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    ended = row.changed(stage=Stage.FAILED, code=code, reason="it was so")
    with site.database.writing():
        site.database.deployments.put(ended)


def bare(text: str) -> str:
    """Without what says no more than how it is written: a command is told by its look."""
    return re.sub(r"[:.\s]", "", text).casefold()


def test_each_code_has_its_page(ask: Ask) -> None:
    for number, (meaning, remedy) in CODES.items():
        reply = ask(f"/explain/PV-{number}")
        said = bare(unescape(re.sub("<button.*?</button>|<[^>]+>", "", reply.text)))
        assert reply.status_code == 200 and bare(meaning) in said and bare(remedy) in said
        assert f"<h1>PV-{number}: " in reply.text


def test_a_code_names_the_hosts_that_have_it_now(site: Site, ask: Ask) -> None:
    fail(site, 210)
    assert 'href="/hosts/vc-1"' in content(ask("/explain/PV-210"))
    assert 'href="/hosts/vc-1"' not in content(ask("/explain/PV-220"))
    assert "1 host now" in words(ask("/explain?q=210"))


@pytest.mark.parametrize("path", ["/explain/210", "/explain/pv-210", "/explain/PV210"])
def test_a_code_in_another_notation_leads_to_its_page(ask: Ask, path: str) -> None:
    assert ask(path).location == "/explain/PV-210"


@pytest.mark.parametrize("path", ["/explain/PV-999", "/explain/PV-٢١٠", "/explain/x", "/explain/PV-2100"])
def test_what_is_no_code_is_told_so(ask: Ask, path: str) -> None:
    reply = ask(path)
    assert reply.status_code == 404 and "there is no code" in words(reply)


def test_codes_are_found_by_their_words(ask: Ask) -> None:
    everything, few, none = (content(ask(f"/explain?q={text}")) for text in ("", "foreign+dhcp", "zzzz"))
    assert everything.count("<dt>") == len(CODES)
    assert "PV-675" in content(ask("/explain?q=another+dhcp+server"))
    assert few.count("<dt>") < 5 and "No code matches" in none
