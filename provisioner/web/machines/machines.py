"""What hosts fetch and report: boot scripts, boot files, the agent's messages, image bytes, the phone-home.

Nobody is told why he is refused: strangers get the uniform 404, a boot script is always an answer.
"""

import json
import logging
import re
import secrets
from typing import Any

from flask import Blueprint, Response, abort, current_app, jsonify, request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from provisioner.agent import protocol
from provisioner.cloudinit import nocloud
from provisioner.deployment import boot
from provisioner.deployment.record import record
from provisioner.deployment.tokens import hash_token, token_fits
from provisioner.discovery import intake, records
from provisioner.discovery.hardware import reported
from provisioner.domain.boot_plan import Asker, Firmware, Local, Ramdisk, Survey
from provisioner.domain.deployment import Deployment
from provisioner.domain.host import Host
from provisioner.domain.stage import Stage
from provisioner.domain.values import parse_mac
from provisioner.errors import InputError, NotFoundError, ProvisionError, TransitionError
from provisioner.site import lan
from provisioner.site.site import Site
from provisioner.state import boot_files, image_files
from provisioner.state.secrets import deployment_key
from provisioner.web.machines import files
from provisioner.web.machines.download_slots import DownloadSlots
from provisioner.web.rate_limit import Limit

log = logging.getLogger(__name__)
routes = Blueprint("machines", __name__)
LAST_RESORT = "#!ipxe\nexit 1\n"
INVENTORIES = Limit(rate=0.2, burst=5)  # of one address
AGENT_STAGES = frozenset({Stage.WRITING, Stage.RESTARTING})


def _site() -> Site:
    site: Site = current_app.config["SITE"]
    return site


@routes.get("/boot/<mac>/boot.ipxe")
def boot_script(mac: str) -> Response:
    """The per-MAC iPXE script; anything wrong with the request or with us is the disk answer."""
    site = _site()
    try:
        firmware = Firmware.BIOS if request.args.get("platform") == "pcbios" else Firmware.UEFI
        asker = _asker(mac, firmware)
        plan, reason = boot.explain(site, asker) if asker else (Local(firmware=firmware), "this is no MAC")
        if asker and isinstance(plan, Survey):
            records.note_served(site.database, asker.mac, asker.uuid, asker.address, site.clock())
        url = site.settings.url_for(request.remote_addr or "")
        script = boot.render(site, plan, reason=reason, firmware=firmware, url=url)
        response = Response(script, mimetype="text/plain")
    except Exception:
        log.exception("the boot script of %.40s could not be rendered", mac)
        return Response(LAST_RESORT, mimetype="text/plain")
    name = asker.mac if asker else mac[:40]
    log.info("%s (%s) is answered %s: %s", name, request.remote_addr, type(plan).__name__, reason)
    if asker and isinstance(plan, Local):
        response.call_on_close(lambda: _note_released(site, asker))
    elif asker:
        boots = "ramdisk" if isinstance(plan, Ramdisk) else "installer"
        response.call_on_close(lambda: _tell_served(site, asker, boots))
    return response


def _note_released(site: Site, asker: Asker) -> None:
    """A machine that was surveyed has been given its disk."""
    if site.settings.discovery.boot:
        records.note_released(site.database, asker.mac, asker.uuid, site.clock())


def _asker(mac: str, firmware: Firmware) -> Asker | None:
    address = request.remote_addr or ""
    try:
        arch = request.args.get("arch", "")
        arch = arch if re.fullmatch(r"[a-z0-9_]{0,16}", arch) else "unreadable"
        known = Asker(mac=parse_mac(mac), address=address, firmware=firmware, arch=arch)
    except InputError:
        return None
    try:
        said = {name: request.args.get(name, "") for name in ("serial", "uuid")}
        return Asker.model_validate(known.model_dump() | said)
    except ValidationError:
        log.warning("%s sent a serial or UUID that no firmware writes", mac)
        return known


def _tell_served(site: Site, asker: Asker, boots: str) -> None:
    host = site.database.hosts.by_mac(asker.mac)
    row = site.database.deployments.last_of(host.name) if host else None
    if row:
        said = {"address": asker.address, "serial": asker.serial, "uuid": asker.uuid}
        _tell(site, row, "script.served", boots=boots, **said)


def _tell(site: Site, row: Deployment, kind: str, **data: Any) -> Deployment | None:
    try:
        return record(site, row.id, kind, source="machine", **data)
    except TransitionError:
        return None


@routes.get(f"{boot.FILES}/<name>")
def boot_file(name: str) -> Response:
    """Kernel, ramdisk and local.efi; the same bytes for everybody."""
    path = boot_files.boot_file(_site().settings.state, name)
    if path is None:
        abort(404)
    return files.send(path)


@routes.post(f"{protocol.PREFIX}/hello")
def hello() -> Response:
    """The nonce consumes the order and opens the attempt; the answer carries the token and the order."""
    site = _site()
    message = _message(protocol.Hello)
    row = _ordered(site, message)
    host = site.database.hosts.get(row.host)
    token, phone_token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    try:
        row = record(
            site,
            row.id,
            "agent.hello",
            source="agent",
            nonce=message.nonce,
            boot_id=message.boot_id,
            serial=message.serial,
            token_hash=hash_token(token),
            phone_hash=hash_token(phone_token),
        )
    except TransitionError:
        abort(404)
    site.database.hosts.put_hardware(host.name, reported(message), site.clock())
    do: protocol.Do = "continue" if row.stage == Stage.WRITING else "stop"  # an order may end here
    answer = protocol.HelloAnswer(do, token, site.clock(), _order(site, host, row, phone_token))
    return jsonify(protocol.dump(answer))


def _ordered(site: Site, message: protocol.Hello) -> Deployment:
    """The deployment that this machine's nonce belongs to; 404 for anybody else."""
    host = site.database.hosts.by_mac(_checked_mac(message.mac))
    row = site.database.deployments.last_of(host.name) if host else None
    if row is None or row.mac != message.mac or not lan.has_address(site, row.mac, request.remote_addr or ""):
        abort(404)
    if not row.nonce or not secrets.compare_digest(row.nonce.encode(), message.nonce.encode()):
        log.warning("%s: a hello with a wrong or used nonce from %s", row.host, request.remote_addr)
        abort(404)
    return row


def _checked_mac(mac: str) -> str:
    try:
        return parse_mac(mac)
    except InputError:
        abort(404)


def _order(site: Site, host: Host, row: Deployment, phone_token: str) -> protocol.Order:
    profile = site.database.profiles.get(host.profile)
    hints = host.disk or profile.disks[0]
    name, version = row.image.split("@", 1)
    key = deployment_key(site.settings.state)
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
        seed=nocloud.build(
            deployment=row.id,
            hostname=host.name,
            deploy_mac=row.mac,
            server=site.settings.url_for(request.remote_addr or ""),
            token=phone_token,
            public_key=key,
        ),
    )


def body(*, force: bool = False) -> Any:
    """The body as plain data, None for what is no JSON; half characters, which nothing stores, become `?`."""
    try:
        found = request.get_json(silent=True, force=force)
        return json.loads(json.dumps(found, ensure_ascii=False).encode(errors="replace"))
    except RecursionError:
        return None


def _message(kind: type[Any]) -> Any:
    try:
        return protocol.load(kind, body())
    except protocol.ProtocolError as fault:
        log.warning("%s: %s", request.remote_addr, fault)
        abort(404)


def _holder(kind: type[Any]) -> tuple[Deployment, Any]:
    """The deployment whose token this is, and the message; 404 for anybody else."""
    message = _message(kind)
    row = _token_owner()
    if message.deployment != row.id:
        abort(404)
    return row, message


def _token_owner() -> Deployment:
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    row = _site().database.deployments.by_token(hash_token(token)) if token else None
    if row is None or not token_fits(token, row.token_hash):
        abort(404)
    return row


def _do(row: Deployment | None, attempt: int) -> Response:
    """What the agent shall do next, from the row alone."""
    if row is None or row.attempt != attempt or row.stage not in AGENT_STAGES:
        return jsonify({"do": "stop"})
    if row.stage == Stage.RESTARTING and row.reboot:
        return jsonify({"do": "reboot"})
    return jsonify({"do": "continue"})


@routes.post(f"{protocol.PREFIX}/inventory")
def inventory() -> Response:
    """What a machine that nobody knows is; without a token, so only what its own address may say of it."""
    if (request.content_length or intake.LARGEST + 1) > intake.LARGEST:
        abort(404)
    site, address = _site(), request.remote_addr or ""
    if not site.settings.discovery.boot or not site.settings.is_ours(address):
        abort(404)
    if not INVENTORIES.allows(address):
        abort(503)  # the agent tries again
    if not intake.take(site, _message(protocol.Inventory), address):
        abort(404)
    return jsonify({"do": "reboot"})


@routes.post(f"{protocol.PREFIX}/progress")
def progress() -> Response:
    """Bytes are moving."""
    row, message = _holder(protocol.Progress)
    is_news = message.seq > row.progress.get("seq", -1)
    if row.stage == Stage.WRITING and row.attempt == message.attempt and is_news:
        row = _tell(_site(), row, "agent.progress", **protocol.dump(message)) or row
    if message.phase in ("reading back", "finishing"):
        _turns().release(row.id)
    elif message.phase == "writing":
        _turns().progress(row.id, message.done / max(1, message.total))
    return _do(row, message.attempt)


@routes.post(f"{protocol.PREFIX}/log")
def agent_log() -> Response:
    """Lines of the agent's log, kept in a file of the deployment."""
    row, message = _holder(protocol.Log)
    if not 0 < message.attempt <= row.attempt:
        return _do(None, message.attempt)
    folder = _site().settings.state / "logs"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{row.id}.{message.attempt}.agent.log"
    if not path.exists() or path.stat().st_size < 8 << 20:  # a flood cannot fill the disk
        with path.open("a", encoding="utf-8") as out:
            out.writelines(line.replace("\n", " ")[:2000] + "\n" for line in message.lines[:5000])
    return _do(row, message.attempt)


@routes.post(f"{protocol.PREFIX}/written")
def written() -> Response:
    """All is on the disk. Polled: only the first one is an event."""
    row, message = _holder(protocol.Written)
    _turns().release(row.id)
    if row.stage == Stage.WRITING and row.attempt == message.attempt:
        row = _tell(_site(), row, "agent.written", **protocol.dump(message)) or row
    elif row.stage == Stage.RESTARTING and row.reboot and row.sign != "agent.rebooting":
        row = _tell(_site(), row, "agent.rebooting") or row
    return _do(row, message.attempt)


@routes.post(f"{protocol.PREFIX}/failed")
def failed() -> Response:
    """Why the attempt cannot be finished."""
    row, message = _holder(protocol.Failed)
    _turns().release(row.id)
    if row.stage == Stage.WRITING and row.attempt == message.attempt:
        row = _tell(_site(), row, "agent.failed", **protocol.dump(message)) or row
    return _do(row, message.attempt)


@routes.get("/images/<ident>/<part>")
def image_part(ident: str, part: str) -> Response:
    """Manifest, signature and pack of the image that the token's deployment was ordered to write."""
    row, settings = _token_owner(), _site().settings
    if row.image != ident or row.stage not in AGENT_STAGES:
        abort(404)
    try:
        path = image_files.part_file(settings.state, ident, part)
    except NotFoundError:
        abort(404)
    if part != "pack" or request.method == "HEAD":
        return files.send(path)
    turns = _turns()
    if wait := turns.ask(row.id):
        return Response(str(wait), 503, {"Retry-After": f"{wait.ask_again:.1f}"}, mimetype="text/plain")
    if settings.images.accel:
        return files.hand_over(f"{settings.images.accel}/{path.relative_to(settings.state / 'images')}")
    response = files.send(path)
    turns.begin(row.id)
    response.call_on_close(lambda: turns.end(row.id))
    return response


def _turns() -> DownloadSlots:
    turns: DownloadSlots = current_app.config["TURNS"]
    return turns


class PhoneHome(BaseModel):
    """What the OS on the disk says of itself after its first boot."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    deployment: str = Field(max_length=40)
    token: str = Field(max_length=100)
    host_keys: list[str] = Field(max_length=8)
    image_id: str = Field("", max_length=100)
    image_version: str = Field("", max_length=100)
    root_disk: dict[str, Any] = {}
    machine_id: str = Field("", max_length=64)
    boot_id: str = Field("", max_length=64)


@routes.post("/phone-home/v1")
def phone_home() -> Response:
    """Evidence from the disk-booted OS; the token is worth nothing afterwards."""
    site = _site()
    try:
        message = PhoneHome.model_validate(body())
        row = site.database.deployments.get(message.deployment)
    except (ValidationError, ProvisionError):
        abort(404)
    if not token_fits(message.token, row.phone_hash) or row.stage != Stage.RESTARTING:
        abort(404)
    said = f"{message.image_id}@{message.image_version}"
    evidence = message.model_dump(exclude={"deployment", "token"}) | {"address": request.remote_addr or ""}
    if fault := _wrong_system(row, said, message.root_disk):
        _tell(site, row, "os.wrong", code=420, sentence=fault, hint=f"provision retry {row.host}", **evidence)
        abort(404)
    _tell(site, row, "os.phoned", **evidence)
    return jsonify({"do": "continue"})


def _wrong_system(row: Deployment, said: str, root_disk: dict[str, Any]) -> str:
    """In words, where the OS that came up is not the one that was written; else empty."""
    if said != row.image:
        return f"{row.host} came up with {said}, but {row.image} was written"
    wanted, found = str(row.disk.get("serial", "")), str(root_disk.get("serial", ""))
    if wanted and found and wanted != found:
        return f"{row.host} came up from disk {found}, but disk {wanted} was written"
    return ""
