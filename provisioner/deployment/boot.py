"""ASK: what a machine shall boot. Only reads, may be asked twice, says "your disk" when in doubt."""

import logging
import re
from typing import NamedTuple

from provisioner import discovery
from provisioner.agent.arguments import ExaminationArguments, KernelArguments, SurveyArguments
from provisioner.deployment import guard, target_disk
from provisioner.deployment.guard import Standing
from provisioner.deployment.record import suspect
from provisioner.diagnosis.serial_console import see_console
from provisioner.domain import identity
from provisioner.domain.boot_plan import Asker, Autoinstall, BootPlan, Firmware, Local, Ramdisk, Survey
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.netboot import NetbootLooped
from provisioner.domain.events.order import HostSuspect
from provisioner.domain.host import Host
from provisioner.domain.identity import Match
from provisioner.domain.stage import RESTING, Stage
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


def answer(site: Site, asker: Asker, *, is_script: bool = True) -> BootAnswer:
    """What whoever asks shall boot; never raises: any error is the machine's own disk.

    Not `is_script`: he asks for what a script of his has named.
    """
    try:
        return _choose(site, asker, is_script=is_script)
    except ProvisionError as fault:
        log.warning("%s: it boots its disk: %s (PV-%d)", asker.mac, fault, fault.code)
        return BootAnswer(Local(firmware=asker.firmware), "the service cannot say what was ordered")
    except Exception:
        log.exception("%s: no answer could be found, so it boots its disk", asker.mac)
        return BootAnswer(Local(firmware=asker.firmware), "the service met an error")


def alarm(site: Site, asker: Asker) -> HostSuspect | NetbootLooped | None:
    """What has to happen to the deployment of a machine that has asked for its script; None as a rule."""
    host = site.database.hosts.by_mac(asker.mac)
    deployment = site.database.deployments.last_order_of(host.name) if host else None
    return _alarm(site, asker, host, deployment) if host and deployment else None


def _choose(site: Site, asker: Asker, *, is_script: bool) -> BootAnswer:
    host = site.database.hosts.by_mac(asker.mac)
    if host is None:
        return _stranger(site, asker)
    deployment = site.database.deployments.last_order_of(host.name)
    refusal = _refusal(site, asker, host, deployment)
    if not refusal and is_script and deployment and (fault := _alarm(site, asker, host, deployment)):
        refusal = fault.sentence
    if refusal or deployment is None:
        return BootAnswer(Local(firmware=asker.firmware), refusal or "no deployment is ordered")
    url = site.settings.url_for(asker.address)
    return BootAnswer(ordered(url, deployment), f"deployment {deployment.id}")


def ordered(url: str, deployment: Deployment) -> Autoinstall | Ramdisk:
    """What an armed deployment boots; `url` is the service's as the machine finds it.

    A verification boots the ramdisk by arguments that forbid its agent to write.
    """
    if deployment.is_verification:
        return _examination(url, deployment)
    return _installer(url, deployment) if deployment.iso else _ramdisk(url, deployment)


def _alarm(
    site: Site, asker: Asker, host: Host, deployment: Deployment
) -> HostSuspect | NetbootLooped | None:
    """What is wrong with a machine at the host's own address that asks for the script once more."""
    script = deployment.script
    if deployment.stage not in guard.ARMED or deployment.paused or not script.reads:
        return None
    if not lan.has_address(site, asker.mac, asker.address):
        return None  # whoever can send one packet would stop an order
    if difference := _other_reader(deployment, host, asker):
        return suspect(
            host.name, f"a second machine has asked for its boot script: {difference}", asker.address
        )
    if asker.mac == deployment.mac and script.is_loop(site.clock()):
        return _looped(site, deployment)
    return None


def _other_reader(deployment: Deployment, host: Host, asker: Asker) -> str:
    """In words, where it names another machine than the order or its first reader did."""
    if other := _other_machine(deployment, host, asker):
        return other
    first = deployment.script
    if identity.compare_serials(first.serial, asker.serial) is Match.DIFFERENT:
        return f"the first said serial {first.serial}, this one {identity.serial(asker.serial)}"
    if identity.compare_uuids(first.uuid, asker.uuid) is Match.DIFFERENT:
        return f"the first said system UUID {first.uuid}, this one {identity.uuid(asker.uuid)}"
    return ""


def _other_machine(deployment: Deployment, host: Host, asker: Asker) -> str:
    """In words, where it is not the one that was ordered.

    What its firmware does not say is not held against it here, for the ramdisk will say it.
    """
    serial, uuid = identity.serial(asker.serial) or None, identity.uuid(asker.uuid) or None
    other = guard.other_machine(deployment, host, serial, uuid)
    return other.sentence if other else ""


def _looped(site: Site, deployment: Deployment) -> NetbootLooped:
    boots = deployment.script.boots
    times = f"in {boots} boots" if boots > 1 else "in one boot"
    return NetbootLooped(
        code=221,
        sentence=f"it asked for its boot script {deployment.script.reads} times {times}, and its "
        f"{'installer never reported' if deployment.iso else 'ramdisk never said hello'}",
        hint=f"{see_console(site, deployment)}: does its kernel stop, or does something reset it? "
        f"Then provision retry {deployment.host}",
    )


def _refusal(site: Site, asker: Asker, host: Host, deployment: Deployment | None) -> str:
    """Why the machine gets its disk although a deployment may exist; empty when it may boot the ramdisk."""
    now = site.clock()
    if deployment is None or deployment.stage in (*RESTING, Stage.QUEUED):
        return "no deployment is ordered"
    if deployment.stage not in guard.ARMED or not deployment.nonce:
        return f"the deployment is {deployment.stage}"
    if deployment.mac != asker.mac:
        return "the deployment is bound to another network card"
    if deployment.paused:
        return "the deployment is paused"
    if now > deployment.deadline:
        return "the order has expired"
    if withdrawn := guard.withdrawal(Standing(deployment, host, target_disk.hints(site, host), now)):
        return withdrawn.sentence
    if other := _other_machine(deployment, host, asker):
        return other
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


def _examination(url: str, deployment: Deployment) -> Ramdisk:
    return _plain(url, deployment, str(ExaminationArguments(url, deployment.mac, deployment.nonce)))


def _ramdisk(url: str, deployment: Deployment) -> Ramdisk:
    return _plain(url, deployment, str(KernelArguments(url, deployment.mac, deployment.nonce)))


def _plain(url: str, deployment: Deployment, arguments: str) -> Ramdisk:
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
