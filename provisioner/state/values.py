"""What the DHCP service has found out about other servers, for the processes that ask for it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

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
_NUMBER = TypeAdapter(int)
_NAMES = TypeAdapter(list[str])
_WORDS = TypeAdapter(dict[str, list[str]])
_Item = TypeVar("_Item")


class Values(Table):
    """Single values of the service, each a row of JSON under its key."""

    NOUN = "the value"
    HINT = "the DHCP service writes it anew when it is started"

    def rogue_servers(self) -> list[RogueServer]:
        """The DHCP servers that are heard now and are not ours. Raises UnreadableError (PV-612)."""
        return self._value("dhcp.servers", _SERVERS.validate_json)

    def put_rogue_servers(self, servers: Sequence[RogueServer]) -> None:
        """Replace the whole list."""
        self._put("dhcp.servers", _SERVERS.dump_json(list(servers)))

    def deaf_interfaces(self) -> list[str]:
        """The interfaces on which other servers cannot be heard (no CAP_NET_RAW). Raises as the other."""
        return self._value("dhcp.deaf", _NAMES.validate_json)

    def put_deaf_interfaces(self, names: Sequence[str]) -> None:
        """Replace the whole list."""
        self._put("dhcp.deaf", _NAMES.dump_json(list(names)))

    def weak_logins(self) -> dict[str, list[str]]:
        """By host, in words, what makes the login of its BMC weak, as it was last tested."""
        row = self._connection.fetch_one("SELECT value FROM service WHERE key = ?", "bmc.weak")
        return self._read(str(row["value"]), _WORDS.validate_json, "bmc.weak") if row else {}

    def put_weak_login(self, host: str, words: list[str], *, whole: bool) -> None:
        """What was found at a host's BMC; unless it was `whole`, what was found before stays beside it."""
        if self._with(host, words, whole=whole) == self.weak_logins():
            return  # as it mostly is: nothing need be written
        with self._connection.writing() as db:
            now = _WORDS.dump_json(self._with(host, words, whole=whole)).decode()
            db.execute("INSERT OR REPLACE INTO service VALUES (?, ?)", ["bmc.weak", now])

    def told_until(self, webhook: str) -> int | None:
        """The id of the last event that a webhook has taken or that was given up; None where it is new."""
        row = self._connection.fetch_one("SELECT value FROM service WHERE key = ?", f"webhook.{webhook}")
        return self._read(str(row["value"]), _NUMBER.validate_json, f"webhook.{webhook}") if row else None

    def put_told_until(self, webhook: str, event: int) -> None:
        """Likewise, inside the caller's transaction."""
        self._connection.require_transaction()
        sql = "INSERT OR REPLACE INTO service VALUES (?, ?)"
        self._connection.db.execute(sql, [f"webhook.{webhook}", str(event)])

    def _with(self, host: str, words: list[str], *, whole: bool) -> dict[str, list[str]]:
        known = self.weak_logins()
        before = [] if whole else known.get(host, [])
        changed = {**known, host: list(dict.fromkeys([*before, *words]))}
        return {name: said for name, said in changed.items() if said}

    def _value(self, key: str, make: Callable[[str], list[_Item]]) -> list[_Item]:
        row = self._connection.fetch_one("SELECT value FROM service WHERE key = ?", key)
        return self._read(str(row["value"]), make, key) if row else []

    def _put(self, key: str, value: bytes) -> None:
        with self._connection.writing() as db:
            db.execute("INSERT OR REPLACE INTO service VALUES (?, ?)", [key, value.decode()])
