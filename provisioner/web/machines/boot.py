"""What firmware and iPXE fetch: the boot script of a machine, and the files that it names.

A boot script is always an answer: whoever is refused gets the script that boots the own disk.
"""

import logging
import re
from typing import NamedTuple

from flask import Response, abort, current_app, request
from pydantic import ValidationError

from provisioner.deployment import boot, rendering
from provisioner.deployment.boot import BootAnswer
from provisioner.deployment.record import try_record
from provisioner.discovery import records
from provisioner.domain.boot_plan import Asker, Firmware, Local, Ramdisk, Survey
from provisioner.domain.event import Event
from provisioner.domain.events.netboot import FileServed, ScriptServed
from provisioner.domain.events.request import SCRIPT, NetbootLooping, RequestRefused
from provisioner.domain.host import Host
from provisioner.domain.stage import RESTING, Stage
from provisioner.domain.values import parse_mac
from provisioner.errors import InputError, ProvisionError
from provisioner.site import lan
from provisioner.site.site import Site
from provisioner.state import boot_files
from provisioner.web.machines import files
from provisioner.web.machines.boot_loops import BootLoops
from provisioner.web.machines.refusals import Refusals, refusals
from provisioner.web.request import client_address, the_site

log = logging.getLogger(__name__)
RAMDISK_FILES = ("vmlinuz", "initrd.img")  # what the script of an order names
LAST_RESORT = "#!ipxe\nexit 1\n"


def boot_script(mac: str) -> Response:
    """The per-MAC iPXE script; anything wrong with the request or with us is the disk answer."""
    site = the_site()
    try:
        firmware = Firmware.BIOS if request.args.get("platform") == "pcbios" else Firmware.UEFI
        asker = _asker(mac, firmware)
        answer = boot.answer(site, asker) if asker else BootAnswer(Local(firmware=firmware), "this is no MAC")
        if asker and isinstance(answer.plan, Survey):
            records.note_served(
                site.database, asker.mac, asker.uuid, asker.address, site.clock(), asker.serial
            )
        response = Response(_script(site, answer, firmware), mimetype="text/plain")
    except Exception:
        log.exception("the boot script of %.40s could not be rendered", mac)
        return last_resort()
    name, plan = asker.mac if asker else mac[:40], type(answer.plan).__name__
    log.info("%s (%s) is answered %s: %s", name, client_address(), plan, answer.reason)
    if asker:
        gathered = Gathered(refusals(), current_app.config["BOOT_LOOPS"])
        response.call_on_close(lambda: _try_to_note(site, asker, answer, gathered))
    return response


def last_resort() -> Response:
    """The script of whom nothing better can be told: the firmware's next boot option."""
    return Response(LAST_RESORT, mimetype="text/plain")


def _script(site: Site, answer: BootAnswer, firmware: Firmware) -> str:
    url = site.settings.url_for(client_address())
    return boot.render(site, answer.plan, reason=answer.reason, firmware=firmware, url=url)


def _asker(mac: str, firmware: Firmware) -> Asker | None:
    address = client_address()
    try:
        arch = request.args.get("arch", "")
        arch = arch if re.fullmatch(r"[a-z0-9_]{0,16}", arch) else "unreadable"
        known = Asker(mac=parse_mac(mac), address=address, firmware=firmware, arch=arch)
    except InputError:
        return None
    for name in ("serial", "uuid"):  # each alone: one that is damaged takes nothing from the other
        try:
            known = Asker.model_validate(known.model_dump() | {name: request.args.get(name, "")})
        except ValidationError:
            log.warning("%s sent a %s that no firmware writes", known.mac, name)
    return known


class Gathered(NamedTuple):
    """What the process has gathered of earlier requests."""

    refusals: Refusals
    loops: BootLoops


def _try_to_note(site: Site, asker: Asker, answer: BootAnswer, gathered: Gathered) -> None:
    """Evidence: the machine has its script, whether that can be written down now or not."""
    try:
        host = site.database.hosts.by_mac(asker.mac)
        if not isinstance(answer.plan, Local):
            _note_served(site, asker, answer, host)
            return
        _note_released(site, asker)
        if host:
            _note_disk(site, asker, answer.reason, host, gathered)
    except ProvisionError as fault:
        log.warning("%s: its script could not be written down: %s", asker.mac, fault)


def _note_served(site: Site, asker: Asker, answer: BootAnswer, host: Host | None) -> None:
    """After the script of an order has left."""
    row = site.database.deployments.last_order_of(host.name) if host else None
    if row:
        url = site.settings.url_for(asker.address)
        script = boot.render(site, answer.plan, reason=answer.reason, firmware=asker.firmware, url=url)
        rendering.keep(site, row, {rendering.SCRIPT: script}, secrets={})
        boots = "ramdisk" if isinstance(answer.plan, Ramdisk) else "installer"
        served = ScriptServed(boots=boots, address=asker.address, serial=asker.serial, uuid=asker.uuid)
        try_record(site, row.id, served, source="machine")


def _note_released(site: Site, asker: Asker) -> None:
    """A machine that was surveyed has been given its disk."""
    if site.settings.discovery.boot:
        records.note_released(site.database, asker.mac, asker.uuid, site.clock(), asker.serial)


def _note_disk(site: Site, asker: Asker, reason: str, host: Host, gathered: Gathered) -> None:
    """A host was given its disk: what that says of its order, or of the host where nothing is ordered."""
    row = site.database.deployments.last_order_of(host.name)
    if row and row.stage not in (*RESTING, Stage.QUEUED):
        identity = {"mac": asker.mac, "serial": asker.serial, "uuid": asker.uuid}
        refused = RequestRefused(what=SCRIPT, address=asker.address, sentence=reason, **identity)
        gathered.refusals.add(host.name, refused)
        if alarm := boot.alarm(site, asker):
            try_record(site, row.id, alarm, source="guard")
    elif lan.has_address(site, asker.mac, asker.address) and gathered.loops.is_loop(asker.mac, site.clock()):
        looping = NetbootLooping(address=asker.address)
        site.database.events.note(Event.of_host(host.name, looping, source="machine", now=site.clock()))


def boot_file(name: str) -> Response:
    """Kernel, ramdisk and local.efi; the same bytes for everybody."""
    site, address = the_site(), client_address()
    path = boot_files.boot_file(site.settings.state, name)
    if path is None:
        abort(404)
    if name in RAMDISK_FILES and request.method == "GET":
        _try_to_note_file(site, name, address)  # the bytes leave after the application has done with them
    return files.send(path)


def _try_to_note_file(site: Site, name: str, address: str) -> None:
    """Evidence of how far an armed host came: it is on its way, whether that can be written down or not."""
    try:
        host = lan.host_at(site, address)
        row = site.database.deployments.last_order_of(host) if host else None
        if row and row.stage == Stage.NETBOOTING:
            try_record(site, row.id, FileServed(name=name, address=address), source="machine")
    except ProvisionError as fault:
        log.warning("%s: that it fetched %s could not be written down: %s", address, name, fault)
