"""A deployment over each dialect of Redfish that was met in the field: its host boots from the network."""

from pathlib import Path

import pytest

from provisioner.domain.host import Bmc
from provisioner.site.site import Site
from tests.unit.conftest import Clock, clock, site
from tests.wire.power.deploylab import powered, reaches_netbooting, story
from tests.wire.power.redfishlab import (
    DONE,
    HERE,
    PASSWORD,
    SYSTEMS,
    USER,
    RedfishBmc,
    Reply,
    Request,
    error,
    serving,
)
from tests.wire.power.test_redfish import make_certificate

__all__ = ["clock", "site"]


class Plain(RedfishBmc):
    """As the standard has it."""


class RunningHost(RedfishBmc):
    """The host runs its old system."""

    is_on = True


class BusyAtFirst(RedfishBmc):
    """503 and 429, some with Retry-After, some as a proxy's page."""

    def reply(self, request: Request) -> Reply:
        number = self.count("all")
        if number == 1:
            return Reply(502, "<html><title>502</title><body>Bad <b>Gateway</b></body></html>")
        if number in (3, 6):
            return error(503, "ServiceTemporarilyUnavailable", "retry later")
        if number in (9, 12):
            return Reply(429, None, {"Retry-After": "20"})
        return super().reply(request)


class StartsSlowly(RedfishBmc):
    """It lists no system at first, then one without a power state, then a resource that is empty."""

    def get(self, path: str) -> Reply:
        if path == SYSTEMS and self.count("members") < 3:
            return Reply(200, {"Members": []})
        if path != SYSTEMS and self.count("system") == 4:
            return Reply(200, "")
        return super().get(path)

    def power(self) -> str | None:
        return None if self.count("power") < 3 else super().power()


class NotThereYet(RedfishBmc):
    """404 for what it has not found yet after its own restart."""

    def get(self, path: str) -> Reply:
        return error(404, "ResourceMissingAtURI", "?") if self.count("get") < 4 else super().get(path)


class ShowsNoPower(RedfishBmc):
    """PowerState is never there; the host runs."""

    is_on = True

    def power(self) -> str | None:
        return None


class OnItsWay(RedfishBmc):
    """PoweringOn for a while: somebody else has just powered it."""

    def power(self) -> str | None:
        if self.count("power") < 4:
            return "PoweringOn"
        self.machine.is_on = True
        return "On"


class Tasks(RedfishBmc):
    """Orders become tasks."""

    def reset(self, kind: str) -> Reply:
        self.later(2, kind)
        return Reply(202, {"TaskState": "Running"}, {"Location": "/redfish/v1/TaskService/TaskMonitors/1"})


class LateOverride(RedfishBmc):
    """The override is taken as a task and shown a moment later."""

    def patch(self, request: Request) -> Reply:
        super().patch(request)
        return Reply(202, {"TaskState": "Running"})

    def shown(self) -> dict[str, object]:
        hidden = {"BootSourceOverrideEnabled": "Disabled"} if self.count("shown") < 5 else {}
        return super().shown() | hidden


class NeverShows(RedfishBmc):
    """It obeys and goes on showing the old state."""

    def power(self) -> str | None:
        return "Off"


class SessionsFull(RedfishBmc):
    """No session is left."""

    def session(self) -> Reply:
        return error(503, "SessionLimitExceeded", "too many sessions")


class OwnEtag(RedfishBmc):
    """If-Match must be the ETag of now: 428 without, 412 with another, `*` too."""

    def etag(self) -> str:
        return f'W/"{self.asked.get("patch", 0)}"'

    def patch(self, request: Request) -> Reply:
        match = request.headers.get("If-Match")
        if match is None:
            return error(428, "PreconditionRequired", "If-Match is missing")
        if match != self.etag():
            return error(412, "PreconditionFailed", "the ETag did not match")
        self.count("patch")
        return super().patch(request)


class StrongEtagOnly(OwnEtag):
    """It shows a weak ETag and compares the strong one."""

    def etag(self) -> str:
        return '"9"'

    def get(self, path: str) -> Reply:
        reply = super().get(path)
        return Reply(reply.status, reply.body, {"ETag": 'W/"9"'} if path != SYSTEMS else {})


class AnyEtag(RedfishBmc):
    """Only `*` fits: its ETag changes at each look."""

    def patch(self, request: Request) -> Reply:
        if request.headers.get("If-Match") != "*":
            return error(412, "PreconditionFailed", "the ETag did not match")
        return super().patch(request)


class ModeNotWritable(RedfishBmc):
    """The mode cannot be written."""

    def patch(self, request: Request) -> Reply:
        if "BootSourceOverrideMode" in request.body["Boot"]:
            return error(400, "PropertyNotWritable", "BootSourceOverrideMode")
        return super().patch(request)


class RefusesAndDoes(RedfishBmc):
    """The answer is an error, the override is set."""

    def patch(self, request: Request) -> Reply:
        super().patch(request)
        return error(400, "PropertyNotWritable", "it is read-only and depends on other attributes")


class FailsAndDoes(RedfishBmc):
    """The same as an error of its own."""

    def patch(self, request: Request) -> Reply:
        super().patch(request)
        return error(500, "InternalError", "?")


class SettingsResource(RedfishBmc):
    """Changes are written to the settings resource, and the system shows them after the restart."""

    def __init__(self) -> None:
        super().__init__()
        self.pending = dict(self.override)

    def system(self, name: str) -> dict[str, object]:
        settings = {"SettingsObject": {"@odata.id": f"{SYSTEMS}/{name}/SD"}}
        return super().system(name) | {"@Redfish.Settings": settings}

    def get(self, path: str) -> Reply:
        return Reply(200, {"Boot": self.pending}) if path.endswith("/SD") else super().get(path)

    def patch(self, request: Request) -> Reply:
        if not request.path.endswith("/SD"):
            return Reply(405)
        self.pending |= request.body["Boot"]
        return DONE

    def start(self) -> None:
        self.override |= self.pending
        super().start()


class SilentlyIgnored(SettingsResource):
    """The system's own resource takes the order and forgets it."""

    def patch(self, request: Request) -> Reply:
        return super().patch(request) if request.path.endswith("/SD") else DONE


class HttpBootOnly(RedfishBmc):
    """It can boot over the network by UEFI HTTP alone."""

    targets = ("None", "UefiHttp", "Hdd")


class ContinuousOnly(RedfishBmc):
    """It knows no override for one start."""

    def shown(self) -> dict[str, object]:
        return super().shown() | {"BootSourceOverrideEnabled@Redfish.AllowableValues": ["Continuous"]}

    def patch(self, request: Request) -> Reply:
        if request.body["Boot"].get("BootSourceOverrideEnabled") == "Once":
            return error(400, "PropertyValueNotInList", "Once is not in the list")
        return super().patch(request)


class CyclesOnly(RedfishBmc):
    """ActionInfo says that it can PowerCycle, and not ForceRestart."""

    is_on, resets = True, ("On", "ForceOff", "PowerCycle")

    def action(self, place: str) -> dict[str, object]:
        return {"target": f"{place}/Actions/ComputerSystem.Reset", "@Redfish.ActionInfo": "/info"}

    def get(self, path: str) -> Reply:
        if path == "/info":
            return Reply(200, {"Parameters": [{"Name": "ResetType", "AllowableValues": list(self.resets)}]})
        return super().get(path)


class SaysNothingOfResets(CyclesOnly):
    """ForceRestart is refused, and nothing says so before."""

    def action(self, place: str) -> dict[str, object]:
        return {"target": f"{place}/Actions/ComputerSystem.Reset"}


class RestartBroken(RedfishBmc):
    """ForceRestart ends with an error of its own."""

    is_on = True

    def reset(self, kind: str) -> Reply:
        return error(500, "InternalError", "?") if kind == "ForceRestart" else super().reset(kind)


class OnAndOffOnly(RedfishBmc):
    """It cannot restart at all."""

    is_on, resets = True, ("On", "ForceOff")


class GoesOff(RedfishBmc):
    """The host goes off between the look and the reset, which is refused then."""

    is_on = True

    def reset(self, kind: str) -> Reply:
        if self.count("reset") == 1:
            self.machine.is_on = False
            return error(409, "ActionNotSupported", "not while it is off")
        return super().reset(kind)


class TakesResetWhileOff(RedfishBmc):
    """The same, and the reset is taken and does nothing."""

    is_on = True

    def reset(self, kind: str) -> Reply:
        if self.count("reset") == 1:
            self.machine.is_on = False
            return DONE
        return super().reset(kind)


class BusyReset(RedfishBmc):
    """The reset comes while it is busy with something else."""

    is_on = True

    def reset(self, kind: str) -> Reply:
        if self.count("reset") < 3:
            return error(409, "ResourceInUse", "another operation is in progress")
        return super().reset(kind)


class BaseboardBeside(RedfishBmc):
    """A GPU baseboard that answers 503 while the host is off, and a DPU that says what it is."""

    names = ("HGX_Baseboard_0", "System.Embedded.1", "Card")

    def get(self, path: str) -> Reply:
        if path.endswith("/HGX_Baseboard_0"):
            return error(503, "ServiceTemporarilyUnavailable", "off")
        reply = super().get(path)
        if path.endswith("/Card") and isinstance(reply.body, dict):
            return Reply(200, reply.body | {"SystemType": "DPU"})
        return reply

    def reply(self, request: Request) -> Reply:
        assert request.method != "POST" or "/System.Embedded.1/" in request.path
        return super().reply(request)


class TwoNodes(RedfishBmc):
    """Two nodes; ours is the second, and the first answers with errors."""

    names, named = ("Node1", "Node2"), "node2"

    def get(self, path: str) -> Reply:
        return error(503, "ServiceTemporarilyUnavailable", "?") if path.endswith("1") else super().get(path)

    def reply(self, request: Request) -> Reply:
        assert request.method != "POST" or "/Node2/" in request.path
        return super().reply(request)


DIALECTS = RedfishBmc.__subclasses__() + [
    below for above in RedfishBmc.__subclasses__() for below in above.__subclasses__()
]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificate")
    make_certificate(folder)
    return folder


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.__name__)
def test_a_deployment_reaches_netbooting(
    dialect: type[RedfishBmc], site: Site, clock: Clock, certificate: Path
) -> None:
    bmc = dialect()
    with serving(bmc, certificate) as port:
        entry = Bmc(driver="redfish", address=HERE, port=port, verify=False, system=bmc.named)
        row = powered(site, clock, entry, (USER, PASSWORD))
    told = story(site, row)
    assert row.last_event == "power.on", told
    if dialect is not OnItsWay:  # whoever powered it chose what it boots
        assert bmc.machine.boots == ["network"], told
    assert reaches_netbooting(site, row)
