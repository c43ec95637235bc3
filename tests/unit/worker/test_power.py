"""What the worker tells a BMC: the boot device for the firmware that the host has."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.deployment import WrittenDisk
from provisioner.domain.events.agent import AgentWritten
from provisioner.domain.events.netboot import DhcpSeen
from provisioner.domain.events.order import SlotGiven
from provisioner.domain.stage import Stage
from provisioner.errors import NotYetError, PowerError, ServiceError, TransitionError
from provisioner.power.protocol import BootResult, PowerResult
from provisioner.site.site import Site
from provisioner.state.lock import exclusive
from provisioner.state.sightings import ClientPacket, NewSighting
from provisioner.worker import bmc_requests, power
from tests.unit.conftest import hello_of

MAC = "52:54:00:00:00:01"
FIRMWARE = ClientPacket(MAC, arch=0, boots=True)
SYSTEM = ClientPacket(MAC, hostname="vc-1")
Saw = Callable[[ClientPacket], None]


class Bmc:
    """Writes down which boot device was set for which firmware."""

    def __init__(self) -> None:
        self.set: list[tuple[str, bool]] = []

    def state(self) -> PowerResult:
        return PowerResult("off")

    on = off = reset = state

    def get_boot(self) -> BootResult:
        return BootResult("default")

    def set_boot(self, device: Any, *, uefi: bool = True, once: bool = True) -> BootResult:
        self.set.append((device, uefi))
        return BootResult(device)


@pytest.fixture
def bmc(monkeypatch: pytest.MonkeyPatch) -> Bmc:
    made = Bmc()
    monkeypatch.setattr(power, "connect", lambda site, host, patience=0.0: made)
    return made


@pytest.fixture
def saw(site: Site) -> Saw:
    return lambda packet: site.database.sightings.put([NewSighting(MAC, 5.0, 1, "10.77.0.64", packet)])


def queued(site: Site) -> Any:
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    return record(site, row.id, SlotGiven(), source="worker")


def test_a_host_whose_firmware_never_asked_is_told_as_uefi(site: Site, bmc: Bmc) -> None:
    power.power_on(site, queued(site))
    assert bmc.set == [("network", True)]


@pytest.mark.parametrize(("arch", "uefi"), [(0, False), (7, True), (9, True), (None, True)])
def test_the_boot_device_is_set_for_the_firmware_that_last_asked(
    site: Site, bmc: Bmc, saw: Saw, arch: int | None, uefi: bool
) -> None:
    saw(replace(FIRMWARE, arch=arch))
    power.power_on(site, queued(site))
    assert bmc.set == [("network", uefi)]


def test_the_requests_of_ramdisk_and_system_do_not_make_a_bios_host_uefi(
    site: Site, bmc: Bmc, saw: Saw
) -> None:
    row = queued(site)
    power.power_on(site, row)
    saw(FIRMWARE)
    nonce = site.database.deployments.get(row.id).nonce
    record(site, row.id, hello_of(nonce), source="agent")
    saw(SYSTEM)
    row = record(site, row.id, AgentWritten(disk=WrittenDisk(serial="D")), source="agent")
    power.choose_disk(site, row)
    assert bmc.set == [("network", True), ("disk", False)]
    assert site.database.deployments.get(row.id).stage == Stage.RESTARTING


def test_an_operators_boot_device_is_set_for_the_hosts_firmware_too(site: Site, bmc: Bmc, saw: Saw) -> None:
    saw(FIRMWARE)
    site.database.requests.ask("vc-1", "boot", "disk", 0)
    (request,) = site.database.requests.open()
    bmc_requests.answer(site, request.id)
    assert bmc.set == [("disk", False)]


def test_a_bios_host_stays_one_however_many_strangers_asked_since(site: Site, bmc: Bmc, saw: Saw) -> None:
    saw(FIRMWARE)
    macs = [f"52:54:00:01:{number >> 8:02x}:{number & 255:02x}" for number in range(600)]
    site.database.sightings.put(
        [NewSighting(mac, 6.0, 1, "", replace(FIRMWARE, mac=mac, arch=7)) for mac in macs]
    )
    power.power_on(site, queued(site))
    assert bmc.set == [("network", False)]


class Lost(Bmc):
    """A host that is on; the answer to its reset is lost, and `meanwhile` happens."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__()
        self.resets, self._meanwhile = 0, meanwhile

    def state(self) -> PowerResult:
        return PowerResult("on")

    def reset(self) -> PowerResult:
        self.resets += 1
        self._meanwhile()
        if self.resets == 1:
            raise PowerError("no answer", code=201)
        return PowerResult("on")


@pytest.fixture
def lost(site: Site, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Any], object]], Lost]:
    """`meanwhile` is given the row as it is when the first reset has been sent."""

    def make(meanwhile: Callable[[Any], object]) -> Lost:
        bmc = Lost(lambda: meanwhile(site.database.deployments.last_of("vc-1")))
        monkeypatch.setattr(power, "connect", lambda site, host, patience=0.0: bmc)
        return bmc

    return make


def test_a_reset_without_an_answer_is_repeated_where_nothing_was_heard(site: Site, lost: Any) -> None:
    bmc, row = lost(lambda row: None), queued(site)
    power.power_on(site, row)
    delayed = site.database.deployments.get(row.id)
    assert (delayed.stage, delayed.last_event, bmc.resets) == (Stage.POWERING, "power.delayed", 1)
    power.power_on(site, delayed)
    assert bmc.resets == 2
    assert site.database.events.of(row.id)[-1].kind == "power.asked", "as a host by hand has it"
    assert site.database.deployments.get(row.id).nonce == delayed.nonce, "a host may have it already"


@pytest.mark.parametrize("heard", ["packet", "hello"])
def test_a_reset_without_an_answer_is_never_repeated_on_a_host_that_was_heard(
    site: Site, lost: Any, heard: str
) -> None:
    def meanwhile(row: Any) -> None:
        record(site, row.id, DhcpSeen(), source="dhcp")
        if heard == "hello":
            record(site, row.id, hello_of(row.nonce), source="agent")

    bmc, row = lost(meanwhile), queued(site)
    with pytest.raises(TransitionError, match="its BMC is not told any more"):
        power.power_on(site, row)
    assert bmc.resets == 1
    wanted = Stage.WRITING if heard == "hello" else Stage.NETBOOTING
    assert site.database.deployments.get(row.id).stage == wanted


@pytest.mark.parametrize("at", ["state", "set_boot"])
def test_what_happens_between_two_commands_stops_the_next(
    site: Site, bmc: Bmc, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """Cancelled, or locked, while the BMC takes its time."""
    row, told = queued(site), []

    def lock() -> None:
        site.database.hosts.put(site.database.hosts.get("vc-1").model_copy(update={"locked": True}))

    def slow(*args: Any, **kwargs: Any) -> Any:
        lock()
        return PowerResult("on") if at == "state" else BootResult("network")

    for name in ("on", "reset", "set_boot"):
        monkeypatch.setattr(bmc, name, lambda *_, name=name, **__: told.append(name))
    monkeypatch.setattr(bmc, at, slow)
    with pytest.raises(TransitionError, match="was locked after it was ordered"):
        power.power_on(site, row)
    assert told == []


def test_one_worker_works_on_a_state_folder(tmp_path: Path) -> None:
    with (
        exclusive(tmp_path, "worker", "worker.lock"),
        pytest.raises(ServiceError, match="another worker works on") as caught,
        exclusive(tmp_path, "worker", "worker.lock"),
    ):
        pass
    assert caught.value.code == 606
    with exclusive(tmp_path, "worker", "worker.lock"):
        pass


class Told(Bmc):
    """A host that is on; each act does what the test says of it, and is written down."""

    def __init__(self, **acts: Callable[[], PowerResult]) -> None:
        super().__init__()
        self.told: list[str] = []
        for name in ("state", "on", "off", "reset"):
            setattr(self, name, partial(self._tell, name, acts.get(name, lambda: PowerResult("on"))))

    def _tell(self, name: str, act: Callable[[], PowerResult]) -> PowerResult:
        self.told.append(name)
        return act()


def failing(code: int, *, pause: float | None = None) -> Callable[[], PowerResult]:
    def act() -> PowerResult:
        raise NotYetError("lost", code=code, pause=pause) if pause else PowerError("refused", code=code)

    return act


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Bmc], None]:
    return lambda bmc: monkeypatch.setattr(power, "connect", lambda site, host, patience=0.0: bmc)


def test_a_reset_whose_answer_is_always_lost_becomes_off_and_on(site: Site, use: Any) -> None:
    bmc = Told(reset=failing(211, pause=2), off=lambda: PowerResult("off"))
    use(bmc)
    row = queued(site)
    for _ in range(3):
        power.power_on(site, site.database.deployments.get(row.id))
    assert bmc.told == ["state", "reset", "state", "reset", "state", "off", "on"]


def test_a_login_that_was_taken_and_is_refused_is_tried_a_few_times(site: Site, use: Any) -> None:
    answers = iter([PowerResult("off")])

    def state() -> PowerResult:
        return next(answers, None) or failing(202)()

    use(Told(state=state, on=failing(202)))
    row = queued(site)
    tries = 0
    while site.database.deployments.get(row.id).stage == Stage.POWERING:
        power.power_on(site, site.database.deployments.get(row.id))
        tries += 1
    assert tries == power.MOST_LOGINS + 1
    assert site.database.deployments.get(row.id).code == 202


def test_a_boot_device_that_is_refused_for_good_is_a_note(
    site: Site, use: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> BootResult:
        raise PowerError("BMC 10.0.0.9 refuses the boot device: read-only", code=203)

    bmc = Told(state=lambda: PowerResult("off"))
    monkeypatch.setattr(bmc, "set_boot", refuse)
    use(bmc)
    row = queued(site)
    power.power_on(site, row)
    event = site.database.events.of(row.id)[-1]
    assert event.kind in ("power.on", "power.asked") and bmc.told == ["state", "on"]
    assert event.describe().endswith(
        "put the network first in its firmware's own boot order: "
        "BMC 10.0.0.9 refuses the boot device: read-only"
    )


@pytest.mark.parametrize("code", [202, 212, 213])
def test_a_boot_device_that_this_user_may_not_set_is_an_error(
    site: Site, use: Any, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: Any, **__: Any) -> BootResult:
        raise PowerError("no", code=code)

    bmc = Told()
    monkeypatch.setattr(bmc, "set_boot", refuse)
    use(bmc)
    power.power_on(site, queued(site))
    assert bmc.told == ["state"]
