"""What is evidence that two machines, or two disks, are one, and what is none."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.domain import identity
from provisioner.domain.identity import DiskIdentity, MachineIdentity, Match

REAL = "564da6d2-1706-6343-dc2d-9959b533a7b3"
MIRRORED = "d2a64d56-0617-4363-dc2d-9959b533a7b3"

PLACEHOLDERS = (
    *(
        "To be filled by O.E.M.",
        "To Be Filled By OEM",
        "Default string",
        "System Serial Number",
        "SerialNumber",
    ),
    *("Chassis Serial Number", "Base Board Serial Number", "Not Specified", "Not Applicable", "N/A", "none"),
    *("<BAD INDEX>", "Enter Serial", "INVALID", "Unknown", "Empty", "OEM", "O.E.M.", "$(DEFAULT_STRING)"),
    *("0", "00000000", "0000-0000", "XXXXXXXX", "xx.xx", "..............", "-", "*", "FFFFFFFF"),
    *("0123456789", "1234567890", "123456789", "12345", "012345678901234", "987654321", "0123456789ABCDEF"),
    *("To be filled by O.E.M. by More String", "Type2 - Board Serial Number"),
    *("Not Settable", "<OUT OF SPEC>", "SYS-1234567890", "SYS-9876543210", "123456789000", "Unknow"),
    *("Serial Number xxxxxx", "SNXXXXXXXX", "SN: 1234567890000"),
    *("MB-1234567890", "BSN12345678901234567", "System Serial 0000000", "SN: 123456", "Not\0", " ", "TBD"),
)
SERIALS = (
    "S1",
    "7XK2Q13",
    "J000123",
    "CZ12345678",
    "1",
    "A12345",
    "OEM7",
    "VMware-56 4d a6 d2",
    "12345000",
    "ABXXXX",
    "XXXXB1",
    "SYS-1023",
    "123",
    "序列1",
)


@pytest.mark.parametrize("word", PLACEHOLDERS)
def test_a_placeholder_is_no_serial_however_it_is_written(word: str) -> None:
    for text in (word, word.upper(), word.lower(), f" {word}\n"):
        assert identity.serial(text) == ""
        assert identity.compare_serials(text, text) is Match.NONE


@pytest.mark.parametrize("word", SERIALS)
def test_a_serial_stays_as_it_is(word: str) -> None:
    assert identity.serial(f" {word}\0") == word
    assert identity.compare_serials(word, word.lower()) is Match.SAME
    assert identity.compare_serials(word, f"{word}Z") is Match.DIFFERENT


def test_nothing_is_no_evidence() -> None:
    for text in (None, "", " ", "\0\0"):
        assert identity.serial(text) == ""
        assert identity.compare_serials("S1", text) is Match.NONE


@given(st.uuids(), st.booleans(), st.booleans())
def test_both_byte_orders_of_a_uuid_are_one_machine(number: UUID, mirrored: bool, upper: bool) -> None:
    said = str(UUID(bytes=number.bytes_le) if mirrored else number)
    said = f"{{{said.upper()}}}" if upper else said
    is_nobody = number.bytes in identity.NOBODY
    assert identity.compare_uuids(str(number), said) is (Match.NONE if is_nobody else Match.SAME)
    assert identity.uuid_key(str(number)) == identity.uuid_key(said)


@given(st.uuids(), st.uuids())
def test_other_uuids_are_other_machines(one: UUID, other: UUID) -> None:
    if one.bytes in (other.bytes, other.bytes_le):
        return
    expected = Match.NONE if {one.bytes, other.bytes} & identity.NOBODY else Match.DIFFERENT
    assert identity.compare_uuids(str(one), str(other)) is expected
    assert identity.compare_uuids(str(other), str(one)) is expected


@pytest.mark.parametrize(
    "text",
    [
        *(
            "00000000-0000-0000-0000-000000000000",
            "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
            "",
            "garbage",
            "42",
        ),
        *("03000200-0400-0500-0006-000700080009", "00020003-0004-0005-0006-000700080009"),
        *("12345678-1234-5678-90AB-CDDEEFAABBCC", "78563412-3412-7856-90ab-cddeefaabbcc"),
        "4c4c4544-0000-2010-8020-80c04f202020",
        *("FFFFFF00-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "00FFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"),
        "01020304-0506-0708-090a-0b0c0d0e0f10",
        *("44444444-4444-4444-4444-444444444444", "01010101-0101-0101-0101-010101010101"),
        *("6AB5B300-538D-1014-9FB5-B0684D007B53", "00B3B56A-8D53-1410-9FB5-B0684D007B53"),
    ],
)
def test_a_placeholder_is_no_uuid_in_either_byte_order(text: str) -> None:
    assert identity.uuid(text) == identity.uuid_key(text) == ""
    assert identity.compare_uuids(text, text) is identity.compare_uuids(text, REAL) is Match.NONE


def test_a_uuid_is_shown_in_both_byte_orders() -> None:
    assert identity.both_orders(REAL.upper()) == f"{REAL} (or {MIRRORED})"
    assert identity.both_orders("garbage") == "garbage" and identity.both_orders("") == "nothing"


MACHINE = MachineIdentity("S1", REAL, ("ac:1f:6b:00:00:01", "be:3a:f2:b6:05:9f"))


@pytest.mark.parametrize(
    ("other", "match"),
    [
        (MachineIdentity("s1"), Match.SAME),
        (MachineIdentity("", MIRRORED), Match.SAME),
        (MachineIdentity(macs=MACHINE.macs[1:]), Match.SAME),
        (MachineIdentity("Default string", "0" * 8), Match.NONE),
        (MachineIdentity("S1", "11111111-2222-3333-4444-555555555555"), Match.DIFFERENT),  # blades
        (MachineIdentity("S2", REAL), Match.DIFFERENT),  # boards of one batch
        (MachineIdentity("S1", REAL, ("ac:1f:6b:00:00:02",)), Match.DIFFERENT),
        (MachineIdentity("S2", "", MACHINE.macs[1:]), Match.DIFFERENT),  # a BMC's card on USB
    ],
)
def test_one_number_that_differs_outweighs_all_that_are_equal(other: MachineIdentity, match: Match) -> None:
    assert MACHINE.compare(other) is other.compare(MACHINE) is match
    assert bool(MACHINE.differences(other)) is bool(other.differences(MACHINE)) is (match is Match.DIFFERENT)


def test_in_what_two_machines_differ_is_said_number_by_number() -> None:
    other = MachineIdentity("S2", MIRRORED, ("ac:1f:6b:00:00:02",))
    assert MACHINE.differences(other) == (
        "its cards are ac:1f:6b:00:00:01, be:3a:f2:b6:05:9f, not ac:1f:6b:00:00:02",
        "its serial is S1, not S2",
    )


@pytest.mark.parametrize(
    ("one", "other", "match"),
    [
        (DiskIdentity("D1"), DiskIdentity("d1 "), Match.SAME),
        (
            DiskIdentity("D1", "naa.5000c500a1b2c3d4"),
            DiskIdentity("D1", "wwn-0x5000C500A1B2C3D4"),
            Match.SAME,
        ),
        (DiskIdentity("D1", "eui.0025385b01"), DiskIdentity("D1", "eui.0025385b02"), Match.DIFFERENT),
        (DiskIdentity("D1", "naa.1122"), DiskIdentity("D2"), Match.DIFFERENT),
        (DiskIdentity("D1", "naa.5000c5"), DiskIdentity("WD-1", "0x5000c5"), Match.SAME),
        (DiskIdentity("D1", "naa.0000000000000000"), DiskIdentity("D1", "naa.5000c5"), Match.SAME),
        (DiskIdentity("00000000"), DiskIdentity("00000000"), Match.NONE),
        (DiskIdentity("D1"), DiskIdentity(), Match.NONE),
        (DiskIdentity("123456789"), DiskIdentity("123456789"), Match.NONE),  # a maker's sample
        # one NVMe disk, of which a newer kernel does not believe the EUI-64 that all of its make have
        (
            DiskIdentity("D1", "eui.0025385b01020304"),
            DiskIdentity("D1", "nvme.144d-4431-58-00000001"),
            Match.SAME,
        ),
        (
            DiskIdentity("D1", "eui.0025385b01020304"),
            DiskIdentity("D2", "nvme.144d-4432-58-00000001"),
            Match.DIFFERENT,
        ),
        (
            DiskIdentity("D1", "uuid.6eb6b0a0-1d9f-4b1e-9c0b-2f4f1f0f3a77"),
            DiskIdentity("D1", "eui." + "1" * 31 + "2"),
            Match.SAME,
        ),
        (
            DiskIdentity("", "eui.0025385b01020304"),
            DiskIdentity("", "nvme.144d-4431-58-00000001"),
            Match.NONE,
        ),
    ],
)
def test_a_disk_is_told_by_its_wwn_and_else_by_its_serial(
    one: DiskIdentity, other: DiskIdentity, match: Match
) -> None:
    assert one.compare(other) is other.compare(one) is match


def test_what_is_erased_must_be_the_same_in_every_number() -> None:
    """Makers gave one WWN to several disks: it is enough to tell a system's disk, not to erase one."""
    disk = DiskIdentity("D1", "naa.5000c500a1b2c3d4")
    assert disk.is_exactly(DiskIdentity("d1 ", "0x5000C500A1B2C3D4"))
    for other in (
        DiskIdentity("D2", disk.wwn),
        DiskIdentity("", disk.wwn),
        DiskIdentity("D1"),
        DiskIdentity(),
    ):
        assert not disk.is_exactly(other) and not other.is_exactly(disk)
    assert not DiskIdentity().is_exactly(DiskIdentity()) and not DiskIdentity("0000").is_known


def test_a_mac_that_several_machines_name_tells_none() -> None:
    usb = "be:3a:f2:b6:05:9f"
    assert identity.shared([("a", usb), ("b", usb, usb), ("c", "c")]) == {usb}


DOCKED = MachineIdentity("S1", REAL, ("d0", "a1"))


@pytest.mark.parametrize(
    ("other", "is_another"),
    [
        (MachineIdentity(), False),
        (MachineIdentity("s1"), False),
        (MachineIdentity("S2"), True),
        (MachineIdentity("S2", MIRRORED), True),  # boards of one UUID
        (MachineIdentity("S2", REAL, ("a1", "d0")), False),  # a serial that was written later
        (MachineIdentity("S2", "", ("a1", "d0")), True),
        (MachineIdentity("S1", REAL, ("d0", "b1")), False),  # another card
        (MachineIdentity("S1", "", ("d0", "b1")), True),  # blades
        (MachineIdentity("", "", ("d0", "b1")), True),
        (MachineIdentity("", "", ("d0",)), False),
        (MachineIdentity("S2", "", ("d0",)), True),
    ],
)
def test_a_card_in_common_makes_no_two_machines_one(other: MachineIdentity, is_another: bool) -> None:
    assert DOCKED.is_another(other) is other.is_another(DOCKED) is is_another
