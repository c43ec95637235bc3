"""Restarts of hosts by which it is seen that their firmware starts the disk that was written."""

from provisioner.api.boot_proofs import BootProofOrder, BootProofOrdered, BootProofsOrdered
from provisioner.deployment import boot_proof, plan
from provisioner.deployment.runs import select_hosts
from provisioner.domain.audit import Kind
from provisioner.domain.host import Host
from provisioner.errors import InputError
from provisioner.site.site import Site
from provisioner.web.request import the_caller, the_site


def order(body: BootProofOrder) -> BootProofsOrdered:
    """Let the worker restart hosts and wait for their systems; what is refused is said for each."""
    site = the_site()
    hosts = _meant(site, body)
    return BootProofsOrdered(proofs=tuple(_order(site, host, dry_run=body.dry_run) for host in hosts))


def _meant(site: Site, body: BootProofOrder) -> list[Host]:
    """Raises InputError (PV-103, PV-104), NotFoundError."""
    if body.hosts and not (body.select or body.all):
        found = {host.name: host for host in (plan.find_host(site, name) for name in body.hosts)}
        return [found[name] for name in sorted(found)]
    if body.hosts:
        raise InputError("some hosts by name or many, not both", hint="drop HOST, or --select and --all")
    return boot_proof.wanting(site, select_hosts(site, body.select, everything=body.all))


def _order(site: Site, host: Host, *, dry_run: bool) -> BootProofOrdered:
    """One that is under way is not begun again: its number is answered."""
    if under_way := site.database.requests.open_of(host.name, boot_proof.ACTION):
        return BootProofOrdered(host=host.name, request=under_way.id)
    if against := boot_proof.refusal(site, host):
        return BootProofOrdered(host=host.name, refusal=against)
    if dry_run:
        return BootProofOrdered(host=host.name)
    words = f"{boot_proof.ACTION}: power off, then on"
    entry = the_caller().origin.entry(
        Kind.POWER, site.clock(), host=host.name, what=words, sentence="ordered"
    )
    number = site.database.requests.ask(host.name, boot_proof.ACTION, "", site.clock(), entry)
    return BootProofOrdered(host=host.name, request=number)
