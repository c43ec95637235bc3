"""Opens loops where they cannot be opened: on a port that is taken, and without an interface."""

from provisioner.errors import ServiceError
from provisioner.services.dhcp.listener import DhcpListener
from provisioner.services.dhcp.loop import DhcpLoop
from tests.wire.services.dhcp.programs.loop_lab import SERVER, LoopLab


def fault(lab: LoopLab, interface: str) -> list[object] | None:
    """What opening a loop there raises."""
    try:
        DhcpLoop([DhcpListener(interface, SERVER)], lab.respond, lab.observe)
    except ServiceError as error:
        return [str(error), error.hint, error.code]
    return None


with LoopLab() as lab:
    lab.results["taken"] = fault(lab, "near")
    lab.results["missing"] = fault(lab, "eth9")
    # another interface, the same port
    second = DhcpLoop([DhcpListener("other", SERVER)], lab.respond, lab.observe)
    second.close()
