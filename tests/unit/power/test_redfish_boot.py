"""The boot override of Redfish: which forms of the order a BMC gets, one after the other."""

from collections.abc import Callable, Mapping

import pytest

from provisioner.errors import PowerError
from provisioner.power import patience, redfish_boot, redfish_client
from provisioner.power.protocol import BmcAddress
from provisioner.power.redfish_answer import Answer, Resource
from provisioner.power.redfish_boot import ENABLED, MODE, TARGET, BootOrder
from provisioner.power.redfish_client import RedfishClient

SYSTEM = "/redfish/v1/Systems/1"
BMC = BmcAddress("redfish", "10.0.0.9", 443, name="vc-1")
Form = Mapping[str, str]
Write = Callable[[Form, str], Answer | None]  # the form and If-Match; None: it is taken and kept
DONE = Answer(204, Resource())


def refusal(status: int, words: str = "no") -> Answer:
    return Answer(status, Resource({"error": {"message": words}}))


class Client(RedfishClient):
    """A BMC without a wire; `hidden` looks are answered with 503 after a write."""

    def __init__(self, write: Write, hidden: int = 0, **listed: object) -> None:
        super().__init__(BMC, "the boot device")
        self.write, self.hidden, self.left = write, hidden, 0
        self.boot: dict[str, object] = {ENABLED: "Disabled", TARGET: "None", **listed}
        self.written: list[tuple[Form, str]] = []

    def _send(self, method: str, path: str, body: Mapping[str, object] | None, match: str) -> Answer:
        if method == "GET" and self.left:
            self.left -= 1
            return Answer(503, Resource())
        if method == "GET":
            return Answer(200, Resource({"Boot": self.boot}), headers={"etag": 'W/"7"'})
        form = body["Boot"] if body else {}
        assert isinstance(form, dict)
        self.written.append((form, match))
        self.left = self.hidden
        answer = self.write(form, match)
        self.boot |= {} if answer else form
        return answer or DONE


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (redfish_boot, patience, redfish_client):
        monkeypatch.setattr(module.time, "sleep", lambda seconds: None)


def test_every_start_is_the_last_resort_of_one_start() -> None:
    client = Client(lambda form, match: refusal(400) if form[ENABLED] == "Once" else None)
    done = BootOrder(client, SYSTEM, "network").put(uefi=True, once=True)
    assert done.confirmed and "for every start" in done.note
    assert client.boot[ENABLED] == "Continuous" and client.boot[MODE] == "UEFI"


def test_what_is_taken_for_one_start_is_asked_once() -> None:
    client = Client(lambda form, match: None)
    done = BootOrder(client, SYSTEM, "network").put(uefi=False, once=True)
    assert client.written == [({ENABLED: "Once", TARGET: "Pxe", MODE: "Legacy"}, 'W/"7"')]
    assert (done.device, done.note) == ("network", "")


@pytest.mark.parametrize("listed", [{}, {f"{ENABLED}@Redfish.AllowableValues": ["Disabled", "Continuous"]}])
def test_no_override_of_the_disk_is_left_where_it_cannot_be_for_one_start(listed: dict[str, object]) -> None:
    client = Client(lambda form, match: refusal(400) if form[ENABLED] == "Once" else None, **listed)
    client.boot |= {ENABLED: "Continuous", TARGET: "Pxe"}
    assert BootOrder(client, SYSTEM, "disk").put(uefi=True, once=True).confirmed
    assert client.boot[ENABLED] == "Disabled"


def test_an_override_of_the_disk_that_cannot_be_taken_away_holds_for_every_start() -> None:
    client = Client(lambda form, match: None if form[ENABLED] == "Continuous" else refusal(400))
    client.boot |= {ENABLED: "Continuous", TARGET: "Pxe"}
    assert BootOrder(client, SYSTEM, "disk").put(uefi=True, once=True).confirmed
    assert (client.boot[ENABLED], client.boot[TARGET]) == ("Continuous", "Hdd")


@pytest.mark.parametrize("status", [400, 405, 412, 415, 428, 500, 501])
def test_a_bmc_that_refuses_if_match_is_asked_without_it(status: int) -> None:
    client = Client(lambda form, match: refusal(status, f"bad header {match}") if match else None)
    assert BootOrder(client, SYSTEM, "network").put(uefi=True, once=True).confirmed
    assert [match for _, match in client.written] == ['W/"7"', '"7"', "*", ""]


def test_what_is_refused_whatever_if_match_says_is_tried_so_once() -> None:
    client = Client(lambda form, match: refusal(400, "read-only") if MODE in form else None)
    assert BootOrder(client, SYSTEM, "network").put(uefi=True, once=True).confirmed
    assert [match for form, match in client.written if MODE not in form] == ['W/"7"']
    client = Client(lambda form, match: refusal(400, "read-only"))
    with pytest.raises(PowerError, match="read-only"):
        BootOrder(client, SYSTEM, "network").put(uefi=True, once=True)
    assert [match for _, match in client.written].count("*") == 1


@pytest.mark.parametrize("status", [401, 403, 429, 503, 504])
def test_what_is_no_matter_of_a_header_is_not_tried_without_it(status: int) -> None:
    client = Client(lambda form, match: refusal(status))
    with pytest.raises(PowerError, match=f"status {status}"):
        BootOrder(client, SYSTEM, "network").put(uefi=True, once=True)
    assert {match for _, match in client.written} == {'W/"7"'}


@pytest.mark.parametrize("hidden", [1, 3, 9])
def test_a_bmc_that_is_busy_with_the_order_is_not_told_again(hidden: int) -> None:
    client = Client(lambda form, match: None, hidden=hidden)
    assert BootOrder(client, SYSTEM, "network").put(uefi=True, once=True).confirmed
    assert len(client.written) == 1
