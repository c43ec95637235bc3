"""When a host may be restarted to see its firmware start the disk, what its BMC is told, what is claimed."""

from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any

import pytest

from provisioner.deployment import boot_proof
from provisioner.deployment.order import arm
from provisioner.domain.deployment import Deployment
from provisioner.domain.host import Bmc, Host
from provisioner.domain.stage import Stage
from provisioner.errors import PowerError, RefusedError, TransitionError, UnreachableError
from provisioner.power.protocol import BootResult, PowerResult
from provisioner.site.site import Site
from provisioner.state.requests import BmcResult
from provisioner.worker import bmc_requests, power
from provisioner.worker import boot_proof as proof
from tests.unit.conftest import MAC, Clock

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG5vdCBhIGtleSBvZiBhbnlib2R5IGF0IGFsbCEhIQ=="
FINGERPRINT = "SHA256:abc"


def put(site: Site, row: Deployment) -> None:
    with site.database.writing():
        site.database.deployments.put(row)


class Board:
    """A BMC whose machine is on; what it was told, in order. `meanwhile` happens before each answer."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.off_state = "off"
        self.refuses_boot = False
        self.meanwhile: Callable[[str], object] = lambda act: None

    def _do(self, act: str, state: str) -> PowerResult:
        self.told.append(act)
        self.meanwhile(act)
        return PowerResult(state)

    def on(self) -> PowerResult:
        return self._do("on", "on")

    def off(self) -> PowerResult:
        return self._do("off", self.off_state)

    def set_boot(self, device: Any, *, uefi: bool = True, once: bool = True) -> BootResult:
        self.told.append(f"boot {device}")
        if self.refuses_boot:
            raise PowerError("no such boot device", code=203)
        return BootResult(device)


@pytest.fixture
def host(site: Site) -> Host:
    bmc = Bmc(driver="ipmi", address=IPv4Address("10.77.1.1"), secret="lab")
    made = Host(name="vc-1", macs=(MAC,), profile="cube", bmc=bmc)
    site.database.put_inventory([made], site.database.profiles.all(), site.settings.hosts_range)
    return made


@pytest.fixture
def ready(site: Site, host: Host) -> Deployment:
    """A host that was started by kexec and is ready, sealed."""
    row = arm(site, host, site.database.images.all()[0], by="ann")
    row = row.changed(
        stage=Stage.READY, host_keys=(KEY,), address="10.77.0.64", started_by="kexec", deadline=0
    )
    put(site, row)
    return row


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Board:
    made = Board()
    monkeypatch.setattr(power, "connect", lambda site, host, patience=0.0: made)
    return made


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Who answers at the host's address."""

    def use(who: str) -> None:
        monkeypatch.setattr(proof, "look", lambda way: (who, FINGERPRINT if who == "same" else ""))
        monkeypatch.setattr(proof, "_limit", lambda site, host: 0.0)

    use("same")
    return use


def ask(site: Site) -> BmcResult:
    """As the loop answers a request."""
    number = site.database.requests.ask("vc-1", boot_proof.ACTION, "", site.clock())
    bmc_requests.answer(site, number)
    return site.database.requests.get(number).result


def noted(site: Site, row: Deployment) -> list[str]:
    return [event.kind for event in site.database.events.of(row.id) if event.kind.startswith("boot.")]


def test_a_host_that_comes_up_again_after_it_was_off_has_proven_it(
    site: Site, clock: Clock, ready: Deployment, board: Board, answers: Any
) -> None:
    clock.now += 500
    assert ready.lacks_firmware_boot
    result = ask(site)
    assert board.told == ["off", "boot disk", "on"]
    assert (result.host_key, result.address, result.error) == (FINGERPRINT, "10.77.0.64", None)
    row = site.database.deployments.get(ready.id)
    assert (row.stage, row.firmware_boot, row.lacks_firmware_boot) == (Stage.READY, clock.now, False)
    assert row.changed(firmware_boot=0) == ready, "nothing else of it has changed"
    assert noted(site, ready) == ["boot.proven"]


def test_the_first_time_stays_and_each_proof_is_noted(
    site: Site, clock: Clock, ready: Deployment, board: Board, answers: Any
) -> None:
    ask(site)
    first = site.database.deployments.get(ready.id).firmware_boot
    clock.now += 500
    ask(site)
    assert site.database.deployments.get(ready.id).firmware_boot == first
    assert noted(site, ready) == ["boot.proven", "boot.proven"]


@pytest.mark.parametrize("state", ["on", "unknown"])
def test_a_bmc_that_does_not_say_off_proves_nothing(
    site: Site, ready: Deployment, board: Board, answers: Any, state: str
) -> None:
    board.off_state = state
    result = ask(site)
    assert result.error and result.error.code == 432 and state in result.error.message
    assert board.told == ["off"] and noted(site, ready) == ["boot.unproven"]
    assert site.database.deployments.get(ready.id).lacks_firmware_boot


@pytest.mark.parametrize(("who", "code"), [("silent", 433), ("other", 434)])
def test_who_answers_is_what_counts(
    site: Site, ready: Deployment, board: Board, answers: Any, who: str, code: int
) -> None:
    answers(who)
    result = ask(site)
    assert result.error and result.error.code == code and "10.77.0.64" in result.error.message
    assert noted(site, ready) == ["boot.unproven"]
    (told,) = [e for e in site.database.events.of(ready.id) if e.kind == "boot.unproven"]
    assert result.error.message in told.describe()


def test_a_boot_device_that_is_refused_is_noted_and_proves_it_all_the_same(
    site: Site, ready: Deployment, board: Board, answers: Any
) -> None:
    board.refuses_boot = True
    result = ask(site)
    assert not result.error and "did not set the boot device" in result.note
    assert board.told == ["off", "boot disk", "on"]


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.READY])
def test_a_host_that_is_not_ready_is_left_alone(
    site: Site, ready: Deployment, board: Board, answers: Any, stage: Stage
) -> None:
    put(site, ready.changed(stage=stage, deadline=site.clock() + 100))
    result = ask(site)
    assert result.error and result.error.code in (132, 430) and not board.told
    assert not noted(site, ready)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        ({"host_keys": ()}, 431),
        ({"address": ""}, 431),
    ],
)
def test_what_would_prove_nothing_is_not_restarted(
    site: Site, ready: Deployment, board: Board, answers: Any, spoil: Any, code: int
) -> None:
    put(site, ready.changed(**spoil))
    result = ask(site)
    assert result.error and result.error.code == code and not board.told


def test_a_locked_host_and_one_without_a_bmc_are_refused(
    site: Site, host: Host, ready: Deployment, board: Board, answers: Any
) -> None:
    for other, code in (({"locked": True}, 131), ({"bmc": Bmc(driver="manual")}, 431)):
        changed = host.model_copy(update=other)
        site.database.put_inventory([changed], site.database.profiles.all(), site.settings.hosts_range)
        with pytest.raises(RefusedError) as refused:
            boot_proof.provable(site, site.database.hosts.get("vc-1"))
        assert refused.value.code == code
    assert not board.told


@pytest.mark.parametrize("at", ["off", "on"])
def test_an_order_in_between_stops_the_next_command_and_nothing_is_claimed(
    site: Site, host: Host, ready: Deployment, board: Board, answers: Any, at: str
) -> None:
    answers("silent")

    def order(act: str) -> None:
        if act == at:
            arm(site, host, site.database.images.all()[0], by="bob")

    board.meanwhile = order
    with pytest.raises(TransitionError, match="not told any more"):
        proof.prove(site, host)
    assert board.told == (["off"] if at == "off" else ["off", "boot disk", "on"])
    assert not noted(site, ready)


def test_a_failing_bmc_is_noted_in_its_own_words(
    site: Site, ready: Deployment, board: Board, answers: Any
) -> None:
    def fail(act: str) -> None:
        raise PowerError("no answer", code=201)

    board.meanwhile = fail
    result = ask(site)
    assert result.error and (result.error.code, result.error.message) == (201, "no answer")
    assert noted(site, ready) == ["boot.unproven"]


def test_only_those_that_lack_it_are_meant_by_all(site: Site, host: Host, ready: Deployment) -> None:
    assert boot_proof.wanting(site, [host]) == [host]
    put(site, ready.changed(firmware_boot=1.0))
    assert boot_proof.wanting(site, [host]) == []
    put(site, ready.changed(started_by="firmware"))
    assert boot_proof.wanting(site, [host]) == []


def test_nobody_answering_is_unreachable(
    site: Site, host: Host, ready: Deployment, board: Board, answers: Any
) -> None:
    answers("silent")
    with pytest.raises(UnreachableError, match="powered off and on"):
        proof.prove(site, host)
