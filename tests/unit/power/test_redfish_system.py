"""Which of the systems behind a BMC is the host, by what they are called and say."""

from collections.abc import Mapping

import pytest

from provisioner.errors import PowerError
from provisioner.power import redfish_system
from provisioner.power.protocol import BmcAddress
from provisioner.power.redfish_answer import Answer, Resource
from provisioner.power.redfish_client import RedfishClient

SYSTEMS = "/redfish/v1/Systems"
RESET = {"#ComputerSystem.Reset": {"target": "/reset"}}
NO_RESET: Mapping[str, object] = {"PowerState": "On"}
HOST: Mapping[str, object] = {"Actions": RESET}
UNREADABLE: Mapping[str, object] = {}


class Client(RedfishClient):
    """A BMC without a wire; its systems by their names."""

    def __init__(self, bmc: BmcAddress, systems: Mapping[str, Mapping[str, object]]) -> None:
        super().__init__(bmc, "power on")
        self.systems = systems
        self.root = Resource({"Systems": {"@odata.id": SYSTEMS}})

    def _send(self, method: str, path: str, body: Mapping[str, object] | None, match: str) -> Answer:
        if path == SYSTEMS:
            members = [{"@odata.id": f"{SYSTEMS}/{name}"} for name in self.systems]
            return Answer(200, Resource({"Members": members}))
        found = self.systems[path.rpartition("/")[2]]
        return Answer(200 if found else 503, Resource(found))


def found(host: str, systems: Mapping[str, Mapping[str, object]]) -> str:
    bmc = BmcAddress("redfish", "10.0.0.9", 443, name=host)
    return redfish_system.find(Client(bmc, systems), bmc).rpartition("/")[2]


@pytest.mark.parametrize(
    ("systems", "host"),
    [
        ({"gpu-07": HOST}, "gpu-07"),
        ({"rack3-GPU-node": UNREADABLE}, "rack3-GPU-node"),
        ({"gpu-07": HOST, "HGX_Baseboard_0": HOST}, "gpu-07"),
        ({"gpu-07": UNREADABLE, "Bluefield": HOST}, "gpu-07"),
        ({"GPU_0": UNREADABLE, "System": HOST}, "System"),
        ({"GPU_0": HOST, "GPU_1": HOST, "1": HOST}, "1"),
        ({"hgx-h100-07": HOST}, "hgx-h100-07"),
    ],
)
def test_the_hosts_system_is_found(systems: Mapping[str, Mapping[str, object]], host: str) -> None:
    assert found("HGX-H100-07", systems) == host


@pytest.mark.parametrize(
    "systems",
    [
        {"HGX_Baseboard_0": HOST},
        {"Bluefield": NO_RESET},
        {"gpu-07": HOST, "gpu-08": HOST},
        {"GPU_0": HOST, "1": UNREADABLE},
        {"GPU_0": HOST, "1": NO_RESET},
        {"hgx-h100-07": HOST, "hgx-h100-08": HOST},
        {"1": HOST, "2": UNREADABLE},
    ],
)
def test_it_is_never_guessed(systems: Mapping[str, Mapping[str, object]]) -> None:
    with pytest.raises(PowerError) as caught:
        found("HGX-H100-07", systems)
    assert caught.value.code == 214
