"""Which of the systems behind a Redfish BMC is the host."""

from dataclasses import dataclass

from provisioner.errors import NotYetError, PowerError
from provisioner.power.protocol import BmcAddress
from provisioner.power.redfish_answer import Resource
from provisioner.power.redfish_client import RedfishClient
from provisioner.power.redfish_path import key

RESET = "#ComputerSystem.Reset"
HOST_TYPES = {
    "",
    "Physical",
    "PhysicallyPartitioned",
    "Composed",
    "VirtuallyPartitioned",
}  # SystemType, DSP2046
# what is a computer of its own on a card or a baseboard, where its resource does not say so
ACCESSORIES = ("dpu", "bluefield", "baseboard", "hgx", "smartnic")
DOUBTFUL = "gpu"  # a part of a baseboard, or a host that is called after what it has
MOST_PAGES = 20  # of a collection that are read


@dataclass(frozen=True)
class Member:
    """One system: its path, and its resource where it could be read."""

    path: str
    resource: Resource | None

    @property
    def name(self) -> str:
        """The last part of its path, as an inventory names it."""
        return self.path.rstrip("/").rpartition("/")[2]

    @property
    def is_accessory(self) -> bool:
        """Whether it is seen not to be a host: by its name or its type."""
        if any(word in self.name.lower() for word in ACCESSORIES):
            return True
        return self.resource is not None and self.resource.text("SystemType") not in HOST_TYPES

    @property
    def is_doubtful(self) -> bool:
        """Whether it has no processors or cannot be reset, as a host that was never powered also shows.

        Or whether it is called like a part, as a host may be, too.
        """
        found = self.resource
        if DOUBTFUL in self.name.lower() or found is None:
            return DOUBTFUL in self.name.lower()
        no_processors = found.part("ProcessorSummary").text("Count") == "0"
        return no_processors or not found.part("Actions", RESET).text("target")


def find(client: RedfishClient, bmc: BmcAddress) -> str:
    """The path of the host's system. Raises PowerError: PV-211 none is shown yet, PV-214 it is not clear."""
    place = client.root.link("Systems")
    if not place:
        raise client.not_yet("shows no systems")
    paths = _members(client, place)
    if not paths:
        raise client.not_yet("lists no system")
    if bmc.system:
        return _named(bmc, paths)
    members = [Member(path, _read(client, path)) for path in paths] if len(paths) > 1 else []
    return _only(bmc, members) if members else _single(bmc, paths[0])


def _members(client: RedfishClient, place: str) -> list[str]:
    """The links of a collection, each once, over all its pages (DSP0266, 7.5.3)."""
    found: dict[str, str] = {}
    pages: set[str] = set()
    while place and key(place) not in pages and len(pages) < MOST_PAGES:
        pages.add(key(place))
        body = client.get(place).body
        for path in body.links("Members"):
            found.setdefault(key(path), path)
        place = body.text("Members@odata.nextLink")
    return list(found.values())


def _named(bmc: BmcAddress, paths: list[str]) -> str:
    """The others are not even asked: one that answers with an error is none of our business."""
    wanted = bmc.system.strip("/").lower()
    for path in paths:
        if wanted in (key(path).strip("/"), Member(path, None).name.lower()):
            return path
    # some list a system only while it is powered, or once they have started
    raise NotYetError(
        f"BMC {bmc.address} has no system {bmc.system!r}, it lists {_names(paths)}",
        hint=f"correct bmc: {{system: …}} of {bmc.name} in the inventory",
        code=214,
    )


def _single(bmc: BmcAddress, path: str) -> str:
    only = Member(path, None)
    # the host's own may not be listed yet; what has the host's very name is no other
    if only.is_accessory and only.name.lower() != bmc.name.lower():
        raise _cannot_tell(bmc, [path])
    return path


def _read(client: RedfishClient, path: str) -> Resource | None:
    answer = client.request("GET", path)
    return answer.body if answer.is_done and answer.body.fields else None


def _only(bmc: BmcAddress, members: list[Member]) -> str:
    """The one that is not seen to be an accessory; never a guess among several."""
    hosts = [one for one in members if not one.is_accessory]
    likely = [one for one in hosts if not one.is_doubtful]
    for found in (hosts, likely):
        if len(found) == 1 and (found is hosts or found[0].resource is not None):
            return found[0].path
    fault = _cannot_tell(bmc, [one.path for one in members])
    if any(one.resource is None for one in members):  # it may say of itself what it is, later
        raise NotYetError(str(fault), hint=fault.hint, code=fault.code)
    raise fault


def _names(paths: list[str]) -> str:
    return ", ".join(Member(path, None).name for path in paths)


def _cannot_tell(bmc: BmcAddress, paths: list[str]) -> PowerError:
    first = Member(paths[0], None).name
    return PowerError(
        f"BMC {bmc.address} has the systems {_names(paths)}, and which of them is {bmc.name} is not said",
        hint=f"name it in the inventory, as bmc: {{system: {first}}}",
        code=214,
    )
