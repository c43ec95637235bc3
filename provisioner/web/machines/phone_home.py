"""The one report of the system on the disk, after its first boot."""

import logging
from typing import Annotated

from flask import Response, abort, jsonify
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from provisioner.deployment.record import pause, try_record
from provisioner.deployment.tokens import token_fits
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.request import PHONE_HOME
from provisioner.domain.events.system import OsPhoned, OsWrong
from provisioner.domain.identity import DiskIdentity, Match
from provisioner.domain.stage import Stage
from provisioner.domain.values import LONGEST_READABLE, Count, Readable, Words
from provisioner.errors import ProvisionError
from provisioner.site import lan
from provisioner.web.machines.refusals import note_refused, note_refused_here
from provisioner.web.request import client_address, json_body, the_site

log = logging.getLogger(__name__)


class PhonedDisk(BaseModel):
    """The disk below the root file system; `size` in bytes."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True, coerce_numbers_to_str=True)

    name: Words = ""
    serial: Readable = Field("", max_length=200)
    wwn: Readable = Field("", max_length=200)
    size: Count = 0


class PhoneHome(BaseModel):
    """What the OS on the disk says of itself after its first boot."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    deployment: Readable = Field(max_length=40)
    token: Readable = Field(max_length=100)
    host_keys: list[Annotated[Readable, Field(max_length=LONGEST_READABLE)]] = Field(max_length=8)
    image_id: Readable = Field("", max_length=100)
    image_version: Readable = Field("", max_length=100)
    root_disk: PhonedDisk = PhonedDisk()
    machine_id: Readable = Field("", max_length=64)
    boot_id: Readable = Field("", max_length=64)
    loader: Annotated[Count, Field(le=0xFFFF)] | None = None
    kexec: bool = False


def phone_home() -> Response:
    """Evidence from the disk-booted OS; afterwards the token is worth the same answer to the same report."""
    site = the_site()
    try:
        message = PhoneHome.model_validate(json_body())
        row = site.database.deployments.get(message.deployment)
    except (ValidationError, ProvisionError):
        note_refused_here(PHONE_HOME, "this is no phone-home of a deployment that is known")
        abort(404)
    if not token_fits(message.token, row.phone_hash):
        note_refused(row.host, PHONE_HOME, "its token is wrong, or worth nothing any more")
        abort(404)
    if not lan.host_has_address(site, site.database.hosts.get(row.host), client_address()):
        log.warning("%s: its phone-home's token is used from %s, and refused", row.host, client_address())
        pause(site, row.id, f"its phone-home's token was used from {client_address()}", client_address())
        note_refused(row.host, PHONE_HOME, "its token, not from its own address")
        abort(404)
    if row.stage != Stage.RESTARTING:
        return _again(row, message)
    evidence = message.model_dump(exclude={"deployment", "token"}) | {"address": client_address()}
    if fault := _wrong_system(row, message):
        wrong = OsWrong(code=420, sentence=fault, hint=f"provision retry {row.host}", **evidence)
        try_record(site, row.id, wrong, source="machine")
        abort(404)
    try_record(site, row.id, OsPhoned(**evidence), source="machine")
    return jsonify({"do": "continue"})


def _again(row: Deployment, message: PhoneHome) -> Response:
    """The answer of the first time for the same report: it was lost on the way. 404 for any other."""
    was_heard = row.stage in (Stage.VERIFYING, Stage.SEALING)
    sender = (row.host_keys, row.address)
    if not was_heard or sender != (tuple(message.host_keys), client_address()):
        note_refused(
            row.host, PHONE_HOME, f"the deployment is {row.stage}, and this is not what was said before"
        )
        abort(404)
    if _wrong_system(row, message):
        abort(404)
    return jsonify({"do": "continue"})


def _wrong_system(row: Deployment, message: PhoneHome) -> str:
    """In words, where the OS that came up is not the one that was written; else empty."""
    image = f"{message.image_id}@{message.image_version}"
    if image != row.image:
        return f"{row.host} came up with {image}, but {row.image} was written"
    wanted = DiskIdentity(row.disk.serial, row.disk.wwn)
    reported = DiskIdentity(message.root_disk.serial, message.root_disk.wwn)
    if wanted.compare(reported) is Match.DIFFERENT:
        return f"{row.host} came up from disk {reported}, but disk {wanted} was written"
    return ""
