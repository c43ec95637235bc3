"""Makes a profile from what one machine showed: hints for its disk, its cards, its GPUs, its memory."""

from collections import Counter
from collections.abc import Sequence
from glob import escape

from provisioner.domain.hardware import DeviceInfo, DiskInfo, HardwareFacts
from provisioner.domain.profile import Gpu, Hints, Profile, ProfileNic
from provisioner.errors import NotFoundError
from provisioner.system.text import clean

GIB, MIB = 1 << 30, 1 << 20
GPU_CLASSES = ("03", "12")  # PCI: display controllers, processing accelerators
VGA = "0300"  # PCI class of what can be a board's own screen: its BMC's, or the processor's on bus 0
GPU_MAKERS = ("10de", "1002", "8086")  # NVIDIA, AMD, Intel: their VGA controllers may be cards that compute
WIDTH = 1000  # no text is folded: the rest of it would begin a line of its own
LONGEST_HINT = 200  # characters of a hint, as the profile takes it
TOLERANCE = 0.03  # disks that are sold as one size differ by less


def profile(
    hardware: HardwareFacts, name: str, *, devices: tuple[str, ...] = (), base: Profile | None = None
) -> Profile:
    """The profile that this machine fits.

    `devices` are PCI ids that count as GPUs besides those of class 0x03 and 0x12. `base` is an existing
    profile: image, deadlines, seal and method stay as they are there. Raises NotFoundError (PV-136) where
    nothing was inventoried.
    """
    if not hardware.disks and not hardware.nics:
        raise NotFoundError(
            "nothing is known yet of this machine's hardware",
            hint="let it boot the ramdisk: deploy it, or set discovery.boot in the settings",
            code=136,
        )
    learned = {
        "name": name,
        "disks": (_hints(hardware.disks),),
        "nics": tuple(ProfileNic(role="production" if n else "deploy") for n in range(len(hardware.nics))),
        "memory_min": _round(hardware.memory),
    }
    unlearned = base.model_dump(exclude_unset=True) if base else {}
    return Profile.model_validate(unlearned | learned | _about_gpus(hardware, devices, base))


def _about_gpus(hardware: HardwareFacts, named: tuple[str, ...], base: Profile | None) -> dict[str, object]:
    """What `base` says of a GPU beside its count stays with it; without any GPU there is no driver for one.

    A machine whose PCI devices were not reported says nothing of GPUs.
    """
    known = {gpu.id: gpu for gpu in base.gpus} if base else {}
    if known and not hardware.devices:
        return {}
    found = _gpus(hardware.devices, named)
    gpus = [known.get(gpu.id, gpu).model_copy(update={"count": gpu.count}) for gpu in found]
    without = {} if gpus else {"gpu_driver": "", "acceptance": {}}
    return {"gpus": [gpu.model_dump(exclude_unset=True) for gpu in gpus], **without}


def _hints(disks: Sequence[DiskInfo]) -> Hints:
    """Hints that exactly one of them fits: the only one of its kind, the smallest that does not rotate first.

    Where all have twins, its place at the bus tells it apart; where even that is shared, the serial must be
    given to each host.
    """
    disks = [disk for disk in disks if not (disk.medium or disk.read_only)]
    if not disks:
        return Hints()
    unique = [disk for disk in disks if sum(_fits(_kind(disk), other) for other in disks) == 1]
    chosen = min(unique or disks, key=lambda disk: (disk.rotational, disk.size, disk.name))
    hints = _kind(chosen)
    if not unique and chosen.by_path:
        return hints.model_copy(update={"by_path": chosen.by_path})
    return hints


def _kind(disk: DiskInfo) -> Hints:
    low, high = int(disk.size * (1 - TOLERANCE)), int(disk.size * (1 + TOLERANCE))
    return Hints(
        min_size=_round(low),
        max_size=_round(high) + _unit(high),
        rotational=disk.rotational,
        model=_model(disk),
    )


def _model(disk: DiskInfo) -> str:
    """The model, as the agent reads it, for a pattern of the shell; of a long one the beginning."""
    words = clean(disk.model)
    whole = escape(words)
    return whole if len(whole) <= LONGEST_HINT else escape(words[: LONGEST_HINT // 4]) + "*"


def _fits(hints: Hints, disk: DiskInfo) -> bool:
    same = hints.rotational == disk.rotational and hints.model == _model(disk)
    return same and hints.min_size <= disk.size <= hints.max_size


def _unit(size: int) -> int:
    return GIB if size >= 16 * GIB else MIB


def _round(size: int) -> int:
    """Down to whole GiB, of small things to MiB."""
    return size // _unit(size) * _unit(size)


def _gpus(devices: Sequence[DeviceInfo], named: tuple[str, ...]) -> tuple[Gpu, ...]:
    counted = Counter(device.id for device in devices if device.id in named or _is_gpu(device))
    return tuple(Gpu(id=ident, count=count) for ident, count in sorted(counted.items()))


def _is_gpu(device: DeviceInfo) -> bool:
    own = not device.id.startswith(GPU_MAKERS) or device.place.startswith("0000:00:")
    return device.kind.startswith(GPU_CLASSES) and not (device.kind.startswith(VGA) and own)


def as_yaml(learned: Profile) -> str:
    """The profile as text for inventory/profiles.yml: sizes with units, nothing that is a default."""
    import yaml

    body = learned.model_dump(mode="json", exclude_defaults=True, exclude={"name"})
    for hints in body.get("disks", []):
        hints |= {key: text(hints[key]) for key in ("min_size", "max_size") if key in hints}
    for one in (body, *body.get("gpus", [])):
        if "memory_min" in one:
            one["memory_min"] = text(one["memory_min"])
    return yaml.safe_dump({learned.name: body}, sort_keys=False, width=WIDTH)


def text(size: int) -> str:
    """Bytes in the largest unit that says them exactly: `64G`, `953M`."""
    for unit, factor in (("T", 1 << 40), ("G", GIB), ("M", MIB), ("K", 1 << 10)):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)
