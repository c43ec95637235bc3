"""Redfish (DMTF DSP0266): power and boot device of the host's system."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from provisioner.power import process, redfish_boot, redfish_system
from provisioner.power.outcome import Kind
from provisioner.power.protocol import BmcAddress, BootDevice, BootResult, PowerDriver, PowerResult
from provisioner.power.redfish_answer import Answer, Resource, judge
from provisioner.power.redfish_client import RedfishClient

FRESH = 2.0  # seconds after an order in which no host can have come up by it
SETTLE = 30.0  # seconds for a power state to change
# ResetType (DSP2046, Resource), the one that we want first
ON = ("On", "ForceOn")
OFF = ("ForceOff",)
RESTART = ("ForceRestart", "PowerCycle", "FullPowerCycle")
BECOMING = {"PoweringOn": "on", "PoweringOff": "off"}


class RedfishDriver(process.ProcessDriver):
    """The driver; each call is one process."""

    module = "provisioner.power.redfish"
    limit = 240.0  # a dozen requests to a BMC that takes 8 s for each, and what a power state takes


DRIVER = PowerDriver(  # HTTPS
    name="redfish", title="Redfish", port=443, connect=RedfishDriver, has_systems=True
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
        """ForceOff, and see it off."""
        return self._switch("off", OFF)

    def reset(self) -> PowerResult:
        """Restart by what the BMC can, else off and on; a host that is off is powered on."""
        for kind in self._offered(RESTART):
            if self.state().state == "off":
                return self.on()
            sent = time.monotonic()
            answer = self._order(kind)
            outcome = judge(answer)
            if outcome.is_done:
                return process.restarted(self.state, lambda: self._switch("on", ON), SETTLE)
            # what may have been done is not done again after a while: the host may have come up
            is_old = outcome.kind is Kind.UNKNOWN and time.monotonic() - sent > FRESH
            if outcome.kind is Kind.NOT_NOW or is_old:
                raise self._client.fault(answer)
        if self.state().state != "off":
            self.off()
        return self.on()

    def set_boot(self, device: BootDevice, *, uefi: bool = True, once: bool = True) -> BootResult:
        """Set the override and read it back."""
        return redfish_boot.put(self._client, self._system, device, uefi=uefi, once=once)

    def get_boot(self) -> BootResult:
        """Read the override."""
        return process.boot_result(redfish_boot.read(self._client, self._system).device)

    def _shown(self) -> Resource:
        return self._client.get(self._system).body

    def _switch(self, wanted: str, kinds: tuple[str, ...]) -> PowerResult:
        """Order it, unless it is so or on its way, and see it."""
        before = self._shown()
        if BECOMING.get(before.text("PowerState")) != wanted and _result(before).state != wanted:
            self._order_one(kinds, wanted)
        return process.settled(self.state, wanted, SETTLE)

    def _order_one(self, kinds: tuple[str, ...], wanted: str) -> None:
        """The first of the kinds that is taken. Raises PowerError where none is, and it is not so anyhow."""
        refusal: Answer | None = None
        for kind in self._offered(kinds):
            answer = self._order(kind)
            if judge(answer).is_done:
                return
            refusal = refusal or answer
        if refusal and self.state().state != wanted:
            raise self._client.fault(refusal)

    def _order(self, kind: str) -> Answer:
        """The action ComputerSystem.Reset."""
        return self._client.request("POST", self._action().text("target"), {"ResetType": kind})

    def _action(self) -> Resource:
        action = self._shown().part("Actions", redfish_system.RESET)
        if not action.text("target"):
            raise self._client.not_yet(f"shows no way to reset {self._system}")
        return action

    def _offered(self, kinds: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the kinds that the BMC says it can (DSP0266, 7.12, ActionInfo); all where it is silent."""
        action = self._action()
        offered = action.words("ResetType@Redfish.AllowableValues")
        if not offered and (place := action.text("@Redfish.ActionInfo")):
            found = self._client.request("GET", place).body.parts("Parameters")
            named = [one for one in found if one.text("Name") == "ResetType"]
            offered = named[0].words("AllowableValues") if named else ()
        return tuple(kind for kind in kinds if not offered or kind in offered)


def _result(system: Resource) -> PowerResult:
    shown = system.text("PowerState")
    if shown in ("On", "Off"):
        return PowerResult(shown.lower())
    return PowerResult("unknown", note=f"the BMC shows the power state {shown or 'none'}")


if __name__ == "__main__":
    process.serve(session)
