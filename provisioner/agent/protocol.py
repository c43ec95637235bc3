"""What the agent and the service say to each other: their messages, standard library only.

Transport: JSON over HTTP under ``/agent/v1/``; after the hello every request carries
``Authorization: Bearer TOKEN``. Every answer is ``{"do": "continue" | "stop" | "reboot", ...}``.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Annotated, Literal, TypeAlias, TypeVar

from provisioner.agent.fields import (
    BootId,
    DiskName,
    HardwareAddress,
    Ident,
    Ipv4,
    Lines,
    Location,
    Mac,
    Most,
    Nonce,
    PciClass,
    PciId,
    Sentence,
    Serial,
    Uuid,
    read,
    shown,
)
from provisioner.agent.neighbour import Neighbours
from provisioner.domain.restart import Restart

PREFIX = "/agent/v1"
COLLECTORS = ("facts", "pcie", "firmware")  # programs of ansible/files that need no driver of NVIDIA's
LARGEST_EXAMINATION = 1 << 20  # bytes of the message; eight GPUs behind switches need 60 kB
Do = Literal["continue", "stop", "reboot"]
Phase = Literal["preparing", "comparing", "writing", "reading back", "finishing"]
Method = Literal["delta", "full", "wipe"]
_T = TypeVar("_T")


class ProtocolError(ValueError):
    """A message or kernel argument that the other side cannot have meant."""


@dataclass(frozen=True)
class Disk:
    """A whole disk as the kernel shows it below /sys/block."""

    name: DiskName  # nvme0n1, vda
    size: int  # bytes
    logical_sector: int  # bytes
    model: str = ""
    serial: Serial = ""
    wwn: Serial = ""
    rotational: bool = False
    by_path: Serial = ""
    sas_address: Serial = ""  # of its port, such as 0x5000c500a1b2c3d5; empty on other buses
    content: str = ""  # in words: "holds vault-os 2026.09.0", "GPT with 4 partitions", "no partition table"
    foreign: str = ""  # in words, what of it is part of something larger: LVM, RAID, ZFS
    owner: str = ""  # the host whose system it holds, as far as its seed says so
    medium: str = ""  # why nobody means it unless a hint names it: "a USB medium"; empty for a fixed disk
    read_only: bool = False


@dataclass(frozen=True)
class Nic:
    """A network interface with hardware behind it; `up` means that it has a carrier."""

    name: str
    mac: HardwareAddress
    driver: str = ""
    up: bool = False


@dataclass(frozen=True)
class Device:
    """A PCI function that is no bridge (PCI Local Bus specification, class codes)."""

    id: PciId  # vendor:device, four hexadecimal digits each
    kind: PciClass  # class, subclass and interface, six hexadecimal digits: 030200 is a 3D controller
    place: str = ""  # 0000:17:00.0


# no machine has more: those with hundreds of disks have shelves of them
Macs = Annotated[list[HardwareAddress], Most(512)]
Disks = Annotated[list[Disk], Most(512)]
Nics = Annotated[list[Nic], Most(512)]
Devices = Annotated[list[Device], Most(4096)]


@dataclass(frozen=True)
class Hello:
    """POST hello: consumes the order when the nonce is right. Idempotent by (nonce, boot_id)."""

    nonce: Nonce
    boot_id: BootId  # /proc/sys/kernel/random/boot_id
    mac: Mac
    macs: Macs
    serial: Serial  # SMBIOS system serial, "" where there is none
    uuid: Uuid  # SMBIOS system UUID, lower case
    memory: int  # bytes
    version: str  # of the agent
    disks: Disks = field(default_factory=list)
    nics: Nics = field(default_factory=list)
    maker: str = ""  # SMBIOS system manufacturer
    product: str = ""
    cpu: str = ""  # the model's name
    cpus: int = 0  # logical processors
    firmware: str = ""  # uefi or bios
    devices: Devices = field(default_factory=list)
    neighbours: Neighbours = field(default_factory=list)  # those that were heard by then


@dataclass(frozen=True)
class Inventory:
    """POST inventory: what a machine that nobody knows is. It has no order, gets none, and reboots."""

    mac: Mac
    macs: Macs
    serial: Serial
    uuid: Uuid
    memory: int  # bytes
    version: str
    disks: Disks = field(default_factory=list)
    nics: Nics = field(default_factory=list)
    maker: str = ""
    product: str = ""
    cpu: str = ""
    cpus: int = 0
    firmware: str = ""
    devices: Devices = field(default_factory=list)
    neighbours: Neighbours = field(default_factory=list)


@dataclass(frozen=True)
class Examination:
    """POST examination: what the host of a verification is. Polled until the answer says reboot or stop.

    `collected`: what each of COLLECTORS printed, by its name; what failed is left out.
    """

    nonce: Nonce
    boot_id: BootId
    hardware: Inventory
    collected: dict[str, str]


@dataclass(frozen=True)
class DiskHints:
    """Which disk is meant; every hint that is set must match exactly one disk."""

    serial: Serial = ""
    wwn: Serial = ""
    model: str = ""  # shell pattern, e.g. "Samsung PM9A3*"
    name: Serial = ""
    by_path: Serial = ""
    min_size: int = 0  # bytes
    max_size: int = 0  # bytes, 0 = no limit
    rotational: bool | None = None


@dataclass(frozen=True)
class SwarmTerms:
    """How hosts that write the same image give each other its pieces; without a token they do not."""

    token: str = ""  # of this image, at this site
    others: int = 0  # hosts that write it now, or are about to


@dataclass(frozen=True)
class Order:
    """What the agent shall write where, as an operator has confirmed it; part of the hello's answer."""

    deployment: Ident
    attempt: int
    image_name: str
    image_version: str
    manifest_url: Location  # path on the server; the signature lies at the same path + ".minisig"
    pack_url: Location  # path on the server, answers Range
    disk: DiskHints
    erase: bool  # the operator's consent to lose what the disk holds
    seed: dict[str, str]  # file name in CIDATA → text
    expected_serial: Serial = ""  # refuse where the machine's SMBIOS serial is another
    method: Method = "delta"  # fetch what differs · fetch all · make the whole disk zeros, then fetch all
    foreign: bool = False  # consent to lose LVM, RAID, ZFS, another host's system too
    former_names: Annotated[list[Serial], Most(64)] = field(default_factory=list)  # of the host
    swarm: SwarmTerms = field(default_factory=SwarmTerms)
    restart: Restart = "firmware"  # kexec: start the written kernel, and the firmware only where in doubt


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

    deployment: Ident
    attempt: int
    seq: int
    phase: Phase
    done: int
    total: int
    rate: float  # bytes per second since the last report
    note: str = ""  # "waiting for the server since 12:03:04", "" when all is well
    disk: str = ""  # the chosen disk's name
    neighbours: Neighbours = field(default_factory=list)
    peer_port: int = 0  # where others of the swarm ask this host, 0: nowhere
    liars: Annotated[list[Ipv4], Most(64)] = field(default_factory=list)  # who gave what is not the image


@dataclass(frozen=True)
class PeerAddress:
    """Where a host of the swarm is asked, as the service sees it."""

    address: Ipv4
    port: int


@dataclass(frozen=True)
class SwarmNews:
    """Part of the answer to progress: who writes the same image now, and how much they may get from us."""

    peers: Annotated[list[PeerAddress], Most(64)] = field(default_factory=list)
    upload: int = 0  # bytes a second to all of them together, 0 for what the line takes


@dataclass(frozen=True)
class ProgressAnswer:
    """What an answer to progress says of the swarm; an older service says nothing."""

    swarm: SwarmNews = field(default_factory=SwarmNews)


@dataclass(frozen=True)
class Log:
    """POST log: lines of the agent's log and, on failure, dmesg."""

    deployment: Ident
    attempt: int
    seq: int
    lines: Lines


@dataclass(frozen=True)
class Written:
    """POST written: all is on the disk, verified and read back. Polled until the answer says reboot."""

    deployment: Ident
    attempt: int
    seq: int
    disk: Disk
    seconds: float
    bytes_written: int
    bytes_fetched: int
    bytes_saved: int = 0  # of the image, that the disk held already
    bytes_from_peers: int = 0  # of those that were fetched
    bytes_given: int = 0  # that peers got from this host
    peer_port: int = 0  # where others ask this host until it reboots


@dataclass(frozen=True)
class Restarting:
    """POST restarting: how the machine starts its disk, just before it does. Only where kexec is ordered."""

    deployment: Ident
    attempt: int
    seq: int
    how: Restart
    sentence: Sentence  # what is started by kexec, or why the firmware starts it


@dataclass(frozen=True)
class Failed:
    """POST failed: why this attempt cannot be finished, in a sentence for people."""

    deployment: Ident
    attempt: int
    seq: int
    code: int  # PV code, 3xx
    sentence: Sentence
    hint: Sentence = ""


@dataclass(frozen=True)
class Answer:
    """The answer to any message: what the agent shall do now, empty where it does not say, and all of it."""

    do: str
    body: Mapping[str, object]


Message: TypeAlias = Hello | Inventory | Examination | Progress | Log | Written | Restarting | Failed


def dump(message: Message | HelloAnswer | Disk) -> dict[str, object]:
    """A message as plain JSON types, by the names of its fields."""
    return asdict(message)


def load(kind: type[_T], body: object) -> _T:
    """A message from JSON, as agent/fields.py reads its values; unknown keys are dropped.

    Raises ProtocolError, which names the field, for what is missing, ill-typed or cannot be meant.
    """
    if not isinstance(body, dict):
        raise ProtocolError(f"{kind.__name__}: not an object")
    values: dict[str, object] = {}
    for spec in fields(kind):  # type: ignore[arg-type]  # kind is a dataclass; TypeVar cannot say so
        if spec.name in body:
            values[spec.name] = _value(f"{kind.__name__}.{spec.name}", spec.type, body[spec.name])
    try:
        return kind(**values)
    except TypeError as missing:
        raise ProtocolError(f"{kind.__name__}: {missing}") from missing


def _value(place: str, wanted: object, value: object) -> object:
    try:
        return read(wanted, value, load)
    except ProtocolError:
        raise  # of a part, which names its own field
    except ValueError as fault:
        raise ProtocolError(f"{place}: {shown(value)} {fault}") from fault
