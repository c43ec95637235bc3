"""DNS: what is read, what is answered, and which names a site has; no sockets."""

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from dnslib import EDNS0, QTYPE, DNSRecord, EDNSOption
from hypothesis import given
from hypothesis import strategies as st

from provisioner import settings as settings_module
from provisioner.domain.host import Bmc, Host
from provisioner.errors import SettingsError
from provisioner.services.dns.names import site_zone
from provisioner.services.dns.packet import DnsPacketError, parse_query
from provisioner.services.dns.responder import Responder
from provisioner.services.dns.zone import Apex, Zone, labels
from provisioner.settings import Settings
from provisioner.state.macs import MacRow

HEAD = "!6H"
ROWS = [
    MacRow("52:54:00:00:00:01", "vc-1", "10.77.0.64", "host"),
    MacRow("52:54:00:00:00:02", "vc-1", "10.77.0.65", "host"),
    MacRow("52:54:00:00:00:03", "vc-1", "10.77.0.66", "bmc"),
]


def settled(**dns: Any) -> Settings:
    plain = {"state": "/s", "interface": "lan0", "address": "10.77.0.1/24", "dns": dns}
    return settings_module.check(plain, source="test")


MANY = [f"10.77.0.{number}" for number in range(200, 250)]
SITE = settled(
    names={"ntp": ["10.77.0.9", "fd00:77::9"], "many": MANY, "a.b": ["10.1.2.3"]}, also=["fd00:77::1"]
)


def responder(settings: Settings = SITE, **how: Any) -> Responder:
    return Responder(site_zone(settings, ROWS, 42), **how)


def question(
    name: str, kind: str = "A", *, kind_class: str = "IN", flags: int = 0x0100, **edns: Any
) -> bytes:
    asked = DNSRecord.question(name, kind, kind_class)
    asked.header.id, asked.header.bitmap = 4711, flags
    if edns:
        asked.add_ar(EDNS0(**{"udp_len": 1232, **edns}))
    return bytes(asked.pack())


def ask(
    name: str, kind: str = "A", *, tcp: bool = False, to: Responder | None = None, **how: Any
) -> DNSRecord:
    data = question(name, kind, **how)
    reply = (to or responder()).respond(data, tcp=tcp).data
    assert reply[:2] == data[:2]
    return DNSRecord.parse(reply)


def said(record: DNSRecord) -> tuple[str, bool, list[str]]:
    """The code, whether it is authoritative, and the records' data."""
    codes = {0: "NOERROR", 1: "FORMERR", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
    return codes[record.header.rcode], bool(record.header.aa), [str(one.rdata) for one in record.rr]


@pytest.mark.parametrize(
    ("name", "kind", "data"),
    [
        ("provision.vaultcube.local", "A", ["10.77.0.1"]),
        ("apt.vaultcube.local.", "A", ["10.77.0.1"]),
        ("IMAGES.VaultCube.Local", "A", ["10.77.0.1"]),
        ("images.vaultcube.local", "AAAA", ["fd00:77::1"]),
        ("vc-1.vaultcube.local", "A", ["10.77.0.64", "10.77.0.65"]),
        ("vc-1-bmc.vaultcube.local", "A", ["10.77.0.66"]),
        ("ntp.vaultcube.local", "AAAA", ["fd00:77::9"]),
        ("64.0.77.10.in-addr.arpa", "PTR", ["vc-1.vaultcube.local."]),
        ("66.0.77.10.in-addr.arpa", "PTR", ["vc-1-bmc.vaultcube.local."]),
        ("1.0.77.10.in-addr.arpa", "PTR", ["provision.vaultcube.local."]),
        (IPv6Address("fd00:77::1").reverse_pointer, "PTR", ["provision.vaultcube.local."]),
        ("vaultcube.local", "NS", ["provision.vaultcube.local."]),
        ("0.77.10.in-addr.arpa", "NS", ["provision.vaultcube.local."]),
        (
            "vaultcube.local",
            "SOA",
            ["provision.vaultcube.local. hostmaster.vaultcube.local. 42 3600 600 86400 30"],
        ),
    ],
)
def test_a_name_of_the_site_is_answered(name: str, kind: str, data: list[str]) -> None:
    assert said(ask(name, kind)) == ("NOERROR", True, data)


@pytest.mark.parametrize(
    ("name", "kind", "code", "top"),
    [
        ("vc-9.vaultcube.local", "A", "NXDOMAIN", "vaultcube.local."),
        ("x.vc-1.vaultcube.local", "A", "NXDOMAIN", "vaultcube.local."),
        ("vc-1.vaultcube.local", "AAAA", "NOERROR", "vaultcube.local."),
        ("vc-1.vaultcube.local", "MX", "NOERROR", "vaultcube.local."),
        ("b.vaultcube.local", "A", "NOERROR", "vaultcube.local."),  # there is a.b
        ("200.1.77.10.in-addr.arpa", "PTR", "REFUSED", ""),
        ("99.0.77.10.in-addr.arpa", "PTR", "NXDOMAIN", "0.77.10.in-addr.arpa."),
    ],
)
def test_what_is_not_there_is_said_with_the_soa(name: str, kind: str, code: str, top: str) -> None:
    record = ask(name, kind)
    assert (said(record)[0], said(record)[2]) == (code, [])
    assert [(str(one.rname), QTYPE[one.rtype], one.ttl) for one in record.auth] == (
        [(top, "SOA", 30)] if top else []
    )


@pytest.mark.parametrize("name", ["example.org", "local", ".", "xvaultcube.local", "77.10.in-addr.arpa"])
def test_names_of_others_are_refused_and_nothing_is_looked_up(name: str) -> None:
    record = ask(name)
    assert said(record) == ("REFUSED", False, [])
    assert not record.header.ra and record.header.rd


@pytest.mark.parametrize("kind", ["AXFR", "IXFR"])
def test_the_zone_is_not_given_away(kind: str) -> None:
    assert said(ask("vaultcube.local", kind, tcp=True))[0] == "REFUSED"


@pytest.mark.parametrize("kind_class", ["CH", "Hesiod", "*"])
def test_other_classes_are_refused(kind_class: str) -> None:
    assert said(ask("version.bind", "TXT", kind_class=kind_class))[0] == "REFUSED"
    assert said(ask("vc-1.vaultcube.local", "A", kind_class=kind_class))[0] == "REFUSED"


def test_any_is_answered_with_one_kind() -> None:
    assert {one.rtype for one in ask("ntp.vaultcube.local", "ANY").rr} == {QTYPE.A}


def test_the_question_comes_back_as_it_was_asked() -> None:
    """Clients mix upper and lower case to make forging harder."""
    record = ask("vC-1.VaultCube.lOcal")
    assert str(record.q.qname) == "vC-1.VaultCube.lOcal." == str(record.rr[0].rname)


def test_without_edns_512_bytes_are_the_limit_and_with_it_1232() -> None:
    short = responder().respond(question("many.vaultcube.local")).data
    record = DNSRecord.parse(short)
    assert (
        len(short) <= 512
        and record.header.tc
        and record.rr == []
        and str(record.q.qname) == "many.vaultcube.local."
    )
    assert record.header.aa and record.header.rcode == 0
    for size, whole in ((512, False), (100, False), (1232, True), (65535, True)):
        record = ask("many.vaultcube.local", udp_len=size)
        assert (len(record.rr), bool(record.header.tc)) == ((50, False) if whole else (0, True)), size
        assert [one.edns_len for one in record.ar] == [1232]
    record = ask("many.vaultcube.local", tcp=True)
    assert len(record.rr) == 50 and not record.header.tc and record.ar == []


def test_edns_is_answered_with_edns_and_a_newer_version_with_ours() -> None:
    record = ask("vc-1.vaultcube.local", flags=0x0100, udp_len=4096)
    assert [(one.edns_len, one.edns_ver, one.edns_do) for one in record.ar] == [(1232, 0, 0)]
    data = question("vc-1.vaultcube.local", version=1)
    record = DNSRecord.parse(responder().respond(data).data)
    assert (record.header.rcode, record.ar[0].edns_rcode, record.ar[0].edns_ver) == (0, 1, 0), "BADVERS"
    wants = question("vc-1.vaultcube.local", opts=[EDNSOption(10, b"12345678")])
    wants = wants[:-16] + b"\x80\x00" + wants[-14:]  # DO
    assert DNSRecord.parse(responder().respond(wants).data).ar[0].edns_do


def test_only_rd_and_cd_are_copied() -> None:
    record = ask("vc-1.vaultcube.local", flags=0x07FF & 0x87FF)
    assert record.header.get_rd() and record.header.aa and not record.header.tc and not record.header.ra
    assert record.header.rcode == 0


def packet(*counts: int, flags: int = 0, body: bytes = b"\1a\0\0\1\0\1") -> bytes:
    return struct.pack(HEAD, 7, flags, *counts) + body


OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
FORMERR = {
    "no question": packet(0, 0, 0, 0, body=b""),
    "two questions": packet(2, 0, 0, 0, body=b"\1a\0\0\1\0\1" * 2),
    "an answer in it": packet(1, 1, 0, 0),
    "an authority in it": packet(1, 0, 1, 0),
    "65,535 of all": packet(65535, 65535, 65535, 65535),
    "nothing after the header": packet(1, 0, 0, 0, body=b""),
    "a name without end": packet(1, 0, 0, 0, body=b"\3abc"),
    "half a question": packet(1, 0, 0, 0, body=b"\1a\0\0\1\0"),
    "a label of 64": packet(1, 0, 0, 0, body=b"\x40" + b"a" * 64 + b"\0\0\1\0\1"),
    "a label of 191": packet(1, 0, 0, 0, body=b"\xbf" + b"a" * 191 + b"\0\0\1\0\1"),
    "a name of 256": packet(1, 0, 0, 0, body=(b"\x3f" + b"a" * 63) * 4 + b"\0\0\1\0\1"),
    "a pointer to itself": packet(1, 0, 0, 0, body=b"\xc0\x0c\0\1\0\1"),
    "a pointer to the header": packet(1, 0, 0, 0, body=b"\xc0\x00\0\1\0\1"),
    "bytes after the end": packet(1, 0, 0, 0, body=b"\1a\0\0\1\0\1x"),
    "a promised OPT": packet(1, 0, 0, 1),
    "two OPTs": packet(1, 0, 0, 2, body=b"\1a\0\0\1\0\1" + OPT * 2),
    "three additional": packet(1, 0, 0, 3, body=b"\1a\0\0\1\0\1" + OPT * 3),
    "an OPT with a name": packet(1, 0, 0, 1, body=b"\1a\0\0\1\0\1\1x" + OPT),
    "an OPT cut off": packet(1, 0, 0, 1, body=b"\1a\0\0\1\0\1" + OPT[:-1]),
    "an OPT longer than the message": packet(1, 0, 0, 1, body=b"\1a\0\0\1\0\1" + OPT[:-2] + b"\xff\xff"),
    "half an option": packet(1, 0, 0, 1, body=b"\1a\0\0\1\0\1" + OPT[:-2] + b"\0\5\0\3\0\x08abcd"[:7]),
}


@pytest.mark.parametrize("name", FORMERR)
def test_a_malformed_query_is_answered_formerr(name: str) -> None:
    with pytest.raises(DnsPacketError) as fault:
        responder().respond(FORMERR[name])
    reply = fault.value.reply
    assert reply[:2] == b"\0\7" and len(reply) == 12
    assert struct.unpack(HEAD, reply)[1:] == (0x8001, 0, 0, 0, 0)


@pytest.mark.parametrize("opcode", range(1, 16))
def test_other_opcodes_are_not_implemented(opcode: int) -> None:
    with pytest.raises(DnsPacketError) as fault:
        responder().respond(packet(1, 0, 0, 0, flags=opcode << 11))
    assert struct.unpack(HEAD, fault.value.reply)[1:] == (0x8004 | opcode << 11, 0, 0, 0, 0)


@pytest.mark.parametrize("data", [b"", b"\0" * 11, packet(1, 0, 0, 0, flags=0x8000)])
def test_answers_and_what_has_no_header_get_no_answer(data: bytes) -> None:
    """Two servers would otherwise answer each other for ever."""
    with pytest.raises(DnsPacketError) as fault:
        responder().respond(data)
    assert fault.value.reply == b""


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_a_query_or_an_error(data: bytes) -> None:
    here = responder()
    for body in (
        data,
        struct.pack(HEAD, 1, 0x0100, 1, 0, 0, 0) + data,
        question("vc-1.vaultcube.local") + data,
    ):
        try:
            reply = here.respond(body)
        except DnsPacketError as fault:
            assert not fault.reply or fault.reply[:2] == body[:2]
        else:
            DNSRecord.parse(reply.data)


names = st.lists(st.binary(min_size=1, max_size=63), max_size=3)


@given(names, st.integers(0, 65535), st.integers(0, 65535), st.booleans())
def test_every_name_can_be_asked(name: list[bytes], kind: int, kind_class: int, edns: bool) -> None:
    body = b"".join(bytes([len(label)]) + label for label in name) + struct.pack("!BHH", 0, kind, kind_class)
    data = packet(1, 0, 0, int(edns), body=body + (OPT if edns else b""))
    query = parse_query(data)
    assert (query.name, query.qtype, query.qclass, bool(query.udp_size)) == (
        tuple(name),
        kind,
        kind_class,
        edns,
    )
    reply = responder().respond(data).data
    assert reply[12 : 12 + len(body)] == body


def test_a_reply_that_was_remembered_carries_the_new_number() -> None:
    here = responder()
    first = here.respond(question("vc-1.vaultcube.local")).data
    again = here.respond(b"\x12\x34" + question("vc-1.vaultcube.local")[2:]).data
    assert (again[:2], again[2:]) == (b"\x12\x34", first[2:])
    here.replace(site_zone(SITE, [], 43))
    assert said(ask("vc-1.vaultcube.local", to=here))[0] == "NXDOMAIN"


def test_memory_has_a_limit() -> None:
    here = responder()
    for number in range(9000):
        here.respond(question(f"x{number}.vaultcube.local"))
    assert len(here._cached[1]) <= 4096


def test_names_of_others_are_forwarded_only_where_the_settings_say_so() -> None:
    here = responder(forwards=True)
    reply = here.respond(question("example.org"))
    assert reply.query and reply.data == b""
    assert ask("vc-1.vaultcube.local", to=here).header.ra
    assert said(ask("example.org", to=responder()))[0] == "REFUSED"
    chaos = here.respond(question("vaultcube.local", kind_class="CH"))
    assert chaos.query is None, "a name of ours is never forwarded"


@pytest.mark.parametrize(
    ("address", "asked", "code"),
    [
        ("10.77.0.1/20", "9.15.77.10.in-addr.arpa", "NXDOMAIN"),
        ("10.77.0.1/20", "9.16.77.10.in-addr.arpa", "REFUSED"),
        ("10.77.0.17/28", "9.0.77.10.in-addr.arpa", "NXDOMAIN"),
        ("10.77.0.1/16", "9.200.77.10.in-addr.arpa", "NXDOMAIN"),
        ("10.77.0.1/12", "9.200.79.10.in-addr.arpa", "NXDOMAIN"),
    ],
)
def test_the_reverse_zones_cover_the_lan(address: str, asked: str, code: str) -> None:
    plain = {"state": "/s", "interface": "lan0", "address": address}
    settings = settings_module.check(plain, source="test")
    assert said(ask(asked, "PTR", to=Responder(site_zone(settings, [], 1))))[0] == code


def test_a_host_cannot_take_a_name_of_the_service() -> None:
    rows = [MacRow("52:54:00:00:00:09", "apt", "10.77.0.70", "host")]
    here = Responder(site_zone(SITE, rows, 1))
    assert said(ask("apt.vaultcube.local", to=here))[2] == ["10.77.0.1"]


def test_the_store_gives_every_mac(site: Any) -> None:
    host = Host(name="vc-2", macs=("52:54:00:00:00:07",), profile="cube", bmc=Bmc(mac="52:54:00:00:00:08"))
    site.database.put_inventory([host], [], site.settings.hosts_range)
    found = {(row.host, row.role) for row in site.database.macs.all()}
    assert found == {("vc-1", "host"), ("vc-2", "host"), ("vc-2", "bmc")}


@pytest.mark.parametrize("name", ["A", "a..b", "", ".", "a.", "a b", "x" * 64, "é"])
def test_a_name_in_the_settings_must_be_one(name: str) -> None:
    with pytest.raises(SettingsError, match="is no name"):
        settled(names={name: ["10.0.0.1"]})


def test_who_runs_dns_gives_it_to_hosts() -> None:
    assert SITE.name_servers == (IPv4Address("10.77.0.1"),)
    assert (
        settings_module.check(
            {"interface": "lan0", "address": "10.77.0.1/24", "services": ["dhcp"]}, source="test"
        ).name_servers
        == ()
    )


def test_the_deepest_zone_answers() -> None:
    tops = [
        Apex(labels(name), labels("n.example"), labels("h.example"), 1) for name in ("example", "b.example")
    ]
    here = Responder(Zone(tops))
    assert str(ask("a.b.example", to=here).auth[0].rname) == "b.example."
    assert str(ask("a.c.example", to=here).auth[0].rname) == "example."
