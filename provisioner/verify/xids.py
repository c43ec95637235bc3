"""What NVIDIA's driver means by its errors, the Xids: what each is, who is to blame, what is done.

After NVIDIA's Xid catalog (docs.nvidia.com/deploy/xid-errors): those of Ampere and newer GPUs, and a few of
older ones. Actions are its "resolution buckets". Whom to blame it does not say of each: where several may
be, it is who is looked at first. A number that is not here is said to be unknown, and counts against the
hardware.
"""

from dataclasses import dataclass
from typing import Literal

from provisioner.domain.acceptance import Xid
from provisioner.verify.evidence import KernelLog, XidLine

Category = Literal["application", "hardware", "driver"]

RESTART = "restart the program; if it comes back with another one, treat it as a fault of the hardware"
RESET = "reset the GPU or restart the host"
REBOOT = "restart the host"
POWER = "power the host off, reseat the GPU and its power cables; if it comes back, replace the GPU"
AGAIN = f"{RESET}; if it comes back, replace the GPU"
REPLACE = "replace the GPU: NVIDIA takes it back"
LINK = "reset all GPUs of the host; if it comes back, reseat the module or the NVLink bridge"
UPDATE = "take an image with another release of the driver; if it comes back, report it to NVIDIA"
REPORT = "report it to NVIDIA with the log (nvidia-bug-report.sh)"


@dataclass(frozen=True)
class Meaning:
    """What a number stands for; `action` is what a technician does."""

    what: str
    category: Category
    action: str


_COPY = Meaning("copy engine error", "driver", RESTART)
_DECODER = Meaning("video decoder error", "driver", RESTART)
_JPEG = Meaning("JPEG engine error", "driver", RESTART)
_FLOW = Meaning("optical flow engine error", "driver", RESTART)
_NVLINK = Meaning("NVLink error", "hardware", LINK)
_RARE = Meaning("an error of confidential computing on NVLink", "driver", REPORT)

MEANINGS: dict[int, Meaning] = {
    8: Meaning("the GPU stopped processing", "driver", RESTART),
    11: Meaning("invalid or corrupted push buffer stream", "application", RESTART),
    13: Meaning("graphics engine exception", "application", RESTART),
    18: Meaning("bus mastering is off in PCI configuration space", "driver", REBOOT),
    31: Meaning("page fault of the GPU's memory", "application", RESTART),
    32: Meaning("corrupted push buffer stream, as PCIe errors make them", "hardware", POWER),
    37: Meaning("the driver's firmware failed", "driver", RESET),
    38: Meaning("the driver's firmware failed", "driver", RESET),
    **dict.fromkeys((39, 40, 41), _COPY),
    43: Meaning("the GPU stopped processing for one program", "application", RESTART),
    44: Meaning("graphics engine fault during a context switch", "driver", RESET),
    45: Meaning(
        "a program was ended before its time, by somebody or after another Xid", "application", RESTART
    ),
    46: Meaning("the GPU stopped processing", "hardware", RESET),
    48: Meaning("an ECC error of two bits", "hardware", AGAIN),
    54: Meaning("auxiliary power is not connected", "hardware", "connect the GPU's power cables"),
    57: Meaning("the video memory's interface could not be trained", "hardware", POWER),
    58: Meaning("unstable video memory interface", "hardware", POWER),
    60: Meaning("video processor exception", "driver", RESTART),
    61: Meaning("breakpoint or warning of the internal micro-controller", "hardware", RESET),
    62: Meaning("the internal micro-controller halted", "hardware", AGAIN),
    63: Meaning("a row was remapped, or a page retired", "hardware", RESET),
    64: Meaning("a row could not be remapped, or a page not retired", "hardware", REPLACE),
    66: Meaning("illegal access by the driver", "driver", UPDATE),
    67: Meaning("illegal access by the driver", "driver", UPDATE),
    68: _DECODER,
    69: Meaning("graphics engine class error", "application", RESTART),
    **dict.fromkeys((70, 71, 72), _COPY),
    74: _NVLINK,
    **dict.fromkeys((75, 76, 77), _COPY),
    78: Meaning("the virtual GPU could not be started", "driver", UPDATE),
    79: Meaning("the GPU has fallen off the bus", "hardware", POWER),
    80: Meaning("data sent to the GPU was corrupted", "hardware", POWER),
    82: _JPEG,
    83: _DECODER,
    84: _DECODER,
    85: _COPY,
    86: _FLOW,
    88: _DECODER,
    89: _DECODER,
    92: Meaning(
        "many ECC errors of one bit", "hardware", "run the burn-in; if it comes back, replace the GPU"
    ),
    93: Meaning("the InfoROM may not be written any more: its limit of wear", "driver", REPORT),
    94: Meaning("a memory error, contained: one program is lost", "hardware", RESET),
    95: Meaning("a memory error, not contained", "hardware", AGAIN),
    **dict.fromkeys((96, 97, 98), _DECODER),
    **dict.fromkeys(range(99, 106), _JPEG),
    106: Meaning("a test message that somebody sent to the GPU", "application", "nothing"),
    107: Meaning("a test message that somebody sent to the GPU", "application", "nothing"),
    109: Meaning("a context switch timed out", "driver", RESET),
    110: Meaning("security fault", "hardware", POWER),
    119: Meaning(
        "the GPU's system processor (GSP) did not answer the driver", "driver", f"{RESET}; {UPDATE}"
    ),
    120: Meaning("the GPU's system processor (GSP) failed", "driver", f"{RESET}; {UPDATE}"),
    121: Meaning("corrected errors of the link to the CPU (C2C)", "hardware", RESET),
    **dict.fromkeys(range(126, 136), _COPY),
    136: Meaning("a link could not be trained", "hardware", LINK),
    137: Meaning("illegal access to another GPU's memory over NVLink", "application", RESTART),
    139: _FLOW,
    140: Meaning("an ECC error that was not recovered", "hardware", AGAIN),
    141: Meaning("error of CUDA's fast path", "driver", REPORT),
    142: Meaning("video encoder error", "driver", REPORT),
    143: Meaning("the GPU could not be initialised", "hardware", AGAIN),
    **dict.fromkeys(range(144, 151), _NVLINK),
    151: Meaning("keys could not be changed (confidential computing)", "driver", RESET),
    154: Meaning(
        "what the driver asks for after another Xid; its text says it", "driver", f"{RESET}, as it says"
    ),
    155: Meaning("an NVLink is down, found by software", "hardware", LINK),
    156: Meaning("a part of the GPU was retired", "hardware", RESET),
    157: Meaning("a part of the GPU could not be retired", "hardware", REPLACE),
    158: Meaning("fatal timeout of the GPU", "hardware", AGAIN),
    159: Meaning("error of the link to the CPU (CHI)", "hardware", RESET),
    160: Meaning("a memory channel was retired", "hardware", REPORT),
    161: Meaning("a memory channel could not be retired", "hardware", REPORT),
    162: Meaning("power smoothing works again", "hardware", "nothing, if power smoothing is not needed"),
    163: Meaning("power smoothing is off, as it was too hot", "hardware", "look at fans and air baffles"),
    164: Meaning("the circuit for power smoothing is nearly worn out", "hardware", REPORT),
    165: Meaning("the circuit for power smoothing is worn out", "hardware", REPLACE),
    166: _RARE,
    167: Meaning("fatal timeout of PCIe", "hardware", POWER),
    168: Meaning(
        "memory errors where nothing may be written: ECC is off", "hardware", "switch ECC on, restart"
    ),
    169: Meaning("the internal micro-controller halted", "hardware", AGAIN),
    170: _RARE,
    171: Meaning("an ECC error of two bits, in DRAM", "hardware", AGAIN),
    172: Meaning("an ECC error of two bits, in SRAM", "hardware", AGAIN),
}
SWITCH = "SXid of NVSwitch "
UNKNOWN = Meaning("not in NVIDIA's document as this release knows it", "hardware", REPORT)


def meaning(number: int) -> Meaning:
    """What NVIDIA's document says of a number; UNKNOWN where it says nothing."""
    return MEANINGS.get(number, UNKNOWN)


def is_of_switch(line: XidLine) -> bool:
    """Whether it is an SXid, which the driver of the NVSwitches writes (ansible/files/kernel_log.py)."""
    return line.text.startswith(SWITCH)


def summarise(log: KernelLog) -> tuple[Xid, ...]:
    """The Xids of a log for a report: each number of each GPU once, with how many there were."""
    found: dict[tuple[int, str], Xid] = {}
    for line in log.xids:
        if is_of_switch(line):
            continue
        known, key = meaning(line.number), (line.number, line.bus)
        count = found[key].count + 1 if key in found else 1
        first = found[key].at if key in found else line.at
        found[key] = Xid(
            number=line.number,
            pci_bus_id=line.bus,
            at=first,
            count=count,
            category=known.category if known is not UNKNOWN else "unknown",
            action=known.action,
            text=line.text,
        )
    return tuple(found.values())
