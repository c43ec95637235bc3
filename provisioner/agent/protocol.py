"""What the agent and the service say to each other: kernel arguments and messages, standard library only.

Transport: JSON over HTTP under ``/agent/v1/``; after the hello every request carries
``Authorization: Bearer TOKEN``. Every answer is ``{"do": "continue" | "stop" | "reboot", ...}``.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Literal, TypeAlias, TypeVar
from urllib.parse import urlsplit

PREFIX = "/agent/v1"
Do = Literal["continue", "stop", "reboot"]
Phase = Literal["preparing", "comparing", "writing", "reading back", "finishing"]
Method = Literal["delta", "full", "wipe"]
_T = TypeVar("_T")


class ProtocolError(ValueError):
    """A message or kernel argument that the other side cannot have meant."""


@dataclass(frozen=True)
class KernelArguments:
    """Where the ramdisk finds its service, and the one-time number that proves it was ordered."""

    server: str  # http://ADDRESS[:PORT], no path
    mac: str  # aa:bb:cc:dd:ee:ff, the MAC that was ordered
    nonce: str  # url-safe text

    def __post_init__(self) -> None:
        """What writes is made from these: without a nonce there are none. Raises ProtocolError."""
        _check("nonce", self.nonce)

    def __str__(self) -> str:
        return f"pv.server={self.server} pv.mac={self.mac} pv.nonce={self.nonce}"

    @classmethod
    def parse(cls, command_line: str) -> "KernelArguments":
        """From ``/proc/cmdline``. Raises ProtocolError naming the argument that is missing or malformed."""
        if is_survey(command_line):
            raise ProtocolError("kernel argument pv.inventory forbids every order")
        words = _words(command_line)
        for name in CHECKS:
            _check(name, words.get(f"pv.{name}", ""))
        return cls(words["pv.server"], words["pv.mac"], words["pv.nonce"])


@dataclass(frozen=True)
class SurveyArguments:
    """Where the ramdisk of a machine that nobody knows reports what it is; nothing that could allow more."""

    server: str
    mac: str

    def __str__(self) -> str:
        return f"pv.server={self.server} pv.mac={self.mac} pv.inventory=1"

    @classmethod
    def parse(cls, command_line: str) -> "SurveyArguments":
        """From ``/proc/cmdline``; a nonce there is not even read. Raises ProtocolError."""
        words = _words(command_line)
        for name in ("server", "mac"):
            _check(name, words.get(f"pv.{name}", ""))
        return cls(words["pv.server"], words["pv.mac"])


CHECKS = {
    "server": r"http://[\w.:\[\]-]+",
    "mac": r"([0-9a-f]{2}:){5}[0-9a-f]{2}",
    "nonce": r"[\w-]+",
}


def is_survey(command_line: str) -> bool:
    """Whether ``pv.inventory`` stands there, with any value or none: then nothing may be written."""
    return any(word.split("=", 1)[0] == "pv.inventory" for word in command_line.split())


def _words(command_line: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in command_line.split() if "=" in word)


def _check(name: str, value: str) -> None:
    is_usable = re.fullmatch(CHECKS[name], value, re.ASCII) is not None
    if name == "server" and is_usable:
        try:
            address = urlsplit(value)
            is_usable = bool(address.hostname) and address.port != 0  # a port of 99999 raises here
        except ValueError:
            is_usable = False
    if not is_usable:
        raise ProtocolError(f"kernel argument pv.{name} is missing or malformed")


@dataclass(frozen=True)
class Disk:
    """A whole disk as the kernel shows it below /sys/block."""

    name: str  # nvme0n1, vda
    size: int  # bytes
    logical_sector: int  # bytes
    model: str = ""
    serial: str = ""
    wwn: str = ""
    rotational: bool = False
    by_path: str = ""
    content: str = ""  # in words: "holds vault-os 2026.09.0", "GPT with 4 partitions", "no partition table"
    foreign: str = ""  # in words, what of it is part of something larger: LVM, RAID, ZFS
    owner: str = ""  # the host whose system it holds, as far as its seed says so


@dataclass(frozen=True)
class Nic:
    """A network interface with hardware behind it; `up` means that it has a carrier."""

    name: str
    mac: str
    driver: str = ""
    up: bool = False


@dataclass(frozen=True)
class Device:
    """A PCI function that is no bridge (PCI Local Bus specification, class codes)."""

    id: str  # vendor:device, four hexadecimal digits each
    kind: str  # class, subclass and interface, six hexadecimal digits: 030200 is a 3D controller
    place: str = ""  # 0000:17:00.0


@dataclass(frozen=True)
class Hello:
    """POST hello: consumes the order when the nonce is right. Idempotent by (nonce, boot_id)."""

    nonce: str
    boot_id: str  # /proc/sys/kernel/random/boot_id
    mac: str
    macs: list[str]
    serial: str  # SMBIOS system serial, "" where there is none
    uuid: str  # SMBIOS system UUID, lower case
    memory: int  # bytes
    version: str  # of the agent
    disks: list[Disk] = field(default_factory=list)
    nics: list[Nic] = field(default_factory=list)
    maker: str = ""  # SMBIOS system manufacturer
    product: str = ""
    cpu: str = ""  # the model's name
    cpus: int = 0  # logical processors
    firmware: str = ""  # uefi or bios
    devices: list[Device] = field(default_factory=list)


@dataclass(frozen=True)
class Inventory:
    """POST inventory: what a machine that nobody knows is. It has no order, gets none, and reboots."""

    mac: str
    macs: list[str]
    serial: str
    uuid: str
    memory: int  # bytes
    version: str
    disks: list[Disk] = field(default_factory=list)
    nics: list[Nic] = field(default_factory=list)
    maker: str = ""
    product: str = ""
    cpu: str = ""
    cpus: int = 0
    firmware: str = ""
    devices: list[Device] = field(default_factory=list)


@dataclass(frozen=True)
class DiskHints:
    """Which disk is meant; every hint that is set must match exactly one disk."""

    serial: str = ""
    wwn: str = ""
    model: str = ""  # shell pattern, e.g. "Samsung PM9A3*"
    name: str = ""
    by_path: str = ""
    min_size: int = 0  # bytes
    max_size: int = 0  # bytes, 0 = no limit
    rotational: bool | None = None


@dataclass(frozen=True)
class Order:
    """What the agent shall write where, as an operator has confirmed it; part of the hello's answer."""

    deployment: str
    attempt: int
    image_name: str
    image_version: str
    manifest_url: str  # path on the server; the signature lies at the same path + ".minisig"
    pack_url: str  # path on the server, answers Range
    disk: DiskHints
    erase: bool  # the operator's consent to lose what the disk holds
    seed: dict[str, str]  # file name in CIDATA → text
    expected_serial: str = ""  # refuse where the machine's SMBIOS serial is another
    method: Method = "delta"  # fetch what differs · fetch all · make the whole disk zeros, then fetch all
    foreign: bool = False  # consent to lose LVM, RAID, ZFS, another host's system too


@dataclass(frozen=True)
class HelloAnswer:
    """The answer to an accepted hello: 200 with the token of this attempt, and the order."""

    do: Do
    token: str
    time: float  # server's clock, seconds since 1970, for the agent's clock
    order: Order


@dataclass(frozen=True)
class Progress:
    """POST progress, every few seconds. Bytes are of the raw image."""

    deployment: str
    attempt: int
    seq: int
    phase: Phase
    done: int
    total: int
    rate: float  # bytes per second since the last report
    note: str = ""  # "waiting for the server since 12:03:04", "" when all is well
    disk: str = ""  # the chosen disk's name


@dataclass(frozen=True)
class Log:
    """POST log: lines of the agent's log and, on failure, dmesg."""

    deployment: str
    attempt: int
    seq: int
    lines: list[str]


@dataclass(frozen=True)
class Written:
    """POST written: all is on the disk, verified and read back. Polled until the answer says reboot."""

    deployment: str
    attempt: int
    seq: int
    disk: Disk
    seconds: float
    bytes_written: int
    bytes_fetched: int
    bytes_saved: int = 0  # of the image, that the disk held already


@dataclass(frozen=True)
class Failed:
    """POST failed: why this attempt cannot be finished, in a sentence for people."""

    deployment: str
    attempt: int
    seq: int
    code: int  # PV code, 3xx
    sentence: str
    hint: str = ""


@dataclass(frozen=True)
class Answer:
    """The answer to any message: what the agent shall do now, empty where it does not say, and all of it."""

    do: str
    body: Mapping[str, object]


Message: TypeAlias = Hello | Inventory | Progress | Log | Written | Failed


def dump(message: Message | HelloAnswer | Disk) -> dict[str, object]:
    """A message as plain JSON types, by the names of its fields."""
    return asdict(message)


def load(kind: type[_T], body: object) -> _T:
    """A message from JSON: unknown keys are dropped, missing or ill-typed ones raise ProtocolError."""
    if not isinstance(body, dict):
        raise ProtocolError(f"{kind.__name__}: not an object")
    values: dict[str, object] = {}
    for spec in fields(kind):  # type: ignore[arg-type]  # kind is a dataclass; TypeVar cannot say so
        if spec.name in body:
            values[spec.name] = _value(kind.__name__, spec.name, spec.type, body[spec.name])
    try:
        return kind(**values)
    except TypeError as missing:
        raise ProtocolError(f"{kind.__name__}: {missing}") from missing


def _value(kind: str, name: str, wanted: object, value: object) -> object:
    nested = {list[Disk]: Disk, list[Nic]: Nic, list[Device]: Device}
    if wanted in nested and isinstance(value, list):
        return [load(nested[wanted], item) for item in value]
    if wanted in (Disk, DiskHints, Order):
        return load(wanted, value)
    if wanted is float and type(value) is int and abs(value) < 1 << 62:
        return float(value)
    if not _fits(wanted, value):
        raise ProtocolError(f"{kind}.{name}: {value!r:.60} is not of the right kind")
    return value


def _fits(wanted: object, value: object) -> bool:
    if wanted is float:
        return type(value) is float and math.isfinite(value)
    if wanted in (str, bool, int):
        return type(value) is wanted
    if wanted == list[str]:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if wanted == dict[str, str]:
        return isinstance(value, dict) and all(isinstance(x, str) for pair in value.items() for x in pair)
    if wanted == (bool | None):
        return value is None or isinstance(value, bool)
    return value in getattr(wanted, "__args__", ())
