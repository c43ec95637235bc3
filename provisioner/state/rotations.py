"""Passwords of BMCs that are changed: each host's own login, and how far another one for it has come.

A host's BMC is logged in to by its own login where it has one for the name that the inventory says, else by
the login of that name, which other hosts may share. `next` is a login that the BMC may or may not have taken:
it is kept before anything is sent, and the one before stays until a login with `next` has worked.
"""

from typing import Literal

from provisioner.domain.host import Host
from provisioner.domain.values import FrozenModel
from provisioner.state.connection import Connection, Row, Table
from provisioner.state.sealed_secrets import OWN_BMC_LOGIN

State = Literal["done", "sent"]


class Rotation(FrozenModel):
    """One host; `login` and `next` are names of own logins, empty for none. Time in seconds since 1970.

    `state` is `sent` while it is not known whether the BMC has taken `next`; one that it has not is kept.
    """

    host: str
    secret: str
    login: str = ""
    next: str = ""
    state: State = "done"
    changed: float = 0


class Rotations(Table):
    """By host."""

    NOUN = "the rotation of the BMC's password"
    HINT = "provision bmc secret NAME --user USER gives a login anew"

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)

    def of(self, host: Host) -> Rotation:
        """What is known of a host's BMC; of another name in the inventory than now, nothing."""
        row = self._connection.fetch_one("SELECT * FROM bmc_rotations WHERE host = ?", host.name)
        found = self._read(row, _rotation, host.name) if row else None
        if found is None or found.secret != host.bmc.secret:
            return Rotation(host=host.name, secret=host.bmc.secret)
        return found

    def all(self) -> list[Rotation]:
        """Every host that has one."""
        rows = self._connection.rows("SELECT * FROM bmc_rotations ORDER BY host")
        return self._readable(rows, _rotation, lambda row: str(row["host"]))

    def put(self, rotation: Rotation) -> None:
        """Keep it, inside the caller's transaction."""
        self._connection.require_transaction()
        sql = """INSERT OR REPLACE INTO bmc_rotations (host, secret, login, next, state, changed)
                 VALUES (:host, :secret, :login, :next, :state, :changed)"""
        self._connection.db.conn.execute(sql, rotation.model_dump())

    def forget(self, host: str) -> None:
        """A host's own logins go, inside the caller's transaction."""
        self._connection.require_transaction()
        sql = """DELETE FROM secrets WHERE kind = ? AND EXISTS
                 (SELECT 1 FROM bmc_rotations WHERE host = ? AND secrets.name IN (login, next))"""
        self._connection.db.execute(sql, [OWN_BMC_LOGIN, host])
        self._connection.db.execute("DELETE FROM bmc_rotations WHERE host = ?", [host])

    def rename(self, before: str, host: str) -> None:
        """What was of one host is of another, inside the caller's transaction; what that one had is gone."""
        self.forget(host)
        self._connection.db.execute("UPDATE bmc_rotations SET host = ? WHERE host = ?", [host, before])


def _rotation(row: Row) -> Rotation:
    return Rotation.model_validate(dict(row))
