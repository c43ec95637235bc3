"""What the agent of a verification reports, and when its host may restart; `agent/examination.py` sends it.

No token is issued and nothing is answered but one word: whoever reports here can fetch and write nothing.
"""

import logging

from flask import Response, abort, jsonify, request

from provisioner.agent import protocol
from provisioner.deployment.record import DeniedError, pause, try_record, write
from provisioner.discovery.hardware import look_claim_of, reported
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.examination import AgentExamined, HostReleased
from provisioner.domain.stage import Stage
from provisioner.errors import TransitionError
from provisioner.site import lan
from provisioner.site.site import Site
from provisioner.state import examinations
from provisioner.system.checksum import sha256_text
from provisioner.verify import ramdisk
from provisioner.web.machines.refusals import note_refused, note_refused_here
from provisioner.web.request import client_address, json_body, the_site

log = logging.getLogger(__name__)
ENDED = frozenset({Stage.RESTARTING, Stage.VERIFYING})


def examination() -> Response:
    """What the host is; said again until the answer is reboot."""
    site, message = the_site(), _message()
    row = _ordered(site, message)
    if row.stage not in ENDED:
        row = _take(site, row, message)
    elif not _is_its_agent(site, row, message):
        note_refused(row.host, "an examination", "another boot or address has its nonce", mac=row.mac)
        abort(404)
    if row.stage == Stage.RESTARTING and row.reboot:
        row = try_record(site, row.id, HostReleased(), source="agent") or row
    is_waiting = row.stage == Stage.RESTARTING and not row.reboot
    return jsonify({"do": "continue" if is_waiting else "reboot"})


def _message() -> protocol.Examination:
    if (request.content_length or protocol.LARGEST_EXAMINATION + 1) > protocol.LARGEST_EXAMINATION:
        abort(404)
    try:
        return protocol.load(protocol.Examination, json_body())
    except protocol.ProtocolError as fault:
        log.warning("%s: %s", client_address(), fault)
        note_refused_here(request.path, f"this is no message: {fault}")
        abort(404)


def _ordered(site: Site, message: protocol.Examination) -> Deployment:
    """The verification of its nonce; 404 where there is none, or the nonce is a deployment's."""
    row = site.database.deployments.by_nonce(sha256_text(message.nonce))
    if row is None or not row.is_verification:
        note_refused_here(request.path, "its nonce is no verification's")
        abort(404)
    return row


def _is_its_agent(site: Site, row: Deployment, message: protocol.Examination) -> bool:
    is_same = message.boot_id == row.agent_boot_id and message.hardware.mac == row.mac
    return is_same and lan.has_address(site, row.mac, client_address())


def _take(site: Site, row: Deployment, message: protocol.Examination) -> Deployment:
    """Judge the claim and keep what was said, together; 404 for who is not the host that was ordered."""
    hardware, address = message.hardware, client_address()
    is_own = lan.has_address(site, row.mac, address)
    event = AgentExamined(
        claim=look_claim_of(message, is_own_address=is_own),
        boot_id=message.boot_id,
        serial=hardware.serial,
        uuid=hardware.uuid,
        address=address,
        collected=tuple(name for name in protocol.COLLECTORS if name in message.collected),
    )
    try:
        with site.database.writing():
            row = write(site, row.id, event, source="agent")
            if row.stage == Stage.RESTARTING:
                examinations.keep(site.settings.state, row.id, ramdisk.printed(message))
    except TransitionError as refused:
        _note_denied(site, row, message, refused)
        abort(404)
    if row.stage == Stage.RESTARTING:
        site.database.hosts.put_hardware(row.host, reported(hardware), site.clock())
    return row


def _note_denied(
    site: Site, row: Deployment, message: protocol.Examination, refused: TransitionError
) -> None:
    """Who has the right nonce and is another machine is a reason to look."""
    hardware, address = message.hardware, client_address()
    log.warning("%s: an examination from %s is refused: %s", row.host, address, refused)
    if isinstance(refused, DeniedError) and refused.is_suspect:
        machine = f"{hardware.mac}, serial {hardware.serial or 'unknown'}, at {address}"
        pause(site, row.id, f"another machine ({machine}) has its nonce", address)
    words = refused.sentence if isinstance(refused, DeniedError) else "the order does not wait for one"
    said = {"mac": hardware.mac, "serial": hardware.serial, "uuid": hardware.uuid}
    note_refused(row.host, "an examination", words, **said)
