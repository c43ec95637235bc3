"""Whether a machine that nobody knows may be sent to look at itself; the default is its own disk."""

from provisioner.discovery.owners import Owners
from provisioner.domain.boot_plan import Asker
from provisioner.domain.identity import MachineIdentity
from provisioner.site import lan
from provisioner.site.site import Site
from provisioner.state.surveys import SurveyRow

FRESH = 600.0  # seconds for which an inventory is news
PROCESSORS = frozenset({"", "i386", "x86_64"})  # iPXE's words for what the ramdisk runs on


def refusal(site: Site, asker: Asker) -> str:
    """Why an unknown machine gets its disk, in words; empty when it may be surveyed."""
    if not site.settings.discovery.boot:
        return "this machine is not known"
    if not lan.is_discovery_address(site, asker.mac, asker.address):
        return f"this machine is not known, and {asker.address} is no address of the discovery range"
    if row := site.database.macs.get(asker.mac):
        return f"this is the BMC of {row.host}"
    if owner := _owner(site, asker):
        return f"this network card is not known, its machine is: {owner}"
    if asker.arch not in PROCESSORS:
        return f"this machine is not known, and the ramdisk does not run on {asker.arch}"
    survey = site.database.surveys.find(asker.mac, MachineIdentity(asker.serial, asker.uuid))
    return "" if is_due(survey, site.clock()) else "this machine is not known; its inventory was taken"


def is_due(survey: SurveyRow | None, now: float) -> bool:
    """Whether it may be sent to look (again), at `now`.

    Each look is followed by a boot from the disk, however long the firmware takes until it asks again.
    """
    if survey is None:
        return True
    return survey.released > survey.looked and now - survey.looked >= FRESH


def _owner(site: Site, asker: Asker) -> str:
    owners, said = Owners(site.database), MachineIdentity(asker.serial, asker.uuid)
    return owners.by_uuid(said, asker.mac) or owners.by_serial(said, asker.mac)
