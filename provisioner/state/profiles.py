"""Profiles: what kinds of hosts must be."""

from provisioner.domain.profile import Profile
from provisioner.errors import NotFoundError
from provisioner.state.connection import Table


class Profiles(Table):
    """Profiles by name."""

    def all(self) -> list[Profile]:
        """All profiles by name."""
        rows = self._connection.rows("SELECT * FROM profiles ORDER BY name")
        return [Profile.model_validate_json(str(row["body"])) for row in rows]

    def get(self, name: str) -> Profile:
        """The profile of a name. Raises NotFoundError (PV-122)."""
        row = self._connection.fetch_one("SELECT * FROM profiles WHERE name = ?", name)
        if not row:
            raise NotFoundError(
                f"no profile is called {name!r}", hint="provision host apply inventory/", code=122
            )
        return Profile.model_validate_json(str(row["body"]))
