"""What can be asked of the service and told it, as typed calls; each raises what the service refuses."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from provisioner.api.answer import EventQuery, WaitQuery
from provisioner.api.bmc import (
    BmcAnswer,
    BmcBoot,
    BmcFailed,
    BmcOrder,
    BmcOrdered,
    BmcPower,
    BmcTest,
    LoginStored,
    LoginUpdate,
)
from provisioner.api.console import ConsoleOutput, ConsoleQuery
from provisioner.api.deployments import (
    DeploymentAnswer,
    DeploymentCancelled,
    DeploymentDetails,
    DeploymentEvents,
    DeploymentList,
    DeploymentOrder,
    DeploymentResumed,
    DeploymentStatus,
    OrderAnswer,
    PlanAnswer,
)
from provisioner.api.hosts import (
    HostAnswer,
    HostDetails,
    HostList,
    HostStatus,
    InventoryApplied,
    InventoryUpdate,
)
from provisioner.api.images import (
    ImageAnswer,
    ImageList,
    ImageSource,
    ImageVerified,
    StrayFile,
    StrayFileList,
    StrayFileSelection,
)
from provisioner.api.machines import Adoption, HostAdopted, MachineList, MachineQuery
from provisioner.api.net import NetworkStatus, ServerConfiguration
from provisioner.api.profiles import ProfileAnswer, ProfileLearned, ProfileLesson, ProfileList, ProfileStatus
from provisioner.api.runs import RunAnswer, RunArmed, RunCancelled, RunEvents, RunOrder, RunPlan
from provisioner.api.service import ServiceStatus
from provisioner.api.sightings import DhcpSighting, SightingList
from provisioner.client.transport import LONG, PATIENCE, WAIT, Transport, quoted
from provisioner.domain.deployment import Terms
from provisioner.domain.host import Host
from provisioner.domain.plan import CatalogueImage, Plan
from provisioner.domain.profile import Profile
from provisioner.domain.stage import RESTING
from provisioner.errors import InputError, UnreachableError, from_json
from provisioner.settings import sentences

BMC_ROUNDS = 6  # of WAIT seconds: a BMC act is limited to less than two minutes by its own driver
USUAL_TERMS = Terms()
_Model = TypeVar("_Model", bound=BaseModel)
_Outcome = TypeVar("_Outcome", BmcTest, BmcPower, BmcBoot)


def request(model: type[_Model], **values: object) -> _Model:
    """What is to be sent. Raises InputError in the service's words where it would not take it."""
    try:
        return model.model_validate(values)
    except ValidationError as fault:
        raise InputError(f"the request cannot be used: {sentences(fault)}") from fault


class Client(Transport):
    """One service. `wait` is always in seconds, `after` the id of the last event that is known."""

    def service(self) -> ServiceStatus:
        """Version, interface, URL, counts."""
        return self.get(ServiceStatus, "/service")

    def hosts(self) -> tuple[HostStatus, ...]:
        """Every host with its last deployment."""
        return self.get(HostList, "/hosts").hosts

    def host(self, text: str) -> HostDetails:
        """One host by name, serial or MAC, with its hardware."""
        return self.get(HostDetails, f"/hosts/{quoted(text)}")

    def apply(
        self, hosts: Sequence[Host], profiles: Sequence[Profile], *, dry_run: bool = False
    ) -> InventoryApplied:
        """Add or replace hosts and profiles, all or none; only what was set is sent.

        With `dry_run` the service checks them only.
        """
        update = InventoryUpdate(hosts=tuple(hosts), profiles=tuple(profiles), dry_run=dry_run)
        return self.post(InventoryApplied, "/hosts", update)

    def lock(self, text: str, *, locked: bool) -> HostStatus:
        """Lock or unlock a host."""
        return self.post(HostAnswer, f"/hosts/{quoted(text)}/{'lock' if locked else 'unlock'}").host

    def sightings(self) -> tuple[DhcpSighting, ...]:
        """The MACs that asked by DHCP."""
        return self.get(SightingList, "/sightings").sightings

    def machines(self, after: float = 0, wait: float = 0) -> MachineList:
        """Machines that nobody knows; waits for one that was seen later than `after` (seconds since 1970)."""
        query = MachineQuery(after=after, wait=wait)
        return self.get(MachineList, "/machines", query, patience=PATIENCE + wait)

    def adopt(self, text: str, adoption: Adoption) -> Host:
        """Make a host of an unknown machine."""
        return self.post(HostAdopted, f"/machines/{quoted(text)}/adopt", adoption).host

    def net(self, after: int = 0, wait: float = 0) -> NetworkStatus:
        """The deployment LAN; waits for an event of it above `after`."""
        return self.get(NetworkStatus, "/net", EventQuery(after=after, wait=wait), patience=PATIENCE + wait)

    def net_print(self, kind: str) -> str:
        """Configuration for the site's own `dnsmasq`, `kea`, `isc` or `chrony`."""
        return self.get(ServerConfiguration, f"/net/print/{quoted(kind)}").text

    def profiles(self) -> tuple[ProfileStatus, ...]:
        """Every profile with the names of its hosts."""
        return self.get(ProfileList, "/profiles").profiles

    def profile(self, name: str) -> ProfileStatus:
        """One profile."""
        return self.get(ProfileAnswer, f"/profiles/{quoted(name)}").profile

    def learn(self, lesson: ProfileLesson) -> ProfileLearned:
        """A profile from a machine."""
        return self.post(ProfileLearned, "/profiles/learn", lesson)

    def images(self) -> tuple[CatalogueImage, ...]:
        """The catalogue."""
        return self.get(ImageList, "/images").images

    def add_image(
        self, path: Path, *, iso: bool = False, name: str = "", version: str = "", sha256: str = ""
    ) -> CatalogueImage:
        """Register a pack, or with `iso` an installer, that lies on the service's machine."""
        source = request(ImageSource, path=str(path), iso=iso, name=name, version=version, sha256=sha256)
        return self.post(ImageAnswer, "/images", source, patience=LONG).image

    def verify_image(self, text: str) -> ImageVerified:
        """Read a stored image again."""
        return self.post(ImageVerified, f"/images/{quoted(text)}/verify", patience=LONG)

    def image_garbage(self) -> tuple[StrayFile, ...]:
        """What lies beside the images and belongs to none."""
        return self.get(StrayFileList, "/images/garbage").garbage

    def remove_image_garbage(self, names: Sequence[str]) -> tuple[StrayFile, ...]:
        """Remove these, as far as they are still garbage; what was removed."""
        selection = StrayFileSelection(names=tuple(names))
        return self.post(StrayFileList, "/images/garbage", selection, patience=LONG).garbage

    def plan(self, host: str, image: str = "", terms: Terms = USUAL_TERMS) -> Plan:
        """What a deployment would do, and what stands against it; nothing is armed."""
        order = request(DeploymentOrder, host=host, image=image, terms=terms)
        return self.post(PlanAnswer, "/deployments", order).plan

    def arm(
        self,
        host: str,
        *,
        image: str = "",
        by: str = "operator",
        yes: bool = False,
        confirmation: str = "",
        stop_after: str = "",
        terms: Terms = USUAL_TERMS,
    ) -> DeploymentStatus:
        """Arm a deployment. `confirmation` is the plan's challenge, `yes` does without."""
        order = request(
            DeploymentOrder,
            host=host,
            image=image,
            by=by,
            arm=True,
            yes=yes,
            confirmation=confirmation,
            stop_after=stop_after,
            terms=terms,
        )
        return self.post(OrderAnswer, "/deployments", order).deployment

    def deployment_list(self) -> DeploymentList:
        """The newest hundred, and why the rows that cannot be read are not among what lists show."""
        return self.get(DeploymentList, "/deployments")

    def deployments(self) -> tuple[DeploymentStatus, ...]:
        """The newest hundred."""
        return self.deployment_list().deployments

    def deployment(self, ident: str) -> DeploymentDetails:
        """One deployment by id, or a host's last one."""
        return self.get(DeploymentAnswer, f"/deployments/{quoted(ident)}").deployment

    def events(self, ident: str, after: int = 0, wait: float = 0) -> DeploymentEvents:
        """Events above `after`, and the deployment; waits where there are none."""
        path, query = f"/deployments/{quoted(ident)}/events", EventQuery(after=after, wait=wait)
        return self.get(DeploymentEvents, path, query, patience=PATIENCE + wait)

    def follow(self, ident: str, after: int = 0) -> Iterator[DeploymentEvents]:
        """`events` answers one after the other, as they come; ends when the deployment rests."""
        while True:
            update = self.events(ident, after, WAIT)
            yield update
            if update.events:
                after = update.events[-1].id
            elif update.deployment.stage in RESTING:
                return

    def console(self, ident: str, *, offset: int = 0, lines: int = 0, wait: float = 0) -> ConsoleOutput:
        """The recorded console from `offset`, or its last `lines`; waits where there is nothing new."""
        query = ConsoleQuery(offset=offset, lines=lines, wait=wait)
        path = f"/deployments/{quoted(ident)}/console"
        return self.get(ConsoleOutput, path, query, patience=PATIENCE + wait)

    def cancel(self, ident: str) -> DeploymentStatus:
        """End a deployment."""
        return self.post(DeploymentCancelled, f"/deployments/{quoted(ident)}/cancel").deployment

    def resume(self, ident: str) -> DeploymentStatus:
        """Let a paused deployment go on."""
        return self.post(DeploymentResumed, f"/deployments/{quoted(ident)}/resume").deployment

    def plan_run(self, order: RunOrder) -> RunPlan:
        """The plans of the hosts that the order means, and who is left out; arms nothing."""
        return self.post(RunPlan, "/runs", order.model_copy(update={"arm": False}))

    def arm_run(self, order: RunOrder, count: int) -> RunArmed:
        """Arm exactly `count` hosts."""
        return self.post(RunArmed, "/runs", order.model_copy(update={"arm": True, "expect_count": count}))

    def run(self, ident: str) -> RunAnswer:
        """A run and its deployments."""
        return self.get(RunAnswer, f"/runs/{quoted(ident)}")

    def run_events(self, ident: str, after: int = 0, wait: float = 0) -> RunEvents:
        """Events of all its deployments above `after`; waits where there are none."""
        path, query = f"/runs/{quoted(ident)}/events", EventQuery(after=after, wait=wait)
        return self.get(RunEvents, path, query, patience=PATIENCE + wait)

    def cancel_run(self, ident: str) -> tuple[DeploymentStatus, ...]:
        """End whatever of it is not at rest; its deployments."""
        return self.post(RunCancelled, f"/runs/{quoted(ident)}/cancel").deployments

    def test_bmc(self, host: str) -> BmcTest:
        """Log in, read power state and boot device. Raises the BMC's own words, as the next two do."""
        return self.bmc_test(host, self.begin_bmc_test(host))

    def begin_bmc_test(self, host: str) -> int:
        """The same without waiting; `bmc_test` gives the result by this number."""
        return self._order_bmc(host, "test")

    def bmc_test(self, host: str, number: int, rounds: int = BMC_ROUNDS) -> BmcTest:
        """The result of a test that was begun, waited for in some rounds of WAIT seconds."""
        return self._bmc_result(BmcTest, host, number, rounds)

    def power(self, host: str, act: str) -> BmcPower:
        """Power `state` (reads only), `on`, `off` or `reset`."""
        return self._bmc_result(BmcPower, host, self._order_bmc(host, "power", act))

    def boot_device(self, host: str, device: str = "") -> BmcBoot:
        """Set `network` or `disk` for one boot; nothing: read what is set."""
        return self._bmc_result(BmcBoot, host, self._order_bmc(host, "boot", device))

    def _order_bmc(self, host: str, action: str, argument: str = "") -> int:
        """Let the worker ask a BMC."""
        order = request(BmcOrder, host=host, action=action, argument=argument)
        return self.post(BmcOrdered, "/bmc", order).request

    def _bmc_result(
        self, outcome: type[_Outcome], host: str, number: int, rounds: int = BMC_ROUNDS
    ) -> _Outcome:
        for _ in range(rounds):
            query = WaitQuery(wait=WAIT)
            answer = self.get(BmcAnswer, f"/bmc/{number}", query, patience=PATIENCE + WAIT).request
            if isinstance(answer.result, BmcFailed):
                raise from_json(answer.result.error.model_dump())
            if isinstance(answer.result, outcome):
                return answer.result
        raise UnreachableError(f"{host}: the worker did not answer", hint="see the service's log")

    def put_secret(self, name: str, user: str, password: str) -> None:
        """Keep a BMC's login in the service's state folder."""
        self.put(LoginStored, f"/secrets/{quoted(name)}", request(LoginUpdate, user=user, password=password))
