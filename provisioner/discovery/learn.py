"""Makes a profile from what one machine showed: hints for its disk, its cards, its GPUs, its memory."""

from collections import Counter
from glob import escape
from typing import Any

from provisioner.domain.profile import Profile
from provisioner.errors import NotFoundError

Facts = dict[str, Any]
GIB, MIB = 1 << 30, 1 << 20
GPU_CLASSES = ("03", "12")  # PCI: display controllers, processing accelerators
BMC_SCREENS = ("1a03", "102b")  # ASPEED, Matrox: the BMC's own screen, no GPU of the host
TOLERANCE = 0.03  # disks that are sold as one size differ by less


def profile(facts: Facts, name: str, *, devices: tuple[str, ...] = (), base: Facts | None = None) -> Profile:
    """The profile that this machine fits. `facts` is an inventory or a hello, as plain data.

    `devices` are PCI ids that count as GPUs besides those of class 0x03 and 0x12. `base` is an existing
    profile: image, deadlines, seal and method stay as they are there. Raises NotFoundError (PV-136) where
    nothing was inventoried.
    """
    if not facts.get("disks") and not facts.get("nics"):
        raise NotFoundError(
            "nothing is known yet of this machine's hardware",
            hint="let it boot the ramdisk: deploy it, or set discovery.boot in the settings",
            code=136,
        )
    nics = facts.get("nics", [])
    learned = {
        "name": name,
        "disks": [_disk(facts.get("disks", []))],
        "nics": [{"role": "production" if number else "deploy"} for number in range(len(nics))],
        "gpus": _gpus(facts.get("devices", []), devices),
        "memory_min": _round(facts.get("memory", 0)),
    }
    return Profile.model_validate((base or {}) | learned)


def _disk(disks: list[Facts]) -> Facts:
    """Hints that exactly one of them fits: the only one of its kind, the smallest that does not rotate first.

    Where all have twins, its place at the bus tells it apart; where even that is shared, the serial must be
    given to each host.
    """
    if not disks:
        return {}
    alone = [disk for disk in disks if sum(_fits(_kind(disk), other) for other in disks) == 1]
    chosen = min(alone or disks, key=lambda disk: (disk["rotational"], disk["size"], disk["name"]))
    hints = _kind(chosen)
    if not alone and chosen["by_path"]:
        hints["by_path"] = chosen["by_path"]
    return hints


def _kind(disk: Facts) -> Facts:
    low, high = int(disk["size"] * (1 - TOLERANCE)), int(disk["size"] * (1 + TOLERANCE))
    hints = {
        "min_size": _round(low),
        "max_size": _round(high) + _unit(high),
        "rotational": disk["rotational"],
    }
    return hints | ({"model": escape(disk["model"])} if disk["model"] else {})


def _fits(hints: Facts, disk: Facts) -> bool:
    same = hints["rotational"] == disk["rotational"] and hints.get("model", "") == escape(disk["model"])
    return bool(same and hints["min_size"] <= disk["size"] <= hints["max_size"])


def _unit(size: int) -> int:
    return GIB if size >= 16 * GIB else MIB


def _round(size: int) -> int:
    """Down to whole GiB, of small things to MiB."""
    return size // _unit(size) * _unit(size)


def _gpus(found: list[Facts], wanted: tuple[str, ...]) -> list[Facts]:
    counted = Counter(
        device["id"]
        for device in found
        if device["id"] in wanted
        or (device["kind"].startswith(GPU_CLASSES) and not device["id"].startswith(BMC_SCREENS))
    )
    return [{"id": ident, "count": count} for ident, count in sorted(counted.items())]


def as_yaml(learned: Profile) -> str:
    """As inventory/profiles.yml has it."""
    import yaml

    body = learned.model_dump(mode="json", exclude_defaults=True, exclude={"name"})
    for hints in body.get("disks", []):
        hints |= {key: text(hints[key]) for key in ("min_size", "max_size") if key in hints}
    if "memory_min" in body:
        body["memory_min"] = text(learned.memory_min)
    return yaml.safe_dump({learned.name: body}, sort_keys=False, allow_unicode=True)


def text(size: int) -> str:
    """Bytes in the largest unit that says them exactly: `64G`, `953M`."""
    for unit, factor in (("T", 1 << 40), ("G", GIB), ("M", MIB), ("K", 1 << 10)):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)
