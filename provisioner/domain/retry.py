"""The same order once more: what it may be done of, and the terms that hold again."""

from collections.abc import Iterable

from provisioner.domain.deployment import PublicDeployment, Terms
from provisioner.domain.event import Event
from provisioner.domain.events.order import OrderArmed
from provisioner.domain.host import Host
from provisioner.domain.identity import MachineIdentity
from provisioner.errors import RefusedError


def terms_of(row: PublicDeployment, events: Iterable[Event]) -> Terms:
    """Those of its order, all of them; where nobody can read that event, what its row says."""
    ordered = (event.data for event in events if isinstance(event.data, OrderArmed))
    found = next(ordered, None)
    return found.terms if found else Terms(write_mode=row.write_mode, erase_foreign=row.erase_foreign)


def require_deployment(row: PublicDeployment) -> None:
    """Raises RefusedError (PV-576) for a verification: its host's disk was never meant."""
    if row.is_verification:
        raise RefusedError(
            f"{row.id} is a verification of {row.host}, retry would erase its disk; nothing was ordered",
            hint=f"provision verify {row.host}; if its disk is meant: provision deploy {row.host}",
            code=576,
        )


def require_same_machine(row: PublicDeployment, host: Host) -> None:
    """Raises RefusedError (PV-142) where the host, as the inventory has it now, is another machine."""
    machine = MachineIdentity(serial=host.serial, uuid=host.uuid, macs=host.macs)
    if differences := machine.differences(row.machine):
        raise RefusedError(
            f"{row.host} is another machine than {row.id} was ordered for: {'; '.join(differences)};"
            " nothing was ordered",
            hint=f"if it is meant all the same: provision deploy {row.host}",
            code=142,
        )
