"""One row that cannot be read fails no list of others, is told in words, and leaves its host safe."""

from collections.abc import Callable

import pytest

from provisioner.deployment import admission, boot, plan
from provisioner.deployment.order import AS_USUAL, arm
from provisioner.deployment.record import record, set_aside
from provisioner.domain.boot_plan import Asker, Local, Ramdisk
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.order import OrderCancelled, SlotGiven
from provisioner.domain.events.power import PowerBegan
from provisioner.domain.host import Bmc, Host
from provisioner.domain.run import Run
from provisioner.domain.stage import Stage
from provisioner.errors import RefusedError, UnreadableError
from provisioner.site.site import Site
from provisioner.state.leases import LeaseRow
from provisioner.state.sightings import ClientPacket, NewSighting
from provisioner.state.surveys import SurveyRow
from provisioner.state.transfers import Transfer

BAD_TEXTS = [
    "",
    "{",
    "null",
    "[1]",
    '"x"',
    '{"name": 5}',
    "9" * 5000,
    '{"a":' * 3000,
    b"\xff\xfe{}",
    b"\x00\x01",
]
MAC, OTHER = "52:54:00:00:00:01", "52:54:00:00:00:02"


@pytest.fixture
def two(site: Site) -> Site:
    """A second host beside vc-1."""
    other = Host(name="vc-2", macs=(OTHER,), profile="cube", bmc=Bmc(driver="manual"))
    site.database.put_inventory([other], [], site.settings.hosts_range)
    return site


def spoil(site: Site, sql: str, *values: object) -> None:
    """As another program, or a bad disk, would."""
    site.database.db.conn.execute("PRAGMA ignore_check_constraints=ON")
    assert site.database.db.conn.execute(sql, list(values)).rowcount == 1


def order(site: Site, name: str) -> Deployment:
    return arm(site, site.database.hosts.get(name), site.database.images.all()[0], by="ann")


@pytest.mark.parametrize("text", BAD_TEXTS)
def test_a_host_that_cannot_be_read_hides_no_other(two: Site, text: str | bytes) -> None:
    spoil(two, "UPDATE hosts SET body = ? WHERE name = 'vc-1'", text)
    assert [host.name for host in two.database.hosts.all()] == ["vc-2"]
    for ask in (two.database.hosts.get, lambda name: plan.find_host(two, name)):
        with pytest.raises(UnreadableError, match="the host vc-1 cannot be read: ") as caught:
            ask("vc-1")
        assert caught.value.code == 612 and "provision host apply" in caught.value.hint
    assert [str(fault)[:13] for fault in two.database.unreadable()] == ["the host vc-1"]
    two.database.hosts.names_by_uuid()
    asker = Asker(mac=MAC, address="10.77.0.64")
    assert isinstance(boot.answer(two, asker).plan, Local)


@pytest.mark.parametrize("table", ["profiles", "images"])
@pytest.mark.parametrize("text", BAD_TEXTS[:4] + BAD_TEXTS[-2:])
def test_a_profile_or_image_that_cannot_be_read_is_left_out_and_told_to_who_asks(
    site: Site, table: str, text: str | bytes
) -> None:
    spoil(site, f"UPDATE {table} SET body = ?", text)
    assert getattr(site.database, table).all() == []
    ask: Callable[[], object] = {
        "profiles": lambda: site.database.profiles.get("cube"),
        "images": lambda: plan.find_image(site, "vault-os"),
    }[table]
    with pytest.raises(UnreadableError, match="cannot be read"):
        ask()
    assert len(site.database.unreadable()) == 1


def test_evidence_that_cannot_be_read_is_as_if_there_were_none(site: Site) -> None:
    database = site.database
    for mac in (MAC, OTHER):
        database.sightings.put([NewSighting(mac, 1.0, 1, "10.77.0.130", ClientPacket(mac))])
        database.surveys.put(SurveyRow(mac, macs=(mac,)))
        database.transfers.put([Transfer(mac, 1.0, 1, "a", "done", 1)], 10)
        database.leases.put([LeaseRow(mac, "10.77.0.130", 2.0, True)])
    spoil(site, "UPDATE sightings SET data = '{' WHERE mac = ?", MAC)
    spoil(site, "UPDATE surveys SET body = '[' WHERE mac = ?", MAC)
    spoil(site, "UPDATE transfers SET count = 'many' WHERE address = ?", MAC)
    spoil(site, "UPDATE leases SET address = 'x' WHERE mac = ?", MAC)
    assert [row.mac for row in database.sightings.all()] == [OTHER]
    assert [row.mac for row in database.surveys.all()] == [OTHER]
    assert [row.mac for row in database.leases.all()] == [OTHER]
    assert (database.sightings.get(MAC), database.surveys.find(MAC)) == (None, None)
    assert (database.transfers.get(MAC), database.leases.get(MAC)) == (None, None)
    database.hosts.names_by_uuid()
    database.sightings.put([NewSighting(MAC, 3.0, 1, "10.77.0.130", ClientPacket(MAC))])
    assert database.sightings.get(MAC) is not None, "the next packet writes it anew"


@pytest.mark.parametrize("column", ["address", "role"])
def test_a_mac_that_cannot_be_read_is_a_strangers(two: Site, column: str) -> None:
    spoil(two, f"UPDATE macs SET {column} = ? WHERE mac = ?", b"\xff10.77", MAC)
    assert [row.mac for row in two.database.macs.all()] == [OTHER]
    assert two.database.macs.get(MAC) is None and len(two.database.macs.unreadable()) == 1
    assert isinstance(boot.answer(two, Asker(mac=MAC, address="10.77.0.64")).plan, Local)


def test_the_list_of_other_dhcp_servers_is_not_taken_for_empty_where_nobody_can_read_it(site: Site) -> None:
    site.database.values.put_rogue_servers([])
    spoil(site, "UPDATE service SET value = '[{]' WHERE key = 'dhcp.servers'")
    host, [image] = site.database.hosts.get("vc-1"), site.database.images.all()
    with pytest.raises(UnreadableError, match=r"the value dhcp\.servers cannot be read"):
        admission.check(site, host, image, AS_USUAL)


# a deployment


BAD_COLUMNS = [
    ("stage", "teleporting"),
    ("stage", b"\xffnetbooting"),
    ("progress", "{"),
    ("verdict", "[[["),
    ("host_keys", "{}"),
    ("created", "yesterday"),
    ("deadline", "soon"),
    ("attempt", "two"),
    ("nonce", b"\xfe\xfe"),
]


@pytest.mark.parametrize(("column", "value"), BAD_COLUMNS)
def test_an_unreadable_deployment_leaves_its_host_with_its_disk_and_without_a_second_order(
    two: Site, column: str, value: str | bytes
) -> None:
    row = order(two, "vc-1")
    record(two, row.id, SlotGiven(), source="worker")
    record(two, row.id, PowerBegan(nonce="n-1"), source="worker")
    asker = Asker(mac=MAC, address="10.77.0.64", arch="x86_64")
    two.neighbour = lambda address: (MAC, "lan0")
    assert isinstance(boot.answer(two, asker).plan, Ramdisk), "it would be written now"
    spoil(two, f"UPDATE deployments SET {column} = ? WHERE id = ?", value, row.id)
    assert isinstance(boot.answer(two, asker).plan, Local)
    with pytest.raises(RefusedError, match=rf"vc-1: the deployment {row.id} cannot be read: ") as caught:
        order(two, "vc-1")
    assert caught.value.code == 612 and f"provision cancel {row.id}" in caught.value.hint
    # all others go on
    other = order(two, "vc-2")
    database = two.database
    for rows in (database.deployments.under_way(), database.deployments.newest()):
        assert [found.id for found in rows] == [other.id]
    assert other.id in [ident for _, ident, _ in database.deployments.orders()]
    with pytest.raises(UnreadableError):
        database.deployments.get(row.id)
    assert [str(fault).split(" cannot")[0] for fault in database.unreadable()] == [f"the deployment {row.id}"]
    assert database.deployments.last_readable("vc-1") is None


@pytest.mark.parametrize(("column", "value"), BAD_COLUMNS)
def test_it_can_be_set_aside_with_what_can_be_read_of_it(site: Site, column: str, value: str | bytes) -> None:
    row = order(site, "vc-1")
    spoil(site, f"UPDATE deployments SET {column} = ? WHERE id = ?", value, row.id)
    with pytest.raises(UnreadableError) as caught:
        site.database.deployments.get(row.id)
    ended = set_aside(site, row.id, caught.value, by="bob")
    assert (ended.stage, ended.host, ended.image, ended.armed_by) == (
        Stage.CANCELLED,
        "vc-1",
        row.image,
        "ann",
    )
    assert "cannot be read" in ended.reason and site.database.deployments.get(row.id) == ended
    assert site.database.events.of(row.id)[-1].data == OrderCancelled(by="bob")
    assert site.database.unreadable() == []
    assert order(site, "vc-1").stage == Stage.QUEUED, "its host can be ordered again"


def test_one_of_a_host_that_nobody_can_name_refuses_every_order(two: Site) -> None:
    row = order(two, "vc-1")
    spoil(two, "UPDATE deployments SET host = ?, progress = '{' WHERE id = ?", b"\xffvc-1", row.id)
    with pytest.raises(RefusedError, match=f"the deployment {row.id} cannot be read"):
        order(two, "vc-2")


def test_one_that_has_ended_and_cannot_be_read_is_history_and_hinders_nothing(site: Site) -> None:
    first = order(site, "vc-1")
    record(site, first.id, OrderCancelled(by="ann"), source="operator")
    second = order(site, "vc-1")
    record(site, second.id, OrderCancelled(by="ann"), source="operator")
    spoil(site, "UPDATE deployments SET verdict = '{', created = created + 1 WHERE id = ?", second.id)
    assert (last := site.database.deployments.last_of("vc-1")) is not None and last.id == first.id
    assert order(site, "vc-1").stage == Stage.QUEUED


def test_a_run_that_cannot_be_read_stops_no_other_run(site: Site) -> None:
    run = Run(id="r-1", created=1.0, by="ann", select="rack=B3")
    with site.database.writing():
        site.database.runs.put(run)
        site.database.runs.put(run.model_copy(update={"id": "r-2"}))
    spoil(site, "UPDATE runs SET body = 'x' WHERE id = 'r-1'")
    assert list(site.database.runs.known(["r-1", "r-2", "r-3"])) == ["r-2"]
    with pytest.raises(UnreadableError, match="the run r-1"):
        site.database.runs.get("r-1")


def test_what_is_left_out_is_logged_once(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    spoil(site, "UPDATE hosts SET body = '{' WHERE name = 'vc-1'")
    for _ in range(5):
        site.database.hosts.all()
    assert caplog.text.count("the host vc-1 cannot be read") == 1 and "(PV-612)" in caplog.text
