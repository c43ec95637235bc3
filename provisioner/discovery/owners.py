"""Which known host a machine is that nobody seems to know: by its numbers, never against one of them."""

from provisioner.domain.hardware import HardwareFacts
from provisioner.domain.host import Host
from provisioner.domain.identity import MachineIdentity, Match, compare_serials, serial, uuid, uuid_key
from provisioner.state.database import Database


class Owners:
    """The known hosts as they are now, for some questions in a row."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._hosts = {host.name: host for host in database.hosts.all()}
        self._by_uuid = database.hosts.names_by_uuid()

    def by_uuid(self, said: MachineIdentity) -> str:
        """The host that has its UUID in either byte order; empty for none."""
        name = self._by_uuid.get(uuid_key(said.uuid), "")
        return name if name in self._hosts and self._can_be(self._hosts[name], said) else ""

    def by_serial(self, said: MachineIdentity) -> str:
        """The host that has its serial; empty for none."""
        named = (
            host.name
            for host in self._hosts.values()
            if compare_serials(host.serial, said.serial) is Match.SAME and self._can_be(host, said)
        )
        return next(named, "")

    def is_other(self, name: str, said: MachineIdentity) -> bool:
        """Whether a machine that names a MAC of this host is not the host: the MAC is that of many."""
        host = self._hosts.get(name)
        return host is not None and _without_common(self._known(host), said) is Match.DIFFERENT

    def _can_be(self, host: Host, said: MachineIdentity) -> bool:
        return self._known(host).compare(said) is not Match.DIFFERENT

    def _known(self, host: Host) -> MachineIdentity:
        facts = self._database.hosts.hardware(host.name) or HardwareFacts()
        return MachineIdentity(
            serial=serial(host.serial) or serial(facts.serial),
            uuid=uuid(host.uuid) or uuid(facts.uuid),
            macs=facts.macs,
        )


def _without_common(one: MachineIdentity, other: MachineIdentity) -> Match:
    """What their numbers say, aside from the cards that both name."""
    common = set(one.macs) & set(other.macs)
    left, right = (
        MachineIdentity(who.serial, who.uuid, tuple(mac for mac in who.macs if mac not in common))
        for who in (one, other)
    )
    return left.compare(right)
