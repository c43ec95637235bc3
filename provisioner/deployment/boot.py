"""ASK: what a machine shall boot. Only reads, may be asked twice, says "your disk" when in doubt."""

import logging
import re
from typing import NamedTuple

from provisioner import discovery
from provisioner.agent.protocol import KernelArguments, SurveyArguments
from provisioner.deployment import guard, target_disk
from provisioner.deployment.guard import Standing
from provisioner.domain import identity
from provisioner.domain.boot_plan import Asker, Autoinstall, BootPlan, Firmware, Local, Ramdisk, Survey
from provisioner.domain.deployment import Deployment
from provisioner.domain.host import Host
from provisioner.errors import ProvisionError
from provisioner.imaging.manifest import ESP_LABEL
from provisioner.site import lan
from provisioner.site.site import Site
from provisioner.state import boot_files

FILES = "/boot/files"
SEEDS = "/autoinstall"
ISO_PARTS = ("vmlinuz", "initrd", "installer.iso")  # below /boot/MAC, for the armed host only
CONSOLES = "console=tty0 console=ttyS0,115200"
# what iPXE would expand, or take for the end of a command: reasons have serials as machines say them
UNSAFE = re.compile(r"[^\w .,:;/()'-]|(?<!\w);", re.ASCII)
log = logging.getLogger(__name__)


class BootAnswer(NamedTuple):
    """What a machine shall boot, and why, in words."""

    plan: BootPlan
    reason: str


def answer(site: Site, asker: Asker) -> BootAnswer:
    """What whoever asks shall boot; never raises: any error is the machine's own disk."""
    try:
        return _choose(site, asker)
    except ProvisionError as fault:
        log.warning("%s: it boots its disk: %s (PV-%d)", asker.mac, fault, fault.code)
        return BootAnswer(Local(firmware=asker.firmware), "the service cannot say what was ordered")
    except Exception:
        log.exception("%s: no answer could be found, so it boots its disk", asker.mac)
        return BootAnswer(Local(firmware=asker.firmware), "the service met an error")


def _choose(site: Site, asker: Asker) -> BootAnswer:
    host = site.database.hosts.by_mac(asker.mac)
    if host is None:
        return _stranger(site, asker)
    deployment = site.database.deployments.last_of(host.name)
    refusal = _refusal(site, asker, host, deployment)
    if refusal or deployment is None:
        return BootAnswer(Local(firmware=asker.firmware), refusal or "no deployment is ordered")
    url = site.settings.url_for(asker.address)
    plan = _installer(url, deployment) if deployment.iso else _ramdisk(url, deployment)
    return BootAnswer(plan, f"deployment {deployment.id}")


def _refusal(site: Site, asker: Asker, host: Host, deployment: Deployment | None) -> str:
    """Why the machine gets its disk although a deployment may exist; empty when it may boot the ramdisk."""
    now = site.clock()
    if deployment is None or deployment.stage not in guard.ARMED or not deployment.nonce:
        return "no deployment is ordered"
    if deployment.mac != asker.mac:
        return "the deployment is bound to another network card"
    if deployment.paused:
        return "the deployment is paused"
    if now > deployment.deadline:
        return "the order has expired"
    if withdrawn := guard.withdrawal(Standing(deployment, host, target_disk.hints(site, host), now)):
        return withdrawn.sentence
    # what its firmware does not say is not held against it here, for the ramdisk will say it
    serial, uuid = identity.serial(asker.serial) or None, identity.uuid(asker.uuid) or None
    if other := guard.other_machine(deployment, host, serial, uuid):
        return other.sentence
    if asker.arch not in discovery.PROCESSORS:
        return f"the ramdisk does not run on {asker.arch}"
    if not lan.has_address(site, asker.mac, asker.address):
        return f"the request comes from {asker.address}, not from the host's own address"
    return ""


def _stranger(site: Site, asker: Asker) -> BootAnswer:
    """Its disk; or, where the settings say so, the ramdisk that only looks."""
    refusal = discovery.refusal(site, asker)
    if refusal:
        return BootAnswer(Local(firmware=asker.firmware), refusal)
    url = site.settings.url_for(asker.address)
    files = [boot_files.boot_file(site.settings.state, name) for name in ("vmlinuz", "initrd.img")]
    if None in files:
        return BootAnswer(
            Local(firmware=asker.firmware), "this machine is not known, and no ramdisk was built"
        )
    plan = Survey(
        kernel=f"{url}{FILES}/vmlinuz",
        initrd=f"{url}{FILES}/initrd.img",
        args=f"{CONSOLES} BOOTIF={_bootif(asker.mac)} {SurveyArguments(url, asker.mac)}",
    )
    return BootAnswer(plan, "this machine is not known; its inventory is taken")


def _bootif(mac: str) -> str:
    return "01-" + mac.replace(":", "-")


def _ramdisk(url: str, deployment: Deployment) -> Ramdisk:
    arguments = KernelArguments(url, deployment.mac, deployment.nonce)
    return Ramdisk(
        kernel=f"{url}{FILES}/vmlinuz",
        initrd=f"{url}{FILES}/initrd.img",
        args=f"{CONSOLES} BOOTIF={_bootif(deployment.mac)} {arguments}",
    )


def _installer(url: str, deployment: Deployment) -> Autoinstall:
    """Its URLs hold no token but the seed's nonce: who asks is known by address, as for this script."""
    mac = deployment.mac.replace(":", "-")
    return Autoinstall(
        kernel=f"{url}/boot/{mac}/{ISO_PARTS[0]}",
        initrd=f"{url}/boot/{mac}/{ISO_PARTS[1]}",
        iso=f"{url}/boot/{mac}/{ISO_PARTS[2]}",
        seed_url=f"{url}{SEEDS}/{mac}/{deployment.nonce}",
    )


def render(site: Site, plan: BootPlan, *, reason: str, firmware: Firmware, url: str = "") -> str:
    """The plan as an iPXE script; `url` is the service's as the machine finds it."""
    common = {
        "files": f"{url or site.settings.url}{FILES}",
        "esp_label": ESP_LABEL,
        "firmware": str(firmware),
    }
    match plan:
        case Ramdisk(kernel=kernel, initrd=initrd, args=args):
            return site.templates.render("ramdisk.ipxe.j2", kernel=kernel, initrd=initrd, args=args, **common)
        case Autoinstall():
            words = {**plan.model_dump(), "consoles": CONSOLES}
            return site.templates.render("autoinstall.ipxe.j2", **words, **common)
        case Survey(kernel=kernel, initrd=initrd, args=args):
            return site.templates.render("survey.ipxe.j2", kernel=kernel, initrd=initrd, args=args, **common)
        case _:
            sentence = UNSAFE.sub("?", reason.capitalize() + ".")
            return site.templates.render("local.ipxe.j2", reason=sentence, **common)
