"""The identification light and the sensors of BMCs: a real IPMI BMC, and Redfish in its two manners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pyghmi.exceptions import IpmiException

from provisioner.errors import PowerError
from provisioner.lab.ipmi_simulator import IpmiSimulator
from provisioner.power import ipmi, registry
from provisioner.power.ipmi_login import IpmiLine
from provisioner.power.protocol import ALWAYS, BmcAddress, SensorReading
from tests.ports import free_port
from tests.wire.chassislab import Switched
from tests.wire.power.redfishlab import (
    HERE,
    PASSWORD,
    USER,
    RedfishBmc,
    Reply,
    Request,
    error,
    serving,
)
from tests.wire.power.test_redfish import make_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHASSIS = "/redfish/v1/Chassis/1U"


@pytest.fixture
def machine() -> Switched:
    return Switched()


@pytest.fixture
def address(machine: Switched, tmp_path: Path) -> Iterator[BmcAddress]:
    port = free_port()
    bmc = BmcAddress("ipmi", HERE, port, "provision", "lab-secret", "vc-1", patience=0)
    with IpmiSimulator(machine.chassis, bmc, tmp_path):
        yield bmc


class Line:
    """Answers of a BMC by command; what was asked of its light."""

    suite = 17

    def __init__(self, code: int, misc: int | None, *, knows_always: bool = True) -> None:
        self.code, self.misc, self.knows_always = code, misc, knows_always
        self.asked: list[tuple[int, ...]] = []

    def ask(self, command: int, *data: int) -> tuple[int, bytes]:
        if command == ipmi.IDENTIFY:
            self.asked.append(data)
            return (0xC7, b"") if len(data) > 1 and not self.knows_always else (self.code, b"")
        return 0, bytes([1, 0]) if self.misc is None else bytes([1, 0, self.misc])


def session(line: Line) -> ipmi.IpmiSession:
    return ipmi.IpmiSession(line, BmcAddress("ipmi", HERE, 623, name="vc-1", patience=0))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "asked", "misc", "light", "confirmed"),
    [
        (ALWAYS, (0, 1), 0x40 | 0x20, "on", True),
        (30, (30, 0), 0x40 | 0x10, "on", True),
        (0, (0, 0), 0x40, "off", True),
        (30, (30, 0), 0x40, "off", False),
        (30, (30, 0), 0, "on", False),
        (0, (0, 0), None, "off", False),
    ],
)
def test_the_light_is_read_back_where_the_bmc_tells(
    seconds: int, asked: tuple[int, ...], misc: int | None, light: str, confirmed: bool
) -> None:
    line = Line(0, misc)
    result = session(line).identify(seconds)
    assert (line.asked, result.light, result.confirmed) == ([asked], light, confirmed)
    assert bool(result.note) == (misc in (0, None))


def test_a_bmc_that_knows_no_end_has_the_longest_light() -> None:
    line = Line(0, 0x40 | 0x10, knows_always=False)
    result = session(line).identify(ALWAYS)
    assert line.asked == [(0, 1), (255,)]
    assert (result.light, result.confirmed) == ("on", True) and "255 seconds" in result.note


def test_a_bmc_without_a_light_says_so() -> None:
    with pytest.raises(PowerError, match="its light") as caught:
        session(Line(0xC1, 0)).identify(10)
    assert caught.value.code == 203


def test_an_ipmi_bmc_is_asked_for_its_sensors_over_the_wire(address: BmcAddress) -> None:
    read = registry.connect(address).sensors()  # type: ignore[attr-defined]
    assert (read.sensors, read.note) == ((), "the BMC has no sensors that can be read")


@pytest.mark.parametrize("seconds", [0, 30, ALWAYS])
def test_an_ipmi_bmc_is_told_of_its_light_over_the_wire(
    machine: Switched, address: BmcAddress, seconds: int
) -> None:
    light = registry.connect(address).identify(seconds)  # type: ignore[attr-defined]
    assert light.light == ("on" if seconds else "off")
    assert machine.chassis.light == {0: "0 0", 30: "30 0", ALWAYS: "0 1"}[seconds]


class Sensor:
    """As pyghmi gives one."""

    def __init__(self, name: str, value: float | None, health: int, *, unavailable: int = 0) -> None:
        self.name, self.value, self.health, self.unavailable = name, value, health, unavailable
        self.type, self.units, self.states = "Temperature", " °C", ["hot"] if health else []


class Command:
    def __init__(self, *sensors: Sensor | Exception) -> None:
        self.sensors = sensors

    def get_sensor_data(self) -> Iterator[Sensor]:
        for sensor in self.sensors:
            if isinstance(sensor, Exception):
                raise sensor
            yield sensor


def sensors_of(*sensors: Sensor | Exception) -> Any:
    address = BmcAddress("ipmi", HERE, 623, name="vc-1")
    return IpmiLine(address, "the look", Command(*sensors)).sensors()  # type: ignore[arg-type]


def test_what_cannot_be_read_of_an_ipmi_bmc_hides_nothing_else() -> None:
    well, absent, hot, worse = (
        Sensor("a", 20, 0),
        Sensor("b", 1, 0, unavailable=1),
        Sensor("c", 90, 1),
        Sensor("d", None, 4),
    )
    read = sensors_of(well, absent, hot, worse)
    assert [(one.name, one.health, one.value) for one in read.sensors] == [
        ("a", "ok", 20.0),
        ("c", "warning", 90.0),
        ("d", "critical", None),
    ]
    assert (read.sensors[1].unit, read.sensors[1].states, read.note) == ("°C", ("hot",), "")
    cut = sensors_of(well, KeyError("record 7"))
    assert len(cut.sensors) == 1 and "record 7" in cut.note
    with pytest.raises(PowerError):
        sensors_of(IpmiException("Insufficient privilege"))


class Lit(RedfishBmc):
    """A system whose chassis has sensors in the older manner, and a light of the older kind."""

    field: str = "IndicatorLED"
    light: Any = "Off"
    offered: tuple[str, ...] = ()
    links_to_sensors = False

    def system(self, name: str) -> dict[str, object]:
        return super().system(name) | {"Links": {"Chassis": [{"@odata.id": CHASSIS}]}} | self.shown_light()

    def shown_light(self) -> dict[str, object]:
        more = {f"{self.field}@Redfish.AllowableValues": list(self.offered)} if self.offered else {}
        return {self.field: self.light, **more} if self.field else {}

    def get(self, path: str) -> Reply:
        if path == CHASSIS:
            links: dict[str, object] = {"Thermal": {"@odata.id": f"{CHASSIS}/Thermal"}}
            if self.links_to_sensors:
                links = {"Sensors": {"@odata.id": f"{CHASSIS}/Sensors"}}
            return Reply(200, {"@odata.id": CHASSIS, **links})
        if path == f"{CHASSIS}/Thermal":
            hot = {"Name": "CPU1", "ReadingCelsius": 71, "Status": {"Health": "Warning", "State": "Enabled"}}
            fan = {"FanName": "FAN1", "Reading": None, "Status": {"State": "Absent"}}
            return Reply(200, {"Temperatures": [hot], "Fans": [fan], "Odd": 7})
        if path == f"{CHASSIS}/Sensors":
            return Reply(200, {"Members": [{"@odata.id": f"{path}/{name}"} for name in ("t", "gone", "f")]})
        if path == f"{CHASSIS}/Sensors/t":
            body = {"Name": "Inlet", "ReadingType": "Temperature", "Reading": 23.5, "ReadingUnits": "Cel"}
            return Reply(200, {**body, "Status": {"Health": "OK", "State": "Enabled"}})
        if path == f"{CHASSIS}/Sensors/f":
            return Reply(
                200, {"Name": "Fan", "ReadingType": "Rotational", "Reading": 4200, "ReadingUnits": "RPM"}
            )
        return super().get(path)

    def patch(self, request: Request) -> Reply:
        if self.field not in request.body:
            return super().patch(request)
        if self.offered and request.body[self.field] not in self.offered:
            return error(400, "PropertyValueNotInList", "not in the list")
        self.light = request.body[self.field]
        return Reply(200, {})


class Active(Lit):
    field, light, links_to_sensors = "LocationIndicatorActive", False, True


class Blinking(Lit):
    offered = ("Off", "Blinking")


class Dark(Lit):
    field = ""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("light")
    make_certificate(folder)
    return folder


def driver(bmc: RedfishBmc, port: int) -> Any:
    address = BmcAddress("redfish", HERE, port, USER, PASSWORD, "vc-1", verify=False, patience=0)
    return registry.connect(address)


@pytest.mark.parametrize(("kind", "lit"), [(Lit, "Lit"), (Active, True), (Blinking, "Blinking")])
def test_a_redfish_light_is_switched_and_read_back(kind: type[Lit], lit: object, certificate: Path) -> None:
    bmc = kind()
    with serving(bmc, certificate) as port:
        on = driver(bmc, port).identify(ALWAYS)
        assert (on.light, on.confirmed, bmc.light) == ("on", True, lit)
        off = driver(bmc, port).identify(0)
    assert (off.light, off.confirmed, bmc.light) == ("off", True, False if lit is True else "Off")


def test_a_redfish_light_has_no_end(certificate: Path) -> None:
    bmc = Active()
    with serving(bmc, certificate) as port:
        assert "knows no time" in driver(bmc, port).identify(30).note


def test_a_redfish_bmc_without_a_light_says_so(certificate: Path) -> None:
    bmc = Dark()
    with serving(bmc, certificate) as port, pytest.raises(PowerError, match="shows no light"):
        driver(bmc, port).identify(ALWAYS)


@pytest.mark.parametrize(
    ("kind", "sensors"),
    [
        (
            Lit,
            (
                SensorReading("CPU1", "Temperature", 71.0, "°C", "warning"),
                SensorReading("FAN1", "Fan", None, "", "unknown", ("Absent",)),
            ),
        ),
        (
            Active,
            (
                SensorReading("Inlet", "Temperature", 23.5, "°C", "ok"),
                SensorReading("Fan", "Rotational", 4200.0, "RPM", "unknown"),
            ),
        ),
    ],
)
def test_redfish_sensors_are_read_in_both_manners(
    kind: type[Lit], sensors: tuple[SensorReading, ...], certificate: Path
) -> None:
    bmc = kind()
    with serving(bmc, certificate) as port:
        assert driver(bmc, port).sensors().sensors == sensors
