"""What a kind of host must be."""

from collections.abc import Callable
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from provisioner.domain.stage import Stage
from provisioner.domain.values import FrozenModel, Mac, Name, Package, Size, Text, Url
from provisioner.system import disk_hints, disk_names
from provisioner.system.text import is_identifier

SMALLEST = 1 << 20  # bytes: no disk is smaller


def _names_a_disk(wrong: Callable[[str], str]) -> AfterValidator:
    """What no disk can be called is refused here, and not when the host looks for it."""

    def check(text: str) -> str:
        words = text.strip()
        if words and not is_identifier(words):
            raise ValueError(f"{words!a} has characters that cannot be seen; type it again")
        if words and (fault := wrong(words)):
            raise ValueError(f"{words} {fault}")
        return words

    return AfterValidator(check)


class Hints(FrozenModel):
    """Which disk is meant: every hint that is set must match exactly one disk; sizes in bytes.

    The notations of lsblk, udev, smartctl and lspci are understood (`system.disk_names`).
    """

    serial: Annotated[Text, _names_a_disk(disk_names.wrong_serial)] = ""
    wwn: Annotated[Text, _names_a_disk(disk_names.wrong_wwn)] = ""
    model: Annotated[Text, AfterValidator(str.strip)] = ""
    name: Annotated[Text, _names_a_disk(disk_names.wrong_device)] = ""
    by_path: Annotated[Text, _names_a_disk(disk_names.wrong_path)] = ""
    min_size: Size = 0
    max_size: Size = 0
    rotational: bool | None = None

    @model_validator(mode="after")
    def _sizes_leave_room(self) -> Self:
        if 0 < self.max_size < self.min_size:
            raise ValueError("max_size is smaller than min_size: no disk fits both")
        if 0 < self.max_size < SMALLEST:
            raise ValueError(f"max_size: no disk has {self.max_size} bytes; is the unit missing, such as GB?")
        return self

    def describe(self) -> str:
        """In words, `at least 1 TiB, not rotating`; empty where nothing is said."""
        return disk_hints.in_words(**self.model_dump())


class ProfileNic(FrozenModel):
    """A network interface that the host must have."""

    role: Literal["deploy", "production", "bmc"] = "deploy"
    mac: Mac | None = None


class Gpu(FrozenModel):
    """PCI devices that the host must show: `id` is vendor:device, four hexadecimal digits each.

    The rest is asked of NVML, of each GPU with this id; 0 and None are not checked.
    """

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{4}:[0-9a-f]{4}$")]
    count: int = Field(1, ge=1)
    name: Text = ""
    memory_min: Size = 0
    link_width: int = Field(0, ge=0, le=32)
    ecc: bool | None = None


class Installer(FrozenModel):
    """What Ubuntu's installer is told beside what every host is told; `stream` writes a pack from it.

    `iso` names the installer's image for `stream`; for `subiquity` it is the image that is ordered.
    """

    flavour: Literal["subiquity", "stream"] = "subiquity"
    iso: str = ""
    mirror: Url | None = None
    packages: tuple[Package, ...] = ()
    source: Annotated[str, Field(pattern=r"^[a-z0-9-]{0,60}$")] = ""
    locale: Annotated[str, Field(pattern=r"^[A-Za-z_]{1,20}(\.[A-Za-z0-9-]{1,20})?$")] = "C.UTF-8"


def _names_one(disks: tuple[Hints, ...]) -> tuple[Hints, ...]:
    if not disks:
        raise ValueError("no disk is named: leave it out where the host has only one, or write an entry")
    return disks


class Profile(FrozenModel):
    """What a kind of host must be."""

    name: Name
    disks: Annotated[tuple[Hints, ...], AfterValidator(_names_one)] = (Hints(),)
    nics: tuple[ProfileNic, ...] = ()
    gpus: tuple[Gpu, ...] = ()
    gpu_driver: Annotated[str, Field(pattern=r"^([0-9]{3,4})?$")] = ""  # NVIDIA's branch, such as 580
    memory_min: Size = 0
    deadlines: dict[Stage, Annotated[int, Field(ge=10)]] = {}
    seal: Literal["full", "keep-access"] = "full"
    method: Literal["image", "autoinstall"] = "image"
    autoinstall: Installer | None = None
    image: str = ""

    @model_validator(mode="after")
    def _gpus_are_asked_where_a_driver_is(self) -> Self:
        if self.gpu_driver and not self.gpus:
            raise ValueError("gpu_driver: list the gpus that it drives")
        if self.gpu_driver and len({gpu.id for gpu in self.gpus}) < len(self.gpus):
            raise ValueError("gpus: an id is there twice")
        for gpu in self.gpus:
            if not self.gpu_driver and (gpu.memory_min or gpu.link_width or gpu.ecc is not None):
                raise ValueError(f"gpus: memory_min, link_width and ecc of {gpu.id} need gpu_driver")
        return self

    @model_validator(mode="after")
    def _installer_fits_the_method(self) -> Self:
        if self.autoinstall and self.method != "autoinstall":
            raise ValueError("autoinstall: is for `method: autoinstall` only")
        if self.installer.flavour == "stream" and not self.installer.iso:
            raise ValueError("autoinstall.iso: is missing; `stream` boots an ISO to write another image")
        return self

    @property
    def disk(self) -> Hints:
        """The disk that the image is written to: the first of `disks`."""
        return self.disks[0]

    @property
    def installer(self) -> Installer:
        """What the installer is told, with its defaults."""
        return self.autoinstall or Installer()
