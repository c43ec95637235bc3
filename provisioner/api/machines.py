"""Machines that nobody knows yet: seen by DHCP, perhaps inventoried, and how one becomes a host."""

from provisioner.api.answer import Seconds, ServiceAnswer, WaitQuery
from provisioner.domain.host import Bmc, Host
from provisioner.domain.machine import UnknownMachine
from provisioner.domain.profile import Hints
from provisioner.domain.values import FrozenModel, Text


class MachineQuery(WaitQuery):
    """`after`: seconds since 1970; with `wait`, until a machine was seen later than that."""

    after: Seconds = 0


class MachineList(ServiceAnswer):
    """All of them, the last seen first, and the service's time `now`."""

    machines: tuple[UnknownMachine, ...]
    now: float


class MachineAnswer(ServiceAnswer):
    """One machine."""

    machine: UnknownMachine


class Adoption(FrozenModel):
    """What an inventory cannot say; `by` says who. Without a profile the only known one is taken."""

    name: str
    profile: str = ""
    serial: Text = ""
    rack: Text = ""
    bmc: Bmc = Bmc()
    disk: Hints | None = None


class MachineAssignment(FrozenModel):
    """The host whose machine it is: its name, serial or MAC.

    `shown` is that host when it was confirmed: it is refused (PV-146) where it is otherwise by now.
    """

    host: str
    shown: Host | None = None


class HostAdopted(ServiceAnswer):
    """The host that the machine has become."""

    host: Host
