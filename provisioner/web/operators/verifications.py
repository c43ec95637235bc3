"""Verifications after a deployment: put to the worker with the key that is given, and asked for."""

import secrets

from provisioner.api.answer import EventQuery
from provisioner.api.deployments import DeploymentStatus
from provisioner.api.examinations import ExaminationAnswer, ExaminationOrder
from provisioner.api.verifications import (
    VerificationAnswer,
    VerificationOrder,
    VerificationStatus,
    is_verification_id,
)
from provisioner.deployment import plan, verification_order
from provisioner.domain.deployment import Deployment
from provisioner.domain.stage import RESTING
from provisioner.errors import NotFoundError, RefusedError, TransitionError
from provisioner.site.site import Site
from provisioner.state import ssh_keys
from provisioner.state.verifications import Verification
from provisioner.verify import expectation
from provisioner.verify import ssh as verify_ssh
from provisioner.web.request import await_change, the_caller, the_site


def order(body: VerificationOrder) -> VerificationAnswer:
    """Verify a host that is at rest, with an SSH key that is kept in memory and only until it has ended.

    The key goes to the worker before the row is committed, so that whoever reads the row finds the key.
    """
    site = the_site()
    host = plan.find_host(site, body.host)
    expectation.of_profile(site.database.profiles.get(host.profile), body.level)
    with ssh_keys.MemoryFile(body.key) as key:
        verify_ssh.require_usable(key.path)
        with site.database.writing():
            deployment = _require_free(site, host.name, is_placed=body.address is not None)
            row = Verification(
                id=f"v-{secrets.token_hex(8)}",
                host=host.name,
                deployment=deployment.id,
                created=site.clock(),
                user=body.user,
                by=the_caller().name,
                address=str(body.address or ""),
                level=body.level,
                seconds=body.seconds or 0,
            )
            site.database.verifications.add(row)
            ssh_keys.hand_over(site.settings.state, row.id, key.descriptor)
    return _answer(row)


def examine(body: ExaminationOrder) -> ExaminationAnswer:
    """Verify a host that is at rest from the ramdisk: it is restarted twice, nothing is written."""
    site = the_site()
    row = verification_order.arm(site, plan.find_host(site, body.host), by=the_caller().name)
    return ExaminationAnswer(deployment=DeploymentStatus.model_validate(row))


def show(ident: str, query: EventQuery) -> VerificationAnswer:
    """One of them, once it has more than `after` tasks, its burn-in went on, or `wait` seconds are over."""
    database = the_site().database
    before = database.verifications.get(ident)

    def has_more(row: Verification) -> bool:
        return row.state == "done" or len(row.tasks) > query.after or row.burnin != before.burnin

    return _answer(await_change(lambda: database.verifications.get(ident), has_more, query.wait))


def cancel(ident: str) -> VerificationAnswer:
    """End the one of this id, or of this host, that goes on with an SSH key; nothing of it stays there."""
    site = the_site()
    with site.database.writing():
        ended = _open_one(site, ident).cancelled(the_caller().name)
        site.database.verifications.put(ended)
    return _answer(ended)


def _open_one(site: Site, ident: str) -> Verification:
    """Raises NotFoundError (PV-575 and as `find_host`), TransitionError: it has ended."""
    verifications = site.database.verifications
    if is_verification_id(ident):
        row: Verification | None = verifications.get(ident)
        if row and row.state == "done":
            hint = f"provision certificate list {row.host}"
            raise TransitionError(f"{ident} of {row.host} has ended already", hint=hint)
    else:
        row = verifications.open_of(plan.find_host(site, ident).name)
    if row is None:
        hint = f"provision certificate list {ident} shows what was signed"
        raise NotFoundError(f"{ident} is not being verified with an SSH key", hint=hint, code=575)
    return row


def _answer(row: Verification) -> VerificationAnswer:
    return VerificationAnswer(verification=VerificationStatus.model_validate(row))


def _require_free(site: Site, host: str, *, is_placed: bool) -> Deployment:
    """The deployment whose SSH host keys the host must show; `is_placed`: its address is given.

    Raises RefusedError (PV-570): it is being deployed or verified; NotFoundError (PV-572): no such keys,
    or no address.
    """
    newest = site.database.deployments.last_order_of(host)
    if newest and newest.stage not in RESTING:
        raise RefusedError(
            f"{host} is being deployed (it is {newest.stage}), which ends with a verification of its own",
            hint=f"provision watch {host}; verify it when it is at rest",
            code=570,
        )
    if row := site.database.verifications.open_of(host):
        raise RefusedError(
            f"{host} is being verified already ({row.id})",
            hint=f"wait for it: provision certificate list {host}; or provision cancel {host}",
            code=570,
        )
    deployed = site.database.deployments.last_written(host)
    if deployed is None or not deployed.host_keys:
        raise NotFoundError(
            f"nothing is known of the SSH host key of {host}: it has not come up by a deployment of ours",
            hint="provision verify --local on the host itself needs neither key nor service",
            code=572,
        )
    if not (is_placed or deployed.address):
        raise NotFoundError(f"nobody knows the address of {host}", hint="--address IP", code=572)
    return deployed
