"""A BMC's password is changed so that the one that it has is always known, whenever we are killed."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from provisioner.deployment import removal
from provisioner.domain.audit import Kind
from provisioner.domain.host import Bmc, Host
from provisioner.errors import NotYetError, PowerError
from provisioner.power import registry
from provisioner.power.protocol import (
    AccountsResult,
    BmcAccount,
    BmcAddress,
    BootDevice,
    BootResult,
    PasswordResult,
    PowerDriver,
    PowerResult,
)
from provisioner.site.site import Site
from provisioner.state import inventory
from provisioner.state.audit import Filter
from provisioner.state.requests import BmcRequest
from provisioner.state.sealed_secrets import OWN_BMC_LOGIN
from provisioner.worker import bmc_requests, power, rotation
from tests.logins import put_login

MAC = "52:54:00:00:00:01"
FIRST = "as-it-was-delivered"


class KilledError(BaseException):
    """The process ends here."""


@dataclass
class Board:
    """A BMC with one user; `set` is what it does when it is told another password."""

    password: str = FIRST
    set: Callable[["Board", str], None] = lambda board, password: board.take(password)
    logins: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    steps: int = 0
    kill_at: int = 0

    def take(self, password: str) -> None:
        self.password = password

    def step(self) -> None:
        """Something of ours is about to happen, at which we may be killed."""
        self.steps += 1
        if self.steps == self.kill_at:
            raise KilledError


@dataclass
class Line:
    """The driver of such a BMC."""

    bmc: BmcAddress
    board: Board

    def state(self) -> PowerResult:
        self.board.step()
        self.board.logins.append(self.bmc.password)
        self._log_in()
        self.board.step()
        return PowerResult("on")

    on = off = reset = state

    def set_boot(self, device: BootDevice, *, uefi: bool = True, once: bool = True) -> BootResult:
        return BootResult(device)

    def get_boot(self) -> BootResult:
        return BootResult("default")

    def accounts(self) -> AccountsResult:
        return AccountsResult((BmcAccount(2, self.bmc.user, True, "administrator"),))

    def set_password(self, password: str) -> PasswordResult:
        self.board.step()
        self._log_in()
        self.board.told.append(password)
        self.board.set(self.board, password)
        self.board.step()
        return PasswordResult(self.bmc.user)

    def _log_in(self) -> None:
        if self.bmc.password != self.board.password:
            raise PowerError("it refuses the login", code=202)


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Board:
    made = Board()
    driver = PowerDriver(name="relay", title="a board", port=502, connect=lambda bmc: Line(bmc, made))
    monkeypatch.setitem(registry.DRIVERS, driver.name, driver)
    return made


@pytest.fixture
def host(site: Site, board: Board) -> Iterator[Host]:
    bmc = {"driver": "relay", "address": "10.0.0.7", "secret": "rack"}
    made = inventory.make_host(
        {"name": "vc-1", "macs": [MAC], "profile": "cube", "bmc": bmc}, registry.DRIVERS
    )
    site.database.put_inventory([made], [], site.settings.hosts_range)
    put_login(site, "rack", "ADMIN", FIRST)
    yield made
    rotation._locks.clear()


def rotate(site: Site, host: Host) -> BmcAddress:
    return rotation.rotate(site, host, power.bmc_address(site, host))


def lets_in(site: Site, host: Host) -> bool:
    """Whether the worker can log in now, as it does for any act."""
    return power.connect(site, host).state().state == "on"


def test_the_new_password_holds_and_is_the_hosts_own(site: Site, host: Host, board: Board) -> None:
    fresh = rotate(site, host)
    assert board.password == fresh.password != FIRST and len(fresh.password) == 20
    assert board.logins[-1] == fresh.password, "a login with it has worked"
    assert lets_in(site, host)
    row = site.database.rotations.of(host)
    assert (row.state, row.next, row.login) == ("done", "", site.database.secrets.names(OWN_BMC_LOGIN)[0])
    second = rotate(site, host)
    assert second.password not in (FIRST, fresh.password)
    assert site.database.secrets.names(OWN_BMC_LOGIN) == [site.database.rotations.of(host).login]


def test_who_waited_for_another_rotation_goes_on_with_its_password(
    site: Site, host: Host, board: Board
) -> None:
    before = power.bmc_address(site, host)
    first = rotation.rotate(site, host, before)
    second = rotation.rotate(site, host, before)
    assert board.password == second.password != first.password and lets_in(site, host)


def test_another_host_that_shares_the_login_keeps_it(site: Site, host: Host, board: Board) -> None:
    rotate(site, host)
    other = host.model_copy(update={"name": "vc-2", "macs": ("52:54:00:00:00:02",)})
    assert power.bmc_address(site, other).password == FIRST


def test_the_inventorys_next_login_counts_again(site: Site, host: Host, board: Board) -> None:
    rotate(site, host)
    put_login(site, "by-hand", "root", "typed-at-the-bmc")
    changed = host.model_copy(update={"bmc": host.bmc.model_copy(update={"secret": "by-hand"})})
    assert power.bmc_address(site, changed).password == "typed-at-the-bmc"


def test_the_own_login_goes_with_the_machine(site: Site, host: Host, board: Board) -> None:
    rotate(site, host)
    renamed = removal.rename_host(site, "vc-1", "vc-9", by="ann")
    assert lets_in(site, renamed)
    target = host.model_copy(
        update={"name": "vc-3", "macs": ("52:54:00:00:00:03",), "bmc": Bmc(driver="manual")}
    )
    site.database.put_inventory([target], [], site.settings.hosts_range)
    moved = removal.move_host(site, "vc-9", "vc-3", by="ann")
    assert lets_in(site, moved) and board.password == power.bmc_address(site, moved).password
    removal.remove_host(site, "vc-3", by="ann")
    assert site.database.secrets.names(OWN_BMC_LOGIN) == [] and site.database.rotations.all() == []


def steps_of(site: Site, host: Host, board: Board) -> int:
    rotate(site, host)
    return board.steps


@pytest.mark.parametrize("kill_at", range(1, 5))
def test_killed_at_any_step_the_password_is_known(site: Site, host: Host, board: Board, kill_at: int) -> None:
    board.kill_at = kill_at
    with pytest.raises(KilledError):
        rotate(site, host)
    rotation._locks.clear()
    assert lets_in(site, host), "whichever it has"
    assert site.database.rotations.of(host).state == "done"
    assert rotate(site, host).password == board.password and lets_in(site, host)


def test_all_steps_are_among_those(site: Site, host: Host, board: Board) -> None:
    assert steps_of(site, host, board) == 4


@pytest.mark.parametrize("number", range(1, 5))
def test_killed_at_any_commit_the_password_is_known(
    site: Site, host: Host, board: Board, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    real, seen = site.database.rotations.put, Counter[str]()

    def put(row: object) -> None:
        real(row)  # type: ignore[arg-type]  a rotation
        seen["puts"] += 1
        if seen["puts"] == number:
            raise KilledError  # before the commit

    monkeypatch.setattr(site.database.rotations, "put", put)
    for _ in range(3):
        try:
            rotate(site, host)
        except KilledError:
            rotation._locks.clear()
    monkeypatch.undo()
    registry.DRIVERS["relay"] = PowerDriver(
        name="relay", title="a board", port=502, connect=lambda bmc: Line(bmc, board)
    )
    assert seen["puts"] >= number and lets_in(site, host)
    del registry.DRIVERS["relay"]


def test_an_answer_that_was_lost_after_it_was_done(site: Site, host: Host, board: Board) -> None:
    def lose(board: Board, password: str) -> None:
        board.take(password)
        raise NotYetError("no answer came")

    board.set = lose
    assert rotate(site, host).password == board.password != FIRST
    assert lets_in(site, host)


def test_an_order_that_was_lost_on_its_way(site: Site, host: Host, board: Board) -> None:
    def lose(board: Board, password: str) -> None:
        raise NotYetError("no answer came")

    board.set = lose
    with pytest.raises(NotYetError):
        rotate(site, host)
    assert board.password == FIRST and lets_in(site, host)


def test_an_order_that_came_late_is_found(site: Site, host: Host, board: Board) -> None:
    """It was under way in the network when a login showed that the old password still held."""

    def late(board: Board, password: str) -> None:
        raise NotYetError("no answer came")

    board.set = late
    with pytest.raises(NotYetError):
        rotate(site, host)
    board.password = board.told[-1]
    board.set = lambda board, password: board.take(password)
    assert rotate(site, host).password == board.password and lets_in(site, host)


def test_one_that_takes_16_characters_gets_16(site: Site, host: Host, board: Board) -> None:
    def short(board: Board, password: str) -> None:
        if len(password) > 16:
            raise PowerError("the request is too long for it (completion code 0xc8)", code=203)
        board.take(password)

    board.set = short
    assert len(rotate(site, host).password) == 16 and lets_in(site, host)


def test_one_that_cuts_it_off_without_a_word_is_found_out(site: Site, host: Host, board: Board) -> None:
    board.set = lambda board, password: board.take(password[:16])
    fresh = rotate(site, host)
    assert fresh.password == board.password and len(fresh.password) == 16 and lets_in(site, host)


def test_one_that_lies_keeps_the_old_one(site: Site, host: Host, board: Board) -> None:
    board.set = lambda board, password: None
    with pytest.raises(PowerError, match="does not take it at a login") as lied:
        rotate(site, host)
    assert lied.value.code == 241 and lets_in(site, host)


def test_where_neither_is_taken_both_are_kept(site: Site, host: Host, board: Board) -> None:
    board.set = lambda board, password: board.take("what somebody typed")
    with pytest.raises(PowerError, match="neither the password before nor the new one") as lost:
        rotate(site, host)
    assert lost.value.code == 240 and "--host vc-1" in lost.value.hint
    row = site.database.rotations.of(host)
    assert row.state == "sent" and site.database.secrets.has(OWN_BMC_LOGIN, row.next)
    board.password = board.told[-1]
    assert lets_in(site, host), "it is tried again"


def test_a_request_says_who_has_another_password_and_never_which(
    site: Site, host: Host, board: Board
) -> None:
    number = site.database.requests.ask("vc-1", "rotate", "", site.clock())
    bmc_requests.answer(site, number)
    answered: BmcRequest = site.database.requests.get(number)
    assert answered.result.user == "ADMIN" and not answered.result.error
    everything = answered.model_dump_json() + "".join(map(repr, site.database.audit.find(Filter(), 100)))
    assert board.password not in everything and FIRST not in everything
    kinds = [Kind.SECRET_READ, Kind.SECRET_WRITTEN]
    assert all(f'"{kind}"' in everything for kind in kinds)


def test_passwords_are_of_the_alphabet_and_never_alike() -> None:
    made = [rotation.make_password(20) for _ in range(500)]
    assert len(set(made)) == 500
    for one in made:
        assert len(one) == 20 and set(one) <= set(rotation.ALPHABET) and one[0].isalpha()
        assert all(set(one) & set(letters) for letters in rotation.CLASSES)
        assert not set(one) & set("0O1lI")
