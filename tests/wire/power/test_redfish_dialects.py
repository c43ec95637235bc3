"""A deployment over each dialect of Redfish that was met in the field: its host boots from the network."""

from pathlib import Path

import pytest

from provisioner.domain.deployment import Deployment
from provisioner.domain.host import Bmc
from provisioner.power import registry
from provisioner.power.protocol import BmcAddress
from provisioner.site.site import Site
from tests.unit.conftest import Clock, clock, site
from tests.wire.power.deploylab import powered, reaches_netbooting, story
from tests.wire.power.forkslab import acts, forks
from tests.wire.power.redfish_dialects import (
    ContinuousOnly,
    NoIfMatchAndNoMode,
    OnceForgotten,
    OnceListedAndRefused,
    OnceRefused,
    OnItsWay,
    dialects,
)
from tests.wire.power.redfishlab import (
    DONE,
    ENABLED,
    HERE,
    PASSWORD,
    ROOT,
    USER,
    RedfishBmc,
    Reply,
    Request,
    error,
    serving,
)
from tests.wire.power.test_redfish import make_certificate

__all__ = ["acts", "clock", "forks", "site"]
pytestmark = pytest.mark.usefixtures("acts")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two, as a BMC has before and after it makes itself a new one."""
    folders = [tmp_path_factory.mktemp("certificate") for _ in range(2)]
    for folder in folders:
        make_certificate(folder)
    return folders


def deployed(bmc: RedfishBmc, site: Site, clock: Clock, certificates: list[Path]) -> Deployment:
    with serving(bmc, *certificates) as port:
        entry = Bmc(driver="redfish", address=HERE, port=port, system=bmc.named)
        return powered(site, clock, entry, (USER, PASSWORD))


@pytest.mark.parametrize("dialect", list(dialects()), ids=lambda dialect: dialect.__name__)
def test_a_deployment_reaches_netbooting(
    dialect: type[RedfishBmc], site: Site, clock: Clock, certificates: list[Path]
) -> None:
    bmc = dialect()
    row = deployed(bmc, site, clock, certificates)
    told, boots = story(site, row), bmc.machine.boots
    assert row.last_event == "power.on" and bmc.faults == [], told
    if dialect is not OnItsWay:  # whoever powered it chose what it boots
        assert set(boots) == {"network"} and (len(boots) == 1 or bmc.starts_again), (boots, told)
    assert reaches_netbooting(site, row)


class WrongPassword(RedfishBmc):
    """It knows another password."""

    def session(self) -> Reply:
        return error(401, "NoValidSession", "invalid username or password")


class LockedOut(RedfishBmc):
    """It had enough of wrong passwords."""

    def session(self) -> Reply:
        return error(400, "AccountLocked", "try again in 600 seconds")


class NewPassword(RedfishBmc):
    """It is new, and lets nobody do anything but change the password; it says so with the session alone."""

    def session(self) -> Reply:
        info = [{"MessageId": "Base.1.8.PasswordChangeRequired", "Message": "change it"}]
        return Reply(201, {"@Message.ExtendedInfo": info}, super().session().headers)

    def get(self, path: str) -> Reply:
        return Reply(403)


class ReadOnlyUser(RedfishBmc):
    """Its user may look, and do nothing."""

    def reply(self, request: Request) -> Reply | None:
        if request.method in ("PATCH", "POST"):
            return error(403, "InsufficientPrivilege", "the account has not the privileges")
        return super().reply(request)


class TwoNodesWithoutAName(RedfishBmc):
    """Two nodes, and nobody says which of them the host is."""

    names = ("Node1", "Node2")


class NmiOnly(RedfishBmc):
    """It can neither restart the host nor power it."""

    is_on, resets = True, ("Nmi",)


class NoTls(RedfishBmc):
    """The port is that of something else."""

    def greeting(self) -> bytes | None:
        return b"HTTP/1.0 400 Bad Request\r\n\r\n"


class Elsewhere(RedfishBmc):
    """It sends everybody to another machine."""

    def root(self, request: Request) -> Reply:
        return Reply(308, None, {"Location": f"https://10.9.9.9{ROOT}"})


class ChangesCertificate(RedfishBmc):
    """Another machine takes its address in the middle of the first login."""

    def certificate(self) -> int:
        return int(self.count("connections") > 1)

    def session(self) -> Reply:
        raise AssertionError("it got the password")


@pytest.mark.parametrize(
    ("dialect", "code", "words"),
    [
        (WrongPassword, 202, "invalid username or password"),
        (NoTls, 203, "no TLS on port"),
        (NmiOnly, 203, "refuses reset: ForceOff is not in the list"),
        (Elsewhere, 203, "it sends elsewhere, to https://10.9.9.9/redfish/v1/"),
        (ChangesCertificate, 208, "shows the certificate"),
        (NewPassword, 212, "before its password is changed"),
        (ReadOnlyUser, 213, "forbids the boot device"),
        (TwoNodesWithoutAName, 214, "has the systems Node1, Node2"),
        (LockedOut, 215, "try again in 600 seconds"),
    ],
)
def test_what_is_refused_for_good_ends_it_in_words(
    dialect: type[RedfishBmc], code: int, words: str, site: Site, clock: Clock, certificates: list[Path]
) -> None:
    bmc = dialect()
    row = deployed(bmc, site, clock, certificates)
    assert (row.stage, row.code) == ("failed", code), story(site, row)
    assert words in row.reason and bmc.machine.boots == [] and bmc.faults == []


class NoOverride(RedfishBmc):
    """Nobody can set what the host boots; its firmware's own order has the network first."""

    def patch(self, request: Request) -> Reply:
        return error(405, "ActionNotSupported", "the resource is read-only")

    def shown(self) -> dict[str, object]:
        return {}

    def device(self) -> str:
        return "network"


def test_a_host_whose_bmc_sets_no_boot_device_is_powered_with_a_note(
    site: Site, clock: Clock, certificates: list[Path]
) -> None:
    bmc = NoOverride()
    told = story(site, deployed(bmc, site, clock, certificates))
    assert bmc.machine.boots == ["network"], told
    assert "read-only" in told[-1] and "put the network first in its firmware's own boot order" in told[-1]


class IgnoredShutdown(RedfishBmc):
    """It can only ask the system to shut down, and the system does not listen."""

    is_on, resets = True, ("On", "GracefulShutdown")

    def reset(self, kind: str) -> Reply | None:
        return DONE


def test_a_host_that_does_not_listen_is_not_said_to_have_been_restarted(
    site: Site, clock: Clock, certificates: list[Path]
) -> None:
    bmc = IgnoredShutdown()
    told = story(site, deployed(bmc, site, clock, certificates))
    assert "the BMC took the order for power off and still shows power on" in told[-1], told
    assert "(read back)" not in told[-1]


class NoHdd(RedfishBmc):
    """The disk is none of its targets."""

    targets = ("None", "Pxe")


class KeepsTarget(NoHdd):
    """Nor can an override be taken away without naming the target that it has."""

    def patch(self, request: Request) -> Reply:
        boot = request.body["Boot"]
        if boot.get("BootSourceOverrideTarget") != "Pxe":
            return error(400, "PropertyValueConflict", "BootSourceOverrideTarget")
        return super().patch(request)


@pytest.mark.parametrize(
    "dialect",
    [RedfishBmc, NoHdd, KeepsTarget, ContinuousOnly, OnceRefused, OnceForgotten, NoIfMatchAndNoMode],
)
def test_an_override_that_holds_for_every_start_ends_before_the_disk_is_booted(
    dialect: type[RedfishBmc], certificates: list[Path], tmp_path: Path
) -> None:
    bmc = dialect()
    bmc.override |= {"BootSourceOverrideEnabled": "Continuous", "BootSourceOverrideTarget": "Pxe"}
    with serving(bmc, certificates[0]) as port:
        address = BmcAddress("redfish", HERE, port, USER, PASSWORD, "vc-1", pin=str(tmp_path / "pin"))
        done = registry.connect(address).set_boot("disk")
    assert done.confirmed and done.device == "disk"
    assert bmc.device() == "disk"


@pytest.mark.parametrize("dialect", [OnceRefused, OnceListedAndRefused, OnceForgotten, ContinuousOnly])
def test_what_is_not_to_be_had_for_one_start_is_asked_for_every_start_until_the_disk_is_booted(
    dialect: type[RedfishBmc], certificates: list[Path], tmp_path: Path
) -> None:
    bmc = dialect()
    with serving(bmc, certificates[0]) as port:
        power = registry.connect(
            BmcAddress("redfish", HERE, port, USER, PASSWORD, "vc-1", pin=str(tmp_path / "pin"))
        )
        network = power.set_boot("network")
        assert (network.device, network.confirmed, bmc.device()) == ("network", True, "network")
        assert "asked for network once, the BMC holds it for every start" in network.note
        bmc.start()
        assert power.set_boot("disk").confirmed
    assert bmc.override[ENABLED] == "Disabled"
