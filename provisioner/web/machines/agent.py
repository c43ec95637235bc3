"""The agent's messages, from its hello to the reboot; `agent/protocol.py` describes them.

Nobody is told why he is refused: strangers get the uniform 404.
"""

import logging
import secrets
from dataclasses import asdict
from typing import TypeVar

from flask import Response, abort, jsonify, request

from provisioner.agent import protocol
from provisioner.deployment import host_names, rendering, target_disk
from provisioner.deployment.guard import DISK_GONE
from provisioner.deployment.record import DeniedError, pause, record, try_record
from provisioner.discovery import intake
from provisioner.discovery.hardware import claim_of, heard, reported
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.agent import (
    AgentFailed,
    AgentHello,
    AgentProgress,
    AgentRebooting,
    AgentRestarting,
    AgentWritten,
)
from provisioner.domain.events.payload import Payload
from provisioner.domain.hardware import NeighbourInfo
from provisioner.domain.host import Host
from provisioner.domain.progress import WRITES
from provisioner.domain.stage import Stage
from provisioner.domain.values import parse_mac
from provisioner.errors import InputError, TransitionError
from provisioner.site import lan
from provisioner.site.site import Site
from provisioner.state import agent_log as agent_logs
from provisioner.state.throughput import ThroughputFile
from provisioner.system.checksum import sha256_text
from provisioner.web.machines import swarm
from provisioner.web.machines.download_slots import download_slots
from provisioner.web.machines.refusals import note_refused, note_refused_here
from provisioner.web.machines.swarm_board import swarm_board
from provisioner.web.machines.token import AGENT_STAGES, token_owner
from provisioner.web.rate_limit import RateLimit
from provisioner.web.request import client_address, json_body, the_site

log = logging.getLogger(__name__)
INVENTORIES = RateLimit(rate=0.2, burst=5)  # of one address
_Message = TypeVar(
    "_Message",
    protocol.Progress,
    protocol.Log,
    protocol.Written,
    protocol.Restarting,
    protocol.Failed,
)
_T = TypeVar("_T")


def hello() -> Response:
    """The nonce consumes the order and opens the attempt; the answer carries the token and the order."""
    site = the_site()
    message = _message(protocol.Hello)
    row = _ordered(site, message)
    host = site.database.hosts.get(row.host)
    token, phone_token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    greeting = AgentHello(
        claim=claim_of(message, is_own_address=lan.has_address(site, row.mac, client_address())),
        nonce=message.nonce,
        boot_id=message.boot_id,
        serial=message.serial,
        uuid=message.uuid,
        address=client_address(),
        token_hash=sha256_text(token),
        phone_hash=sha256_text(phone_token),
    )
    try:
        row = record(site, row.id, greeting, source="agent")
    except TransitionError as refused:
        _note_denied(row, message, refused)
        abort(404)
    if row.stage == Stage.FAILED:
        if row.code == DISK_GONE:  # it is the ordered machine: the next plan shows the disk that is there now
            site.database.hosts.put_hardware(host.name, reported(message), site.clock())
        return Response(row.reason, 403, mimetype="text/plain")
    site.database.hosts.put_hardware(host.name, reported(message), site.clock())
    do: protocol.Do = "continue" if row.stage == Stage.WRITING else "stop"  # an order may end here
    seed: dict[str, str] = {}  # who is to stop writes none, and the key that would be in it has ended
    if do == "continue":
        url = site.settings.url_for(client_address())
        seed = rendering.seed(site, row, server=url, token=phone_token)
    order = _order(site, host, row, seed)
    response = jsonify(protocol.dump(protocol.HelloAnswer(do, token, site.real_time(), order)))
    served = {f"seed/{name}": text for name, text in seed.items()}
    response.call_on_close(lambda: rendering.keep(site, row, served, secrets={phone_token: rendering.TOKEN}))
    return response


def _ordered(site: Site, message: protocol.Hello) -> Deployment:
    """The deployment of its nonce, else the newest of the host that has its MAC; 404 where there is none.

    Whether it is that machine is for the guard to say.
    """
    mac = _checked_mac(message.mac)
    if row := site.database.deployments.by_nonce(sha256_text(message.nonce)):
        return row
    host = site.database.hosts.by_mac(mac)
    row = site.database.deployments.last_of(host.name) if host else None
    if row is None:
        what = "a hello"
        if host:
            note_refused(
                host.name, what, "nothing is ordered", mac=mac, serial=message.serial, uuid=message.uuid
            )
        else:
            note_refused_here(what, f"nobody knows its card {mac}")
        abort(404)
    return row


def _note_denied(row: Deployment, message: protocol.Hello, refused: TransitionError) -> None:
    """A hello that was refused; where it had the right nonce, somebody else knows it too."""
    address = client_address()
    log.warning("%s: a hello from %s is refused: %s", row.host, address, refused)
    if isinstance(refused, DeniedError) and refused.is_suspect:
        machine = f"{message.mac}, serial {message.serial or 'unknown'}, at {address}"
        pause(the_site(), row.id, f"another machine ({machine}) has its nonce", address)
    sentence = refused.sentence if isinstance(refused, DeniedError) else "the order does not wait for one"
    note_refused(row.host, "a hello", sentence, mac=message.mac, serial=message.serial, uuid=message.uuid)


def _checked_mac(mac: str) -> str:
    try:
        return parse_mac(mac)
    except InputError:
        abort(404)


def _order(site: Site, host: Host, row: Deployment, seed: dict[str, str]) -> protocol.Order:
    hints = target_disk.ordered(site, host, row)
    name, version = row.image.split("@", 1)
    return protocol.Order(
        deployment=row.id,
        attempt=row.attempt,
        image_name=name,
        image_version=version,
        manifest_url=f"/images/{row.image}/manifest",
        pack_url=f"{site.settings.images.url}/images/{row.image}/pack",
        disk=protocol.DiskHints(**hints.model_dump()),
        erase=row.erase,
        method=row.write_mode,
        foreign=row.erase_foreign,
        expected_serial=row.serial,
        former_names=host_names.of(site, host)[1:],
        seed=seed,
        swarm=swarm.terms(site, row),
        restart=row.restart,
    )


def _message(kind: type[_T], *, is_known: bool = False) -> _T:
    """404 for what is no message; whose sender is known learns by 400 what of it cannot be meant."""
    try:
        return protocol.load(kind, json_body())
    except protocol.ProtocolError as fault:
        log.warning("%s: %s", client_address(), fault)
        if not is_known:
            note_refused_here(request.path, f"this is no message: {fault}")
            abort(404)
        abort(Response(f"the message cannot be used: {fault}\n", 400, mimetype="text/plain"))


def _report(kind: type[_Message]) -> tuple[Deployment, _Message]:
    """The deployment whose token this is, and the message; 404 for anybody else."""
    row = token_owner()
    message = _message(kind, is_known=True)
    if message.deployment != row.id:
        note_refused(row.host, request.path, "it is about another deployment", mac=row.mac)
        abort(404)
    return row, message


def _note(row: Deployment, event: Payload) -> Deployment:
    """The row after the event, or as it was where the event comes too late."""
    return try_record(the_site(), row.id, event, source="machine") or row


def _is_writing(row: Deployment, attempt: int) -> bool:
    return row.stage == Stage.WRITING and row.attempt == attempt


def _do(row: Deployment | None, attempt: int, **more: object) -> Response:
    """What the agent shall do next, from the row alone; `more` is for one that goes on."""
    if row is None or row.attempt != attempt or row.stage not in AGENT_STAGES:
        return jsonify({"do": "stop"})
    if row.stage == Stage.RESTARTING and row.reboot:
        return jsonify({"do": "reboot"})
    return jsonify({"do": "continue", **more})


def inventory() -> Response:
    """What a machine that nobody knows is; without a token, so only what its own address may say of it."""
    if (request.content_length or intake.LARGEST + 1) > intake.LARGEST:
        abort(404)
    site, address = the_site(), client_address()
    if not site.settings.discovery.boot or not site.settings.is_ours(address):
        abort(404)
    if not INVENTORIES.allows(address):
        abort(503)  # the agent tries again
    if not intake.take(site, _message(protocol.Inventory), address):
        abort(404)
    return jsonify({"do": "reboot"})


def progress() -> Response:
    """Bytes are moving."""
    row, message = _report(protocol.Progress)
    if message.neighbours:
        _note_neighbours(row.host, heard(message.neighbours))
    if _is_writing(row, message.attempt) and message.seq > row.progress.seq:
        row = _note(row, AgentProgress.model_validate(message, from_attributes=True))
        _keep_sample(row, message.seq)
    if message.phase in ("reading back", "finishing"):
        download_slots().release(row.id)
    elif message.phase == "writing":
        download_slots().progress(row.id, message.done / max(1, message.total))
    if not message.peer_port or not _is_writing(row, message.attempt):
        return _do(row, message.attempt)
    swarm.report(row, message.peer_port)
    swarm.note_liars(row, message.liars)
    return _do(row, message.attempt, swarm=asdict(swarm.news(row)))


def _keep_sample(row: Deployment, seq: int) -> None:
    """How quickly it writes, for whoever asks later; a refused report is none."""
    now = row.progress
    if now.seq == seq and now.phase == WRITES and now.total > 1 and not now.is_queued:
        ThroughputFile(the_site().settings.state, row.id).add(now.reported, row.attempt, now.done, now.rate)


def _note_neighbours(host: str, neighbours: tuple[NeighbourInfo, ...]) -> None:
    """They come with each report, and are written down where they are new."""
    hosts = the_site().database.hosts
    known = hosts.hardware(host)
    if known and known.neighbours != neighbours:
        hosts.put_neighbours(host, neighbours)


def agent_log() -> Response:
    """Lines of the agent's log, kept in a file of the deployment."""
    row, message = _report(protocol.Log)
    if not 0 < message.attempt <= row.attempt:
        return _do(None, message.attempt)
    agent_logs.append(the_site().settings.state, row.id, message.attempt, message.lines)
    return _do(row, message.attempt)


def written() -> Response:
    """All is on the disk. Polled: only the first one is an event."""
    row, message = _report(protocol.Written)
    download_slots().release(row.id)
    if _is_writing(row, message.attempt):
        row = _note(row, AgentWritten.model_validate(message, from_attributes=True))
    elif row.stage == Stage.RESTARTING and row.reboot and row.last_event != AgentRebooting.kind:
        row = _note(row, AgentRebooting())
    is_giving = row.attempt == message.attempt and row.stage in AGENT_STAGES and not row.reboot
    swarm.report(row, message.peer_port if is_giving else 0)
    return _do(row, message.attempt)


def restarting() -> Response:
    """How the agent starts the disk, which it does at once: whatever is answered."""
    row, message = _report(protocol.Restarting)
    if row.stage == Stage.RESTARTING and row.attempt == message.attempt and row.reboot:
        row = _note(row, AgentRestarting(how=message.how, sentence=message.sentence))
    return _do(row, message.attempt)


def failed() -> Response:
    """Why the attempt cannot be finished."""
    row, message = _report(protocol.Failed)
    download_slots().release(row.id)
    swarm_board().remove(row.id)
    if _is_writing(row, message.attempt):
        row = _note(row, AgentFailed(code=message.code, sentence=message.sentence, hint=message.hint))
    return _do(row, message.attempt)
