"""People who may use the service: their roles, and the hashes of their passwords."""

from pydantic import Field

from provisioner.domain.person import ROOT, Role, UserName
from provisioner.domain.values import FrozenModel
from provisioner.errors import NotFoundError
from provisioner.state.connection import Table, first_of, insertion

SELECT = "SELECT name, role, password, created, created_by FROM users"


class UserRow(FrozenModel):
    """One of them; `password` is its hash, empty where there is none: then only Linux proves the name."""

    name: UserName
    role: Role
    password: str = Field("", repr=False)
    created: float = 0
    created_by: str = ""


class Users(Table):
    """By name. `root` is none of them: it needs no row to be an admin."""

    NOUN = "the user"
    HINT = "provision user remove {}, and add it again"

    def all(self) -> list[UserRow]:
        """In the order of their names; who cannot be read is left out, and may do nothing."""
        found, unreadable = self._sift(
            self._connection.rows(f"{SELECT} ORDER BY name"), UserRow.model_validate, first_of
        )
        self._connection.warn(unreadable)
        return found

    def find(self, name: str) -> UserRow | None:
        """One of this name, written just so; None where there is none. Raises UnreadableError (PV-612)."""
        row = self._connection.fetch_one(f"{SELECT} WHERE name = ?", name)
        return self._read(row, UserRow.model_validate, name) if row else None

    def get(self, name: str) -> UserRow:
        """Raises NotFoundError (PV-709), UnreadableError (PV-612)."""
        if found := self.find(name):
            return found
        hint = "provision user list" if name != ROOT else "root is an admin by itself, and has no password"
        raise NotFoundError(f"no user is called {name!r}", hint=hint, code=709)

    def put(self, user: UserRow) -> None:
        """Add one or replace that of the name, inside the caller's transaction."""
        self._connection.require_transaction()
        row = user.model_dump(mode="json")
        self.remove(user.name)
        self._connection.db.conn.execute(insertion("users", row), row)

    def remove(self, name: str) -> None:
        """Forget one, inside the caller's transaction; its tokens are for `Tokens.remove_of`."""
        self._connection.require_transaction()
        self._connection.db.execute("DELETE FROM users WHERE name = ?", [name])

    def named(self, role: Role) -> list[str]:
        """Who has this role or a higher one, for sentences that say whom to ask."""
        return [user.name for user in self.all() if user.role.covers(role)]
