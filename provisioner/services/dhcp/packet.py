"""Reads and writes DHCP packets (RFC 2131, 2132, 3396); knows nothing of what they are for."""

import struct
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from ipaddress import IPv4Address

MAGIC = b"\x63\x82\x53\x63"
HEADER = struct.Struct("!BBBBIHH4s4s4s4s16s64s128s")  # RFC 2131, figure 1: 236 bytes
MIN_PACKET = 300  # BOOTP's minimum (RFC 1542, 2.1); some relays and ROMs drop less
BROADCAST = 0x8000
ETHERNET = 1
UNSPECIFIED = IPv4Address(0)
PAD, END = 0, 255  # as plain numbers, for the loops below
_ZERO = bytes(4)
# TFTP server and boot file: ROMs read them on to the next zero byte, whatever their length says
NUL_FOLLOWS = (66, 67)


class DhcpPacketError(Exception):
    """These bytes are not a DHCP packet."""


class Op(IntEnum):
    """The field `op` (RFC 2131, 2): 1 from a client, 2 from a server."""

    REQUEST = 1
    REPLY = 2


class Message(IntEnum):
    """DHCP message types, the values of option 53 (RFC 2132, 9.6)."""

    DISCOVER = 1
    OFFER = 2
    REQUEST = 3
    DECLINE = 4
    ACK = 5
    NAK = 6
    RELEASE = 7
    INFORM = 8


MESSAGES = {bytes([kind]): kind for kind in Message}


class Option(IntEnum):
    """The options that we read or write; RFC 2132 unless it says otherwise."""

    PAD = 0
    SUBNET_MASK = 1
    ROUTER = 3
    NAME_SERVER = 6
    HOST_NAME = 12
    DOMAIN = 15
    BROADCAST_ADDRESS = 28
    TIME_SERVER = 42
    VENDOR = 43
    REQUESTED_ADDRESS = 50
    LEASE_TIME = 51
    OVERLOAD = 52
    MESSAGE = 53
    SERVER = 54
    TEXT = 56
    MAX_MESSAGE_SIZE = 57
    RENEWAL_TIME = 58
    REBINDING_TIME = 59
    VENDOR_CLASS = 60
    CLIENT_ID = 61
    TFTP_SERVER = 66
    BOOT_FILE = 67
    USER_CLASS = 77  # RFC 3004
    RELAY = 82  # RFC 3046
    ARCHITECTURE = 93  # RFC 4578
    INTERFACE = 94  # RFC 4578
    MACHINE = 97  # RFC 4578
    DOMAIN_SEARCH = 119  # RFC 3397
    IPXE = 175  # ipxe.org/howto/dhcpd: encapsulated
    END = 255


@dataclass
class Packet:
    """One packet. `sname` and `file` end before their first NUL; `options` maps code to the joined value."""

    op: int
    xid: int
    chaddr: bytes
    secs: int = 0
    flags: int = 0
    hops: int = 0
    htype: int = ETHERNET
    ciaddr: IPv4Address = UNSPECIFIED
    yiaddr: IPv4Address = UNSPECIFIED
    siaddr: IPv4Address = UNSPECIFIED
    giaddr: IPv4Address = UNSPECIFIED
    sname: bytes = b""
    file: bytes = b""
    options: dict[int, bytes] = field(default_factory=dict)

    @property
    def mac(self) -> str:
        """The hardware address as `aa:bb:cc:dd:ee:ff`; empty if no Ethernet card can have it."""
        return _mac(self.chaddr) if self.htype == ETHERNET else ""

    @property
    def message(self) -> Message | None:
        """Option 53; None for BOOTP and for values that no RFC 2131 client sends."""
        return MESSAGES.get(self.options.get(53, b""))

    def address(self, option: Option) -> IPv4Address | None:
        """An option that holds one address; None if it is absent or of another length."""
        value = self.options.get(option, b"")
        return IPv4Address(value) if len(value) == 4 else None

    @classmethod
    def parse(cls, data: bytes) -> "Packet":
        """Read a datagram; what follows the END option is ignored.

        Raises:
            PacketError: too short, no magic cookie, impossible lengths, options that run over the end.
        """
        if len(data) < HEADER.size + len(MAGIC):
            raise DhcpPacketError(f"{len(data)} bytes are too short for a DHCP packet")
        op, htype, hlen, hops, xid, secs, flags, *rest = HEADER.unpack_from(data)
        *addresses, chaddr, sname, file = rest
        if op not in (Op.REQUEST, Op.REPLY):
            raise DhcpPacketError(f"op {op} is neither request nor reply")
        if hlen > len(chaddr):
            raise DhcpPacketError(f"a hardware address of {hlen} bytes does not fit")
        if data[HEADER.size : HEADER.size + len(MAGIC)] != MAGIC:
            raise DhcpPacketError("no DHCP magic cookie")
        options, sname, file = _all_options(data[HEADER.size + len(MAGIC) :], sname, file)
        ciaddr, yiaddr, siaddr, giaddr = map(_address, addresses)
        return cls(
            op=op,
            xid=xid,
            chaddr=chaddr[:hlen],
            secs=secs,
            flags=flags,
            hops=hops,
            htype=htype,
            ciaddr=ciaddr,
            yiaddr=yiaddr,
            siaddr=siaddr,
            giaddr=giaddr,
            sname=_until_nul(sname),
            file=_until_nul(file),
            options=options,
        )

    def build(self) -> bytes:
        """The datagram, at least 300 bytes.

        Raises:
            PacketError: a field or value does not fit its place.
        """
        for name, value, room in (
            ("chaddr", self.chaddr, 16),
            ("sname", self.sname, 64),
            ("file", self.file, 128),
        ):
            if len(value) > room:
                raise DhcpPacketError(f"{name} has {len(value)} bytes, there is room for {room}")
        try:
            built = bytearray(
                HEADER.pack(
                    self.op,
                    self.htype,
                    len(self.chaddr),
                    self.hops,
                    self.xid,
                    self.secs,
                    self.flags,
                    *map(_packed, (self.ciaddr, self.yiaddr, self.siaddr, self.giaddr)),
                    self.chaddr,
                    self.sname,
                    self.file,
                )
            )
        except struct.error as fault:
            raise DhcpPacketError(f"a field is out of range: {fault}") from fault
        built += MAGIC
        for code in self._order():
            _append(built, code, self.options[code])
            if code in NUL_FOLLOWS:
                built.append(PAD)
        built.append(END)
        return bytes(built).ljust(MIN_PACKET, b"\0")

    def _order(self) -> list[int]:
        """The message type first, for simple clients; the relay's option last (RFC 3046, 2.2)."""
        codes = sorted(self.options)
        for code, position in ((53, 0), (82, len(codes))):
            if code in self.options:
                codes.remove(code)
                codes.insert(position, code)
        return codes


def _address(raw: bytes) -> IPv4Address:
    return UNSPECIFIED if raw == _ZERO else _known_address(raw)


def _packed(address: IPv4Address) -> bytes:
    return _ZERO if address is UNSPECIFIED else int(address).to_bytes(4, "big")


_known_address = lru_cache(8192)(IPv4Address)  # making one costs more than reading the packet around it


@lru_cache(8192)
def _mac(chaddr: bytes) -> str:
    if len(chaddr) != 6 or chaddr[0] & 1 or not any(chaddr):
        return ""
    return chaddr.hex(":")


def suboptions(data: bytes) -> dict[int, bytes]:
    """Encapsulated options (43, 82, 175) by code; whatever cannot be read is left out."""
    try:
        return _decode(data)
    except DhcpPacketError:
        return {}


def encapsulate(options: dict[int, bytes]) -> bytes:
    """The reverse of `suboptions`, without an END."""
    built = bytearray()
    for code, value in options.items():
        _append(built, code, value)
    return bytes(built)


def encode_domain(name: str) -> bytes:
    """A domain as RFC 1035, 3.1 has it, uncompressed; empty for what DNS cannot hold."""
    labels = [label.encode("ascii", "replace") for label in name.split(".") if label]
    if not labels or any(len(label) > 63 for label in labels):
        return b""
    encoded = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return encoded if len(encoded) < 256 else b""


def _until_nul(text: bytes) -> bytes:
    return text.split(b"\0", 1)[0] if text and text[0] else b""


def _all_options(body: bytes, sname: bytes, file: bytes) -> tuple[dict[int, bytes], bytes, bytes]:
    """Options of the body and of the fields that option 52 lends to them (RFC 3396, 5: body, file, sname)."""
    options = _decode(body)
    overload = options.pop(Option.OVERLOAD, b"\0")
    if len(overload) != 1 or overload[0] > 3:
        raise DhcpPacketError(f"option 52 (overload) is {overload.hex() or 'empty'}")
    if overload[0] & 1:
        _join(options, _decode(file))
        file = b""
    if overload[0] & 2:
        _join(options, _decode(sname))
        sname = b""
    options.pop(Option.OVERLOAD, None)  # it means nothing inside the fields
    return options, sname, file


def _join(options: dict[int, bytes], more: dict[int, bytes]) -> None:
    for code, value in more.items():
        options[code] = options.get(code, b"") + value


def _decode(data: bytes) -> dict[int, bytes]:
    """Type, length, value; repeated types are one long value (RFC 3396). A missing END is forgiven."""
    options: dict[int, bytes] = {}
    offset, size = 0, len(data)
    while offset < size and (code := data[offset]) != END:
        if code == PAD:
            offset += 1
            continue
        end = offset + 2 + data[offset + 1] if offset + 1 < size else size + 1
        if end > size:
            raise DhcpPacketError(f"option {code} runs over the end of the packet")
        value = data[offset + 2 : end]
        options[code] = options[code] + value if code in options else value
        offset = end
    return options


def _append(built: bytearray, code: int, value: bytes) -> None:
    """One option; a value that is too long for one is split."""
    if not PAD < code < END:
        raise DhcpPacketError(f"{code} cannot be an option's number")
    size = len(value)
    if size < 256:
        built.append(code)
        built.append(size)
        built += value
        return
    for at in range(0, size, 255):
        part = value[at : at + 255]
        built.append(code)
        built.append(len(part))
        built += part
