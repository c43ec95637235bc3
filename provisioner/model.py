"""The nouns of the product as data: hosts, profiles, images, deployments, events, boot plans."""

import re
from enum import StrEnum
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from provisioner.errors import InputError


class Stage(StrEnum):
    """What a deployment waits for now; the table of what follows is in lifecycle.py."""

    QUEUED = "queued"
    POWERING = "powering"
    NETBOOTING = "netbooting"
    WRITING = "writing"
    RESTARTING = "restarting"
    VERIFYING = "verifying"
    SEALING = "sealing"
    READY = "ready"
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELLED = "cancelled"


def parse_mac(text: str) -> str:
    """Any usual notation of a MAC as `aa:bb:cc:dd:ee:ff`.

    Raises:
        InputError: PV-101, not twelve hexadecimal digits, or an address that no network card has.
    """
    digits = re.sub(r"[:.\-\s]", "", str(text)).lower()
    if not re.fullmatch(r"[0-9a-f]{12}", digits):
        raise InputError(
            f"{str(text)[:40]!r} is not a MAC address",
            hint="twelve hexadecimal digits, as AC:1F:6B:0A:42:10, ac-1f-6b-0a-42-10 or ac1f.6b0a.4210",
            code=101,
        )
    if digits == "0" * 12 or int(digits[1], 16) & 1:
        raise InputError(
            f"{text} is a group address or all zeros, no network card has it",
            hint="read the MAC from the label again",
            code=101,
        )
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


def _mac(value: object) -> str:
    try:
        return parse_mac(str(value))
    except InputError as fault:
        raise ValueError(f"{fault} ({fault.hint})") from fault


_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def _size(value: object) -> int:
    found = re.fullmatch(r"(\d+)\s*([KMGT]?)(?:i?B)?", str(value).strip(), re.IGNORECASE)
    if not found:
        raise ValueError(f"{value!r} is not a size; write 64G or 480103981056")
    return int(found[1]) * _UNITS[found[2].upper()]


def _fingerprint(value: object) -> str:
    digits = str(value).replace(":", "").lower()
    if digits and not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise ValueError("a fingerprint is a certificate's SHA-256, 64 hexadecimal digits")
    return digits


Fingerprint = Annotated[str, BeforeValidator(_fingerprint)]
Mac = Annotated[str, BeforeValidator(_mac)]
Size = Annotated[int, BeforeValidator(_size)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]  # a DNS label, RFC 1123
Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Data(BaseModel):
    """Frozen, and strict about unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Bmc(Data):
    """How a host is powered. `secret` names a file of the state folder's `secrets/`.

    Redfish's certificate is pinned: to the SHA-256 `fingerprint`, else to what the first login sees.
    `console: ipmi` says that a Redfish BMC speaks IPMI too, with the same login; `none` leaves the serial
    console to others.
    """

    driver: Literal["ipmi", "manual", "redfish"] = "manual"
    address: IPv4Address | None = None
    port: int = Field(623, ge=1, le=65535)
    verify: bool = True
    fingerprint: Fingerprint = ""
    mac: Mac | None = None
    secret: Annotated[str, Field(pattern=r"^[\w.-]*$")] = ""
    console: Literal["", "ipmi", "none"] = ""

    @property
    def has_console(self) -> bool:
        """Whether its serial console can be had, by IPMI's Serial-over-LAN."""
        return self.driver != "manual" and (self.console or self.driver) == "ipmi"

    @model_validator(mode="before")
    @classmethod
    def _redfish_is_https(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("driver") == "redfish":
            return {"port": 443, **values}
        return values


class Hints(Data):
    """Which disk is meant: every hint that is set must match exactly one disk; sizes in bytes."""

    serial: Text = ""
    wwn: Text = ""
    model: Text = ""
    name: Text = ""
    by_path: Text = ""
    min_size: Size = 0
    max_size: Size = 0
    rotational: bool | None = None


class ProfileNic(Data):
    """A network interface that the host must have."""

    role: Literal["deploy", "production", "bmc"] = "deploy"
    mac: Mac | None = None


class Gpu(Data):
    """PCI devices that the host must show: `id` is vendor:device, four hexadecimal digits each.

    The rest is asked of NVML, of each GPU with this id; 0 and None are not checked.
    """

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{4}:[0-9a-f]{4}$")]
    count: int = Field(1, ge=1)
    name: Text = ""
    memory_min: Size = 0
    link_width: int = Field(0, ge=0, le=32)
    ecc: bool | None = None


Url = Annotated[
    str, Field(max_length=200, pattern=r"^http://[A-Za-z0-9.-]+(:\d{1,5})?(/[A-Za-z0-9._~/-]*)?$")
]
Package = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.+-]{1,99}$")]  # Debian policy, 5.6.7


class Installer(Data):
    """What Ubuntu's installer is told beside what every host is told; `stream` writes a pack from it.

    `iso` names the installer's image for `stream`; for `subiquity` it is the image that is ordered.
    """

    flavour: Literal["subiquity", "stream"] = "subiquity"
    iso: str = ""
    mirror: Url | None = None
    packages: tuple[Package, ...] = ()
    source: Annotated[str, Field(pattern=r"^[a-z0-9-]{0,60}$")] = ""
    locale: Annotated[str, Field(pattern=r"^[A-Za-z_]{1,20}(\.[A-Za-z0-9-]{1,20})?$")] = "C.UTF-8"


class Profile(Data):
    """What a kind of host must be."""

    name: Name
    disks: tuple[Hints, ...] = (Hints(),)
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
    def installer(self) -> Installer:
        """What the installer is told, with its defaults."""
        return self.autoinstall or Installer()


class Host(Data):
    """One machine. The first MAC is the one that boots from the network."""

    name: Name
    macs: tuple[Mac, ...] = Field(min_length=1)
    profile: Name
    bmc: Bmc = Bmc()
    serial: Text = ""
    uuid: Text = ""
    rack: Text = ""
    disk: Hints | None = None
    locked: bool = False


class Image(Data):
    """One version of an image in the catalogue; sizes in bytes. An `iso` is Ubuntu's installer."""

    name: Name
    version: Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z._+-]{0,63}$")]
    raw_size: int
    raw_sha256: str
    pack_size: int
    signed_by: str
    added: float
    kind: Literal["pack", "iso"] = "pack"

    @property
    def id(self) -> str:
        """As people type it: `vault-os@2026.11.2`."""
        return f"{self.name}@{self.version}"


class Firmware(StrEnum):
    """What the machine's firmware is, as far as its boot answer differs."""

    UEFI = "uefi"
    BIOS = "bios"


class Local(Data):
    """Boot your own disk: the default answer to anyone, for anything unknown or on any error."""

    firmware: Firmware = Firmware.UEFI


class Ramdisk(Data):
    """Boot the ramdisk: URLs of kernel and initrd, and the kernel's arguments."""

    kernel: str
    initrd: str
    args: str


class Survey(Data):
    """Boot the ramdisk on a machine that nobody knows, to say what it is; it carries no order."""

    kernel: str
    initrd: str
    args: str


class Autoinstall(Data):
    """Boot Ubuntu's installer."""

    kernel: str
    initrd: str
    iso: str
    seed_url: str


BootPlan = Local | Ramdisk | Survey | Autoinstall


class Asker(Data):
    """Who asks for a boot script, as far as the request tells."""

    mac: Mac
    address: str
    serial: Annotated[str, Field(pattern=r"^[\w .:+/-]{0,64}$")] = ""
    uuid: Annotated[str, Field(pattern=r"^[0-9A-Fa-f-]{0,36}$")] = ""
    firmware: Firmware = Firmware.UEFI
    arch: Annotated[str, Field(pattern=r"^[a-z0-9_]{0,16}$")] = ""  # iPXE's word for its own


def version_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Orders versions as people read them: 1.9 < 1.10rc1 < 1.10 < 1.10.1."""
    parts: list[tuple[int, int, str]] = []
    for word in re.findall(r"[0-9]+|[A-Za-z]+", text):
        parts.append((2, int(word), "") if word.isdigit() else (0, 0, word.lower()))
    return (*parts, (1, 0, ""))


class Terms(Data):
    """How an order may write the disk, and what its operator knowingly gives up."""

    write_mode: Literal["delta", "full", "wipe"] = "delta"  # what differs · all · zeros everywhere, then all
    erase_foreign: bool = False
    allow_downgrade: bool = False


class Event(Data):
    """One line of the append-only log. `time` is seconds since 1970 by the service's clock."""

    id: int = 0
    time: float
    host: str
    deployment: str
    attempt: int
    kind: str
    source: str
    data: dict[str, Any] = {}


class Run(Data):
    """One order for many hosts. `max_parallel` and `stop_after` are counts, 0 for no limit."""

    id: str
    created: float
    by: str
    select: str
    max_parallel: int = 0
    stop_after: int = 0
    until: str = ""
    terms: Terms = Terms()


class Deployment(Data):
    """One ordered, armed, one-shot attempt to put one image on one host; times in seconds since 1970.

    `iso` names the installer that boots instead of the ramdisk; where it is the image itself, that
    installer also writes the disk.
    """

    id: str
    host: str
    mac: str
    image: str
    stage: Stage
    stage_since: float
    deadline: float
    created: float
    expires: float
    attempt: int = 0
    armed_by: str = ""
    serial: str = ""
    erase: bool = True
    stop_after: str = ""
    nonce: str = ""
    token_hash: str = ""
    phone_hash: str = ""
    agent_boot_id: str = ""
    last_sign: float = 0
    sign: str = ""
    progress: dict[str, Any] = {}
    power_on: float = 0
    reboot: bool = False
    disk: dict[str, Any] = {}
    address: str = ""
    host_keys: tuple[str, ...] = ()
    code: int = 0
    reason: str = ""
    hint: str = ""
    verdict: dict[str, Any] = {}
    run: str = ""
    iso: str = ""
    write_mode: Literal["delta", "full", "wipe"] = "delta"
    erase_foreign: bool = False

    @property
    def is_installed(self) -> bool:
        """Whether Ubuntu's installer writes the disk, and not our agent."""
        return bool(self.iso) and self.iso == self.image
