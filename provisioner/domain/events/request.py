"""Events of requests that were refused, or that lead nowhere: evidence that a host's log keeps."""

from provisioner.domain.events.payload import Evidence
from provisioner.domain.purpose import ANY

SCRIPT = "its boot script"
PHONE_HOME = "the phone-home"


class RequestRefused(Evidence):
    """Who asked for what belongs to a host: what it was, from where, as which machine, why it got nothing.

    In the log of the host's deployment where one is under way, else in the host's own.
    """

    kind = "request.refused"
    meaning = "somebody asked for what was not his: refused"
    purposes = ANY
    is_noted = False
    same = ("what", "address", "mac", "serial", "uuid", "sentence")

    what: str = ""
    address: str = ""
    mac: str = ""
    serial: str = ""
    uuid: str = ""
    sentence: str = ""

    def describe(self) -> str:
        """What was refused to whom, and why."""
        who = filter(None, (self.mac, self.serial and f"serial {self.serial}", self.uuid))
        machine = ", ".join(who)
        return f"refused to {self.address}{f' ({machine})' if machine else ''}: {self.what}: {self.sentence}"


class NetbootLooping(Evidence):
    """The host asks for a network boot again and again, though nothing is ordered: it gets its own disk."""

    kind = "netboot.looping"
    meaning = "it asks for a network boot again and again, and gets its disk"
    same = ("address",)

    address: str = ""

    def describe(self) -> str:
        """What it does, and what to look at."""
        return (
            "it boots from the network again and again and is given its own disk each time: "
            "does that disk boot? See its console"
        )
