"""What the DHCP service has found out about other servers, for the processes that ask for it."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from provisioner.state.connection import Table


@dataclass(frozen=True, slots=True)
class RogueServer:
    """A DHCP server that is not ours, as it was heard; times in seconds since 1970.

    `offer` is the address that it offered last, empty where it gives none; `boots` what it named to boot.
    """

    address: str
    mac: str
    interface: str
    offer: str = ""
    boots: str = ""
    since: float = 0.0
    heard: float = 0.0


_SERVERS = TypeAdapter(list[RogueServer])
_NAMES = TypeAdapter(list[str])


class Values(Table):
    """Single values of the service, each a row of JSON under its key."""

    def rogue_servers(self) -> list[RogueServer]:
        """The DHCP servers that are heard now and are not ours."""
        return _SERVERS.validate_json(self._text("dhcp.servers", "[]"))

    def put_rogue_servers(self, servers: Sequence[RogueServer]) -> None:
        """Replace the whole list."""
        self._put("dhcp.servers", _SERVERS.dump_json(list(servers)))

    def deaf_interfaces(self) -> list[str]:
        """The names of the interfaces on which other DHCP servers cannot be heard (no CAP_NET_RAW)."""
        return _NAMES.validate_json(self._text("dhcp.deaf", "[]"))

    def put_deaf_interfaces(self, names: Sequence[str]) -> None:
        """Replace the whole list."""
        self._put("dhcp.deaf", _NAMES.dump_json(list(names)))

    def _text(self, key: str, default: str) -> str:
        row = self._connection.fetch_one("SELECT value FROM service WHERE key = ?", key)
        return str(row["value"]) if row else default

    def _put(self, key: str, value: bytes) -> None:
        with self._connection.writing() as db:
            db.execute("INSERT OR REPLACE INTO service VALUES (?, ?)", [key, value.decode()])
