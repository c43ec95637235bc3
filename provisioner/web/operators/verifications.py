"""Verifications after a deployment: put to the worker with the key that is given, and asked for."""

import secrets

from provisioner.api.answer import EventQuery
from provisioner.api.deployments import DeploymentStatus
from provisioner.api.verifications import (
    ExaminationAnswer,
    ExaminationOrder,
    VerificationAnswer,
    VerificationOrder,
    VerificationStatus,
)
from provisioner.deployment import plan, verification_order
from provisioner.domain.deployment import Deployment
from provisioner.domain.stage import RESTING
from provisioner.errors import NotFoundError, RefusedError
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
            deployment = _require_free(site, host.name)
            row = Verification(
                id=f"v-{secrets.token_hex(8)}",
                host=host.name,
                deployment=deployment.id,
                created=site.clock(),
                user=body.user,
                by=the_caller().name,
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


def _answer(row: Verification) -> VerificationAnswer:
    return VerificationAnswer(verification=VerificationStatus.model_validate(row.model_dump()))


def _require_free(site: Site, host: str) -> Deployment:
    """The deployment whose SSH host keys the host must show.

    Raises RefusedError (PV-570): it is being deployed or verified; NotFoundError (PV-572): no such keys.
    """
    newest = site.database.deployments.last_order_of(host)
    if newest and newest.stage not in RESTING:
        raise RefusedError(
            f"{host} is being deployed (it is {newest.stage}), which ends with a verification of its own",
            hint=f"provision watch {host}; verify it when it is at rest",
            code=570,
        )
    if any(row.host == host for row in site.database.verifications.open()):
        raise RefusedError(
            f"{host} is being verified already",
            hint=f"wait for it: provision certificate list {host}",
            code=570,
        )
    deployed = site.database.deployments.last_written(host)
    if deployed is None or not deployed.host_keys or not deployed.address:
        raise NotFoundError(
            f"nothing is known of the SSH host key of {host}: it has not come up by a deployment of ours",
            hint="provision verify --local on the host itself needs neither key nor service",
            code=572,
        )
    return deployed
