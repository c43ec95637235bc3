"""Redfish (DMTF DSP0266): power and boot device of the host's system."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from provisioner.errors import NotYetError
from provisioner.power import (
    process,
    read_back,
    redfish_accounts,
    redfish_boot,
    redfish_chassis,
    redfish_system,
)
from provisioner.power.outcome import Kind
from provisioner.power.protocol import (
    AccountsResult,
    BmcAddress,
    BootDevice,
    BootResult,
    IdentifyResult,
    PasswordResult,
    PowerDriver,
    PowerResult,
    SensorsResult,
)
from provisioner.power.read_back import Doubt
from provisioner.power.redfish_answer import Answer, Resource, judge
from provisioner.power.redfish_client import RedfishClient

FRESH = 2.0  # seconds after an order in which no host can have come up by it
SETTLE = 30.0  # seconds for a power state to change
# ResetType (DSP2046, Resource), the one that we want first
ON = ("On", "ForceOn", "PushPowerButton")
OFF = ("ForceOff", "GracefulShutdown", "PushPowerButton")
RESTART = ("ForceRestart", "PowerCycle")
LAST_RESORT = (
    "FullPowerCycle",
    "GracefulRestart",
)  # where the power cannot be cut: the BMC goes, too; or asks
TOGGLE = "PushPowerButton"  # right in the one state alone, from which it leads to the other
BECOMING = {"poweringon": "on", "poweringoff": "off"}


class RedfishDriver(process.ProcessDriver):
    """The driver; each call is one process."""

    name = "redfish"
    limit = 240.0  # a dozen requests to a BMC that takes 8 s for each, and what a power state takes


DRIVER = PowerDriver(  # HTTPS
    name=RedfishDriver.name, title="Redfish", port=443, connect=RedfishDriver, has_systems=True
)


# below: the short-lived process


@contextmanager
def session(request: process.ActRequest) -> Iterator["RedfishSession"]:
    """Log in for one act, find the host's system, and log out. Raises PowerError."""
    client = RedfishClient(request.bmc, process.WORDS[request.action])
    client.log_in()
    try:
        yield RedfishSession(client, request.bmc, redfish_system.find(client, request.bmc))
    finally:
        client.log_out()


class RedfishSession:
    """One login; each method is an act on the host's system."""

    def __init__(self, client: RedfishClient, bmc: BmcAddress, system: str) -> None:
        self._client, self._bmc, self._system = client, bmc, system

    def state(self) -> PowerResult:
        """PowerState; what is neither `On` nor `Off` (on its way, Paused, none) is unknown."""
        return _result(self._shown())

    def on(self) -> PowerResult:
        """Power on and see it on."""
        return self._switch("on", ON)

    def off(self) -> PowerResult:
        """ForceOff, else what the BMC has instead of it, and see it off."""
        return self._switch("off", OFF)

    def reset(self) -> PowerResult:
        """Restart by what the BMC can, else off and on; a host that is off is powered on."""
        shown = self._shown()
        action = self._action(shown)
        offered = self._offered(action)
        can_cut = not offered or OFF[0] in offered
        for kind in _among(RESTART if can_cut else RESTART + LAST_RESORT, offered):
            if self._is_off():
                return self.on()
            sent = time.monotonic()
            answer = self._order(action, kind)
            outcome = judge(answer)
            if outcome.is_done:
                return read_back.restarted(self.state, lambda: self._order_one(ON), SETTLE)
            # what may have been done is not done again after a while: the host may have come up
            is_old = outcome.kind is Kind.UNKNOWN and time.monotonic() - sent > FRESH
            if outcome.kind is Kind.NOT_NOW or is_old:
                raise self._client.fault(answer)
            self._keep_boot(shown)
        return read_back.off_and_on(self._power_down, lambda: self._power_up(shown), self.state, SETTLE)

    def set_boot(self, device: BootDevice, *, uefi: bool = True, once: bool = True) -> BootResult:
        """Set the override and read it back."""
        order = redfish_boot.BootOrder(self._client, self._system, device, self._bmc.mac)
        return order.put(uefi=uefi, once=once)

    def get_boot(self) -> BootResult:
        """Read the override."""
        return process.boot_result(redfish_boot.read(self._client, self._system).device)

    def identify(self, seconds: int) -> IdentifyResult:
        """LocationIndicatorActive, else IndicatorLED."""
        return redfish_chassis.identify(self._client, self._system, seconds)

    def sensors(self) -> SensorsResult:
        """Of the chassis that it is in."""
        return redfish_chassis.sensors(self._client, self._system)

    def accounts(self) -> AccountsResult:
        """Of the BMC's account service."""
        return redfish_accounts.read(self._client)

    def set_password(self, password: str) -> PasswordResult:
        """Of the account that is logged in."""
        return redfish_accounts.set_password(self._client, self._bmc, password)

    def _shown(self) -> Resource:
        return self._client.get(self._system).body

    def _is_off(self) -> bool:
        """Whether it is off, or goes off just now."""
        shown = self._shown()
        if _becoming(shown) == "off":
            return read_back.settled(self.state, "off", SETTLE).state == "off"
        return _result(shown).state == "off"

    def _switch(self, wanted: str, kinds: tuple[str, ...]) -> PowerResult:
        """Order it, unless it is so or on its way, and see it."""
        before = self._shown()
        if _becoming(before) == wanted or _result(before).state == wanted:
            return read_back.settled(self.state, wanted, SETTLE)
        return read_back.ordered(self.state, self._order_one(kinds), wanted, SETTLE)

    def _power_down(self) -> PowerResult:
        """Off, for a restart; where no state is shown, power off may be refused since the host is off."""
        if self.state().state != "unknown":
            return self.off()
        doubt = self._order_one(OFF)
        if not doubt or doubt.kind is not Kind.REFUSED or not isinstance(doubt.fault, NotYetError):
            return read_back.ordered(self.state, doubt, "off", SETTLE)
        note = f"it is not known whether the host was off: {doubt.fault}"
        return PowerResult("unknown", confirmed=False, note=note)

    def _power_up(self, before: Resource) -> Doubt | None:
        self._keep_boot(before)
        return self._order_one(ON)

    def _keep_boot(self, before: Resource) -> None:
        """Set the override again where an order spent it that the BMC did not say it took."""
        was = redfish_boot.override(before)
        if was.device == "network" and redfish_boot.read(self._client, self._system).device == "default":
            self.set_boot(
                "network", uefi=not redfish_boot.is_legacy(before), once=was.enabled != "Continuous"
            )

    def _order_one(self, kinds: tuple[str, ...]) -> Doubt | None:
        """The first of the kinds that is taken; the first doubt where none is. What is lost may be done."""
        shown = self._shown()
        doubt: Doubt | None = None
        action, state = self._action(shown), _result(shown).state
        for kind in _among(kinds, self._offered(action)) or kinds[:1]:
            if kind == TOGGLE and (doubt or state != ("off" if kinds is ON else "on")):
                continue
            try:
                answer = self._order(action, kind)
            except NotYetError as lost:
                return doubt or Doubt(Kind.UNKNOWN, lost)
            if (outcome := judge(answer)).is_done:
                return None
            doubt = doubt or Doubt(outcome.kind, self._client.fault(answer))
        return doubt or Doubt(
            Kind.NOT_NOW, self._client.not_yet(f"shows power {state}, where it has a button")
        )

    def _order(self, action: Resource, kind: str) -> Answer:
        """The action ComputerSystem.Reset, and what became of it where it is a task."""
        sent = self._client.request("POST", action.text("target"), {"ResetType": kind})
        answer = self._client.finish(sent)
        return replace(answer, passes=answer.names_power_state())

    def _action(self, shown: Resource) -> Resource:
        action = shown.part("Actions", redfish_system.RESET)
        if not action.text("target"):
            raise self._client.not_yet(f"shows no way to reset {self._system}")
        return action

    def _offered(self, action: Resource) -> tuple[str, ...]:
        """What the BMC says it can (DSP0266, 7.12, ActionInfo); empty where it is silent."""
        offered = action.words("ResetType@Redfish.AllowableValues")
        if not offered and (
            place := action.text("@Redfish.ActionInfo") or action.link("@Redfish.ActionInfo")
        ):
            found = self._client.request("GET", place).body.parts("Parameters")
            named = [one for one in found if one.text("Name") == "ResetType"]
            offered = named[0].words("AllowableValues") if named else ()
        return offered


def _among(kinds: tuple[str, ...], offered: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the kinds that are offered; all where the BMC is silent."""
    return tuple(kind for kind in kinds if not offered or kind in offered)


def _becoming(system: Resource) -> str:
    """The state to which it is on its way; empty where it is not."""
    return BECOMING.get(system.text("PowerState").lower(), "")


def _result(system: Resource) -> PowerResult:
    shown = system.text("PowerState")
    if shown.lower() in ("on", "off"):
        return PowerResult(shown.lower())
    return PowerResult("unknown", note=f"the BMC shows the power state {shown or 'none'}")
