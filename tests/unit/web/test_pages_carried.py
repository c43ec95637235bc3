"""What a form carries comes back as it was, whatever letters it has."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from provisioner.domain.person import Role
from provisioner.site.site import Site
from provisioner.system.text import escape_lines
from provisioner.web import pages
from provisioner.web.pages.rendering import VALUE, carried
from tests import pagelab
from tests.unit.web.hosts_lab import Browser, browsers, change, field

TEMPLATES = sorted((Path(pages.__file__).parent / "templates").glob("*.html"))
NAME, OTHER = "vc-0013", "vc-0014"
RACK = "B3\u00a0U\u200b12"  # with a blank that does not break, and one that nobody sees


@pytest.fixture
def operator(site: Site) -> Iterator[Browser]:
    pagelab.fill(site)
    with browsers(site) as found:
        yield found(Role.OPERATOR)


def test_an_edit_leaves_what_nobody_has_changed(site: Site, operator: Browser) -> None:
    change(site, NAME, rack=RACK)
    page = operator.see(f"/hosts/{NAME}/edit")
    sent = {key: field(page, key) for key in ("shown", "rack", "uuid")}
    macs = "\n".join(site.database.hosts.get(NAME).macs)
    more = {"serial": "S-9", "profile": "cube", "macs": macs, "bmc.driver": "manual"}
    assert operator.post(f"/hosts/{NAME}/edit", **sent, **more).status_code == 303
    host = site.database.hosts.get(NAME)
    assert (host.rack, host.serial) == (RACK, "S-9")


def test_a_machine_is_moved_whatever_its_rack_is_called(site: Site, operator: Browser) -> None:
    for name in (NAME, OTHER):
        change(site, name, rack=RACK)
    page = operator.see(f"/hosts/{NAME}/move?to={OTHER}").split('class="confirm"')[1]
    sent = {key: field(page, key) for key in ("to", "source", "target")}
    assert operator.post(f"/hosts/{NAME}/move", confirmation=OTHER, **sent).status_code == 303
    assert site.database.hosts.get(OTHER).rack == RACK


def test_a_rack_is_filtered_by_whatever_it_is_called(site: Site, operator: Browser) -> None:
    change(site, NAME, rack=RACK)
    page = operator.see("/hosts")
    assert f'<option value="{RACK}"' in unescape(page) and RACK not in page
    assert f"/hosts/{NAME}" in operator.get("/hosts", rack=RACK).text


@pytest.mark.parametrize("text", ["\u202eabc", "e\u0301\u0301\u0301", "a\tb\nc", '"><b>', "a&amp;b", "\xa0"])
def test_whatever_is_carried_moves_nothing_in_the_page(text: str) -> None:
    assert unescape(carried(text)) == text
    assert escape_lines(carried(text)) == carried(text)


def test_what_commands_a_terminal_is_a_reference_in_the_page() -> None:
    assert carried("a\x1b[2J\x7f") == "a&#27;[2J&#127;"
    assert carried("a\x9b2J\ud800") == r"a\x9b2J\ud800"  # HTML has no reference for these


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_what_any_form_sends_is_not_rewritten(path: Path) -> None:
    text = path.read_text()
    for found in re.finditer(r'\bvalue="[^"]*\{\{.*?"(?=[ />{])', text):
        assert VALUE.fullmatch(found[0]), f"{found[0]}: the whole attribute has to be one expression"
    for inside in re.findall(r"<textarea[^>]*>(.*?)</textarea>", text, re.DOTALL):
        assert not inside or inside.endswith("| e }}"), inside
