"""What the worker does at the stages that act: power, boot device, verification, sealing, BMC requests."""

import logging
import secrets
from typing import Any

from provisioner.deployment.record import record
from provisioner.domain.deployment import Deployment
from provisioner.domain.host import Host
from provisioner.errors import PowerError, ProvisionError
from provisioner.power import registry
from provisioner.power.protocol import BmcAddress, BootDevice, Power
from provisioner.site.site import Site
from provisioner.state.requests import BmcFault, BmcRequest, BmcResult
from provisioner.state.secrets import bmc_login, certificate_pin, deployment_key_file
from provisioner.verify import Expected, GpuKind, PciDevice, SshTarget, TaskResult
from provisioner.verify import run as run_verification
from provisioner.verify import seal as run_sealing

log = logging.getLogger(__name__)
POWER_TRIES = 2


def connect(site: Site, host: Host) -> Power:
    """The driver of the host's BMC. Raises PowerError where its login was never given."""
    return registry.connect(bmc_address(site, host))


def bmc_address(site: Site, host: Host) -> BmcAddress:
    """Where its BMC is and how to log in. Raises PowerError where the login was never given."""
    bmc = host.bmc
    driver = registry.find(bmc.driver, host.name)
    if driver.port is None:
        return BmcAddress(driver.name, address="", port=0, name=host.name)
    address = str(bmc.address or _leased(site, bmc.mac or ""))
    user, password = bmc_login(site.settings.state, bmc.secret)
    return BmcAddress(
        driver.name,
        address,
        port=bmc.port or driver.port,
        user=user,
        password=password,
        name=host.name,
        verify=bmc.verify,
        fingerprint=bmc.fingerprint,
        pin=str(certificate_pin(site.settings.state, host.name)),
    )


def _leased(site: Site, mac: str) -> str:
    """A BMC that is known by its MAC has a fixed address of ours, or what another server gave it."""
    row = site.database.macs.get(mac)
    seen = site.database.sightings.get(mac) if site.settings.dhcp.mode != "authoritative" else row
    if not row or not seen:
        raise PowerError("the BMC has neither an address nor a MAC", hint="provision host edit", code=206)
    return seen.address


def power_on(site: Site, row: Deployment) -> None:
    """Make the nonce, set boot device = network, power on or reset; a manual host asks a person."""
    host = site.database.hosts.get(row.host)
    nonce = secrets.token_urlsafe(24)
    record(site, row.id, "power.began", source="worker", nonce=nonce)
    driver = connect(site, host)
    for last in range(1, POWER_TRIES + 1):
        try:
            done = _start(driver, uefi=_is_uefi(site, row.mac))
            break
        except PowerError as fault:
            if last == POWER_TRIES or fault.code not in (201, 203):
                record(
                    site,
                    row.id,
                    "power.failed",
                    source="worker",
                    code=fault.code,
                    sentence=str(fault),
                    hint=fault.hint,
                )
                return
            log.warning("%s: %s; once more", row.host, fault)
    kind = "power.on" if registry.find(host.bmc.driver, host.name).has_bmc else "power.asked"
    record(site, row.id, kind, source="bmc", **done)


def _start(driver: Power, *, uefi: bool) -> dict[str, Any]:
    before = driver.state()
    boot = driver.set_boot("network", uefi=uefi, once=True)
    after = driver.reset() if before.state == "on" else driver.on()
    return {
        "act": "reset" if before.state == "on" else "on",
        "state": after.state,
        "boot": boot.device,
        "confirmed": boot.confirmed and after.confirmed,
        "note": " ".join(filter(None, [boot.note, after.note])),
    }


def _is_uefi(site: Site, mac: str) -> bool:
    """As its firmware last said in DHCP; UEFI where it never asked."""
    seen = site.database.sightings.get(mac)
    return seen is None or seen.data.arch != 0


def choose_disk(site: Site, row: Deployment) -> None:
    """Boot device = disk; a BMC that refuses is noted, and the host is rebooted all the same."""
    host = site.database.hosts.get(row.host)
    note = ""
    try:
        done = connect(site, host).set_boot("disk", uefi=_is_uefi(site, row.mac), once=True)
        note = done.note if not done.confirmed else ""
    except ProvisionError as fault:
        note = f"the BMC did not set the boot device to disk: {fault}"
    record(site, row.id, "disk.chosen", source="bmc", note=note)


def _target(site: Site, row: Deployment) -> SshTarget:
    return SshTarget(
        name=row.host,
        address=row.address,
        user="provision",
        key=deployment_key_file(site.settings.state),
        host_keys=row.host_keys,
    )


def _expected(site: Site, row: Deployment) -> Expected:
    host = site.database.hosts.get(row.host)
    profile = site.database.profiles.get(host.profile)
    image, version = row.image.split("@", 1)
    return Expected(
        image_id=image,
        image_version=version,
        root_disk_serial=str(row.disk.get("serial", "")),
        memory_min=profile.memory_min,
        macs=tuple(host.macs) + tuple(nic.mac for nic in profile.nics if nic.mac and nic.role != "bmc"),
        pci=tuple(PciDevice(id=gpu.id, count=gpu.count, name=gpu.name) for gpu in profile.gpus),
        gpu_driver=profile.gpu_driver,
        gpus=tuple(GpuKind(**gpu.model_dump()) for gpu in profile.gpus) if profile.gpu_driver else (),
    )


def verify(site: Site, row: Deployment) -> None:
    """One run of the verification. Unreachable is tried again by the loop, until the stage's deadline."""

    def tell(task: TaskResult) -> None:
        record(site, row.id, "verify.task", source="ansible", **task.as_data())

    work = site.settings.state / "runs" / f"{row.id}.verify"
    verdict = run_verification(_target(site, row), _expected(site, row), on_task=tell, work=work)
    if verdict.result == "unreachable":
        record(site, row.id, "verify.unreachable", source="ansible", sentence="; ".join(verdict.sentences))
    elif verdict.result == "rejected":
        record(
            site,
            row.id,
            "verify.rejected",
            source="ansible",
            code=501,
            sentence="; ".join(verdict.sentences),
            hint=f"mend the hardware or the profile, then: provision retry {row.host}",
            verdict=verdict.as_data(),
        )
    elif verdict.result == "failed":
        record(
            site,
            row.id,
            "verify.failed",
            source="ansible",
            code=502,
            sentence="; ".join(verdict.sentences),
            hint=f"see {work / 'verify.log'}, then: provision retry {row.host}",
        )
    else:
        record(site, row.id, "verify.passed", source="ansible", verdict=verdict.as_data())


def seal(site: Site, row: Deployment) -> None:
    """Take away what only the deployment needed, as the profile says."""
    profile = site.database.profiles.get(site.database.hosts.get(row.host).profile)

    def tell(task: TaskResult) -> None:
        record(site, row.id, "seal.task", source="ansible", **task.as_data())

    work = site.settings.state / "runs" / f"{row.id}.seal"
    verdict = run_sealing(_target(site, row), profile.seal, on_task=tell, work=work)
    if verdict.result == "passed":
        record(site, row.id, "seal.done", source="ansible", mode=profile.seal)
        return
    if verdict.result == "unreachable":  # the stage's deadline decides; the loop calls again
        tell(TaskResult("reach the host", "unreachable", "; ".join(verdict.sentences)))
        return
    record(
        site,
        row.id,
        "seal.failed",
        source="ansible",
        code=521,
        sentence="; ".join(verdict.sentences) or "the sealing did not end",
        hint=f"provision retry {row.host}",
    )


def answer_request(site: Site, request: BmcRequest) -> None:
    """Do what `provision bmc …` asked for and keep the result, or the error, for who waits for it."""
    try:
        host = site.database.hosts.get(request.host)
        uefi = _is_uefi(site, host.macs[0])
        result = REQUESTS[request.action](connect(site, host), request.argument, uefi)
    except ProvisionError as fault:
        result = BmcResult(error=BmcFault.model_validate(fault.as_json()))
    except Exception as fault:
        log.exception("bmc %s of %s", request.action, request.host)
        own = PowerError(f"the service met an error of its own: {fault!r}")
        result = BmcResult(error=BmcFault.model_validate(own.as_json()))
    site.database.requests.answer(request.id, result)


def _test(driver: Power, _: str, uefi: bool) -> BmcResult:
    state, boot = driver.state(), driver.get_boot()
    return BmcResult(state=state.state, boot=boot.device, suite=state.suite, note=state.note)


def _power(driver: Power, argument: str, uefi: bool) -> BmcResult:
    acts = {"on": driver.on, "off": driver.off, "reset": driver.reset}
    done = acts.get(argument, driver.state)()
    return BmcResult(state=done.state, confirmed=done.confirmed, note=done.note)


def _boot(driver: Power, argument: str, uefi: bool) -> BmcResult:
    devices: dict[str, BootDevice] = {"network": "network", "disk": "disk"}
    wanted = devices.get(argument)
    done = driver.set_boot(wanted, uefi=uefi, once=True) if wanted else driver.get_boot()
    return BmcResult(boot=done.device, confirmed=done.confirmed, note=done.note)


REQUESTS = {"test": _test, "power": _power, "boot": _boot}
