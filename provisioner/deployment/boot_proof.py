"""Which hosts may be restarted to see their firmware start the disk that was written, and why not."""

from collections.abc import Iterable

from provisioner.deployment import admission
from provisioner.domain.deployment import Deployment
from provisioner.domain.host import Host
from provisioner.domain.refusal import Refusal
from provisioner.domain.stage import Stage
from provisioner.power import registry
from provisioner.site.site import Site

ACTION = "prove-boot"  # of a request to the worker


def refusal(site: Site, host: Host) -> Refusal | None:
    """Why it may not be; None where it may.

    PV-131 locked, PV-132 under way, PV-570 verified over SSH, PV-670 another DHCP server; PV-430 not ready,
    PV-431 nothing would show it.
    """
    for against in admission.refusals_of_verification(site, host):
        return against
    row = site.database.deployments.last_readable(host.name)
    if row is None or row.stage != Stage.READY:
        state = row.stage if row else "was never deployed"
        return Refusal(
            code=430,
            sentence=f"{host.name} {'is ' if row else ''}{state}, not ready: there is no disk to prove",
            hint=f"provision status {host.name}; a host is restarted so only after its deployment",
        )
    if not registry.find(host.bmc.driver, host.name).has_bmc:
        return _unseen(host, "has no BMC that could switch it off and say so", "restart it by hand and look")
    if not row.host_keys or not row.address:
        return _unseen(host, "told no SSH host key by which its system would be known", "deploy it again")
    return None


def _unseen(host: Host, why: str, hint: str) -> Refusal:
    return Refusal(code=431, sentence=f"{host.name} {why}, so nothing would be proven", hint=hint)


def provable(site: Site, host: Host) -> Deployment:
    """The deployment that it is about. Raises what `refusal` says, as an error."""
    if against := refusal(site, host):
        admission.raise_first([against])
    row = site.database.deployments.last_readable(host.name)
    assert row is not None  # noqa: S101  nothing is refused
    return row


def wanting(site: Site, hosts: Iterable[Host]) -> list[Host]:
    """Those that are ready, and whose firmware was not seen yet to start the disk."""
    rows = site.database.deployments.last_of_each(brief=True)
    return [host for host in hosts if is_wanting(rows.get(host.name))]


def is_wanting(row: Deployment | None) -> bool:
    """Whether it is ready, and its firmware was not seen yet to start the disk."""
    return row is not None and row.stage == Stage.READY and row.lacks_firmware_boot
