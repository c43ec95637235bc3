"""What the site's own servers are told, compared whole; and how what they answer is judged."""

from collections.abc import Callable
from dataclasses import asdict, replace

import pytest

from provisioner.domain.host import Bmc, Host
from provisioner.errors import NotFoundError
from provisioner.services.dhcp.lan_probe import (
    ClientKind,
    ExpectedServer,
    ProbeResult,
    boot_fault,
    client_kinds,
    discover_message,
)
from provisioner.services.dhcp.packet import Message, Packet
from provisioner.services.dhcp.request import is_http, is_ipxe, is_pxe
from provisioner.site import external
from provisioner.site.site import Site

Golden = Callable[[str, str], None]
OURS = ExpectedServer("10.77.0.1", "http://10.77.0.1", "10.77.0.0/24")
BIOS, HTTP = ClientKind(0, "undionly.kpxe"), ClientKind(16, "snponly.efi", http=True)
IPXE, NONE = ClientKind(7, "boot.ipxe", ipxe=True), ClientKind(6, "")
SITE, OTHER = {"10.77.0.9": "10.77.0.150"}, {"10.77.0.8": "10.77.0.99"}
SCRIPT = "http://10.77.0.1/boot/${netX/mac:hexhyp}/boot.ipxe?uuid=${uuid}"
URL = "http://10.77.0.1/boot/files/snponly.efi"


@pytest.mark.parametrize("kind", external.KINDS)
def test_what_is_printed_is_what_was_reviewed(site: Site, golden: Golden, kind: str) -> None:
    bmc = Bmc(driver="ipmi", mac="52:54:00:00:00:b1")
    host = Host(name="vc-9", macs=("52:54:00:00:00:09",), profile="cube", bmc=bmc)
    site.database.put_inventory([host], [], site.settings.hosts_range)
    golden(f"servers/{kind}.{'json' if kind == 'kea' else 'conf'}", external.render(site, kind))


def test_a_file_that_is_there_is_named_too(site: Site) -> None:
    assert {file.arch for file in external.firmware_files(site)} == {0, 7, 9, 16}
    (site.settings.state / "ramdisk").mkdir()
    (site.settings.state / "ramdisk" / "snponly-arm64.efi").touch()
    assert {file.arch for file in external.firmware_files(site)} == {0, 7, 9, 11, 16, 19}


def test_nothing_is_printed_for_what_is_not_known(site: Site) -> None:
    with pytest.raises(NotFoundError, match="windows"):
        external.render(site, "windows")


@pytest.mark.parametrize(
    ("case", "addresses", "boots", "wrong"),
    [
        (BIOS, SITE, {"10.77.0.9": ("10.77.0.1", "undionly.kpxe")}, ""),
        (HTTP, SITE, {"10.77.0.9": ("10.77.0.9", URL)}, ""),
        (IPXE, SITE, {"10.77.0.9": ("0.0.0.0", SCRIPT)}, ""),
        (NONE, SITE, {}, ""),
        (BIOS, {}, {}, "no server offers it an address"),
        (BIOS, SITE | OTHER, {}, "2 servers offer it addresses: 10.77.0.8, 10.77.0.9"),
        (BIOS, SITE, {}, "nobody tells it what to boot; it must be undionly.kpxe from 10.77.0.1"),
        (BIOS, SITE, {"10.77.0.9": ("10.77.0.9", "undionly.kpxe")}, "from 10.77.0.9; it must be"),
        (BIOS, SITE, {"10.77.0.9": ("10.77.0.1", "pxelinux.0")}, "told to boot pxelinux.0 from 10.77.0.1"),
        (HTTP, SITE, {"10.77.0.9": ("10.77.0.9", "snponly.efi")}, f"it must be {URL}"),
        (IPXE, SITE, {"10.77.0.9": ("10.77.0.1", "snponly.efi")}, "it must be http://10.77.0.1/boot/…"),
        (NONE, SITE, {"10.77.0.9": ("10.77.0.1", "snponly.efi")}, "which does not run there"),
        (NONE, SITE, {"10.77.0.9": ("10.77.0.1", "a\x1b[2Jb")}, "boot a\\x1b[2Jb,"),
    ],
)
def test_an_answer_is_judged(
    case: ClientKind, addresses: dict[str, str], boots: dict[str, tuple[str, str]], wrong: str
) -> None:
    said = boot_fault(ProbeResult(case, addresses, boots, {b"HTTPClient"}), OURS)
    assert (wrong in said) if wrong else not said, said


def test_an_http_client_must_get_its_class_back() -> None:
    heard = ProbeResult(HTTP, SITE, {"10.77.0.9": ("10.77.0.9", URL)}, {b""})
    assert "option 60 (HTTPClient) does not come back" in boot_fault(heard, OURS)


def test_each_kind_of_machine_asks_as_it_does(site: Site) -> None:
    found = client_kinds([asdict(file) for file in external.firmware_files(site)])
    assert [(case.number, case.http, case.ipxe) for case in found] == [
        *((0, False, False), (7, False, False), (9, False, False), (16, True, False)),
        *((7, False, True), (6, False, False), (10, False, False)),
    ]
    for case in found:
        packet = Packet.parse(discover_message(case, bytes.fromhex("027076c00001"), 7).build())
        assert packet.message == Message.DISCOVER and packet.flags == 0x8000
        assert (is_http(packet), is_ipxe(packet)) == (case.http, case.ipxe)
        assert case.http or is_pxe(packet)
    assert replace(BIOS, number=9).name == "x64 UEFI"
