"""The boot override of a Redfish system (DSP2046, `Boot`) in the dialects that BMCs speak.

Each form of the order is tried until one takes effect; what is read back decides, whatever was answered.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from provisioner.power.outcome import REFUSED, Kind
from provisioner.power.process import ACCEPTED, judged
from provisioner.power.protocol import BootDevice, BootResult
from provisioner.power.redfish_answer import Answer, Resource, judge
from provisioner.power.redfish_client import RedfishClient

ENABLED, TARGET, MODE = (f"BootSourceOverride{name}" for name in ("Enabled", "Target", "Mode"))
# BootSourceOverrideTarget by our own names
TARGETS = {"Pxe": "network", "UefiHttp": "network", "Hdd": "hd", "None": "default"}
WANTED: dict[BootDevice, tuple[str, ...]] = {"network": ("Pxe", "UefiHttp"), "disk": ("Hdd",)}
LOOKS, PAUSE = 4, 1.0  # how often an order that was taken is looked for, and seconds between


@dataclass(frozen=True)
class Override:
    """What a BMC holds: the device by our own names, and `BootSourceOverrideEnabled`."""

    device: str
    enabled: str


def read(client: RedfishClient, system: str) -> Override:
    """What the system shows now."""
    return _override(client.get(system).body)


def put(client: RedfishClient, system: str, device: BootDevice, *, uefi: bool, once: bool) -> BootResult:
    """Set the override and read it back. Raises PowerError where every form of the order is refused."""
    shown = client.get(system).body
    settings = shown.link("@Redfish.Settings", "SettingsObject")  # where changes are to be written, if named
    refusal: Answer | None = None
    held = _override(shown)
    was_taken = False
    for form in _forms(shown.part("Boot"), device, uefi=uefi, once=once):
        for place in filter(None, (system, settings)):
            answer = _write(client, place, form)
            outcome = judge(answer)
            if outcome.kind is Kind.NOT_NOW or (not outcome.is_done and outcome.code != REFUSED):
                raise client.fault(answer)
            held = _look(client, place, device, 1 + outcome.is_done * (LOOKS - 1))
            if held.device in ACCEPTED[device]:
                return _told(device, held, form)
            was_taken |= outcome.is_done
            refusal = refusal or (None if outcome.is_done else answer)
    if refusal and not was_taken:
        raise client.fault(refusal)
    return judged(device, held.device)


def _forms(
    boot: Resource, device: BootDevice, *, uefi: bool, once: bool
) -> Iterator[Mapping[str, Mapping[str, str]]]:
    """The order in its forms: whole, then without the mode, which some BMCs do not let anybody write.

    For the disk the last form takes the override away, so that the firmware's own order holds.
    """
    allowed = boot.words(f"{TARGET}@Redfish.AllowableValues")
    times = boot.words(f"{ENABLED}@Redfish.AllowableValues")
    often = "Once" if once and (not times or "Once" in times) else "Continuous"
    wanted = [one for one in WANTED[device] if one in allowed] or list(WANTED[device][:1])
    for target in wanted:
        form = {ENABLED: often, TARGET: target}
        yield {"Boot": form | {MODE: "UEFI" if uefi else "Legacy"}}
        yield {"Boot": form}
    if device == "disk":
        yield {"Boot": {ENABLED: "Disabled"}}
        yield {"Boot": {ENABLED: "Disabled", TARGET: "None"}}


def _write(client: RedfishClient, place: str, form: Mapping[str, object]) -> Answer:
    """PATCH with the resource's own ETag as If-Match, else with `*`, else without (DSP0266, 6.5)."""
    own = client.get(place).etag()
    for tag in dict.fromkeys((own, own.removeprefix("W/"), "*", "")):
        answer = client.request("PATCH", place, form, match=tag)
        if answer.status not in (412, 428):
            break
    return answer


def _look(client: RedfishClient, place: str, device: BootDevice, looks: int) -> Override:
    """What is held, looked for again where an order was taken and does not show yet."""
    for left in reversed(range(looks)):
        held = read(client, place)
        if held.device in ACCEPTED[device] or not left:
            break
        time.sleep(PAUSE)  # a BMC has no event to wait for
    return held


def _override(resource: Resource) -> Override:
    boot = resource.part("Boot")
    enabled = boot.text(ENABLED) or "Disabled"
    target = boot.text(TARGET) or "None"
    return Override("default" if enabled == "Disabled" else TARGETS.get(target, target), enabled)


def _told(device: BootDevice, held: Override, form: Mapping[str, Mapping[str, str]]) -> BootResult:
    """The result, with a note where the BMC holds it for longer than was asked for."""
    result = judged(device, held.device)
    wanted = form["Boot"][ENABLED]
    if held.device == "default" or held.enabled == wanted:
        return result
    often = "for every start" if held.enabled == "Continuous" else f"as {held.enabled}"
    note = f"asked for {device} {wanted.lower()}, the BMC holds it {often}"
    return BootResult(result.device, True, note)
