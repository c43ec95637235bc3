"""Tokens by which people and their programs come in over the network; only their hashes are kept."""

from typing import Literal

from pydantic import Field

from provisioner.domain.person import Role
from provisioner.domain.values import FrozenModel, Words
from provisioner.errors import NotFoundError
from provisioner.state.connection import Table, first_of, insertion

MOST_LOGINS = 20  # of one user: whoever logs in more often has lost the earliest
KEPT = 30 * 86400.0  # seconds for which a token that has expired is told from one that never was
SELECT = "SELECT id, user, role, kind, note, hash, created, expires FROM access_tokens"
SURPLUS = """DELETE FROM access_tokens WHERE kind = 'login' AND user = :user AND id NOT IN
    (SELECT id FROM access_tokens WHERE kind = 'login' AND user = :user
    ORDER BY created DESC, rowid DESC LIMIT :most)"""


class AccessToken(FrozenModel):
    """Whose it is, what it may do at most, until when (seconds since 1970), and the SHA-256 of its text."""

    id: str
    user: str
    role: Role
    kind: Literal["login", "token"] = "token"
    note: Words = ""
    hash: str = Field(repr=False)
    created: float
    expires: float


class AccessTokens(Table):
    """By id, and by the hash of the text."""

    NOUN = "the token"
    HINT = "provision token revoke {}"

    def add(self, token: AccessToken) -> None:
        """Keep a new one, inside the caller's transaction; what nobody can need any more goes."""
        self._connection.require_transaction()
        row = token.model_dump(mode="json")
        self._connection.db.conn.execute(insertion("access_tokens", row), row)
        self._connection.db.execute("DELETE FROM access_tokens WHERE expires < ?", [token.created - KEPT])
        self._connection.db.execute(SURPLUS, {"user": token.user, "most": MOST_LOGINS})

    def by_hash(self, hashed: str) -> AccessToken | None:
        """The one whose text has this hash; None where there is none. Raises UnreadableError (PV-612)."""
        row = self._connection.fetch_one(f"{SELECT} WHERE hash = ?", hashed)
        return self._read(row, AccessToken.model_validate, row["id"]) if row else None

    def get(self, ident: str) -> AccessToken:
        """Raises NotFoundError (PV-709), UnreadableError (PV-612)."""
        row = self._connection.fetch_one(f"{SELECT} WHERE id = ?", ident)
        if not row:
            raise NotFoundError(f"no token is called {ident!r}", hint="provision token list", code=709)
        return self._read(row, AccessToken.model_validate, ident)

    def all(self, user: str = "") -> list[AccessToken]:
        """The oldest first, those that have expired included; with `user` that user's."""
        rows = self._connection.rows(f"{SELECT} WHERE ? IN ('', user) ORDER BY created, id", user)
        found, unreadable = self._sift(rows, AccessToken.model_validate, first_of)
        self._connection.warn(unreadable)
        return found

    def remove(self, ident: str) -> None:
        """It is worth nothing from now on; inside the caller's transaction."""
        self._connection.require_transaction()
        self._connection.db.execute("DELETE FROM access_tokens WHERE id = ?", [ident])

    def remove_of(self, user: str) -> None:
        """Likewise all of a user."""
        self._connection.require_transaction()
        self._connection.db.execute("DELETE FROM access_tokens WHERE user = ?", [user])
