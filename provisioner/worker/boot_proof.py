"""Sees that a host's firmware starts the disk that was written: power off, power on, and who answers then.

A host that was off is started by its firmware: no kexec outlives it. Who answers SSH then with the host key
that was made on the disk at its first boot runs from that disk. It needs no login, so it holds for a sealed
host, too. Nothing is written on the host, and no order is needed: its network boot is sent to its disk.
"""

import re
import tempfile
import threading
import time
from pathlib import Path
from typing import Literal

from provisioner.deployment import boot_proof
from provisioner.deployment.record import record
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.boot import BootProven, BootUnproven
from provisioner.domain.host import Host
from provisioner.domain.lifecycle import allowed
from provisioner.domain.stage import Stage
from provisioner.errors import (
    PowerError,
    ProvisionError,
    RefusedError,
    TransitionError,
    UnreachableError,
)
from provisioner.power.protocol import Power, PowerResult
from provisioner.site.site import Site
from provisioner.state.requests import BmcResult
from provisioner.verify import SshTarget
from provisioner.verify.ssh import Route, connect_once, route
from provisioner.worker import power

PATIENCE = 60.0  # seconds for which a BMC that says `not now` is asked again
PAUSE = 2.0  # seconds between two looks whether the system answers
DENIED = re.compile(r"Permission denied \([a-z,-]+\)")  # said after its host key was verified
SHOWN = re.compile(r"Server host key: \S+ (SHA256:\S+)")
CHANGED = ("IDENTIFICATION HAS CHANGED", "Host key verification failed")
_one_at_a_time = threading.Lock()  # hosts that are powered on: a rack draws no inrush at once


def prove(site: Site, host: Host) -> BmcResult:
    """Restart it and wait for its system. What came of it is an event of its deployment.

    Raises ProvisionError: refused (as `boot_proof.refusal`), PV-432 the BMC did not say that it was off,
    PV-433 nobody answered, PV-434 somebody else did; and what the BMC says.
    """
    row = boot_proof.provable(site, host)
    try:
        proven = _seen(site, host, row)
    except TransitionError:
        raise  # an order has come in between: nothing is told of its deployment
    except ProvisionError as fault:
        unproven = BootUnproven(code=fault.code, sentence=str(fault), hint=fault.hint)
        record(site, row.id, unproven, source="worker")
        raise
    record(site, row.id, proven, source="worker")
    return BmcResult(
        host_key=proven.host_key,
        address=proven.address,
        seconds=round(proven.seen - proven.on, 1),
        note=proven.note,
    )


def _seen(site: Site, host: Host, row: Deployment) -> BootProven:
    driver = power.connect(site, host, PATIENCE)
    _check(site, host, row)
    off = _switch_off(driver, host)
    gone = site.clock()
    _check(site, host, row)
    note = _choose_disk(site, host, row, driver)
    with _one_at_a_time:
        _check(site, host, row)
        on = driver.on()
        came = site.clock()
        threading.Event().wait(site.settings.orders.stagger_seconds)
    notes = (off.note, note, on.note)
    key = _await_system(site, host, row)
    return BootProven(
        off=gone,
        on=came,
        seen=site.clock(),
        host_key=key,
        address=row.address,
        note=" ".join(filter(None, notes)),
    )


def _check(site: Site, host: Host, row: Deployment) -> None:
    """Raises TransitionError where something else is to happen to the host by now."""
    try:
        now = boot_proof.provable(site, site.database.hosts.get(host.name))
    except RefusedError as against:
        raise TransitionError(f"{against}: its BMC is not told any more", hint=against.hint) from against
    if now.id != row.id:
        raise TransitionError(f"{host.name} was deployed again meanwhile: it is not looked at any more")


def _switch_off(driver: Power, host: Host) -> PowerResult:
    """Only a BMC that says that it is off shows that what runs afterwards was started by the firmware."""
    done = driver.off()
    if done.state != "off" or not done.confirmed:
        raise PowerError(
            f"{host.name}: its BMC does not say that it is off, but {done.state} {done.note}".rstrip(),
            hint=f"provision bmc power {host.name} state; it may be off now: provision bmc power "
            f"{host.name} on",
            code=432,
        )
    return done


def _choose_disk(site: Site, host: Host, row: Deployment, driver: Power) -> str:
    """A BMC that sets it for nobody is noted: our answer to a network boot is the disk as well."""
    try:
        return power.set_disk(site, row, driver, lambda: _check(site, host, row))
    except PowerError as fault:
        return f"its BMC did not set the boot device to disk: {fault}"


def _await_system(site: Site, host: Host, row: Deployment) -> str:
    """The fingerprint of the host key by which the system has shown itself. Raises UnreachableError."""
    limit = _limit(site, host)
    until = time.monotonic() + limit
    target = SshTarget(row.host, row.address, "nobody", Path("/dev/null"), row.host_keys)
    pause = threading.Event()
    with tempfile.TemporaryDirectory(prefix="proof-") as folder, route(target, Path(folder)) as way:
        while True:
            seen, fingerprint = look(way)
            if seen == "same":
                return fingerprint
            _check(site, host, row)
            if time.monotonic() > until or seen == "other":
                raise _unseen(row, seen, limit)
            pause.wait(PAUSE)


def _limit(site: Site, host: Host) -> float:
    """As long as it may take to come up at the end of a deployment."""
    hardware = site.database.hosts.hardware(host.name)
    profile = site.database.profiles.get(host.profile)
    return allowed(Stage.RESTARTING, profile, hardware.memory if hardware else 0)


def _unseen(row: Deployment, seen: str, limit: float) -> UnreachableError:
    if seen == "other":
        return UnreachableError(
            f"{row.address} shows another SSH host key than {row.host} had at its first boot",
            hint=f"has it booted another disk? provision bmc console {row.host}; has another machine its "
            "address?",
            code=434,
        )
    return UnreachableError(
        f"{row.host} was powered off and on, and nobody answered SSH at {row.address} for {limit:.0f} s",
        hint=f"provision bmc console {row.host}: where does its firmware stop? Its disk must be in the "
        "firmware's boot order; has its system another address by now, nothing is proven either",
        code=433,
    )


def look(way: Route) -> tuple[Literal["same", "other", "silent"], str]:
    """Who answers at the address: by its host key, before any login, with the key's fingerprint."""
    nobody = ("-o", "PreferredAuthentications=none", "-o", "PubkeyAuthentication=no", "-v")
    target = way.target
    port = str(target.port)
    done = connect_once([*way.options(), *nobody, "-p", port, "-l", target.user, target.address, "true"])
    if done is None:
        return "silent", ""
    said = done.stderr.decode(errors="replace")
    shown = SHOWN.search(said)
    if any(words in said for words in CHANGED):
        return "other", ""
    if shown and (done.returncode != 255 or DENIED.search(said)):
        return "same", shown[1]
    return "silent", ""
