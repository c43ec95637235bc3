"""What is scanned at the rack, in all its notations; and what is one character off."""

import pytest

from provisioner.certificate import statement
from provisioner.certificate.minisig import Signature
from provisioner.certificate.statement import Statement
from provisioner.deployment import label_lookup
from provisioner.deployment.label_lookup import Match, is_one_off
from provisioner.domain.host import Host
from provisioner.errors import InputError, NotFoundError
from provisioner.site.site import Site
from provisioner.state.sightings import ClientPacket, NewSighting
from tests.hostile_words import WORDS
from tests.unit.conftest import MAC

STRANGER = "ac:1f:6b:0a:42:12"


@pytest.fixture(autouse=True)
def known(site: Site) -> None:
    host = site.database.hosts.get("vc-1").model_copy(update={"serial": "S21O0001"})
    other = Host(name="vc-2", macs=("52:54:00:00:0b:02",), profile="cube", serial="S210777")
    site.database.put_inventory([host, other], [], site.settings.hosts_range)
    packet = ClientPacket(STRANGER, arch=7, boots=True)
    site.database.sightings.put([NewSighting(STRANGER, site.clock(), 1, "", packet)])


@pytest.mark.parametrize(
    "scanned",
    [
        *("vc-1", MAC, MAC.upper(), "5254.0000.0001", "525400000001", "52-54-00-00-00-01", " S21O0001\r\n"),
        *("MAC:525400000001", "MAC: 52:54:00:00:00:01", "S/N:S21O0001", "SN: S21O0001, P/N: SYS-821GE"),
        *("Model X\nS/N S21O0001\nMAC 525400000001", "https://10.77.0.1/t/host/vc-1"),
    ],
)
def test_a_host_is_found_by_whatever_its_label_says(site: Site, scanned: str) -> None:
    assert label_lookup.find(site, scanned) == Match(host="vc-1")


def test_a_stranger_is_found_by_its_mac(site: Site) -> None:
    assert label_lookup.find(site, "AC1F6B0A4212") == Match(machine=STRANGER)


@pytest.mark.parametrize(("name", "serial"), [("vc-1", "S-X"), ("its-former-name", "S21O0001")])
def test_the_code_of_a_label_of_ours_leads_to_its_host(site: Site, name: str, serial: str) -> None:
    said = Statement("a-20261130-0001", name, serial, "accepted", "2026-11-30T10:00:00Z", "0" * 64)
    text = statement.write(said, Signature(b"ED" + bytes(72), statement.FORMAT, bytes(64)))
    assert label_lookup.find(site, text) == Match(host="vc-1")


def test_what_nothing_has_is_refused_in_words(site: Site) -> None:
    for scanned in ("", "  \n", "vc-99", "52:54:00:00:00:99", "S1", *WORDS.values()):
        with pytest.raises((NotFoundError, InputError)) as fault:
            label_lookup.find(site, scanned)
        assert fault.value.hint and str(fault.value).isprintable()


def test_a_label_that_names_two_hosts_is_not_guessed(site: Site) -> None:
    with pytest.raises(InputError, match="vc-1, vc-2"):
        label_lookup.find(site, "S21O0001 S210777")


@pytest.mark.parametrize(
    ("scanned", "meant"),
    [
        ("52:54:00:00:00:07", MAC),
        ("52:54:00:00:00:1", MAC),
        ("52:54:00:00:0O:O1", MAC),
        ("525400000010", MAC),
        ("AC1F6BOA4212", STRANGER),
        ("S2100001", "S21O0001"),
        ("vc-l", "vc-1"),
    ],
)
def test_a_misread_character_is_seen(site: Site, scanned: str, meant: str) -> None:
    assert meant in [one.text for one in label_lookup.near(site, scanned)]


def test_nothing_is_suggested_for_what_is_like_nothing(site: Site) -> None:
    for scanned in ("", "vc", "00:11:22:33:44:55", *WORDS.values()):
        assert label_lookup.near(site, scanned) == ()


def test_one_off_is_one_character_and_no_more() -> None:
    assert all(is_one_off("abcd", other) for other in ("abxd", "abd", "abcde", "xabcd", "abdc", "bacd"))
    assert not any(is_one_off("abcd", other) for other in ("abcd", "axyd", "ab", "dcba", "abcdef", "cdab"))
