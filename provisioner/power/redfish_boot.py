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
from provisioner.power.redfish_options import BootOption, network

ENABLED, TARGET, MODE = (f"BootSourceOverride{name}" for name in ("Enabled", "Target", "Mode"))
DEVICE_PATH, NEXT, ORDER = "UefiTargetBootSourceOverride", "BootNext", "BootOrder"
ALLOWED = "@Redfish.AllowableValues"
# BootSourceOverrideTarget by our own names
TARGETS = {"Pxe": "network", "UefiHttp": "network", "Hdd": "hd", "None": "default"}
WANTED: dict[BootDevice, tuple[str, ...]] = {"network": ("Pxe", "UefiHttp"), "disk": ("Hdd",)}
LOOKS, PAUSE = 4, 1.0  # how often an order that was taken is looked for, and seconds between
WRITES = 3  # of one form, where the resource changes between the look and the write
Form = Mapping[str, object]  # of `Boot`


@dataclass(frozen=True)
class Override:
    """What a BMC holds: the device by our own names, and `BootSourceOverrideEnabled`."""

    device: str
    enabled: str


def read(client: RedfishClient, system: str, option: BootOption | None = None) -> Override:
    """What the system shows now; `option` is known to be the network's."""
    return override(client.get(system).body, option)


class BootOrder:
    """One order to boot a device next: its forms, and whether what is read back is what was wanted."""

    def __init__(self, client: RedfishClient, system: str, device: BootDevice, mac: str = "") -> None:
        """`mac` is the card from which the host boots; empty where any will do."""
        self._client, self._system, self._device, self._mac = client, system, device, mac
        self._option: BootOption | None = None

    def put(self, *, uefi: bool, once: bool) -> BootResult:
        """Set it and read it back. Raises PowerError where every form of the order is refused."""
        shown = self._client.get(self._system).body
        refusal: Answer | None = None
        held, was_taken = override(shown), False
        places = self._places(shown)
        for form in self._forms(shown.part("Boot"), uefi=uefi, once=once):
            for place in places:
                answer = self._write(place, {"Boot": form})
                outcome = judge(answer)
                if outcome.kind is Kind.NOT_NOW or (not outcome.is_done and outcome.code != REFUSED):
                    raise self._client.fault(answer)
                held = self._look(place, 1 + outcome.is_done * (LOOKS - 1))
                if held.device in ACCEPTED[self._device]:
                    return _told(self._device, held, form)
                was_taken |= outcome.is_done
                refusal = refusal or (None if outcome.is_done else answer)
        if refusal and not was_taken:
            raise self._client.fault(refusal)
        return judged(self._device, held.device)

    def _places(self, shown: Resource) -> list[str]:
        """The system, and its settings resource, to which some want changes to be written."""
        settings = shown.link("@Redfish.Settings", "SettingsObject")
        has_settings = settings and self._client.request("GET", settings).is_done
        return [self._system, settings] if has_settings else [self._system]

    def _forms(self, boot: Resource, *, uefi: bool, once: bool) -> Iterator[Form]:
        """The order in its forms: whole, then without the mode, which some BMCs do not let anybody write.

        For the network the firmware's own boot option of the card follows. For the disk the last form takes
        the override away, so that the firmware's own order holds.
        """
        allowed, times = boot.words(TARGET + ALLOWED), boot.words(ENABLED + ALLOWED)
        often = "Once" if once and (not times or "Once" in times) else "Continuous"
        usual = WANTED[self._device]
        named = [one for one in usual if one in allowed] or ([] if allowed else list(usual[:1]))
        for target in named:
            form = {ENABLED: often, TARGET: target}
            yield form | {MODE: "UEFI" if uefi else "Legacy"}
            yield form
        if self._device == "network" and uefi:
            yield from self._option_forms(boot)
        if not named:  # what a list leaves out may work all the same
            yield {ENABLED: often, TARGET: usual[0]}
        if self._device == "disk":
            yield {ENABLED: "Disabled"}
            yield {ENABLED: "Disabled", TARGET: "None"}
            # some want the others beside it, and the target as it is
            yield {name: boot.text(name) for name in (TARGET, MODE) if boot.text(name)} | {
                ENABLED: "Disabled"
            }

    def _option_forms(self, boot: Resource) -> Iterator[Form]:
        """By the boot option of the card: for one start, else first in the order for good."""
        allowed, order = boot.words(TARGET + ALLOWED), list(boot.words(ORDER))
        if not {"UefiTarget", "UefiBootNext"} & set(allowed) and not order:
            return
        option = self._option = network(self._client, boot, self._mac)
        if option is None:
            return
        if "UefiTarget" in allowed and option.device_path:
            yield {ENABLED: "Once", TARGET: "UefiTarget", DEVICE_PATH: option.device_path}
        if "UefiBootNext" in allowed:
            yield {ENABLED: "Once", TARGET: "UefiBootNext", NEXT: option.reference}
        if option.reference in order:
            yield {ORDER: [option.reference, *(one for one in order if one != option.reference)]}

    def _write(self, place: str, form: Mapping[str, object]) -> Answer:
        """PATCH with the resource's own ETag as If-Match, else with `*`, else without (DSP0266, 6.5)."""
        for _ in range(WRITES):
            own = self._client.request("GET", place).etag()
            for tag in dict.fromkeys((own, own.removeprefix("W/"), "*", "")):
                answer = self._client.request("PATCH", place, form, match=tag)
                if answer.status not in (412, 428):
                    return answer
        return answer

    def _look(self, place: str, looks: int) -> Override:
        """What is held, looked for again where an order was taken and does not show yet."""
        for left in reversed(range(looks)):
            held = read(self._client, place, self._option)
            if held.device in ACCEPTED[self._device] or not left:
                break
            time.sleep(PAUSE)  # a BMC has no event to wait for
        return held


def override(resource: Resource, option: BootOption | None = None) -> Override:
    """What a system shows; `option` is known to be the network's.

    It counts as the network as an override, or where it is the first in the boot order.
    """
    boot = resource.part("Boot")
    enabled = boot.text(ENABLED) or "Disabled"
    target = boot.text(TARGET) or "None"
    if option and enabled != "Disabled" and _names(boot, target, option):
        return Override("network", enabled)
    if option and enabled == "Disabled" and boot.words(ORDER)[:1] == (option.reference,):
        return Override("network", "in its boot order")
    return Override("default" if enabled == "Disabled" else TARGETS.get(target, target), enabled)


def is_legacy(resource: Resource) -> bool:
    """Whether the override is for a BIOS."""
    return resource.part("Boot").text(MODE) == "Legacy"


def _names(boot: Resource, target: str, option: BootOption) -> bool:
    """Whether the override is this boot option."""
    if target == "UefiTarget":
        return bool(option.device_path) and boot.text(DEVICE_PATH).lower() == option.device_path.lower()
    return target == "UefiBootNext" and boot.text(NEXT) == option.reference


def _told(device: BootDevice, held: Override, form: Form) -> BootResult:
    """The result, with a note where the BMC holds it for longer than was asked for."""
    result = judged(device, held.device)
    if ORDER in form:
        note = "the BMC knows no override: the network is first in its boot order now, for every start"
        return BootResult(result.device, True, note)
    wanted = form[ENABLED]
    if held.device == "default" or held.enabled == wanted:
        return result
    often = "for every start" if held.enabled == "Continuous" else f"as {held.enabled}"
    note = f"asked for {device} {str(wanted).lower()}, the BMC holds it {often}"
    return BootResult(result.device, True, note)
