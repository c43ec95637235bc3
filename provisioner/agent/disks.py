"""Which disk is meant: every hint must match, and exactly one disk may."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict

from provisioner.agent.protocol import Disk, DiskHints
from provisioner.domain.identity import DiskIdentity
from provisioner.errors import DiskError
from provisioner.system import disk_hints, disk_names
from provisioner.system.text import clean

EMPTY = "no partition table, zeros"  # nothing to lose, as far as can be seen
HALF = "half of "  # an image of ours that was not written to its end


def choose(disks: Sequence[Disk], hints: DiskHints) -> Disk:
    """The one disk that all hints fit. Raises DiskError (PV-312 none, PV-313 several) with what was seen."""
    fitting = [disk for disk in disks if not mismatches(disk, hints)]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise _none(disks, hints)
    seen = "; ".join(describe(disk) for disk in fitting)
    if _is_one_unit(fitting):
        raise DiskError(
            f"{len(fitting)} disks fit the hints, and are one: paths to {fitting[0].wwn}. Seen: {seen}",
            hint="leave one path to it (cable, zone or mask)" + _either(fitting),
            code=313,
        )
    raise DiskError(
        f"{len(fitting)} disks fit the hints, and only one may: {seen}",
        hint=f"add a hint that tells them apart{_differences(fitting)}",
        code=313,
    )


def _none(disks: Sequence[Disk], hints: DiskHints) -> DiskError:
    seen = "; ".join(f"{describe(disk)}: {', '.join(mismatches(disk, hints))}" for disk in disks)
    if disks and all(disk.medium or disk.read_only for disk in disks):
        return DiskError(
            f"this machine shows no disk that could be meant. Seen: {seen}",
            hint="check the cabling and the controller's driver and mode; where such a medium is meant, "
            "name it by serial, wwn, name or by_path",
            code=312,
        )
    words = disk_hints.in_words(**asdict(hints))
    meant = f"it must be {words}: " if words else ""
    return DiskError(
        f"no disk fits the hints. Seen: {seen or 'no disk at all'}",
        hint=f"{meant}correct the disk hints of the host or its profile, or check the cabling",
        code=312,
    )


def _is_one_unit(disks: Sequence[Disk]) -> bool:
    """Whether they are paths to one logical unit: all that is known of them is the same, with a WWN.

    Makers gave one WWN to several disks, which their serials tell apart.
    """
    first = disks[0]
    return disk_names.tells_apart(first.wwn) and all(
        (first.size, first.model) == (disk.size, disk.model)
        and DiskIdentity(first.serial, first.wwn).is_exactly(DiskIdentity(disk.serial, disk.wwn))
        for disk in disks
    )


def _differences(disks: Sequence[Disk]) -> str:
    """The first hint in which each is another, and what each says; empty where none is."""
    for name in ("serial", "wwn", "by_path", "name"):
        values = [str(getattr(disk, name)) for disk in disks]
        if all(values) and len(set(values)) == len(values):
            return f": {name} is {_list(values)}"
    return ""


def _either(disks: Sequence[Disk]) -> str:
    name = "by_path" if len({disk.by_path for disk in disks if disk.by_path}) == len(disks) else "name"
    return f", or set {name} to one of them: {_list([str(getattr(disk, name)) for disk in disks])}"


def _list(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + " or " + words[-1]


def mismatches(disk: Disk, hints: DiskHints) -> list[str]:
    """Why a disk does not fit the hints, a phrase each; empty where it does."""
    faults = []
    if disk.read_only:
        faults.append("it is read-only")
    if disk.medium and not (hints.serial or hints.wwn or hints.name or hints.by_path):
        faults.append(f"it is {disk.medium}, and no hint names it")
    same: dict[str, Callable[[str, str], bool]] = {
        "serial": lambda wanted, has: disk_names.is_serial_of(wanted, has, disk.model, disk.wwn),
        "wwn": lambda wanted, has: disk_names.is_same_wwn(wanted, has) or wanted.lower() == has.lower(),
        "name": disk_names.is_same_device,
        "by_path": lambda wanted, has: disk_names.is_same_path(wanted, has, disk.sas_address),
    }
    for name, is_same in same.items():
        wanted, has = getattr(hints, name), getattr(disk, name)
        if wanted and not is_same(wanted, has):
            faults.append(f"{name} is {has or 'unknown'}, not {wanted}")
    wanted = clean(hints.model)  # as the words of the disk were read
    may_be_cut = not disk.name.startswith("nvme")
    if wanted and not disk_names.fits_model(wanted, disk.model, may_be_cut=may_be_cut):
        faults.append(f"model is {disk.model or 'unknown'}, not {wanted}")
    if disk.size < hints.min_size:
        faults.append(f"smaller than {size(hints.min_size)}")
    if 0 < hints.max_size < disk.size:
        faults.append(f"larger than {size(hints.max_size)}")
    if hints.rotational is not None and hints.rotational != disk.rotational:
        faults.append("it rotates" if disk.rotational else "it does not rotate")
    return faults


def check(disk: Disk, image_size: int, sector: int) -> None:
    """Raises DiskError where the image does not fit (PV-311) or has other sectors (PV-314)."""
    if disk.logical_sector != sector:
        raise DiskError(
            f"{disk.name} has sectors of {disk.logical_sector} bytes, the image was made for {sector}: "
            "its partition table would be invisible there",
            hint="switch the disk to 512-byte sectors (nvme format, sg_format), or take an image made for it",
            code=314,
        )
    if disk.size < image_size:
        raise DiskError(
            f"{describe(disk)} is too small: the image needs {size(image_size)}",
            hint="take a larger disk or a smaller image",
            code=311,
        )


def foreign_content(disk: Disk, names: Collection[str]) -> str:
    """In words, what of the disk is not its host's own; empty where nothing is.

    `names` are what the host is and was called; without any, nobody's system is another's.
    """
    other = f"the system of {disk.owner}" if disk.owner and names and disk.owner not in names else ""
    return ", ".join(words for words in (disk.foreign, other) if words)


def check_consent(disk: Disk, names: Collection[str], *, erase: bool, foreign: bool) -> None:
    """Raises DiskError (PV-319) where what the disk holds may not be lost; `names` as for `foreign_content`.

    What is half of an image of ours is nobody's: without consent it could never be made whole.
    """
    if (other := foreign_content(disk, names)) and not foreign:
        raise DiskError(
            f"{describe(disk)} holds what is not ours to erase: {other}",
            hint="is it the right disk? Then order with --erase-foreign",
            code=319,
        )
    if not erase and disk.content != EMPTY and not disk.content.startswith(HALF):
        raise DiskError(f"{describe(disk)} holds something: {disk.content}", code=319)


def describe(disk: Disk) -> str:
    """A disk for people: `nvme0n1 Samsung PM9A3 3.84 TB serial S5XX`."""
    parts = [disk.name, disk.model, size(disk.size), f"serial {disk.serial}" if disk.serial else ""]
    return " ".join(part for part in parts if part)


def size(number: int) -> str:
    """Bytes for people, in powers of 1000 as disks are sold: `3.84 TB`."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.3g} {unit}"
        value /= 1000
    raise AssertionError
