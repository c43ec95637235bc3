"""Redfish BMCs, a class for each dialect that was met in the field; a deployment over each ends well."""

import gzip
from collections.abc import Iterator
from dataclasses import replace

from tests.wire.power.redfishlab import (
    DONE,
    ENABLED,
    LOST,
    MODE,
    ROOT,
    SYSTEMS,
    TARGET,
    RedfishBmc,
    Reply,
    Request,
    error,
)

MAC = "52:54:00:00:00:01"  # the card of the host that is deployed


class Plain(RedfishBmc):
    """As the standard has it."""


class RunningHost(RedfishBmc):
    """The host runs its old system."""

    is_on = True


class BusyAtFirst(RedfishBmc):
    """503 and 429, some with Retry-After, some as a proxy's page."""

    def reply(self, request: Request) -> Reply | None:
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

    def reset(self, kind: str) -> Reply | None:
        self.later(2)
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

    def reset(self, kind: str) -> Reply | None:
        return error(500, "InternalError", "?") if kind == "ForceRestart" else super().reset(kind)


class OnAndOffOnly(RedfishBmc):
    """It cannot restart at all."""

    is_on, resets = True, ("On", "ForceOff")


class GoesOff(RedfishBmc):
    """The host goes off between the look and the reset, which is refused then."""

    is_on = True

    def reset(self, kind: str) -> Reply | None:
        if self.count("reset") == 1:
            self.machine.is_on = False
            return error(409, "ActionNotSupported", "not while it is off")
        return super().reset(kind)


class TakesResetWhileOff(RedfishBmc):
    """The same, and the reset is taken and does nothing."""

    is_on = True

    def reset(self, kind: str) -> Reply | None:
        if self.count("reset") == 1:
            self.machine.is_on = False
            return DONE
        return super().reset(kind)


class BusyReset(RedfishBmc):
    """The reset comes while it is busy with something else."""

    is_on = True

    def reset(self, kind: str) -> Reply | None:
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

    def reply(self, request: Request) -> Reply | None:
        assert request.method != "POST" or "/System.Embedded.1/" in request.path
        return super().reply(request)


class TwoNodes(RedfishBmc):
    """Two nodes; ours is the second, and the first answers with errors."""

    names, named = ("Node1", "Node2"), "node2"

    def get(self, path: str) -> Reply:
        return error(503, "ServiceTemporarilyUnavailable", "?") if path.endswith("1") else super().get(path)

    def reply(self, request: Request) -> Reply | None:
        assert request.method != "POST" or "/Node2/" in request.path
        return super().reply(request)


# how answers are written


class Packed(RedfishBmc):
    """Every body is gzip, which not every answer says of itself."""

    def get(self, path: str) -> Reply:
        reply = super().get(path)
        says = {"Content-Encoding": "gzip"} if self.count("packed") % 2 else {}
        return replace(reply, body=gzip.compress(reply.data), headers=reply.headers | says)


class SaysPacked(RedfishBmc):
    """It says gzip and sends it plain."""

    def get(self, path: str) -> Reply:
        reply = super().get(path)
        return replace(reply, headers=reply.headers | {"Content-Encoding": "gzip"})


class Chunked(RedfishBmc):
    """Its bodies have no length."""

    def get(self, path: str) -> Reply:
        reply = super().get(path)
        return replace(reply, headers=reply.headers | {"Transfer-Encoding": "chunked"})


class Framed(RedfishBmc):
    """A byte order mark before the JSON, zero bytes behind it."""

    def get(self, path: str) -> Reply:
        reply = super().get(path)
        return replace(reply, body=b"\xef\xbb\xbf" + reply.data + b"\0\0\r\n")


class Garbled(RedfishBmc):
    """Now and then a body ends in its middle, or is nested without an end."""

    def get(self, path: str) -> Reply:
        number = self.count("garbled")
        if number in (2, 5):
            return replace(super().get(path), cut=True)
        return Reply(200, "[" * 100_000) if number == 7 else super().get(path)


# links


class LinksAsUrls(RedfishBmc):
    """Its links are whole URLs, of a name that nobody else knows."""

    def get(self, path: str) -> Reply:
        reply = super().get(path)
        return replace(reply, body=reply.data.replace(b'"/redfish', b'"https://bmc.example:8443/redfish'))


class OddLinks(RedfishBmc):
    """Two slashes before some links, none before others, and the same system twice."""

    def get(self, path: str) -> Reply:
        if path == SYSTEMS:
            return Reply(
                200, {"Members": [{"@odata.id": f"/{SYSTEMS}/1"}, {"@odata.id": f"{SYSTEMS[1:]}/1/"}]}
            )
        return super().get(path.rstrip("/"))


class BareLinks(RedfishBmc):
    """Members without an object around each."""

    def get(self, path: str) -> Reply:
        return Reply(200, {"Members": [f"{SYSTEMS}/1"]}) if path == SYSTEMS else super().get(path)


class Redirects(RedfishBmc):
    """What has no slash at its end is sent to where it has one, orders too."""

    def receive(self, request: Request) -> Reply | None:
        if not request.path.endswith("/"):
            return Reply(301 if request.method == "GET" else 308, None, {"Location": f"{request.path}/"})
        return super().receive(replace(request, path=request.path.rstrip("/")))


class MovedRoot(RedfishBmc):
    """Its root is elsewhere, and the answer is a page."""

    def root(self, request: Request) -> Reply:
        if request.path == ROOT:
            return Reply(302, "<p>Moved", {"Location": f"https://bmc.example{ROOT.rstrip('/')}"})
        return super().root(request)


class Pages(RedfishBmc):
    """Its systems are on several pages, the host's on the last."""

    names = ("1", "HGX_Baseboard_0")

    def get(self, path: str) -> Reply:
        if path == SYSTEMS:
            members = [{"@odata.id": f"{SYSTEMS}/HGX_Baseboard_0"}]
            return Reply(200, {"Members": members, "Members@odata.nextLink": f"{SYSTEMS}?$skip=1"})
        if path == f"{SYSTEMS}?$skip=1":
            members = [{"@odata.id": f"{SYSTEMS}/1"}]
            return Reply(200, {"Members": members, "Members@odata.nextLink": f"{SYSTEMS}?$skip=1"})
        return super().get(path)

    def reply(self, request: Request) -> Reply | None:
        assert request.method != "POST" or "/1/" in request.path
        return super().reply(request)


class NeverPowered(RedfishBmc):
    """The host has shown its BMC no processors yet, and stands beside a baseboard."""

    names = ("HGX_Baseboard_0", "1")

    def system(self, name: str) -> dict[str, object]:
        return super().system(name) | {"ProcessorSummary": {"Count": int(self.machine.is_on)}}

    def reply(self, request: Request) -> Reply | None:
        assert request.method != "POST" or "/1/" in request.path
        return super().reply(request)


# logins


class RootBehindLogin(RedfishBmc):
    """Not even its root is shown without a login."""

    def root(self, request: Request) -> Reply:
        return (
            super().root(request) if self.is_let_in(request) else error(401, "AccessDenied", "log in first")
        )


class ForgetsSessions(RedfishBmc):
    """A session lasts for three requests."""

    def session(self) -> Reply:
        self.asked["used"] = 0
        self.token = f"t{self.count('session')}"
        return super().session()

    def reply(self, request: Request) -> Reply | None:
        if self.count("used") > 3:
            return error(401, "NoValidSession", "the session has expired")
        return super().reply(request)


class ForgetsUsers(RedfishBmc):
    """It starts again in the middle: for a while nobody can log in, and those who had are strangers."""

    @property
    def is_starting(self) -> bool:
        return 4 < self.asked.get("all", 0) < 12

    def session(self) -> Reply:
        return error(401, "InvalidCredentials", "no such user") if self.is_starting else super().session()

    def receive(self, request: Request) -> Reply | None:
        self.count("all")
        return super().receive(request)

    def is_let_in(self, request: Request) -> bool:
        return not self.is_starting and super().is_let_in(request)


# moments


class Conflicts(RedfishBmc):
    """A bare 409 for some orders while it does something else."""

    def reply(self, request: Request) -> Reply | None:
        return Reply(409) if request.method != "GET" and self.count("orders") < 6 else super().reply(request)


class RetryAtDate(RedfishBmc):
    """It says when it has time, by a clock that nobody has set."""

    def reply(self, request: Request) -> Reply | None:
        if self.count("all") in (1, 4, 7):
            then, now = "Thu, 01 Jan 1970 00:10:05 GMT", "Thu, 01 Jan 1970 00:10:00 GMT"
            return Reply(503, None, {"Retry-After": then, "Date": now})
        return super().reply(request)


class FrontTimesOut(RedfishBmc):
    """Its front answers 504 while the BMC behind it obeys."""

    is_on, starts_again = True, True

    def reply(self, request: Request) -> Reply | None:
        reply = super().reply(request)
        return reply if request.method == "GET" else Reply(504, "<h1>Gateway Time-out</h1>")


class HangsUp(RedfishBmc):
    """Now and then a request is not answered."""

    def reply(self, request: Request) -> Reply | None:
        return LOST if self.count("all") in (3, 7, 8, 13, 20) else super().reply(request)


class HangsUpOnOrders(RedfishBmc):
    """It obeys, and its network goes away with the host's power: no order is ever answered."""

    def reset(self, kind: str) -> Reply | None:
        super().reset(kind)
        return LOST


class HangsUpOnResets(HangsUpOnOrders):
    """The same, and the host runs its old system."""

    is_on, starts_again = True, True


class WebServerRestarts(RedfishBmc):
    """Its web server starts again in the middle: connections are closed before TLS."""

    def greeting(self) -> bytes | None:
        return b"" if 4 < self.count("connections") < 12 else None


class NoTlsForAWhile(RedfishBmc):
    """The same, and a page without TLS stands in for it."""

    def greeting(self) -> bytes | None:
        return b"HTTP/1.0 503 Starting\r\n\r\n" if 4 < self.count("connections") < 12 else None


class OldCiphers(RedfishBmc):
    """Of some years ago: SHA-1 in every cipher."""

    ciphers = "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:AES256-SHA:@SECLEVEL=0"


# power


class TaskFails(RedfishBmc):
    """A restart becomes a task that fails, a power cycle does not."""

    is_on = True
    place = "/redfish/v1/TaskService/Tasks/7"

    def reset(self, kind: str) -> Reply | None:
        if kind == "ForceRestart":
            return Reply(202, {"@odata.id": self.place, "TaskState": "New"})
        return super().reset(kind)

    def get(self, path: str) -> Reply:
        if path != self.place:
            return super().get(path)
        state = "Running" if self.count("task") < 3 else "Exception"
        return Reply(200, {"TaskState": state, "Messages": [{"Message": "the host does not listen"}]})


class TaskRefuses(TaskFails):
    """Its task's monitor is a Location alone, and gives the order's own answer in the end."""

    def reset(self, kind: str) -> Reply | None:
        if kind == "ForceRestart":
            return Reply(202, None, {"Location": self.place, "Retry-After": "1"})
        return super().reset(kind)

    def get(self, path: str) -> Reply:
        if path == self.place and self.count("monitor") > 2:
            return error(400, "ActionNotSupported", "not for this host")
        return Reply(202) if path == self.place else super().get(path)


class TaskIsSecret(TaskFails):
    """Its user may not look at tasks."""

    def reset(self, kind: str) -> Reply | None:
        super(TaskFails, self).reset(kind)
        return Reply(202, {"@odata.id": self.place, "TaskState": "New"})

    def get(self, path: str) -> Reply:
        return error(401, "AccessDenied", "?") if path == self.place else super().get(path)


class RefusesOnAndDoes(RedfishBmc):
    """Power on is refused, and the host comes on a moment later."""

    def reset(self, kind: str) -> Reply | None:
        if kind == "On" and self.count("on") == 1:
            self.later(1)
            return error(400, "ActionParameterValueError", "On")
        return error(400, "ActionNotSupported", "already on")


class Paused(RedfishBmc):
    """The host is paused, with an old system in it."""

    is_on = True

    def power(self) -> str | None:
        return super().power() if self.machine.boots else "Paused"


class GoingOff(RedfishBmc):
    """The host is on its way off, and can be restarted only when it is there."""

    is_on = True

    def power(self) -> str | None:
        if self.machine.boots or not self.machine.is_on:
            return super().power()
        self.machine.is_on = self.count("power") < 7
        return "PoweringOff"

    def reset(self, kind: str) -> Reply | None:
        if self.machine.is_on:
            return error(400, "InvalidOperation", "not now")
        return super().reset(kind)


class SmallLetters(RedfishBmc):
    """It writes its power state in small letters."""

    is_on = True

    def power(self) -> str | None:
        return str(super().power()).lower()


class GracefulOnly(RedfishBmc):
    """It can only ask the system to shut down, which the system does."""

    is_on, resets = True, ("On", "GracefulShutdown")

    def reset(self, kind: str) -> Reply | None:
        if kind == "GracefulShutdown":
            self.machine.is_on = False
            return DONE
        return super().reset(kind)


class GracefulRestartOnly(RedfishBmc):
    """It can only ask the system to restart."""

    is_on, resets = True, ("On", "GracefulRestart")


class FullPowerCycleOnly(RedfishBmc):
    """It can only take all power away, its own too."""

    is_on, resets = True, ("On", "FullPowerCycle")


class ButtonOnly(RedfishBmc):
    """It has a button, which is pressed in either state."""

    resets = ("PushPowerButton",)

    def reset(self, kind: str) -> Reply | None:
        if self.machine.is_on and kind == "PushPowerButton":
            self.machine.is_on = False
            return DONE
        return super().reset(kind)


class ButtonOfARunningHost(ButtonOnly):
    """The same, and the host runs its old system."""

    is_on = True


class OnAndOffLate(RedfishBmc):
    """It cannot restart, and goes on showing the host on after it was powered off."""

    is_on, resets = True, ("On", "ForceOff")

    def power(self) -> str | None:
        return "On"


# boot devices


class EtagMoves(RedfishBmc):
    """Its ETag changes with its sensors, and only the one of now fits."""

    def etag(self) -> str:
        return f'"{self.count("etag") // 3}"'

    def patch(self, request: Request) -> Reply:
        if request.headers.get("If-Match") != f'"{self.asked["etag"] // 3}"' or self.count("patch") == 1:
            self.count("etag")
            return error(412, "PreconditionFailed", "the ETag did not match")
        return super().patch(request)


class Options(RedfishBmc):
    """The network is none of its targets, but the firmware's boot options are listed."""

    targets: tuple[str, ...] = ("None", "UefiTarget", "Hdd")
    paths = (
        "PciRoot(0x0)/Pci(0x1,0x0)/NVMe(0x1,00-00)",
        "PciRoot(0x0)/Pci(0x2,0x0)/MAC(AC1F6B0000AA,0x1)/IPv4(0.0.0.0)",
        f"PciRoot(0x0)/Pci(0x3,0x0)/MAC({MAC.replace(':', '').upper()},0x1)/IPv6(::)",
        f"PciRoot(0x0)/Pci(0x3,0x0)/MAC({MAC.replace(':', '').upper()},0x1)/IPv4(0.0.0.0)",
    )
    right = 3

    def get(self, path: str) -> Reply:
        place = f"{SYSTEMS}/1/BootOptions"
        if path == place:
            return Reply(200, {"Members": [{"@odata.id": f"{place}/{n}"} for n in range(len(self.paths))]})
        if path.startswith(place):
            number = int(path.rpartition("/")[2])
            reference = {"BootOptionReference": f"Boot000{number}"}
            return Reply(
                200, reference | {"UefiDevicePath": self.paths[number], "DisplayName": "UEFI: option"}
            )
        return super().get(path)

    def shown(self) -> dict[str, object]:
        return super().shown() | {"BootOptions": {"@odata.id": f"{SYSTEMS}/1/BootOptions"}}

    def device(self) -> str:
        is_right = self.override.get("UefiTargetBootSourceOverride") == self.paths[self.right]
        return "network" if is_right and self.override[ENABLED] == "Once" else super().device()


class NextOption(Options):
    """The same by the option's name."""

    targets = ("None", "UefiBootNext")

    def device(self) -> str:
        is_right = self.override.get("BootNext") == f"Boot000{self.right}"
        return "network" if is_right and self.override[TARGET] == "UefiBootNext" else "disk"


class OrderOnly(Options):
    """It lets nobody write an override, but the boot order."""

    targets = ("None",)
    order = ("Boot0000", "Boot0001", "Boot0002", "Boot0003")

    def shown(self) -> dict[str, object]:
        return super().shown() | {"BootOrder": list(self.order)}

    def patch(self, request: Request) -> Reply:
        if set(request.body["Boot"]) != {"BootOrder"}:
            return error(405, "PropertyNotWritable", "BootSourceOverrideTarget")
        self.order = tuple(request.body["Boot"]["BootOrder"])
        return DONE

    def device(self) -> str:
        return "network" if self.order[0] == f"Boot000{self.right}" else "disk"


class OnceRefused(RedfishBmc):
    """It says nothing of how often an override may hold, and refuses that for one start."""

    def patch(self, request: Request) -> Reply:
        if request.body["Boot"].get(ENABLED) == "Once":
            return error(400, "PropertyValueNotInList", "The value Once is not in the list")
        return super().patch(request)


class OnceListedAndRefused(OnceRefused):
    """The same, and its list has it."""

    def shown(self) -> dict[str, object]:
        return super().shown() | {f"{ENABLED}@Redfish.AllowableValues": ["Disabled", "Once", "Continuous"]}


class OnceForgotten(RedfishBmc):
    """It takes an override for one start, and does not keep it."""

    def patch(self, request: Request) -> Reply:
        return DONE if request.body["Boot"].get(ENABLED) == "Once" else super().patch(request)


class OnceIsReadOnly(RedfishBmc):
    """How often it holds cannot be written while it is to be once, which is said with a status of its own."""

    def patch(self, request: Request) -> Reply:
        if request.body["Boot"].get(ENABLED) == "Once":
            return error(405, "PropertyNotWritable", ENABLED)
        return super().patch(request)


class OptionForEveryStart(Options):
    """Its boot option is not to be had for one start."""

    def patch(self, request: Request) -> Reply:
        if request.body["Boot"].get(ENABLED) == "Once":
            return error(400, "PropertyValueNotInList", "Once")
        return super().patch(request)

    def device(self) -> str:
        is_right = self.override.get("UefiTargetBootSourceOverride") == self.paths[self.right]
        return "network" if is_right and self.override[ENABLED] == "Continuous" else "disk"


class NoIfMatch(RedfishBmc):
    """It knows no If-Match and says so."""

    refusal = error(400, "HeaderInvalid", "If-Match is not supported")

    def patch(self, request: Request) -> Reply:
        return self.refusal if "If-Match" in request.headers else super().patch(request)


class IfMatchIsNotImplemented(NoIfMatch):
    """The same by a status of its own."""

    refusal = Reply(501, "<h1>Not Implemented</h1>")


class IfMatchBreaksIt(NoIfMatch):
    """The same by an error of its own."""

    refusal = error(500, "InternalError", "unexpected token")


class NoIfMatchAndNoMode(NoIfMatch):
    """Nor can the mode be written."""

    def patch(self, request: Request) -> Reply:
        if "If-Match" not in request.headers and MODE in request.body["Boot"]:
            return error(400, "PropertyNotWritable", MODE)
        return super().patch(request)


class AnyEtagAlone(NoIfMatch):
    """It wants If-Match and refuses its own ETag as malformed."""

    def patch(self, request: Request) -> Reply:
        if request.headers.get("If-Match") == "*":
            return RedfishBmc.patch(self, request)
        return error(428 if "If-Match" not in request.headers else 400, "HeaderInvalid", "If-Match")


class BusyWithTheOverride(RedfishBmc):
    """The override is a task, and nothing else is answered until it has ended; another begins it anew."""

    length = 3

    def patch(self, request: Request) -> Reply:
        assert self.count("patch") == 1, "it is told again"
        super().patch(request)
        self.asked["left"] = self.length
        return Reply(202, {"@odata.id": "/redfish/v1/TaskService/Tasks/1", "TaskState": "Running"})

    def get(self, path: str) -> Reply:
        if self.asked.get("left", 0) > 0:
            self.asked["left"] -= 1
            return Reply(503, None, {"Retry-After": "1"})
        return super().get(path)


class ShowsItsOverrideTask(BusyWithTheOverride):
    """The same, and its task can be seen."""

    def get(self, path: str) -> Reply:
        if "/Tasks/" in path:
            self.asked["left"] -= 1
            return Reply(200, {"TaskState": "Running" if self.asked["left"] > 0 else "Completed"})
        return super().get(path)


class OverrideTaskFails(RedfishBmc):
    """The mode is refused by a task that ends badly."""

    def patch(self, request: Request) -> Reply:
        if MODE in request.body["Boot"]:
            return Reply(202, {"@odata.id": "/redfish/v1/TaskService/Tasks/1", "TaskState": "New"})
        return super().patch(request)

    def get(self, path: str) -> Reply:
        return Reply(200, {"TaskState": "Exception"}) if "/Tasks/" in path else super().get(path)


class RefusesOnAsItComes(RedfishBmc):
    """Power on is refused since the host comes on, which is shown later; then it is asked to restart it."""

    starts_again = True
    words = "The operation was not successful due to the current power state"

    def reset(self, kind: str) -> Reply | None:
        if kind != "On":
            return super().reset(kind)
        if self.count("on") == 1:
            self.later(10)
        return error(400, "InvalidOperationForSystemState", self.words)


class SaysItIsOn(RefusesOnAsItComes):
    """The same in words alone."""

    words = "Server is already powered ON."

    def reset(self, kind: str) -> Reply | None:
        reply = super().reset(kind)
        return error(400, "SYS428", self.words) if reply and reply.status == 400 else reply


class OffAndShowsNoPower(RedfishBmc):
    """PowerState is null, the host is off, and what does not suit that is refused."""

    refusal = error(409, "ResourceCannotBeReset", "not in this state")

    def power(self) -> str | None:
        return None

    def reset(self, kind: str) -> Reply | None:
        suits = (kind == "On") != self.machine.is_on
        return super().reset(kind) if suits else self.refusal


class OffAndHasNoPower(OffAndShowsNoPower):
    """There is no PowerState at all, and the refusal says it in words."""

    refusal = error(400, "InvalidOperationForSystemState", "the host is off")

    def system(self, name: str) -> dict[str, object]:
        return {name: value for name, value in super().system(name).items() if name != "PowerState"}


class CalledAfterItsGpus(RedfishBmc):
    """Its only system has the name that people gave the host."""

    names = ("gpu-07",)


class CalledAfterItsGpusBesideABaseboard(BaseboardBeside):
    """The same, beside a baseboard that does not answer."""

    names = ("HGX_Baseboard_0", "gpu-07")

    def reply(self, request: Request) -> Reply | None:
        assert request.method != "POST" or "/gpu-07/" in request.path
        return RedfishBmc.reply(self, request)


class GpuBeside(CalledAfterItsGpusBesideABaseboard):
    """A part is a system of its own and says nothing of what it is."""

    names = ("GPU_0", "1")

    def get(self, path: str) -> Reply:
        return error(503, "ServiceTemporarilyUnavailable", "off") if "GPU" in path else super().get(path)

    def reply(self, request: Request) -> Reply | None:
        assert request.method != "POST" or "/1/" in request.path
        return RedfishBmc.reply(self, request)


def dialects(above: type[RedfishBmc] = RedfishBmc) -> Iterator[type[RedfishBmc]]:
    """All of them that lie here."""
    for one in above.__subclasses__():
        if one.__module__ == __name__:
            yield one
        yield from dialects(one)
