"""What the drivers declare of themselves, and whose serial console can be had."""

import pytest

from provisioner.domain.host import Bmc
from provisioner.power import registry


@pytest.mark.parametrize(
    ("bmc", "driver"),
    [
        ({"driver": "manual"}, None),
        ({"driver": "ipmi"}, "ipmi"),
        ({"driver": "ipmi", "console": "none"}, None),
        ({"driver": "redfish"}, None),
        ({"driver": "redfish", "console": "ipmi"}, "ipmi"),
        ({"driver": "manual", "console": "ipmi"}, None),
        ({"driver": "gone"}, None),
    ],
)
def test_a_console_is_had_by_ipmi_only(bmc: dict[str, str], driver: str | None) -> None:
    found = registry.console_driver(Bmc.model_validate(bmc))
    assert (found.name if found else None) == driver


def test_a_plan_says_how_a_host_is_powered() -> None:
    bmc = Bmc.model_validate({"driver": "redfish", "address": "10.0.0.9"})
    redfish, manual = registry.find("redfish", "vc-1"), registry.find("manual", "vc-1")
    assert redfish.sentence(bmc) == "Redfish at 10.0.0.9: boot device network, then power on or reset"
    assert manual.sentence(Bmc()) == "by hand: you will be asked to press the button"
