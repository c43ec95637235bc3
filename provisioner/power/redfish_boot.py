"""The boot override of a Redfish system (DSP2046, `Boot`) in the dialects that BMCs speak.

Each form of the order is tried until one takes effect; what is read back decides, whatever was answered.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from provisioner.power.outcome import REFUSED, Kind
from provisioner.power.patience import outlast
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
BUSY_LIMIT = 30.0  # seconds in which a BMC that took an order may be too busy with it to show it
WRITES = 3  # of one form, where the resource changes between the look and the write
PRECONDITION = (412, 428)  # an ETag of before, or none (RFC 9110, 15.5.13; RFC 6585, 3)
BROKEN = 500
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
        self._indifferent: set[str] = set()  # places that refuse the same whatever If-Match says

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
                held = self._look(place, was_taken=outcome.is_done)
                if held.device in ACCEPTED[self._device]:
                    return _told(self._device, held, form, once=once)
                was_taken |= outcome.is_done or bool(answer.task)
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

        What is not to be had for one start is asked for every start. For the network the firmware's own boot
        option of the card follows. For the disk the override is rather taken away, so that the firmware's own
        order holds.
        """
        allowed, times = boot.words(TARGET + ALLOWED), boot.words(ENABLED + ALLOWED)
        once_first: tuple[str, ...] = ("Once",) if once and (not times or "Once" in times) else ()
        mode = {MODE: "UEFI" if uefi else "Legacy"}
        usual = WANTED[self._device]
        named = [one for one in usual if one in allowed] or ([] if allowed else list(usual[:1]))
        if self._device == "disk":
            targets = named or usual[:1]
            yield from _whole_and_without(targets, once_first, mode)  # it may be listed, and refused
            lasting = _whole_and_without(targets, ("Continuous",), mode)
            yield from (*_removals(boot), *lasting) if once else (*lasting, *_removals(boot))
            return
        lengths = (*once_first, "Continuous")
        yield from _whole_and_without(named, lengths, mode)
        if uefi:
            yield from self._option_forms(boot, lengths)
        if not named:  # what a list leaves out may work all the same
            yield from ({ENABLED: often, TARGET: usual[0]} for often in lengths)

    def _option_forms(self, boot: Resource, lengths: tuple[str, ...]) -> Iterator[Form]:
        """By the boot option of the card: for one start, else for each, else first in the order for good."""
        allowed, order = boot.words(TARGET + ALLOWED), list(boot.words(ORDER))
        if not {"UefiTarget", "UefiBootNext"} & set(allowed) and not order:
            return
        option = self._option = network(self._client, boot, self._mac)
        if option is None:
            return
        for often in lengths:
            if "UefiTarget" in allowed and option.device_path:
                yield {ENABLED: often, TARGET: "UefiTarget", DEVICE_PATH: option.device_path}
            if "UefiBootNext" in allowed and often == "Once":  # the standard has it for one start alone
                yield {ENABLED: "Once", TARGET: "UefiBootNext", NEXT: option.reference}
        if option.reference in order:
            yield {ORDER: [option.reference, *(one for one in order if one != option.reference)]}

    def _write(self, place: str, form: Mapping[str, object]) -> Answer:
        """PATCH with the resource's own ETag as If-Match, else with `*`, else without (DSP0266, 6.5)."""
        for _ in range(WRITES):
            refusals = []
            own = self._client.request("GET", place).etag()
            for tag in dict.fromkeys((own, own.removeprefix("W/"), "*", "")):
                answer = self._client.finish(self._client.request("PATCH", place, form, match=tag))
                if not self._may_be_for_the_header(place, answer):
                    return answer
                refusals += [answer] * (answer.status not in PRECONDITION)
            if refusals:
                break
        if len(refusals) > 1 and len({one.words() for one in refusals}) == 1:
            self._indifferent.add(place)
        return refusals[-1] if refusals else answer

    def _may_be_for_the_header(self, place: str, answer: Answer) -> bool:
        """Whether it may be refused for its If-Match: BMCs that know none refuse it in words of their own."""
        if answer.task:
            return False
        if answer.status in PRECONDITION:
            return True
        outcome = judge(answer)
        is_refused = outcome.kind is Kind.REFUSED or answer.status == BROKEN
        return is_refused and outcome.code == REFUSED and place not in self._indifferent

    def _look(self, place: str, *, was_taken: bool) -> Override:
        """What is held, looked for again where an order was taken and does not show yet."""
        for left in reversed(range(LOOKS if was_taken else 1)):
            held = outlast(lambda: read(self._client, place, self._option), BUSY_LIMIT if was_taken else 0.0)
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


def _whole_and_without(targets: Iterable[str], lengths: Iterable[str], mode: Form) -> Iterator[Form]:
    """Each target for each length, with the mode and without."""
    for often in lengths:
        for target in targets:
            yield {ENABLED: often, TARGET: target, **mode}
            yield {ENABLED: often, TARGET: target}


def _removals(boot: Resource) -> Iterator[Form]:
    """The override taken away; some want the others beside it, and the target as it is."""
    yield {ENABLED: "Disabled"}
    yield {ENABLED: "Disabled", TARGET: "None"}
    yield {name: boot.text(name) for name in (TARGET, MODE) if boot.text(name)} | {ENABLED: "Disabled"}


def _names(boot: Resource, target: str, option: BootOption) -> bool:
    """Whether the override is this boot option."""
    if target == "UefiTarget":
        return bool(option.device_path) and boot.text(DEVICE_PATH).lower() == option.device_path.lower()
    return target == "UefiBootNext" and boot.text(NEXT) == option.reference


def _told(device: BootDevice, held: Override, form: Form, *, once: bool) -> BootResult:
    """The result, with a note where the BMC holds it for longer than was asked for."""
    result = judged(device, held.device)
    if ORDER in form:
        note = "the BMC knows no override: the network is first in its boot order now, for every start"
        return BootResult(result.device, True, note)
    wanted = "Once" if once else "Continuous"
    if held.device == "default" or held.enabled == wanted:
        return result
    often = "for every start" if held.enabled == "Continuous" else f"as {held.enabled}"
    note = f"asked for {device} {wanted.lower()}, the BMC holds it {often}"
    return BootResult(result.device, True, note)
