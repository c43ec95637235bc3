"""What Ubuntu's live installer fetches and reports: its kernel and ISO, its seed, its question, its events.

Everything is answered only to the address that is reserved for the deployment's MAC, and only while the order
is armed; the seed, the question and the events need the nonce too. Strangers get the uniform 404.

The first report consumes the order, and closes the seed for everybody, the same boot included: cloud-init
reads each file once, before anything of it can report, and works on its own copy afterwards. So whoever
reads the seed a second time is somebody else. (Until the first report a repeated read may be cloud-init's
own second try, so it is answered; each is written down.) The nonce is worth nothing then but for events.
"""

import logging
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import NoReturn

from flask import Blueprint, Response, abort, jsonify, request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from provisioner.agent import disks, protocol
from provisioner.cloudinit import autoinstall
from provisioner.deployment import boot, guard, rendering, target_disk
from provisioner.deployment.record import record, refused, standing, try_record
from provisioner.deployment.tokens import token_fits
from provisioner.diagnosis.serial_console import see_console
from provisioner.discovery.hardware import agent_disk, claim_of, reported
from provisioner.domain.boot_plan import Asker, Autoinstall
from provisioner.domain.claim import Claim
from provisioner.domain.deployment import Deployment, WrittenDisk
from provisioner.domain.events.installer import (
    InstallerBegan,
    InstallerDisk,
    InstallerDone,
    InstallerFailed,
    InstallerProgress,
    SeedServed,
)
from provisioner.domain.events.payload import Payload
from provisioner.domain.refusal import Refusal
from provisioner.domain.stage import Stage
from provisioner.domain.values import LONGEST_READABLE, Readable, Words, parse_mac
from provisioner.errors import InputError, ProvisionError, TransitionError
from provisioner.site import lan
from provisioner.site.site import Site
from provisioner.state import iso_files
from provisioner.state.secrets import phone_token
from provisioner.system import disk_names
from provisioner.system.checksum import sha256_text
from provisioner.system.text import clean
from provisioner.web.audience import MACHINES, Audience
from provisioner.web.machines import files
from provisioner.web.machines.refusals import note_refused_card
from provisioner.web.machines.token import AGENT_STAGES
from provisioner.web.request import client_address, json_body, the_site

log = logging.getLogger(__name__)
routes = Blueprint("autoinstall", __name__)
AUDIENCES: Mapping[str, Audience] = {
    f"autoinstall.{name}": MACHINES for name in ("installer_file", "seed_file", "gate", "events")
}
# curtin and subiquity call the end of their work so; the machine reboots a few seconds later
DONE = "subiquity/Late/run"
# A part that fails need not end the installation (without a network the list of snaps never loads). These do;
# and what ends it otherwise runs the error-commands, which report under the last name.
ENDS = frozenset(
    {"subiquity/Early/run", "subiquity/apply_autoinstall_config", "subiquity/Install/install"}
    | {DONE, "provisioner/error"}
)


class Report(BaseModel):
    """An event as curtin, subiquity and cloud-init post it (curtin/reporter/events.py)."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    name: Readable = Field(min_length=1, max_length=300)
    description: Readable = Field("", max_length=10 * LONGEST_READABLE)
    event_type: str = Field(pattern=r"^(start|finish|result)$")
    origin: Words = ""
    result: Readable = Field("", max_length=20)


def _armed(mac: str) -> tuple[Deployment, Autoinstall]:
    """The deployment for which this address may boot the installer now; 404 for anybody else."""
    site = the_site()
    try:
        asker = Asker(mac=parse_mac(mac), address=client_address())
    except (InputError, ValidationError):
        _refuse("this is no MAC")
    plan, reason = boot.answer(site, asker, is_script=False)
    host = site.database.hosts.by_mac(asker.mac)
    row = site.database.deployments.last_of(host.name) if host else None
    if row is None or not isinstance(plan, Autoinstall):
        _refuse(reason)
    return row, plan


def _refuse(reason: str) -> NoReturn:
    asked = {key: str(value)[:40] for key, value in (request.view_args or {}).items() if key != "nonce"}
    log.warning("%s: %s %s is refused: %s", client_address(), request.endpoint, asked, reason)
    door = f"the installer's {(request.endpoint or '').rpartition('.')[2]}"
    note_refused_card(asked.get("mac", ""), door, reason)
    abort(404)


def _seeded(mac: str, nonce: str) -> tuple[Deployment, Autoinstall]:
    """As `_armed`; aborts with 404 unless `nonce` is the order's."""
    row, plan = _armed(mac)
    if not secrets.compare_digest(nonce.encode(), row.nonce.encode()):
        _refuse("the nonce is wrong")
    return row, plan


def _installing(mac: str, nonce: str) -> Deployment:
    """The deployment whose installer this is; its first word consumes the order. 404 for anybody else."""
    site = the_site()
    try:
        known = site.database.macs.get(parse_mac(mac))
    except InputError:
        _refuse("this is no MAC")
    if not known or known.role != "host" or not lan.has_address(site, known.mac, client_address()):
        _refuse("it is not the host's own address")
    row = site.database.deployments.last_of(known.host)
    if row is None or not row.is_installed or row.mac != known.mac or not row.nonce_hash:
        _refuse("no installer is ordered for it")
    if row.stage in guard.ARMED:
        _seeded(mac, nonce)
        return _begin(site, row, nonce)
    if row.stage not in AGENT_STAGES or not token_fits(nonce, row.nonce_hash):
        _refuse(f"the nonce is wrong, or the order was consumed and is {row.stage}")
    return row


def _begin(site: Site, row: Deployment, nonce: str) -> Deployment:
    phone_hash = sha256_text(phone_token(site.settings.state, row.id, nonce))
    claim = Claim(mac=row.mac, is_own_address=True, nonce=nonce)  # as was looked at before
    try:
        began = InstallerBegan(claim=claim, nonce=nonce, phone_hash=phone_hash)
        row = record(site, row.id, began, source="installer")
    except TransitionError as late:
        _refuse(str(late))
    if row.stage == Stage.FAILED:
        _refuse(row.reason)
    return row


@routes.get("/boot/<mac>/<any(vmlinuz, initrd, 'installer.iso'):name>")
def installer_file(mac: str, name: str) -> Response:
    """Kernel, initrd and ISO of the ordered installer, whole or by Range."""
    row, _ = _armed(mac)
    path = iso_files.installer_file(the_site().settings.state, row.iso, name)
    if path is None:
        _refuse(f"{row.iso} has no {name}")
    return files.send(path)


@routes.get(f"{boot.SEEDS}/<mac>/<nonce>/<name>")
def seed_file(mac: str, nonce: str, name: str) -> Response:
    """One file of the NoCloud seed."""
    row, plan = _seeded(mac, nonce)
    if name not in autoinstall.FILES:
        abort(404)  # cloud-init asks for more than there is
    site, address = the_site(), client_address()
    token = phone_token(site.settings.state, row.id, row.nonce)
    server = site.settings.url_for(address)
    seed = rendering.installer_seed(site, row, plan, server=server, token=token)
    response = Response(seed[name], mimetype="text/plain")
    if name == "user-data":
        texts = {f"autoinstall/{each}": text for each, text in seed.items() if text}
        response.call_on_close(lambda: rendering.keep(site, row, texts, secrets={token: rendering.TOKEN}))
        served = SeedServed(address=address)
        response.call_on_close(lambda: try_record(site, row.id, served, source="installer"))
    return response


@routes.post(f"{boot.SEEDS}/<mac>/<nonce>/gate")
def gate(mac: str, nonce: str) -> Response:
    """May it begin, and on which disk? Asked before anything is written."""
    message = _message()
    row = _installing(mac, nonce)
    if row.stage != Stage.WRITING or row.agent_boot_id not in ("", message.boot_id):
        _refuse("another boot has asked before, or it is too late")
    site = the_site()
    host = site.database.hosts.get(row.host)
    claim = replace(claim_of(message, is_own_address=True), mac=row.mac, nonce=nonce)
    refusal = _refusal(row, claim)
    if refusal is None or refusal.code == guard.DISK_GONE:
        site.database.hosts.put_hardware(host.name, reported(message), site.clock())
    if refusal:
        return jsonify({"do": "stop", "sentence": refusal.sentence})
    hints = target_disk.ordered(site, host, row)
    try:
        seen = [agent_disk(disk) for disk in claim.disks or ()]
        disk = disks.choose(seen, protocol.DiskHints(**hints.model_dump()))
    except ProvisionError as fault:
        refused = InstallerFailed(code=fault.code, sentence=str(fault), hint=fault.hint)
        try_record(site, row.id, refused, source="installer")
        return jsonify({"do": "stop", "sentence": str(fault)})
    chosen = WrittenDisk.model_validate(disk, from_attributes=True)
    allowed = InstallerDisk(
        claim=claim, disk=chosen, boot_id=message.boot_id, serial=message.serial, uuid=message.uuid
    )
    try:
        row = record(site, row.id, allowed, source="installer")
    except TransitionError as late:
        _refuse(str(late))
    if row.stage == Stage.FAILED:
        return jsonify({"do": "stop", "sentence": row.reason})
    return jsonify({"do": "continue", "disk": disk_names.device_path(disk.name)})


def _refusal(row: Deployment, claim: Claim) -> Refusal | None:
    """Why its order ends here, as the guard says before any disk is looked for; None where it goes on."""
    site = the_site()
    decision = guard.decide(standing(site, row, site.clock()), claim)
    if not isinstance(decision, Refusal):
        return None
    try_record(site, row.id, refused(decision), source="installer")
    return decision


def _message() -> protocol.Hello:
    try:
        return protocol.load(protocol.Hello, json_body())
    except protocol.ProtocolError as fault:
        _refuse(str(fault))


@routes.post(f"{boot.SEEDS}/<mac>/<nonce>/events")
def events(mac: str, nonce: str) -> Response:
    """One event of the installer; it always learns the same."""
    try:
        # cloud-init's webhook posts JSON without saying so
        report = Report.model_validate(json_body(force=True))
    except ValidationError as fault:
        _refuse(f"this is no event: {fault.error_count()} faults")
    row = _installing(mac, nonce)
    if row.stage == Stage.WRITING:
        _note(row, report)
    return jsonify({"do": "continue"})


def _note(row: Deployment, report: Report) -> None:
    try_record(the_site(), row.id, _event(row, report), source="installer")


def _event(row: Deployment, report: Report) -> Payload:
    """What a report means: the end, good or bad, or one step more."""
    words = f"{report.name}: {report.description}" if report.description else report.name
    is_end = report.event_type == "finish" and report.name in ENDS
    if is_end and report.result == "FAIL":
        console = see_console(the_site(), row)
        hint = f"{console} and its /var/log/installer; then: provision retry {row.host}"
        sentence = clean(f"the installer failed: {row.progress.failed or words}", 500)
        return InstallerFailed(code=350, sentence=sentence, hint=hint)
    if is_end and report.name == DONE:
        return InstallerDone(name=report.name)
    phase = clean(words) + (f" ({report.result})" if report.result else "")
    unwinds = report.result == "FAIL"
    # what failed comes first, then each that had called it
    failed = clean(words, 300) if unwinds and not row.progress.unwinds else row.progress.failed
    return InstallerProgress(phase=phase, origin=report.origin, failed=failed, unwinds=unwinds)
