"""A power driver that nobody but the registry knows: one file, one line, and a host is powered by it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from provisioner.deployment import plan
from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.deployment import Terms
from provisioner.domain.events.order import SlotGiven
from provisioner.errors import InventoryError
from provisioner.power import registry
from provisioner.power.protocol import BmcAddress, BootDevice, BootResult, PowerDriver, PowerResult
from provisioner.site.site import Site
from provisioner.state import inventory
from provisioner.worker import power
from tests.logins import put_login

MAC = "52:54:00:00:00:01"
INVENTORY = {"name": "vc-1", "macs": [MAC], "profile": "cube"}


@dataclass
class RelayBoard:
    """A relay at each power button, behind one address."""

    reached: list[BmcAddress] = field(default_factory=list)
    acts: list[str] = field(default_factory=list)

    def connect(self, bmc: BmcAddress) -> "RelayBoard":
        self.reached.append(bmc)
        return self

    def state(self) -> PowerResult:
        return PowerResult("off")

    def on(self) -> PowerResult:
        self.acts.append("on")
        return PowerResult("on", note="relay 1 closed")

    off = reset = state

    def set_boot(self, device: BootDevice, *, uefi: bool = True, once: bool = True) -> BootResult:
        self.acts.append(f"boot {device}")
        return BootResult(device, confirmed=False)

    def get_boot(self) -> BootResult:
        return BootResult("unknown", confirmed=False)


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Iterator[RelayBoard]:
    made = RelayBoard()
    driver = PowerDriver(name="relay", title="a relay board", port=502, connect=made.connect)
    monkeypatch.setitem(registry.DRIVERS, driver.name, driver)
    yield made


@pytest.fixture
def relayed(site: Site, board: RelayBoard) -> Site:
    """The site with its host behind the board, as an inventory says it."""
    bmc = {"driver": "relay", "address": "10.0.0.7", "secret": "board"}
    host = inventory.make_host(INVENTORY | {"bmc": bmc}, registry.DRIVERS)
    site.database.put_inventory([host], [], site.settings.hosts_range)
    put_login(site, "board", "ann", "s3cret")
    return site


def test_the_worker_powers_a_host_by_it(relayed: Site, board: RelayBoard) -> None:
    row = arm(relayed, relayed.database.hosts.get("vc-1"), relayed.database.images.all()[0], by="ann")
    row = record(relayed, row.id, SlotGiven(), source="worker")
    power.power_on(relayed, row)
    assert board.acts == ["boot network", "on"]
    (bmc,) = board.reached
    assert (bmc.address, bmc.port, bmc.user, bmc.password) == ("10.0.0.7", 502, "ann", "s3cret")
    event = relayed.database.events.last_of(row.id)
    assert event is not None and event.kind == "power.on" and event.data.note == "relay 1 closed"


def test_a_plan_says_it_and_its_console_is_none(relayed: Site) -> None:
    host = relayed.database.hosts.get("vc-1")
    made = plan.make(relayed, host, relayed.database.images.all()[0], Terms())
    assert made.power == "a relay board at 10.0.0.7: boot device network, then power on or reset"
    assert registry.console_driver(host.bmc) is None


def test_without_its_line_the_inventory_is_refused() -> None:
    with pytest.raises(InventoryError, match=r"vc-1: bmc\.driver: \'.*\' is none of"):
        inventory.make_host(INVENTORY | {"bmc": {"driver": "relay"}}, registry.DRIVERS)
