"""The lab's own network: a namespace that needs no root, a bridge, a tap per host, addresses for BMCs."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from provisioner import run
from provisioner.errors import ProgramError, ServiceError
from provisioner.lab import ipmi_simulator, qemu
from provisioner.system import namespaces

MARK = "PROVISION_LAB"  # in the environment of a process that is inside
WHOLE = 1 << 31  # user ids; a user namespace of ours has one, the machine's has all
TUN = Path("/dev/net/tun")
BRIDGE = "lan0"
ADDRESS = "10.77.0.1/24"
BRIDGE_MAC = "52:54:00:77:00:01"  # fixed: a bridge otherwise takes that of its lowest port
BMC_NETWORK = "10.77.1"
# The ROM's user class, option 77, lies 300 bytes behind the UDP header in what QEMU's iPXE sends (seen on
# the wire: tests/golden/dhcp/seabios-ipxe-discover.txt); "iPXE" becomes "ROM.". Without a checksum: RFC 768.
DISGUISE = """table netdev disguise {
  set chained { type ether_addr; flags dynamic, timeout; timeout 60s; }
  chain ingress {
    type filter hook ingress device "%s" priority 0;
    udp dport 69 add @chained { ether saddr }
    ether saddr != @chained udp dport 67 @th,2400,32 0x69505845 @th,2400,32 set 0x524f4d2e udp checksum set 0
  }
}"""
# what the lab cannot do without, and the Debian package that brings it
PROGRAMS = {
    qemu.PROGRAM: "qemu-system-x86",
    "qemu-img": "qemu-utils",
    ipmi_simulator.PROGRAM: "openipmi",
    "ip": "iproute2",
    "sgdisk": "gdisk",
    "nft": "nftables",
    "unshare": "util-linux",
}
FILES = {qemu.FIRMWARE: "ovmf", qemu.VARIABLES: "ovmf", qemu.ROM: "ipxe-qemu"}


def inside() -> bool:
    """Whether this process runs in the lab's namespaces; the mark alone could have been exported."""
    count = int(Path("/proc/self/uid_map").read_text().split()[2])
    return bool(os.environ.get(MARK)) and count < WHOLE


def enter() -> None:
    """Run this very command again inside; returns only when it is inside. Call `check` before."""
    if not inside():
        replace([sys.executable, "-m", "provisioner", *sys.argv[1:]])


def replace(argv: Sequence[str]) -> NoReturn:
    """Become another program inside; the process id stays, so signals and exit codes need no help."""
    os.environ[MARK] = "1"
    sys.stdout.flush()
    sys.stderr.flush()
    os.execvp("unshare", [*namespaces.UNSHARE, *argv])  # noqa: S606  an argv list, and no shell is wanted


def check() -> None:
    """Everything that the lab needs from this machine. Raises ServiceError that names all that is missing."""
    missing = _missing()
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        raise ServiceError(
            f"the lab misses {', '.join(missing)}", hint=f"as root: apt-get install {packages}", code=640
        )
    try:
        os.close(os.open(TUN, os.O_RDWR))
    except OSError as fault:
        raise ServiceError(
            f"{TUN} cannot be opened ({fault.strerror}): the lab's hosts have no network without it",
            hint=f"as root: apt-get install udev, or modprobe tun && chmod 0666 {TUN}",
            code=641,
        ) from fault
    namespaces.check(namespaces.UNSHARE)


def _missing() -> dict[str, str]:
    """What is missing, and the package of each."""
    missing = {str(path): package for path, package in FILES.items() if not path.is_file()}
    for program, package in PROGRAMS.items():
        try:
            run.find(program)
        except ProgramError:
            missing[program] = package
    return missing


class Lan:
    """Bridge `lan0` with an address, the provisioner's; taps and BMC addresses are added host by host."""

    def __init__(self, address: str = ADDRESS) -> None:
        self._address = address
        self._taps: dict[str, str] = {}
        self._bmcs: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Make the bridge. Raises ServiceError outside of the lab: the machine's network is left alone."""
        if not inside():
            raise ServiceError("the lab's network is made in its own namespace only", code=643)
        _ip("link", "set", "lo", "up")
        _ip("link", "add", BRIDGE, "address", BRIDGE_MAC, *_plain_bridge())
        _ip("address", "add", self._address, "dev", BRIDGE)
        _ip("link", "set", BRIDGE, "up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        for device in (*self._taps.values(), BRIDGE):
            run.run(["ip", "link", "delete", device], check=False)
        for address in self._bmcs.values():
            run.run(["ip", "address", "delete", f"{address}/32", "dev", "lo"], check=False)

    def tap(self, name: str) -> str:
        """The device that a host's card is plugged into; always the same for a name."""
        if name not in self._taps:
            device = f"tap{len(self._taps) + 1}"
            _ip("tuntap", "add", "dev", device, "mode", "tap")
            self._taps[name] = device
            _ip("link", "set", device, "master", BRIDGE, "up")
        return self._taps[name]

    def limit_line(self, mbit: int) -> None:
        """Send no quicker than that from here; what machines send each other passes by."""
        shape = ("tbf", "rate", f"{mbit}mbit", "burst", "64kb", "latency", "400ms")
        _done("tc", "qdisc", "replace", "dev", BRIDGE, "root", *shape)

    def sent_bytes(self) -> int:
        """What was sent from here to machines until now, with all headers."""
        (shown,) = json.loads(run.text(["ip", "-j", "-s", "link", "show", "dev", BRIDGE]))
        return int(shown["stats64"]["tx"]["bytes"])

    def disguise(self, name: str) -> None:
        """Let a host's card, whose ROM is iPXE, ask for an address as a plain PXE ROM does.

        What it loads by TFTP may say again that it is iPXE, for as long as that takes.
        """
        _done("nft", DISGUISE % self.tap(name))

    def bmc(self, name: str) -> str:
        """The address of a host's BMC: 10.77.1.1 for the first host, .2 for the second, …"""
        if name not in self._bmcs:
            address = f"{BMC_NETWORK}.{len(self._bmcs) + 1}"
            _ip("address", "add", f"{address}/32", "dev", "lo")
            self._bmcs[name] = address
        return self._bmcs[name]


def _plain_bridge() -> list[str]:
    """No spanning tree and no learning delay; snooping off, or router adverts wait for a querier."""
    return ["type", "bridge", "stp_state", "0", "forward_delay", "0", "mcast_snooping", "0"]


def _ip(*words: str) -> None:
    _done("ip", *words)


def _done(program: str, *words: str) -> None:
    try:
        run.run([program, *words], timeout=10)
    except ProgramError as fault:
        raise ServiceError(f"the lab's network cannot be made: {fault}", code=643) from fault
