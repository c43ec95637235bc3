"""The page of the network: what people see there, and how a stranger becomes a host."""

import re
from collections.abc import Iterator
from html import unescape

import pytest
from flask.testing import FlaskClient

from provisioner.discovery import network_feed
from provisioner.domain.event import Event
from provisioner.domain.events.netboot import DhcpServerSeen
from provisioner.domain.events.request import RequestRefused
from provisioner.domain.hardware import DiskInfo, HardwareFacts
from provisioner.domain.person import Role
from provisioner.domain.profile import Profile
from provisioner.site.site import Site
from provisioner.state.sightings import ClientPacket, NewSighting
from provisioner.state.surveys import SurveyRow
from provisioner.state.transfers import Transfer
from provisioner.state.values import RogueServer
from provisioner.system.text import escape
from tests.access import token_of
from tests.browser import BASE, Ask, Form, asking, browser, content, words
from tests.hostile_words import WORDS, faults
from tests.pagelab import fill
from tests.unit.conftest import MAC

STRANGER, OTHER = "ac:1f:6b:0a:42:12", "ac:1f:6b:0a:42:13"
HOSTILE = (
    *WORDS.values(),
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
)


@pytest.fixture
def client(site: Site) -> Iterator[FlaskClient]:
    with browser(site) as made:
        yield made


@pytest.fixture
def ask(client: FlaskClient) -> Ask:
    return asking(client)


def see(
    site: Site, mac: str, *, address: str = "", ago: float = 10, packet: ClientPacket | None = None
) -> None:
    told = packet or ClientPacket(mac, message="discover", arch=7, boots=True)
    site.database.sightings.put([NewSighting(mac, site.clock() - ago, 3, address, told)])


def survey(site: Site, mac: str, **values: object) -> None:
    facts = HardwareFacts.model_validate({"mac": mac, "macs": (mac,), **values})
    site.database.surveys.put(SurveyRow(mac, macs=(mac,), hardware=facts, reported=site.clock()))


def test_where_nobody_has_asked_it_is_said_what_to_look_at(ask: Ask) -> None:
    said = words(ask("/network"))
    assert "Nobody has asked yet" in said
    assert all(each in said for each in ("cable", "VLAN", "PXE", "provision net check"))


def test_what_machines_do_is_told_newest_first_with_whose_it_is(site: Site, ask: Ask) -> None:
    see(site, MAC, address="10.77.0.64", ago=60)
    see(site, STRANGER, address="10.77.0.130", ago=30, packet=ClientPacket(STRANGER, circuit="sw3/17"))
    site.database.transfers.put([Transfer("10.77.0.64", site.clock() - 5, 1, "snponly.efi", "done", 4096)], 9)
    refused = RequestRefused(what="its boot script", address="10.77.0.64", sentence="another serial")
    site.database.events.note(Event.of_host("vc-1", refused, source="guard", now=site.clock() - 45))
    text = ask("/network").get_data(as_text=True)
    feed = text[text.index('id="feed"') : text.index('id="addresses"')]
    places = [feed.index(each) for each in ("snponly.efi", "sw3/17", "another serial", "x64 UEFI firmware")]
    assert places == sorted(places)
    assert feed.count('href="/hosts/vc-1"') == 3  # its TFTP by its address, its refusal, its DHCP


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("q=AC1F.6B0A.4212", {STRANGER}),
        ("q=vc-1", {MAC}),
        ("q=sw3", {STRANGER}),
        ("protocol=tftp", set()),
        ("protocol=nonsense", {STRANGER, MAC}),
        ("q=nobody+at+all", set()),
    ],
)
def test_a_filter_in_the_url_narrows_what_is_shown(site: Site, ask: Ask, query: str, shown: set[str]) -> None:
    see(site, MAC)
    see(site, STRANGER, packet=ClientPacket(STRANGER, circuit="sw3/17"))
    text = ask(f"/network?{query}").get_data(as_text=True)
    feed = text[text.index('id="feed"') : text.index('id="addresses"')]
    assert {mac for mac in (STRANGER, MAC) if mac in feed} == shown
    assert ("No activity matches" in feed) is not shown


def test_another_dhcp_server_is_told_with_what_to_do(site: Site, ask: Ask) -> None:
    now = site.clock()
    server = RogueServer("10.77.0.9", "52:54:00:00:00:09", "lan0", "10.77.0.99", "pxelinux.0", now - 60, now)
    site.database.values.put_rogue_servers([server])
    site.database.values.put_deaf_interfaces(["lan1"])
    told = DhcpServerSeen(address=server.address, mac=server.mac)
    site.database.events.note(Event.of_network(told, source="dhcp", now=now))
    said = words(ask("/network"))
    for each in ("10.77.0.9", "52:54:00:00:00:09", "lan0", "10.77.0.99", "pxelinux.0", "Unplug it", "lan1"):
        assert each in said


def test_a_stranger_is_shown_with_all_that_is_known(site: Site, ask: Ask) -> None:
    see(site, STRANGER, packet=ClientPacket(STRANGER, arch=7, boots=True, circuit="sw3/17"), ago=3600)
    see(site, OTHER)
    survey(site, OTHER, serial="S-9", maker="Supermicro", disks=(DiskInfo(name="sda", size=480 * 10**9),))
    said = words(ask("/network"))
    for each in ("Super Micro", "sw3/17", "x64 UEFI", "Supermicro", "serial S-9", "480.0 GB"):
        assert each in said
    detail = words(ask(f"/network/machines/{OTHER}"))
    assert "S-9" in detail and "sda" in detail


def test_a_relay_of_no_network_is_told(site: Site, ask: Ask) -> None:
    see(site, STRANGER, packet=ClientPacket(STRANGER, relay="192.168.9.1"))
    see(site, OTHER, packet=ClientPacket(OTHER, relay="10.77.0.7"))
    said = words(ask("/network"))
    assert "The relay 192.168.9.1 belongs to no network" in said
    assert "relay 10.77.0.7" in said and "The relay 10.77.0.7" not in said


def test_whose_each_address_is_and_a_long_list_is_folded(site: Site, ask: Ask) -> None:
    fill(site, hosts=45)
    short, whole = (ask(path).get_data(as_text=True) for path in ("/network", "/network?addresses=all"))
    assert short.count('id="a-10-77') == 40 and whole.count('id="a-10-77') == 46
    assert "All 46 addresses" in short and "All 46 addresses" not in whole


@pytest.mark.parametrize("kind", ["dnsmasq", "kea", "isc", "chrony"])
def test_the_configuration_is_the_apis_own_text(site: Site, ask: Ask, client: FlaskClient, kind: str) -> None:
    shown = ask(f"/network/print/{kind}").get_data(as_text=True)
    headers = {"Authorization": f"Bearer {token_of(site)}"}
    told = client.get(f"/api/v1/net/print/{kind}", headers=headers, base_url=BASE).get_json()
    assert told["text"] in unescape(shown)
    assert f'/network/print/{kind}" aria-current="page"' in shown


@pytest.mark.parametrize(
    "path",
    ["/network/print/bind", f"/network/machines/{STRANGER}", "/images/none", "/images/none/remove"],
)
def test_what_there_is_not_is_told_so(ask: Ask, path: str) -> None:
    reply = ask(path, Role.OPERATOR)
    assert reply.status_code == 404 and "There is nothing here" in words(reply)


def test_a_stranger_becomes_a_host(site: Site, ask: Ask) -> None:
    see(site, STRANGER)
    form = ask(f"/network/machines/{STRANGER}", Role.TECHNICIAN).get_data(as_text=True)
    assert f'action="/network/machines/{STRANGER.replace(":", "%3A")}/adopt"' in form
    given: Form = {"name": "vc-9", "profile": "cube", "rack": "B3/U1", "serial": "S9"}
    reply = ask(f"/network/machines/{STRANGER}/adopt", Role.TECHNICIAN, given)
    assert (reply.status_code, reply.location) == (303, "/hosts/vc-9")
    host = site.database.hosts.get("vc-9")
    assert (host.macs, host.profile, host.rack, host.serial) == ((STRANGER,), "cube", "B3/U1", "S9")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"name": ""}, "name"),
        ({"name": "Not A Name"}, "a to z, 0 to 9"),
        ({"name": "vc-1"}, "vc-1"),
        ({"name": "vc-9", "profile": "none"}, "none"),
        ({"name": "vc-9", "serial": "x" * 201}, "200 characters"),
    ],
)
def test_what_is_wrong_with_an_adoption_is_told_in_its_form(
    site: Site, ask: Ask, given: Form, told: str
) -> None:
    see(site, STRANGER)
    reply = ask(f"/network/machines/{STRANGER}/adopt", Role.TECHNICIAN, {"rack": "B9", **given})
    assert reply.status_code in (400, 404, 409)
    text = reply.get_data(as_text=True)
    alert = text[text.index('role="alert"') : text.index("What is known about it")]
    assert told in alert and 'value="B9"' in text  # nothing has to be typed twice
    assert [host.name for host in site.database.hosts.all()] == ["vc-1"]


def test_all_that_is_wrong_with_an_adoption_is_told_at_once(site: Site, ask: Ask) -> None:
    see(site, STRANGER)
    wrong: Form = {"name": "Not A Name", "rack": "x" * 201, "serial": "y" * 201}
    said = words(ask(f"/network/machines/{STRANGER}/adopt", Role.TECHNICIAN, wrong))
    assert "rack" in said and "serial" in said


def test_a_viewer_adopts_nothing(site: Site, ask: Ask) -> None:
    see(site, STRANGER)
    assert "<form method" not in content(ask(f"/network/machines/{STRANGER}"))
    reply = ask(f"/network/machines/{STRANGER}/adopt", Role.VIEWER, {"name": "vc-9"})
    assert reply.status_code == 403 and "PV-701" in words(reply)
    assert [host.name for host in site.database.hosts.all()] == ["vc-1"]


def test_a_page_of_another_site_changes_nothing(site: Site, ask: Ask) -> None:
    see(site, STRANGER)
    path = f"/network/machines/{STRANGER}/adopt"
    reply = ask(path, Role.ADMIN, {"name": "vc-9"}, Sec_Fetch_Site="cross-site")
    code = 711
    assert reply.status_code == 403 and f"PV-{code}" in words(reply)
    assert [host.name for host in site.database.hosts.all()] == ["vc-1"]


@pytest.mark.parametrize("word", HOSTILE)
def test_no_word_of_a_machine_is_markup(site: Site, ask: Ask, word: str) -> None:
    word = word.encode(errors="replace").decode()
    packet = ClientPacket(STRANGER, message=word, hostname=word, circuit=word, note=word, boots=True)
    see(site, STRANGER, packet=packet)
    site.database.transfers.put([Transfer("10.77.0.64", site.clock(), 1, word, word, 1)], 9)
    site.database.values.put_rogue_servers([RogueServer("10.77.0.9", MAC, "lan0", "", word)])
    for path in ("/network", f"/network/machines/{STRANGER}", f"/network?q={STRANGER}"):
        text = content(ask(path, Role.TECHNICIAN))
        assert "<script" not in text and "<img" not in text and 'href="javascript' not in text
        assert not [fault for line in re.split(r"[\t\n]", text) for fault in faults(line)]
        if word.isprintable() and len(word) < 60:
            assert escape(word.strip()) in unescape(text)


def test_what_is_typed_into_a_filter_is_no_markup(ask: Ask) -> None:
    for path in ("/network", "/explain"):
        text = content(ask(f'{path}?q="><script>alert(1)</script>'))
        assert "<script" not in text and "&lt;script&gt;" in text


def test_the_live_part_is_sent(ask: Ask) -> None:
    reply = ask("/network", Accept="text/event-stream")
    first = b"".join(part for _, part in zip(range(2), reply.response, strict=False))
    reply.close()
    assert reply.mimetype == "text/event-stream" and b"Nobody has asked yet" in first


def test_the_feed_keeps_no_more_than_it_says(site: Site) -> None:
    rows = [
        NewSighting(f"52:54:00:00:{n >> 8:02x}:{n & 255:02x}", site.clock() - n, 1, "", ClientPacket("x"))
        for n in range(300)
    ]
    site.database.sightings.put(rows)
    found = network_feed.newest(site)
    assert len(found) == network_feed.MOST and found[0].time == site.clock()
    assert [each.time for each in found] == sorted((each.time for each in found), reverse=True)


@pytest.mark.parametrize("path", ["/network", "/images", "/explain", "/explain/PV-210", "/images/diff"])
def test_nobody_reads_without_logging_in(client: FlaskClient, path: str) -> None:
    reply = client.get(path, base_url="https://10.77.0.1")
    assert reply.status_code == 303 and reply.location.startswith("/login?next=")


def test_a_profile_is_chosen_where_there_are_several(site: Site, ask: Ask) -> None:
    site.database.put_inventory([], [Profile(name="other", image="vault-os")], site.settings.hosts_range)
    see(site, STRANGER)
    form = content(ask(f"/network/machines/{STRANGER}", Role.TECHNICIAN))
    assert "choose a profile" in form
    reply = ask(f"/network/machines/{STRANGER}/adopt", Role.TECHNICIAN, {"name": "vc-9"})
    assert reply.status_code == 400 and "which profile" in words(reply)
