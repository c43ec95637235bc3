"""The chassis of a Redfish system (DSP0268): its light, and what its sensors say."""

from collections.abc import Iterator

from provisioner.power.protocol import IdentifyResult, SensorReading, SensorsResult
from provisioner.power.redfish_answer import Resource, judge
from provisioner.power.redfish_client import RedfishClient

MOST_SENSORS = 500
HEALTH = {"ok": "ok", "warning": "warning", "critical": "critical"}
LIT = {"lit", "blinking"}  # IndicatorLED, which LocationIndicatorActive has replaced
# of the resources Thermal and Power: list, kind, value, unit
OLDER = (
    ("Temperatures", "Temperature", "ReadingCelsius", "°C"),
    ("Fans", "Fan", "Reading", ""),
    ("Voltages", "Voltage", "ReadingVolts", "V"),
    ("PowerSupplies", "Power Supply", "LastPowerOutputWatts", "W"),
    ("PowerControl", "Power", "PowerConsumedWatts", "W"),
)


def identify(client: RedfishClient, system: str, seconds: int) -> IdentifyResult:
    """Switch the light of the system, or of a chassis that has one, and read it back.

    Raises PowerError (PV-203) where neither has one. Redfish has no light with an end.
    """
    for place in (system, *_chassis(client, system)):
        shown = client.get(place).body
        if _light(shown) is None:
            continue
        form = _form(shown, is_lit=seconds > 0)
        answer = client.request("PATCH", place, form, match=client.request("GET", place).etag())
        if answer.status in (412, 428):
            answer = client.request("PATCH", place, form, match="*")
        if not judge(client.finish(answer)).is_done:
            raise client.fault(answer)
        light = _light(client.get(place).body)
        note = "until it is switched off: Redfish knows no time" if 0 < seconds < 256 else ""
        return IdentifyResult(light or "unknown", confirmed=light == ("on" if seconds else "off"), note=note)
    raise client.not_yet("shows no light, of the system or of its chassis")


def sensors(client: RedfishClient, system: str) -> SensorsResult:
    """Of each chassis of the system: Sensors where it has them, else the older Thermal and Power."""
    found: list[SensorReading] = []
    for place in _chassis(client, system):
        chassis = client.get(place).body
        found += _newer(client, chassis) if chassis.link("Sensors") else _older(client, chassis)
    return SensorsResult(tuple(found[:MOST_SENSORS]), "" if found else "the BMC shows no sensors")


def _chassis(client: RedfishClient, system: str) -> tuple[str, ...]:
    return client.get(system).body.part("Links").links("Chassis")


def _light(shown: Resource) -> str | None:
    """`on` or `off`; None where this resource has no light."""
    active = shown.fields.get("LocationIndicatorActive")
    if isinstance(active, bool):
        return "on" if active else "off"
    led = shown.text("IndicatorLED").lower()
    return ("on" if led in LIT else "off") if led else None


def _form(shown: Resource, *, is_lit: bool) -> dict[str, object]:
    if isinstance(shown.fields.get("LocationIndicatorActive"), bool):
        return {"LocationIndicatorActive": is_lit}
    offered = shown.words("IndicatorLED@Redfish.AllowableValues")
    lit = "Blinking" if offered and "Lit" not in offered else "Lit"
    return {"IndicatorLED": lit if is_lit else "Off"}


def _newer(client: RedfishClient, chassis: Resource) -> Iterator[SensorReading]:
    for place in client.get(chassis.link("Sensors")).body.links("Members")[:MOST_SENSORS]:
        answer = client.request("GET", place)
        if answer.is_done and answer.body.fields:
            shown = answer.body
            yield _reading(shown, shown.text("ReadingType"), "Reading", _unit(shown.text("ReadingUnits")))


def _unit(text: str) -> str:
    return {"Cel": "°C", "%": "%"}.get(text, text)


def _older(client: RedfishClient, chassis: Resource) -> Iterator[SensorReading]:
    for name in ("Thermal", "Power"):
        if place := chassis.link(name):
            answer = client.request("GET", place)
            for listed, kind, value, unit in OLDER if answer.is_done else ():
                for each in answer.body.parts(listed):
                    yield _reading(each, kind, value, unit or _unit(each.text("ReadingUnits")))


def _reading(shown: Resource, kind: str, value: str, unit: str) -> SensorReading:
    number = shown.fields.get(value)
    state = shown.part("Status").text("State")
    return SensorReading(
        name=shown.text("Name") or shown.text("FanName") or shown.text("MemberId") or "?",
        kind=kind,
        value=float(number) if isinstance(number, int | float) else None,
        unit=unit,
        health=HEALTH.get(shown.part("Status").text("Health").lower(), "unknown"),
        states=(state,) if state and state != "Enabled" else (),
    )
