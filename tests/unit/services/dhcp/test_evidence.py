"""What a boot request means for the deployment of its machine."""

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from provisioner import settings as settings_module
from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.events.order import SlotGiven
from provisioner.domain.events.power import PowerBegan
from provisioner.domain.host import Bmc, Host
from provisioner.domain.stage import Stage
from provisioner.services.dhcp import sighting_recorder
from provisioner.services.dhcp.host_cache import HostCache
from provisioner.services.dhcp.metrics import DhcpMetrics
from provisioner.services.dhcp.packet import Message, Option, Packet
from provisioner.services.dhcp.sighting_recorder import SightingRecorder
from provisioner.site import lan
from provisioner.site.site import Site
from provisioner.state.database import Database
from tests.unit.conftest import hello_of

MAC = "52:54:00:00:00:01"


def writing(site: Site) -> str:
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    record(site, row.id, SlotGiven(), source="worker")
    record(site, row.id, PowerBegan(nonce="n"), source="worker")
    record(site, row.id, hello_of("n"), source="agent")
    return row.id


def request(kind: Message, *, arch: int | None = None, ipxe: bool = False, name: bytes = b"") -> Packet:
    options: dict[int, bytes] = {Option.MESSAGE: bytes([kind])}
    if arch is not None:
        options[Option.ARCHITECTURE] = arch.to_bytes(2, "big")
    if ipxe:
        options[Option.USER_CLASS] = b"iPXE"
    if name:
        options[Option.HOST_NAME] = name
    return Packet(op=1, xid=7, chaddr=bytes.fromhex(MAC.replace(":", "")), options=options)


def evidence_of(site: Site) -> SightingRecorder:
    memory = HostCache(site.database)
    memory.refresh(now=True)
    return SightingRecorder(site, memory)


def written(evidence: SightingRecorder) -> None:
    for job in evidence.take_batches():
        job()


@pytest.mark.parametrize(("arch", "ipxe"), [(7, False), (0, True), (0, False)])
def test_a_boot_from_the_network_in_the_middle_of_writing_begins_again(
    site: Site, arch: int, ipxe: bool
) -> None:
    """Whether the firmware's own PXE asks or, as in many cards under BIOS, a ROM that is iPXE."""
    ident = writing(site)
    evidence = evidence_of(site)
    evidence.observe(request(Message.DISCOVER, arch=arch, ipxe=ipxe), site.clock())
    row = site.database.deployments.get(ident)
    assert (row.stage, row.attempt) == (Stage.POWERING, 2)
    evidence.observe(request(Message.REQUEST, arch=arch, ipxe=ipxe), site.clock())
    assert site.database.deployments.get(ident).attempt == 2, "one boot, two packets"


def test_the_ramdisks_own_request_is_no_boot(site: Site) -> None:
    ident = writing(site)
    evidence_of(site).observe(request(Message.REQUEST), site.clock())
    assert site.database.deployments.get(ident).stage == Stage.WRITING


def test_what_the_firmware_said_stays_when_its_system_asks_and_its_name_is_added(site: Site) -> None:
    evidence = evidence_of(site)
    evidence.observe(request(Message.DISCOVER, arch=7), 10.0)
    evidence.observe(request(Message.DISCOVER, name=b"cube"), 11.0)
    written(evidence)
    [row] = site.database.sightings.all()
    assert (row.count, row.last_seen, row.data.arch) == (2, 11.0, 7)
    assert row.data.hostname == "cube" and row.data.boots


def test_a_flood_of_invented_machines_fills_neither_memory_nor_the_disk(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sighting_recorder, "MAX_UNKNOWN_MACS", 300)
    evidence = evidence_of(site)
    for number in range(1500):
        packet = request(Message.DISCOVER, arch=7)
        packet.chaddr = b"\2" + number.to_bytes(5, "big")
        evidence.observe(packet, float(number))
    evidence.observe(request(Message.DISCOVER, arch=7), 1.0)  # the known host comes in the middle of it
    written(evidence)
    assert "501 requests of further MACs were not written down" in caplog.text
    rows = site.database.db.execute("SELECT mac, last_seen FROM sightings").fetchall()
    assert len(rows) == 300 and min(when for _, when in rows) == 700.0


def test_a_known_machine_is_kept_however_many_strangers_there_are(site: Site) -> None:
    evidence = evidence_of(site)
    evidence.observe(request(Message.DISCOVER, arch=7), 1.0)
    written(evidence)
    site.database.sightings.prune(0)
    assert [row.mac for row in site.database.sightings.all()] == [MAC]


def test_a_new_host_is_known_to_the_memory_as_soon_as_another_process_has_written_it(site: Site) -> None:
    memory = HostCache(site.database, clock=lambda: moment)
    moment = 0.0
    memory.refresh()
    other = Database(site.settings.state)
    host = Host(name="vc-2", macs=("52:54:00:00:00:02",), profile="cube", bmc=Bmc(mac="52:54:00:00:00:b2"))
    other.put_inventory([host], [], site.settings.hosts_range)
    other.close()
    assert not memory.is_known("52:54:00:00:00:02")
    moment = 1.0
    memory.refresh()
    assert memory.is_known("52:54:00:00:00:02") and not memory.is_bmc("52:54:00:00:00:02")
    assert memory.is_bmc("52:54:00:00:00:b2")
    address = memory.reservation("52:54:00:00:00:02")
    assert address and memory.is_reserved(address) and not memory.is_reserved(address + 9)


def test_what_was_counted_is_shown_as_metrics() -> None:
    metrics = DhcpMetrics(lambda: 2)
    for family, what in (("request", "discover"), ("request", "discover"), ("answer", "offer")):
        metrics.count(family, what)
    metrics.count("refusal", "no boot file")
    metrics.count("bad", "unreadable")
    metrics.count("bad", "not answered")
    metrics.update()
    metrics.update()
    text = metrics.registry.exposition()
    for line in (
        'provision_requests_total{service="dhcp",kind="discover"} 2',
        'provision_answers_total{service="dhcp",kind="offer"} 1',
        'provision_refusals_total{service="dhcp",reason="no boot file"} 1',
        'provision_bad_packets_total{service="dhcp"} 2',
        'provision_foreign_dhcp_servers{service="dhcp"} 2',
    ):
        assert line in text, text


def test_beside_another_server_a_relayed_hosts_address_is_known_at_once(site: Site) -> None:
    settings = settings_module.check(
        {"state": site.settings.state, "interface": "lan0", "address": "10.77.0.1/24"}
        | {"dhcp": {"mode": "proxy"}},
        source="test",
    )
    site = replace(site, settings=settings)
    writing(site)
    evidence = evidence_of(site)
    packet = request(Message.REQUEST, arch=7)
    packet.giaddr = IPv4Address("10.79.0.1")
    packet.options |= {Option.REQUESTED_ADDRESS: bytes([10, 79, 0, 5]), Option.RELAY: b"\1\4eth7"}
    evidence.observe(packet, site.clock())
    assert lan.has_address(site, MAC, "10.79.0.5")
    seen = site.database.sightings.get(MAC)
    assert seen and seen.data.circuit == "eth7"
