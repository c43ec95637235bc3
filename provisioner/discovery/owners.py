"""Which known host a machine is that nobody seems to know: by its numbers, never against one of them."""

from provisioner.domain.hardware import HardwareFacts
from provisioner.domain.host import Host
from provisioner.domain.identity import MachineIdentity, Match, compare_serials, serial, uuid, uuid_key
from provisioner.state.database import Database


class Owners:
    """The known hosts as they are now, for some questions in a row.

    A machine of which one `card` is known is a host that has reported all of its cards only if that is one of
    them, or if serial and UUID both are the host's: of one number alone there may be many.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._hosts = {host.name: host for host in database.hosts.all()}
        self._by_uuid = database.hosts.names_by_uuid()

    def by_uuid(self, said: MachineIdentity, card: str = "") -> str:
        """The host that has its UUID in either byte order; empty for none."""
        name = self._by_uuid.get(uuid_key(said.uuid), "")
        return name if name in self._hosts and self._can_be(self._hosts[name], said, card) else ""

    def by_serial(self, said: MachineIdentity, card: str = "") -> str:
        """The host that has its serial; empty for none."""
        named = (
            host.name
            for host in self._hosts.values()
            if compare_serials(host.serial, said.serial) is Match.SAME and self._can_be(host, said, card)
        )
        return next(named, "")

    def is_other(self, name: str, said: MachineIdentity) -> bool:
        """Whether a machine that names a MAC of this host is not the host: the MAC is that of many."""
        host = self._hosts.get(name)
        return host is not None and self._known(host).without_common(said) is Match.DIFFERENT

    def _can_be(self, host: Host, said: MachineIdentity, card: str) -> bool:
        known = self._known(host)
        if known.compare(said) is Match.DIFFERENT:
            return False
        is_new = bool(card and known.macs) and card not in known.macs
        return not is_new or known.shares_both_numbers(said)

    def _known(self, host: Host) -> MachineIdentity:
        facts = self._database.hosts.hardware(host.name) or HardwareFacts()
        return MachineIdentity(
            serial=serial(host.serial) or serial(facts.serial),
            uuid=uuid(host.uuid) or uuid(facts.uuid),
            macs=facts.macs,
        )
