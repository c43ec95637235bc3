"""Why a deployment waits, named while it waits: one function for each cause, over what was observed.

Slow firmware is no cause. Where only silence speaks, a function waits for as long as healthy machines may be
silent there, which a profile's own history says better than we do; where a packet or a BMC's word speaks, it
says so at once. When a stage's deadline has passed, the same functions say why, and wait no longer.
"""

from collections.abc import Callable

from provisioner.diagnosis import dhcp, first_boot, netboot, power, service, verification, writing
from provisioner.diagnosis.ending import ended
from provisioner.diagnosis.observations import Observations, observe
from provisioner.domain.cause import Cause
from provisioner.domain.deployment import Deployment
from provisioner.domain.stage import RESTING, UNSUCCESSFUL
from provisioner.site.site import Site

# the most certain first
CAUSES: tuple[Callable[[Observations], Cause | None], ...] = (
    service.own_disk_full,
    service.worker_silent,
    power.bmc_delays,
    dhcp.rogue_server,
    dhcp.other_offer_taken,
    netboot.script_denied,
    dhcp.no_boot_file,
    dhcp.wrong_port,
    power.own_system_booted,
    power.boot_device_refused,
    dhcp.offers_ignored,
    netboot.transfer_broke,
    netboot.file_refused,
    netboot.ipxe_silent,
    netboot.nothing_fetched,
    netboot.netboot_loops,
    netboot.kernel_not_fetched,
    netboot.agent_silent,
    netboot.installer_silent,
    netboot.seed_unread,
    dhcp.unheard,
    power.button_not_pressed,
    power.bmc_unconfirmed,
    power.power_lost,
    writing.installer_unwinds,
    writing.agent_quiet,
    writing.stands_still,
    writing.slow_among_peers,
    writing.unfinished,
    first_boot.mode_changed,
    first_boot.phone_home_refused,
    first_boot.not_restarted,
    first_boot.network_again,
    first_boot.another_system,
    first_boot.phone_home_absent,
    first_boot.disk_not_chosen,
    first_boot.nothing_reported,
    verification.host_key_changed,
    verification.login_denied,
    verification.ssh_no_answer,
    verification.ssh_unreachable,
    verification.never_ended,
    service.no_slot,
)


def judge(seen: Observations) -> tuple[Cause, ...]:
    """The causes that the evidence names, the most certain first; of one that failed, why.

    None for what is paused, which waits for a person, and for what is ready or was cancelled.
    """
    return tuple(_advised(seen.row, cause) for cause in _causes(seen))


def _advised(row: Deployment, cause: Cause) -> Cause:
    return cause.model_copy(update={"actions": tuple(map(row.advise, cause.actions))})


def _causes(seen: Observations) -> tuple[Cause, ...]:
    if seen.row.stage in RESTING:
        return ended(seen) if seen.row.stage in UNSUCCESSFUL else ()
    if seen.row.paused:
        return ()
    named = (cause for each in CAUSES if (cause := each(seen)))
    return (*verification.findings(seen), *named)


def causes_of(site: Site, row: Deployment) -> tuple[Cause, ...]:
    """Likewise, of what is known now."""
    return judge(observe(site, row))
