"""Profiles: what kinds of hosts must be."""

from provisioner.domain.profile import Profile
from provisioner.errors import NotFoundError, UnreadableError
from provisioner.state.connection import Row, Table, first_of

SELECT = "SELECT name, body FROM profiles"


class Profiles(Table):
    """Profiles by name; one that cannot be read is left out of lists."""

    NOUN = "the profile"
    HINT = "write it anew: provision host apply inventory/"

    def all(self) -> list[Profile]:
        """All profiles by name."""
        return self._readable(self._connection.rows(f"{SELECT} ORDER BY name"), _profile, first_of)

    def get(self, name: str) -> Profile:
        """The profile of a name. Raises NotFoundError (PV-122), UnreadableError (PV-612)."""
        row = self._connection.fetch_one(f"{SELECT} WHERE name = ?", name)
        if not row:
            raise NotFoundError(
                f"no profile is called {name!r}", hint="provision host apply inventory/", code=122
            )
        return self._read(row, _profile, name)

    def remove(self, name: str) -> None:
        """Forget a profile, inside the caller's transaction. Raises ServiceError where none is open."""
        self._connection.require_transaction()
        self._connection.db.execute("DELETE FROM profiles WHERE name = ?", [name])

    def unreadable(self) -> list[UnreadableError]:
        """Why each of those that cannot be read is left out of lists."""
        return self._sift(self._connection.rows(SELECT), _profile, first_of)[1]


def _profile(row: Row) -> Profile:
    return Profile.model_validate_json(str(row["body"]))
