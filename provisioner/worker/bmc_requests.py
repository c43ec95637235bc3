"""Answers what `provision bmc …` asks of a BMC: the worker alone knows their secrets."""

import logging
from dataclasses import asdict

from provisioner.deployment import boot_proof
from provisioner.domain.audit import Entry, Kind
from provisioner.domain.host import Host
from provisioner.errors import PowerError, ProvisionError
from provisioner.power.protocol import ALWAYS, BootDevice, Chassis, Power, StatusReader
from provisioner.site.site import Site
from provisioner.state.requests import BmcFault, BmcRequest, BmcResult, BmcSensor, changes
from provisioner.worker import boot_proof as proof
from provisioner.worker import power, rotation, weak_logins

log = logging.getLogger(__name__)
PATIENCE = 20.0  # seconds for which a BMC that says `not now` is asked again, while somebody waits
QUICK = 3.0  # likewise, while somebody waits for many
ANSWER_WITHIN, DONE_WITHIN = 8.0, 9.0  # seconds then for its first answer, and for all of them
BOOT_DEVICES: dict[str, BootDevice] = {"network": "network", "disk": "disk"}


def answer(site: Site, ident: int) -> None:
    """Do what the request asks and store the result, or the error, for who waits for it."""
    request = site.database.requests.get(ident)
    if request.state != "open":
        return
    try:
        result = _ask(site, request)
    except ProvisionError as fault:
        result = BmcResult(error=BmcFault.model_validate(fault.as_json()))
    except Exception as fault:
        log.exception("bmc %s of %s", request.action, request.host)
        own = PowerError(f"the service met an error of its own: {fault!r}")
        result = BmcResult(error=BmcFault.model_validate(own.as_json()))
    site.database.requests.answer(ident, result, _entry(site, request, result))


def _entry(site: Site, request: BmcRequest, result: BmcResult) -> Entry | None:
    """What came of it, for the audit; None where it was only looked at."""
    if not changes(request.action, request.argument):
        return None
    fault = result.error
    return Entry(
        kind=Kind.POWER,
        time=site.clock(),
        by="worker",
        door="worker",
        host=request.host,
        what=f"bmc {request.action} {request.argument}".rstrip(),
        sentence=fault.message if fault else _done(result),
        result="failed" if fault else "done",
    )


def _done(result: BmcResult) -> str:
    return " ".join(filter(None, (result.state, result.boot, result.host_key, result.note)))


def _ask(site: Site, request: BmcRequest) -> BmcResult:
    host = site.database.hosts.get(request.host)
    if request.argument == "quick":
        return _weighed(site, host, _test(power.connect(site, host, QUICK, ANSWER_WITHIN, DONE_WITHIN)))
    if request.action == boot_proof.ACTION:
        return proof.prove(site, host)
    if request.action == "rotate":
        return _rotate(site, host)
    driver = power.connect(site, host, PATIENCE)
    if request.action in ("identify", "sensors"):
        return _chassis(driver, request)
    if request.action == "boot":
        return _boot(driver, request.argument, uefi=power.is_uefi(site, host.macs[0]))
    if request.action == "power":
        return _power(driver, request.argument)
    return _weighed(site, host, _test(driver), with_users=True)


def _weighed(site: Site, host: Host, result: BmcResult, *, with_users: bool = False) -> BmcResult:
    """Likewise, with what makes its login weak; it is kept for `provision check`."""
    bmc = power.bmc_address(site, host)
    found = weak_logins.of_login(bmc, host) + (weak_logins.of_users(bmc) if with_users else [])
    site.database.values.put_weak_login(host.name, found, whole=with_users)
    return result.model_copy(update={"note": " ".join(filter(None, [result.note, *found]))})


def _rotate(site: Site, host: Host) -> BmcResult:
    fresh = rotation.rotate(site, host, power.bmc_address(site, host))
    words = f"another password of {len(fresh.password)} characters; a login with it worked"
    return BmcResult(user=fresh.user, note=words)


def _chassis(driver: Power, request: BmcRequest) -> BmcResult:
    if not isinstance(driver, Chassis):
        raise PowerError(f"the driver of {request.host} has no light and no sensors", code=203)
    if request.action == "identify":
        seconds = {"on": ALWAYS, "off": 0}.get(request.argument)
        done = driver.identify(int(request.argument) if seconds is None else seconds)
        return BmcResult(light=done.light, confirmed=done.confirmed, note=done.note)
    read = driver.sensors()
    sensors = tuple(BmcSensor(**asdict(each)) for each in read.sensors)
    return BmcResult(sensors=sensors, note=read.note)


def _test(driver: Power) -> BmcResult:
    if isinstance(driver, StatusReader):
        return BmcResult(**asdict(driver.status()))
    state, boot = driver.state(), driver.get_boot()
    return BmcResult(state=state.state, boot=boot.device, suite=state.suite, note=state.note)


def _power(driver: Power, argument: str) -> BmcResult:
    actions = {"on": driver.on, "off": driver.off, "reset": driver.reset}
    done = actions.get(argument, driver.state)()
    return BmcResult(state=done.state, confirmed=done.confirmed, note=done.note)


def _boot(driver: Power, argument: str, *, uefi: bool) -> BmcResult:
    wanted = BOOT_DEVICES.get(argument)
    done = driver.set_boot(wanted, uefi=uefi, once=True) if wanted else driver.get_boot()
    return BmcResult(boot=done.device, confirmed=done.confirmed, note=done.note)
