"""Tables of hosts as people keep them: each line a host, each fault with its line."""

from pathlib import Path

import pytest

from provisioner.domain.host import Host
from provisioner.errors import FileError, InventoryError
from provisioner.power import registry
from provisioner.state import inventory
from provisioner.state.inventory_csv import CsvTable

PROFILES = {"cube", "store"}


def read(path: Path, text: str | bytes, *, profile: str = "", known: tuple[Host, ...] = ()) -> list[Host]:
    file = path / "hosts.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return inventory.read_table(CsvTable.at(file), registry.DRIVERS, PROFILES, known, profile=profile)


def faults(path: Path, text: str | bytes, **how: str) -> list[str]:
    with pytest.raises(InventoryError) as caught:
        read(path, text, **how)
    return [str(fault) for fault in (caught.value, *caught.value.also)]


WHOLE = """name,mac,serial,rack,profile,bmc_address,bmc_secret,bmc_driver
vc-1,AC:1F:6B:00:00:01,SN1,"B3, left",cube,10.20.0.1,b3,redfish
vc-2,ac1f.6b00.0002,SN2,,store,,,

vc-3,"ac-1f-6b-00-00-03 ac-1f-6b-00-00-04",SN3,B4,cube,10.20.0.3,b3,
"""


def test_each_line_is_a_host(tmp_path: Path) -> None:
    first, second, third = read(tmp_path, WHOLE)
    assert (first.name, first.macs, first.rack) == ("vc-1", ("ac:1f:6b:00:00:01",), "B3, left")
    assert (first.bmc.driver, str(first.bmc.address), first.bmc.port) == ("redfish", "10.20.0.1", 443)
    assert (second.bmc.driver, second.bmc.address, second.profile) == ("manual", None, "store")
    assert third.macs == ("ac:1f:6b:00:00:03", "ac:1f:6b:00:00:04")
    assert (third.bmc.driver, third.bmc.port, third.bmc.secret) == ("ipmi", 623, "b3")


@pytest.mark.parametrize(
    "raw",
    [
        WHOLE.encode(),
        b"\xef\xbb\xbf" + WHOLE.encode(),
        WHOLE.replace("\n", "\r\n").encode(),
        WHOLE.encode("utf-16"),
        WHOLE.replace(", left", "\0").replace(",", ";").replace("\0", ", left").encode(),
        ("sep=;\r\n" + WHOLE.replace(", left", "\0").replace(",", ";").replace("\0", ", left")).encode(),
        WHOLE.replace(", left", "\0").replace(",", "\t").replace("\0", ", left").encode(),
        WHOLE.replace("name,mac,serial", "Host Name, MAC-Address ,Serial number").encode(),
        WHOLE.replace("bmc_address", "BMC IP").replace("bmc_secret", "Login").encode(),
    ],
    ids=["plain", "BOM", "CRLF", "UTF-16", "semicolons", "sep=", "tabs", "headings", "BMC IP"],
)
def test_it_is_read_however_a_spreadsheet_wrote_it(tmp_path: Path, raw: bytes) -> None:
    assert read(tmp_path, raw) == read(tmp_path, WHOLE)


def test_macs_may_have_columns_of_their_own_and_blanks_within(tmp_path: Path) -> None:
    (host,) = read(tmp_path, "name;mac;mac\nvc-1;AC 1F 6B 00 00 01;ac1f6b000002\n", profile="cube")
    assert host.macs == ("ac:1f:6b:00:00:01", "ac:1f:6b:00:00:02") and host.profile == "cube"


def test_all_faults_are_told_each_with_its_line(tmp_path: Path) -> None:
    text = (
        "name,mac,profile,bmc_address\n"
        "vc-1,52:54:00:00:00:01,cube,\n"
        "vc-2,zz,cube,\n"
        "vc-3,52:54:00:00:00:03,cube,x\n"
        ",52:54:00:00:00:04,cube,\n"
        "vc-5,52:54:00:00:00:01,cube,10.0.0\n"
        "vc-1,52:54:00:00:00:06,cube,\n"
        "vc-7,,cube,\n"
        'vc-8,52:54:00:00:00:08,cube,10.0.0.8,"more"\n'
        "VC_9,52:54:00:00:00:09,cube,\n"
    )
    said = faults(tmp_path, text)
    for line, words in {
        3: "vc-2: macs.0: 'zz' is not a MAC address",
        4: "vc-3: bmc.address: 'x' is no IPv4 address",
        5: "the host has no name",
        6: "vc-5 and vc-1 have the same MAC 52:54:00:00:00:01",
        7: "vc-1 is there twice",
        8: "macs: is empty, at least one is needed",
        9: "has 5 cells, the first line 4",
        10: "'VC_9' can be no host's name",
    }.items():
        assert [one for one in said if one.startswith(f"hosts.csv: line {line}: ") and words in one], (
            line,
            said,
        )
    assert any("bmc.address: '10.0.0' is no IPv4 address" in one for one in said)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "hosts.csv: there is nothing in it"),
        ("\n \n", "hosts.csv: there is nothing in it"),
        ("name,serial\nvc-1,S\n", "hosts.csv: line 1: there is no column 'mac'"),
        ("mac,serial\n", "hosts.csv: line 1: there is no column 'name'"),
        ("name,mac,colour\nvc-1,52:54:00:00:00:01,red\n", "hosts.csv: line 1: there is no column 'colour'"),
        ("name,mac,serial,Serial\n", "hosts.csv: line 1: two columns say the same: 'Serial'"),
        ('name,mac\n"vc-1,52:54:00:00:00:01\n', "hosts.csv: line 2: is no line of a table"),
        (b"name,mac\nv\xe9,52:54:00:00:00:01\n", "hosts.csv: line 2: is not UTF-8: 'v\xe9,52"),
        (b"\xff\xfen\x00a", "hosts.csv: is not UTF-16"),
        (b"PK\x03\x04rest", "hosts.csv: is a spreadsheet's own file"),
        ("name,mac\n" + "x" * (16 << 20), "hosts.csv: is larger than 16 MiB"),
    ],
)
def test_what_is_no_table_of_hosts_is_refused_in_words(tmp_path: Path, text: str | bytes, words: str) -> None:
    assert any(one.startswith(words) for one in faults(tmp_path, text, profile="cube"))


def test_what_is_known_counts_too_and_a_line_replaces_its_host(tmp_path: Path) -> None:
    known = Host(name="vc-9", macs=("52:54:00:00:00:01",), profile="cube")
    with pytest.raises(InventoryError, match=r"hosts\.csv: line 2: vc-1 and vc-9 have the same MAC"):
        read(tmp_path, "name,mac,profile\nvc-1,52:54:00:00:00:01,cube\n", known=(known,))
    assert (
        read(tmp_path, "name,mac,profile\nvc-9,52:54:00:00:00:01,store\n", known=(known,))[0].profile
        == "store"
    )


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"none\.csv"):
        inventory.read_table(CsvTable.at(tmp_path / "none.csv"), registry.DRIVERS, PROFILES, ())


def test_every_line_that_is_no_utf_8_is_told(tmp_path: Path) -> None:
    lines = ["name,mac,rack", "vc-1,52:54:00:00:00:01,K\xf6ln", "vc-2,52:54:00:00:00:02,B3", "vc-3,x,L\xfc"]
    said = faults(tmp_path, "\n".join(lines).encode("cp1252"), profile="cube")
    assert [one.split(": ")[1] for one in said] == ["line 2", "line 4"]
    assert "K\xf6ln" in said[0]


@pytest.mark.parametrize("cell", ["1.23E+11", "5,254E+11", "1e+05"])
def test_a_number_that_a_spreadsheet_has_rounded_is_told_as_that(tmp_path: Path, cell: str) -> None:
    text = (
        "name;mac;serial;uuid;bmc_mac\n"
        f"vc-1;52:54:00:00:00:01;{cell};;\n"
        f"vc-2;{cell};SN2;;\n"
        f"vc-3;52:54:00:00:00:03;SN3;{cell};{cell}\n"
        "vc-4;zz;SN4;;\n"
    )
    said = faults(tmp_path, text, profile="nope")
    lost = "is a number that a spreadsheet has rounded: digits are lost"
    for line, key in ((2, "serial"), (3, "macs"), (4, "uuid"), (4, "bmc.mac")):
        assert f"hosts.csv: line {line}: {key}: '{cell}' {lost}" in said
    assert sum("is not a MAC address" in one for one in said) == 1, "of vc-4, and never of a rounded one"
    assert any("unknown profile 'nope'" in one for one in said), "what else is wrong is told, too"
    with pytest.raises(InventoryError) as caught:
        read(tmp_path, text, profile="cube")
    assert "text in the spreadsheet" in caught.value.hint


def test_a_mac_without_its_zeros_is_told_as_that(tmp_path: Path) -> None:
    (said,) = faults(tmp_path, "name,mac\nvc-1,1122334455\n", profile="cube")
    assert said.startswith("hosts.csv: line 2: macs: '1122334455' is a number: a spreadsheet has taken")


@pytest.mark.parametrize("serial", ["5E12345", "12E4567890", "823456789017", "E+11", "A1.2E+3"])
def test_a_serial_that_only_looks_like_a_number_stays_as_it_is(tmp_path: Path, serial: str) -> None:
    text = f"name,mac,serial\nvc-1,525400000001,{serial}\n"
    (host,) = read(tmp_path, text, profile="cube")
    assert (host.serial, host.macs) == (serial, ("52:54:00:00:00:01",))
