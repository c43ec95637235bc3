"""What the worker does at a BMC: log in, boot device, power."""

import logging
import secrets
from collections.abc import Callable, Set
from dataclasses import replace

from provisioner.deployment import guard
from provisioner.deployment.record import record, standing
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.payload import Payload
from provisioner.domain.events.power import (
    PowerAsked,
    PowerBegan,
    PowerDelayed,
    PowerFailed,
    PowerOn,
    PowerReport,
)
from provisioner.domain.events.system import DiskChosen
from provisioner.domain.host import Host
from provisioner.domain.stage import Stage
from provisioner.errors import NotYetError, PowerError, ProvisionError, TransitionError
from provisioner.power import registry
from provisioner.power.outcome import REFUSED
from provisioner.power.patience import SILENCE, outlast, pause_after
from provisioner.power.protocol import BmcAddress, BootResult, Power, PowerResult
from provisioner.site import opened_secrets
from provisioner.site.site import Site
from provisioner.state.secrets import certificate_pin
from provisioner.worker import rotation

log = logging.getLogger(__name__)
DISK_PATIENCE = 60.0  # seconds for the boot device to be set to disk, which our boot answer does not need
BIOS = 0  # the firmware's architecture in DHCP, RFC 4578, 2.1
MOST_RESETS = 2  # of which it is not known whether they were done
MOST_LOGINS = 5  # that are refused by a BMC that has taken one
MOST_EVENTS = 100_000  # of one deployment that are looked through


def connect(
    site: Site, host: Host, patience: float = 0.0, answer_within: float = 15.0, done_within: float = 0.0
) -> Power:
    """The driver of the host's BMC, which asks again for `patience` seconds where the BMC says `not now`.

    A BMC that has not answered at all within `answer_within` seconds is silent; one that has not answered all
    within `done_within` seconds is given up, where that is not 0. Raises PowerError where its
    login was never given.
    """
    bmc = settled_address(site, host)
    return registry.connect(
        replace(bmc, patience=patience, answer_within=answer_within, done_within=done_within)
    )


def settled_address(site: Site, host: Host) -> BmcAddress:
    """Where its BMC is and how to log in, once it is known which password it has. Raises PowerError."""
    bmc = bmc_address(site, host)
    return rotation.settle(site, host, bmc) if bmc.address else bmc


def bmc_address(site: Site, host: Host) -> BmcAddress:
    """Where its BMC is, with the login of until now. Raises PowerError where the login was never given."""
    bmc = host.bmc
    driver = registry.find(bmc.driver, host.name)
    if driver.port is None:
        return BmcAddress(driver.name, address="", port=0, name=host.name)
    address = str(bmc.address or _leased(site, bmc.mac or ""))
    login = rotation.own_login(site, host) or opened_secrets.bmc_login(site, bmc.secret, host.name)
    return BmcAddress(
        driver.name,
        address,
        port=bmc.port or driver.port,
        user=login.user,
        password=login.password,
        name=host.name,
        verify=bmc.verify,
        fingerprint=bmc.fingerprint,
        pin=str(certificate_pin(site.settings.state, host.name)),
        system=bmc.system,
        mac=host.macs[0],
        secret=bmc.secret,
    )


def _leased(site: Site, mac: str) -> str:
    """A BMC that is known by its MAC has a fixed address of ours, or what another server gave it.

    Raises PowerError (PV-206), NotYetError where that server's was never seen.
    """
    row = site.database.macs.get(mac)
    if not row:
        raise PowerError(
            "the BMC has neither an address nor a MAC",
            hint="name one in the inventory, then: provision host apply",
            code=206,
        )
    seen = row if site.settings.dhcp.mode == "authoritative" else site.database.sightings.get(mac)
    if not seen:
        raise NotYetError(
            f"the BMC with the MAC {mac} has not asked for an address yet",
            hint="is it cabled, and set to DHCP? provision net watch shows who asks",
            code=206,
        )
    return seen.address


def is_uefi(site: Site, mac: str) -> bool:
    """As its firmware last said in DHCP; UEFI where it never asked."""
    seen = site.database.sightings.get(mac)
    return seen is None or seen.data.arch != BIOS


def power_on(site: Site, row: Deployment) -> None:
    """Make the nonce, set boot device = network, power on or reset; a manual host asks a person.

    A BMC that cannot do it now is asked again, by another call after the pause, until the stage's deadline;
    so a bad moment costs no thread, and each try begins with what is known then.
    """
    host = site.database.hosts.get(row.host)
    if row.last_event != PowerDelayed.kind:  # then the nonce was made, and may be in use
        row = record(site, row.id, PowerBegan(nonce=secrets.token_urlsafe(24)), source="worker")
    fence = Fence(site, row)
    start = _Start(site, row, fence)
    try:
        done = start.give(connect(site, host))
    except PowerError as fault:
        fence.check_unheard()
        record(site, row.id, _trouble(fault, start), source="worker")
        return
    kind = PowerOn if registry.find(host.bmc.driver, host.name).has_bmc else PowerAsked
    record(site, row.id, kind.model_validate(done.model_dump()), source="bmc")


def _trouble(fault: PowerError, start: "_Start") -> Payload:
    """Asked again, or refused for good.

    A login that was taken before is not wrong: a BMC that restarts may not know its users for a moment. It is
    not tried for long, since BMCs lock users out.
    """
    pause = SILENCE if fault.code == 202 and start.may_log_in else pause_after(fault)
    if pause is None:
        return PowerFailed(code=fault.code, sentence=str(fault), hint=fault.hint)
    return PowerDelayed(code=fault.code, sentence=str(fault), hint=fault.hint, pause=pause, act=start.act)


def _delays(site: Site, row: Deployment) -> list[PowerDelayed]:
    """Why this attempt was delayed until now."""
    events = site.database.events.of(row.id, limit=MOST_EVENTS, kind=PowerDelayed.kind)
    mine = (event.data for event in events if event.attempt == row.attempt)
    return [data for data in mine if isinstance(data, PowerDelayed)]


def pause(site: Site, row: Deployment) -> float:
    """Seconds that its BMC, which could not do it, asked for; 0 where it did not ask."""
    delay = site.database.events.last_of(row.id, PowerDelayed.kind)
    return delay.data.pause if delay and isinstance(delay.data, PowerDelayed) else 0.0


class Fence:
    """Stands before each command to a BMC: the deployment must still be where it was when the work began.

    Between two commands a host may have come up and begun to write, or an operator may have cancelled.
    """

    def __init__(self, site: Site, row: Deployment) -> None:
        self._site, self._row = site, row

    def check(self) -> None:
        """Raises TransitionError where it has moved on, or its order does not hold any more."""
        row = self._row
        self._check_stage(guard.ARMED if row.stage in guard.ARMED else {row.stage})
        if row.stage in guard.ARMED:
            standing_now = standing(self._site, row, self._site.clock())
            if withdrawn := guard.withdrawal(standing_now):
                raise TransitionError(f"{row.id}: {withdrawn.sentence}: its BMC is not told any more")

    def check_unheard(self) -> None:
        """Raises TransitionError where the host was heard since: what was not answered has been done."""
        self._check_stage({self._row.stage})

    def _check_stage(self, stages: Set[Stage]) -> None:
        row, now = self._row, self._site.database.deployments.get(self._row.id)
        if now.paused:
            raise TransitionError(f"{row.id} is paused: its BMC is not told any more")
        if now.attempt != row.attempt or now.stage not in stages:
            raise TransitionError(f"{row.id} has moved on to {now.stage}: its BMC is not told any more")

    def __str__(self) -> str:
        return self._row.host


class _Start:
    """What a BMC is told at the beginning: the boot device, then power. `act` is the order that is given.

    A reset whose answer is lost each time would be given for ever, and the host never come up. So after some
    `resets` it is powered off and on, of which each half can be read back.
    """

    def __init__(self, site: Site, row: Deployment, fence: "Fence") -> None:
        self._fence, self._uefi = fence, is_uefi(site, row.mac)
        delays = _delays(site, row)
        self._resets = sum(one.count for one in delays if one.act == "reset")
        self._logins = sum(one.count for one in delays if one.code == 202)
        self._is_let_in = False
        self.act = ""

    @property
    def may_log_in(self) -> bool:
        """Whether the BMC has taken the login before, and has not refused it too often since."""
        return self._is_let_in or 0 < self._logins < MOST_LOGINS

    def give(self, driver: Power) -> PowerReport:
        """Raises PowerError, TransitionError."""
        self._fence.check()
        before = driver.state()
        self._is_let_in = True
        self._fence.check()
        boot = self._boot_device(driver)
        self._fence.check()
        # a BMC may show no state, or one between the two: its reset sees to a host that is off
        is_off = before.state == "off" or not before.confirmed
        self.act = "on" if is_off else "reset"
        after = self._restart(driver) if self.act == "reset" else driver.on()
        return PowerReport(
            act=self.act,
            state=after.state,
            boot=boot.device,
            confirmed=boot.confirmed and after.confirmed,
            note=" ".join(filter(None, [boot.note, after.note])),
        )

    def _boot_device(self, driver: Power) -> BootResult:
        """Where the BMC sets it for nobody, the firmware's own order may still begin with the network."""
        try:
            return driver.set_boot("network", uefi=self._uefi, once=True)
        except PowerError as fault:
            if pause_after(fault) is not None or fault.code != REFUSED:
                raise
            note = f"put the network first in its firmware's own boot order: {fault}"
            return BootResult("refused", confirmed=False, note=note)

    def _restart(self, driver: Power) -> PowerResult:
        if self._resets < MOST_RESETS:
            return driver.reset()
        gone = driver.off()
        self._fence.check()
        after = driver.on()
        return after if gone.state == "off" else replace(after, confirmed=False, note=gone.note)


def set_disk(site: Site, row: Deployment, driver: Power, check: Callable[[], None]) -> str:
    """Boot device = disk; what the BMC says where it did not confirm that, empty where it did.

    `check` is called before each further try. Raises PowerError, and what `check` raises.
    """
    uefi = is_uefi(site, row.mac)
    done = outlast(lambda: driver.set_boot("disk", uefi=uefi, once=True), DISK_PATIENCE, before_retry=check)
    return "" if done.confirmed else done.note


def choose_disk(site: Site, row: Deployment) -> None:
    """Boot device = disk; a BMC that refuses is noted, and the host is rebooted all the same."""
    host = site.database.hosts.get(row.host)
    fence = Fence(site, row)
    fence.check()
    try:
        note = set_disk(site, row, connect(site, host), fence.check)
    except TransitionError:
        raise
    except ProvisionError as fault:
        note = f"the BMC did not set the boot device to disk: {fault}"
    record(site, row.id, DiskChosen(note=note), source="bmc")
