"""A site with something to show on every page, and for each page a path of it."""

from ipaddress import IPv4Address

from provisioner.deployment.people import put_user
from provisioner.domain.deployment import Deployment
from provisioner.domain.hardware import DiskInfo, HardwareFacts
from provisioner.domain.host import Bmc
from provisioner.domain.person import ROOT, Caller, Role
from provisioner.domain.run import Run
from provisioner.domain.stage import Stage
from provisioner.site.site import Site
from provisioner.state.requests import BmcResult
from provisioner.state.sightings import ClientPacket, NewSighting
from provisioner.state.surveys import SurveyRow
from tests import certificates, kept_rehearsals, pagelab, signed_reports

RUN, REPORT, REHEARSAL = "r-DC6M1AYG1G", "a-20261129-0008", "2026-11-29-faults"
STRANGER = "ac:1f:6b:0b:42:12"
ANSWERED = 1  # the number of the one thing that a BMC was asked
NO_PAGES = {  # what is taken or followed, and is no page that is looked at
    "/deployments/<path:ident>/console/output",
    "/rehearsals/<name>/screens/<path:path>",
    "/reports/racks.pdf",
    "/reports/<ident>.pdf",
    "/reports/<ident>.html",  # the certificate itself; tests/wire/certificate
    "/reports/<ident>.json",
    "/reports/<ident>.json.minisig",
    "/runs/<ident>/report.csv",
}
EXAMPLES = {
    "/hosts": "/hosts?rack=B1",
    "/hosts/preflight": "/hosts/preflight?host=vc-0013&host=vc-0014",
    "/hosts/<name>": "/hosts/vc-0004",
    "/hosts/<name>/deploy": "/hosts/vc-0013/deploy",
    "/hosts/<name>/bmc/<int:ident>": f"/hosts/vc-0013/bmc/{ANSWERED}",
    "/deployments/<path:ident>": "/deployments/vc-0004",
    "/deployments/<path:ident>/cancel": "/deployments/vc-0004/cancel",
    "/deployments/<path:ident>/retry": "/deployments/vc-0010/retry",
    "/explain/<code>": "/explain/PV-342",
    "/images/<name>": "/images/vault-os@2026.11.2",
    "/images/<name>/remove": "/images/vault-os@2026.10.1/remove",
    "/network/machines/<mac>": f"/network/machines/{STRANGER}",
    "/network/print/<kind>": "/network/print/dnsmasq",
    "/t/host/<name>": "/t/host/vc-0013",
    "/t/host/<name>/deploy": "/t/host/vc-0013/deploy",
    "/t/host/<name>/steps": "/t/host/vc-0005/steps",
    "/t/host/<name>/label": "/t/host/vc-0008/label",
    "/reports/<ident>": f"/reports/{REPORT}",
    "/rehearsals/<name>": f"/rehearsals/{REHEARSAL}",
    "/admin/users/<name>": "/admin/users/ann",
}
USUAL = {"<name>": "vc-0013", "<mac>": STRANGER, "<path:ident>": "vc-0004", "<ident>": RUN}


def path_of(rule: str) -> str:
    """Where a page is that has something to show."""
    found = EXAMPLES.get(rule, rule)
    for word, value in USUAL.items():
        found = found.replace(word, value)
    return found


def fill(site: Site) -> list[Deployment]:
    """Something of everything; the newest deployment of each host outside the run."""
    rows = pagelab.fill(site)
    site.database.images.put(pagelab.image("2026.10.1", added=site.clock() - 40 * pagelab.DAY))
    _order_a_run(site)
    _see_a_stranger(site)
    _ask_a_bmc(site)
    signed_reports.put(site, certificates.healthy(), "vc-0008", REPORT, created=site.clock() - 60)
    for number in range(101, 105):  # its twins
        name, ident = f"vc-{number:04}", f"a-20261129-{number:04}"
        signed_reports.put(site, certificates.healthy(), name, ident, created=site.clock() - 7200)
    signed_reports.put(site, certificates.rejected(), "vc-0009", "a-20261129-0009", created=site.clock() - 30)
    folder = site.settings.state / "rehearsals"
    for name, is_good in ((REHEARSAL, True), ("2026-11-28-deploy", False)):
        found = kept_rehearsals.report(is_good=is_good)
        kept_rehearsals.keep(folder, name, found, ended=site.clock() - 3600)
    put_user(site, Caller(name=ROOT, role=Role.ADMIN, way="socket"), "ann", Role.OPERATOR, is_new=True)
    return rows


def _order_a_run(site: Site) -> None:
    """A rack of twenty, in the middle of its run."""
    pagelab.fill(site, 20, first=101)
    run = Run(id=RUN, created=site.clock() - 900, by="ann", select="rack=B11", canary=2)
    with site.database.writing():
        site.database.runs.put(run)
        for number in range(101, 121):
            row = site.database.deployments.last_of(f"vc-{number:04}")
            if row:
                stage = Stage.READY if number < 106 else row.stage
                site.database.deployments.put(row.model_copy(update={"run": RUN, "stage": stage}))


def _see_a_stranger(site: Site) -> None:
    packet = ClientPacket(STRANGER, uuid="5f3e7a10-0000-4000-8000-0000000000e5", arch=7, boots=True)
    site.database.sightings.put([NewSighting(STRANGER, site.clock() - 20, 3, "10.77.0.215", packet)])
    disk = DiskInfo(name="nvme0n1", model="INTEL SSDPE2KX040T8", serial="PHLN0042", size=4_000_787_030_016)
    values = {"mac": STRANGER, "macs": (STRANGER,), "maker": "Supermicro", "serial": "S210777"}
    facts = HardwareFacts.model_validate({**values, "disks": (disk,), "memory": 512 << 30})
    survey = SurveyRow(STRANGER, macs=(STRANGER,), hardware=facts, reported=site.clock() - 10)
    site.database.surveys.put(survey)


def _ask_a_bmc(site: Site) -> None:
    bmc = Bmc(driver="ipmi", address=IPv4Address("10.77.0.9"), secret="rack")
    host = site.database.hosts.get("vc-0013").model_copy(update={"bmc": bmc})
    site.database.put_inventory([host], [], site.settings.hosts_range)
    asked = site.database.requests.ask("vc-0013", "power", "state", site.clock())
    assert asked == ANSWERED
    site.database.requests.answer(asked, BmcResult.model_validate({"state": "on", "confirmed": True}))
