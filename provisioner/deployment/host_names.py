"""What a host was called before: the system on its disk still says so."""

from itertools import takewhile

from provisioner.domain.events.inventory import HostMoved, HostRemoved, HostRenamed
from provisioner.domain.host import Host
from provisioner.site.site import Site

MOST = 64  # events that are looked at


def of(site: Site, host: Host) -> list[str]:
    """Its name, then those that it, or its machine, had, as far as no other host is called so now.

    A host that was removed, and one that was added later under its name, are two.
    """
    taken = {other.name for other in site.database.hosts.all()}
    notes = [event.data for event in site.database.events.of_host(host.name, MOST)]
    own = takewhile(lambda note: not isinstance(note, HostRemoved), notes)
    before = [note.before for note in own if isinstance(note, HostRenamed | HostMoved)]
    return list(dict.fromkeys([host.name, *(name for name in before if name not in taken)]))
