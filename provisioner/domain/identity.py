"""Whether what a machine, or a disk, says of itself is what is meant: the one comparison that all use.

What makers leave in place of a number tells no two apart: it is no evidence, neither for nor against.
Standard library only: the ramdisk has it too.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from uuid import UUID

from provisioner.system import disk_names
from provisioner.system.placeholders import is_placeholder


class Match(Enum):
    """What two numbers say of the two things that have them."""

    SAME = "same"
    DIFFERENT = "different"
    NONE = "no evidence"


# Placeholders in the system UUID, in one of the byte orders: EDK2's and AMI's samples, Dell's and
# Supermicro's of a board without a service tag, memory that nobody has written, and what inventories know as
# that of many boards.
_UNWRITTEN = ("00", "01", "20", "44", "55", "90", "aa", "fe", "ff")
_PLACEHOLDER_UUIDS = (
    *(f"{byte * 4}-{byte * 2}-{byte * 2}-{byte * 2}-{byte * 6}" for byte in _UNWRITTEN),
    "03000200-0400-0500-0006-000700080009",
    "12345678-1234-5678-90ab-cddeefaabbcc",
    "12345678-1234-1234-1234-123456789abc",
    "ffffff00-ffff-ffff-ffff-ffffffffffff",
    "01020304-0506-0708-090a-0b0c0d0e0f10",
    "6ab5b300-538d-1014-9fb5-b0684d007b53",
    "00010203-0405-0607-0809-0a0b0c0d0e0f",
    "01234567-89ab-cdef-0123-456789abcdef",
    "4c4c4544-0000-2010-8020-80c04f202020",
    "4c4c4544-0020-2010-8020-80c04f202020",
)
NOBODY = frozenset(form for text in _PLACEHOLDER_UUIDS for form in (UUID(text).bytes, UUID(text).bytes_le))


def serial(text: str | None) -> str:
    """A serial without outer blanks; empty for a placeholder."""
    words = (text or "").strip("\0 \t\r\n")
    return "" if is_placeholder(words) else words


def uuid(text: str | None) -> str:
    """A system UUID in lower case, as it was said; empty for a placeholder and for what is no UUID."""
    number = _number(text)
    return str(number) if number else ""


def uuid_key(text: str | None) -> str:
    """The same text for both byte orders of a system UUID, to look it up by; empty as `uuid` is."""
    number = _number(text)
    return str(min(number, UUID(bytes=number.bytes_le))) if number else ""


def both_orders(text: str) -> str:
    """A system UUID for people, with its other byte order: as old firmware says it (SMBIOS 2.6, 7.2.1)."""
    number = _number(text)
    return f"{number} (or {UUID(bytes=number.bytes_le)})" if number else text or "nothing"


def _number(text: str | None) -> UUID | None:
    try:
        number = UUID((text or "").strip("\0 \t\r\n"))
    except ValueError:
        return None
    return None if number.bytes in NOBODY else number


def compare_serials(one: str | None, other: str | None) -> Match:
    """Letters' case and outer blanks aside."""
    return _compare(serial(one).lower(), serial(other).lower())


def compare_uuids(one: str | None, other: str | None) -> Match:
    """In either byte order of the first three fields (SMBIOS 2.6, 7.2.1)."""
    return _compare(uuid_key(one), uuid_key(other))


def _compare(one: str, other: str) -> Match:
    if not one or not other:
        return Match.NONE
    return Match.SAME if one == other else Match.DIFFERENT


@dataclass(frozen=True)
class MachineIdentity:
    """What is known of one machine; `macs` are all of its cards, or none where they are not all known."""

    serial: str = ""
    uuid: str = ""
    macs: tuple[str, ...] = ()

    def compare(self, other: "MachineIdentity") -> Match:
        """Whether both are one machine. One number that differs outweighs all that are equal.

        Blades may share the serial of their chassis, boards a UUID, BMCs the MAC of their USB card.
        """
        matches = {*self._compare_numbers(other), self._compare_cards(other)}
        if Match.DIFFERENT in matches:
            return Match.DIFFERENT
        return Match.SAME if Match.SAME in matches else Match.NONE

    def differences(self, other: "MachineIdentity") -> tuple[str, ...]:
        """In words, what of this machine is not the other's; empty unless `compare` says that they differ."""
        serials, uuids = self._compare_numbers(other)
        told = {
            f"its cards are {', '.join(self.macs)}, not {', '.join(other.macs)}": self._compare_cards(other),
            f"its serial is {self.serial}, not {other.serial}": serials,
            f"its system UUID is {self.uuid}, not {other.uuid}": uuids,
        }
        return tuple(sentence for sentence, match in told.items() if match is Match.DIFFERENT)

    def _compare_cards(self, other: "MachineIdentity") -> Match:
        cards, others = set(self.macs), set(other.macs)
        if not cards or not others:
            return Match.NONE
        return Match.SAME if cards & others else Match.DIFFERENT

    def without_common(self, other: "MachineIdentity") -> Match:
        """What they say aside from the cards that both name, for those may be everybody's."""
        common = set(self.macs) & set(other.macs)
        left, right = (
            replace(who, macs=tuple(mac for mac in who.macs if mac not in common)) for who in (self, other)
        )
        return left.compare(right)

    def is_another(self, other: "MachineIdentity") -> bool:
        """Whether two that have a card in common are two machines all the same: of docks all have one MAC.

        Where each has cards that the other lacks, they are, unless a card was changed: both numbers say so.
        Where all cards are the same, one number may have been written anew.
        """
        mine, others = set(self.macs), set(other.macs)
        if mine - others and others - mine:
            return not self.shares_both_numbers(other)
        numbers = self._compare_numbers(other)
        if mine and mine == others and Match.SAME in numbers:
            return False
        return Match.DIFFERENT in numbers

    def shares_both_numbers(self, other: "MachineIdentity") -> bool:
        """Whether serial and UUID are the same: of one alone there may be many."""
        return self._compare_numbers(other) == (Match.SAME, Match.SAME)

    def _compare_numbers(self, other: "MachineIdentity") -> tuple[Match, Match]:
        """Of serial and UUID."""
        return compare_serials(self.serial, other.serial), compare_uuids(self.uuid, other.uuid)


@dataclass(frozen=True)
class DiskIdentity:
    """What is known of one disk."""

    serial: str = ""
    wwn: str = ""

    @property
    def numbers(self) -> tuple[str, str]:
        """Its serial and its WWN, equal where they are meant to be; empty for what tells no disk."""
        return _disk_serial(self.serial), disk_names.wwn(self.wwn)

    @property
    def is_known(self) -> bool:
        """Whether anything tells it from other disks."""
        return any(self.numbers)

    def compare(self, other: "DiskIdentity") -> Match:
        """Whether both are one disk: by the WWN, as volumes of one controller may share a serial.

        Two kernels may take a disk's WWN from different places (an NVMe disk has up to four): numbers of
        two kinds say nothing of each other.
        """
        (serial, wwn), (other_serial, other_wwn) = self.numbers, other.numbers
        if wwn and other_wwn and disk_names.wwn_kind(self.wwn) == disk_names.wwn_kind(other.wwn):
            return _compare(wwn, other_wwn)
        return _compare(serial, other_serial)

    def is_exactly(self, other: "DiskIdentity") -> bool:
        """Whether every number is the same, as it must be before a disk is erased: WWNs were seen twice."""
        return self.is_known and self.numbers == other.numbers

    def __str__(self) -> str:
        """Its serial, and its WWN where several may have the serial."""
        return " ".join(filter(None, (self.serial or "without a serial", self.wwn)))


def _disk_serial(text: str) -> str:
    return disk_names.serial(text) if disk_names.tells_apart(text) else ""


def shared(cards: Iterable[Iterable[str]]) -> frozenset[str]:
    """MACs that several machines name: of BMCs' USB cards all have the same. They tell no machine."""
    counted = Counter(mac for macs in cards for mac in set(macs))
    return frozenset(mac for mac, count in counted.items() if count > 1)
