"""TELL: the only writer of deployment state: check the table, append the event, update the row, at once."""

import hmac
import logging
import secrets
from collections.abc import Callable
from typing import Any

from provisioner.deployment.order import _event
from provisioner.domain.deployment import Deployment
from provisioner.domain.lifecycle import MOST_ATTEMPTS, deadline, following
from provisioner.domain.stage import RESTING, Stage
from provisioner.errors import TransitionError
from provisioner.site.site import Site
from provisioner.state.recording import Recording
from provisioner.state.redaction import redact_text

log = logging.getLogger(__name__)

Changes = dict[str, Any]


def record(site: Site, ident: str, kind: str, *, source: str, **data: Any) -> Deployment:
    """Let `kind` happen to a deployment; the new row.

    Raises:
        TransitionError: the stage does not expect it; nothing was changed.
        NotFoundError: no such deployment.
    """
    now = site.clock()
    with site.database.writing():
        row = site.database.deployments.get(ident)
        after = following(row.stage, kind)
        refusal = "" if after is None else _guard(row, kind, data)
        if after is None or refusal:
            log.info("%s: %s refused at %s %s", ident, kind, row.stage, refusal)
            raise TransitionError(f"{ident} is {row.stage}: {refusal or f'{kind} is not expected now'}")
        if after in (Stage.FAILED, Stage.REJECTED):
            data["console"] = _last_words(site, row)
        row = _moved(site, row, after, kind, data, now)
        site.database.deployments.put(row)
        site.database.events.add(_event(row, kind, source, data, now))
        if row.stop_after and after not in (*RESTING, Stage(row.stop_after)) and _is_past(row):
            row = _moved(site, row, Stage.CANCELLED, "stage.held", {"stage": row.stop_after}, now)
            site.database.deployments.put(row)
            site.database.events.add(_event(row, "stage.held", "order", {"stage": row.stop_after}, now))
    return row


def _last_words(site: Site, row: Deployment) -> list[str]:
    """What the serial console said last: evidence of every failure. It shows the kernel's arguments too."""
    try:
        said = Recording(site.settings.state, row.id).last_words()
    except OSError as fault:  # evidence, never a condition: the failure itself must be recorded
        return [f"the recorded console cannot be read: {fault.strerror}"]
    return [redact_text(line, row.nonce) for line in said]


def _is_past(row: Deployment) -> bool:
    order = list(Stage)
    return order.index(row.stage) > order.index(Stage(row.stop_after))


def _guard(row: Deployment, kind: str, data: Changes) -> str:
    """Why this event is refused although its stage expects the kind; empty when it is not."""
    if kind == "agent.hello":
        if not hmac.compare_digest(str(data["nonce"]), row.nonce or secrets.token_hex()):
            return "the nonce is wrong or was used"
        if row.stage == Stage.WRITING and data["boot_id"] != row.agent_boot_id:
            return "the nonce was used by another boot"
    if kind == "installer.began" and not hmac.compare_digest(
        str(data["nonce"]), row.nonce or secrets.token_hex()
    ):
        return "the nonce is wrong or was used"
    if kind.startswith("installer.") and not row.is_installed:
        return "this order is not for an installer"
    if kind == "agent.hello" and row.is_installed:
        return "this order is for the installer"
    if kind in ("agent.silent", "netboot.again") and row.attempt >= MOST_ATTEMPTS:
        return f"{MOST_ATTEMPTS} attempts were made"
    return ""


def _moved(site: Site, row: Deployment, after: Stage, kind: str, data: Changes, now: float) -> Deployment:
    """The row after the event: its effects, the new stage and its deadline."""
    changes: Changes = {"last_sign": now, "sign": kind}
    if effect := EFFECTS.get(kind):
        changes |= effect(row, data, now)
    if after != row.stage:
        profile = site.database.profiles.get(site.database.hosts.get(row.host).profile)
        changes |= {
            "stage": after,
            "stage_since": now,
            "deadline": deadline(after, profile, now, row.expires),
        }
        if after in RESTING:
            changes |= {
                "nonce": "",
                "token_hash": "" if after == Stage.READY else row.token_hash,
                "phone_hash": "",
            }
    return row.model_copy(update=changes)


def _began(row: Deployment, data: Changes, now: float) -> Changes:
    return {"nonce": data["nonce"], "power_on": now, "attempt": max(row.attempt, 1), "reboot": False}


def _hello(row: Deployment, data: Changes, now: float) -> Changes:
    return {
        "token_hash": data["token_hash"],
        "phone_hash": data["phone_hash"],
        "agent_boot_id": data["boot_id"],
        "serial": row.serial or data.get("serial", ""),
        "progress": {},
        "attempt": max(row.attempt, 1),
    }


def _installer(row: Deployment, data: Changes, now: float) -> Changes:
    fresh = {"progress": {}, "disk": {}, "agent_boot_id": "", "attempt": max(row.attempt, 1)}
    return {"phone_hash": data["phone_hash"], **fresh}


def _progress(row: Deployment, data: Changes, now: float) -> Changes:
    return {"progress": data}


def _again(row: Deployment, data: Changes, now: float) -> Changes:
    return {"nonce": "", "token_hash": "", "phone_hash": "", "attempt": row.attempt + 1, "progress": {}}


def _written(row: Deployment, data: Changes, now: float) -> Changes:
    return {"disk": data["disk"]} if "disk" in data else {}


def _phoned(row: Deployment, data: Changes, now: float) -> Changes:
    keys = tuple(data["host_keys"])
    return {"phone_hash": "", "token_hash": "", "nonce": "", "host_keys": keys, "address": data["address"]}


def _reason(row: Deployment, data: Changes, now: float) -> Changes:
    return {
        "code": data.get("code", 0),
        "reason": data.get("sentence", ""),
        "hint": data.get("hint", ""),
        "verdict": data.get("verdict", row.verdict),
    }


def _shifted(row: Deployment, data: Changes, now: float) -> Changes:
    seconds = float(data["seconds"])
    return {
        "deadline": row.deadline + seconds,
        "expires": row.expires + seconds,
        "last_sign": row.last_sign + seconds,
        "sign": row.sign,
    }


# What an event changes in the row beside its stage.
EFFECTS: dict[str, Callable[[Deployment, Changes, float], Changes]] = {
    "power.began": _began,
    "agent.hello": _hello,
    "agent.progress": _progress,
    "installer.began": _installer,
    "installer.progress": _progress,
    "installer.disk": lambda row, data, now: {
        "disk": data["disk"],
        "agent_boot_id": data["boot_id"],
        "serial": row.serial or data.get("serial", ""),
    },
    "installer.failed": _reason,
    "agent.silent": _again,
    "netboot.again": _again,
    "agent.written": _written,
    "disk.chosen": lambda row, data, now: {"reboot": True},
    "os.phoned": _phoned,
    "verify.passed": lambda row, data, now: {"verdict": data.get("verdict", {})},
    "verify.rejected": _reason,
    "verify.failed": _reason,
    "seal.failed": _reason,
    "power.failed": _reason,
    "agent.failed": _reason,
    "os.wrong": _reason,
    "deadline.passed": _reason,
    "run.stopped": _reason,
    "order.cancelled": lambda row, data, now: {"reason": f"cancelled by {data['by']}"},
    "stage.held": lambda row, data, now: {"reason": f"stopped after {data['stage']}, as ordered"},
    "console.lost": lambda row, data, now: {"last_sign": row.last_sign, "sign": row.sign},
    "clock.gap": _shifted,
}
