"""What a kind of host must be."""

import json
from collections.abc import Callable
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from provisioner.domain.acceptance import Level
from provisioner.domain.requirements import AROUND_BURN_IN, AcceptedFirmware, Requirements
from provisioner.domain.restart import Restart
from provisioner.domain.stage import Stage
from provisioner.domain.values import Boolean, FrozenModel, Mac, Name, Package, Real, Size, Text, Url, Whole
from provisioner.system import disk_hints, disk_names
from provisioner.system.checksum import sha256_text
from provisioner.system.text import is_identifier

SMALLEST = 1 << 20  # bytes: no disk is smaller
FORMAT = "vaultcube.profile/1"  # of what its hash is made of

# of a GPU's fields, which say nothing that NVML must show; a tolerance says nothing alone
TOLD_WITHOUT_NVML = ("id", "count", "name", "power_tolerance")


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
    rotational: Boolean | None = None

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

    The rest is asked of NVML, of each GPU with this id; 0, None and no `vbios` at all are not checked.
    `link_generation` of PCIe is judged under load alone: it falls while a GPU idles. `nvlinks` are the active
    ones of each GPU, `power_limit` and `power_tolerance` W, `vbios` the versions that are accepted.
    """

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{4}:[0-9a-f]{4}$")]
    count: Whole = Field(1, ge=1)
    name: Text = ""
    memory_min: Size = 0
    link_width: Whole = Field(0, ge=0, le=32)
    link_generation: Whole = Field(0, ge=0, le=8)
    ecc: Boolean | None = None
    nvlinks: Whole = Field(0, ge=0, le=64)
    power_limit: Real = Field(0, ge=0, le=10_000)
    power_tolerance: Real = Field(5, ge=0, le=1000)
    mig: Boolean | None = None
    persistence: Boolean | None = None
    vbios: tuple[Text, ...] = ()

    def asked(self) -> tuple[str, ...]:
        """What is said of it that NVML alone can show, as the inventory calls it."""
        names = (name for name in type(self).model_fields if name not in TOLD_WITHOUT_NVML)
        return tuple(name for name in names if _says(getattr(self, name)))


def _says(value: object) -> bool:
    """0, None and nothing at all say that it is not checked; `false` does say something."""
    return value is False or bool(value)


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
    firmware: AcceptedFirmware = AcceptedFirmware()
    acceptance: Requirements = Requirements()
    deadlines: dict[Stage, Annotated[Whole, Field(ge=10)]] = {}
    seal: Literal["full", "keep-access"] = "full"
    method: Literal["image", "autoinstall"] = "image"
    restart: Restart = "firmware"
    autoinstall: Installer | None = None
    image: str = ""

    @model_validator(mode="after")
    def _gpus_are_asked_where_a_driver_is(self) -> Self:
        if self.gpu_driver and not self.gpus:
            raise ValueError("gpu_driver: list the gpus that it drives")
        if self.gpu_driver and len({gpu.id for gpu in self.gpus}) < len(self.gpus):
            raise ValueError("gpus: an id is there twice")
        for gpu in self.gpus:
            if not self.gpu_driver and (asked := gpu.asked()):
                words = " and ".join(filter(None, (", ".join(asked[:-1]), asked[-1])))
                verb = "needs" if len(asked) == 1 else "need"
                raise ValueError(f"gpus: {words} of {gpu.id} {verb} gpu_driver")
        return self

    @model_validator(mode="after")
    def _what_is_measured_has_gpus(self) -> Self:
        if not self.gpu_driver and (self.acceptance.level is not Level.QUICK or self.acceptance.limits):
            raise ValueError("acceptance: level and limits are of GPUs, and need gpu_driver")
        return self

    @model_validator(mode="after")
    def _the_burn_in_has_time(self) -> Self:
        limit = self.deadlines.get(Stage.VERIFYING)
        if limit and self.acceptance.burns_in and limit < self.acceptance.usual + AROUND_BURN_IN:
            words = f"verifying ends after {limit} s, the burn-in of level {self.acceptance.level} takes"
            raise ValueError(f"deadlines: {words} {self.acceptance.usual} s; allow {AROUND_BURN_IN} s more")
        return self

    @model_validator(mode="after")
    def _installer_fits_the_method(self) -> Self:
        if self.autoinstall and self.method != "autoinstall":
            raise ValueError("autoinstall: is for `method: autoinstall` only")
        if self.installer.flavour == "stream" and not self.installer.iso:
            raise ValueError("autoinstall.iso: is missing; `stream` boots an ISO to write another image")
        return self

    @model_validator(mode="after")
    def _our_agent_restarts_it(self) -> Self:
        if self.restart == "kexec" and self.method != "image":
            raise ValueError("restart: `kexec` is for `method: image`; an installer restarts by the firmware")
        return self

    @property
    def disk(self) -> Hints:
        """The disk that the image is written to: the first of `disks`."""
        return self.disks[0]

    @property
    def sha256(self) -> str:
        """Of its canonical JSON: what is as it is by default is left out, so that releases agree."""
        said = {"format": FORMAT, **self.model_dump(mode="json", exclude_defaults=True)}
        text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return sha256_text(text)

    @property
    def installer(self) -> Installer:
        """What the installer is told, with its defaults."""
        return self.autoinstall or Installer()
