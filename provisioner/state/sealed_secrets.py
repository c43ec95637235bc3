"""Secrets at rest: rows that anybody here may write, and only who has the private key can read.

Each is a sealed box (system/sealed_box.py) for the key in `STATE/secrets/worker.pub`, bound to its row.
"""

from collections.abc import Iterator
from typing import NamedTuple

from provisioner.domain.stage import RESTING
from provisioner.errors import NotFoundError, SecretKeyError
from provisioner.state import secret_keys
from provisioner.state.connection import Table
from provisioner.system import sealed_box
from provisioner.system.sealed_box import BoxError, Opener, Place

TABLE, COLUMN = "secrets", "body"
BMC_LOGIN = "bmc.login"  # JSON with user and password, by the name that the inventory uses
OWN_BMC_LOGIN = "bmc.login.own"  # likewise, of one host's BMC alone (state/rotations.py)
SSH_KEY = "ssh.key"  # of a deployment, by its id
CERTIFICATE_KEY = "certificate.key"  # minisign's, that signs reports
AUDIT_KEY = "audit.key"  # Ed25519, that signs the head of the audit
SITE = "site"  # the name of a key of which there is one


class SealedSecret(NamedTuple):
    """One row: `public` is what everybody may know of it, as the public half of a key."""

    kind: str
    name: str
    public: str
    body: str


class Secrets(Table):
    """By kind and name."""

    def put(self, kind: str, name: str, text: str, *, now: float, public: str = "") -> bool:
        """Keep a secret, inside the caller's transaction; whether one was replaced. Raises SecretKeyError."""
        self._connection.require_transaction()
        is_known = self.has(kind, name)
        key = secret_keys.public_key(self._connection.state).raw
        self._put(SealedSecret(kind, name, public, sealed_box.seal(text, key, _place(kind, name))), now)
        return is_known

    def _put(self, row: SealedSecret, now: float) -> None:
        sql = "INSERT OR REPLACE INTO secrets (kind, name, public, body, changed) VALUES (?, ?, ?, ?, ?)"
        self._connection.db.execute(sql, [*row, now])

    def open(self, kind: str, name: str, opener: Opener) -> str:
        """The secret. Raises NotFoundError (PV-698), SecretKeyError (PV-697): it does not open."""
        row = self._connection.fetch_one("SELECT body FROM secrets WHERE kind = ? AND name = ?", kind, name)
        if row is None:
            raise NotFoundError(f"no secret is kept as {kind} {name}", code=698)
        try:
            return opener.open(str(row["body"]), _place(kind, name))
        except BoxError as fault:
            raise SecretKeyError(
                f"the secret {kind} {name} cannot be decrypted: {fault}",
                hint="give it anew; if all are so, restore the database together with its key",
                code=697,
            ) from fault

    def public(self, kind: str, name: str) -> str:
        """What everybody may know of it; empty where there is none."""
        row = self._connection.fetch_one("SELECT public FROM secrets WHERE kind = ? AND name = ?", kind, name)
        return str(row["public"]) if row else ""

    def has(self, kind: str, name: str) -> bool:
        """Whether one is kept."""
        sql = "SELECT 1 FROM secrets WHERE kind = ? AND name = ?"
        return bool(self._connection.tuples(sql, kind, name))

    def names(self, kind: str) -> list[str]:
        """The names under which secrets of a kind are kept."""
        sql = "SELECT name FROM secrets WHERE kind = ? ORDER BY name"
        return [str(name) for (name,) in self._connection.tuples(sql, kind)]

    def remove(self, kind: str, name: str) -> bool:
        """Forget one, inside the caller's transaction; whether there was one."""
        self._connection.require_transaction()
        done = self._connection.db.execute("DELETE FROM secrets WHERE kind = ? AND name = ?", [kind, name])
        return done.rowcount > 0

    def remove_ssh_keys_of(self, host: str) -> None:
        """Forget the keys of a host's deployments that are at rest, inside the caller's transaction."""
        self._connection.require_transaction()
        marks = ", ".join("?" for _ in RESTING)
        sql = f"""DELETE FROM secrets WHERE kind = ? AND name IN
                  (SELECT id FROM deployments WHERE host = ? AND stage IN ({marks}))"""  # noqa: S608  marks only
        self._connection.db.execute(sql, [SSH_KEY, host, *RESTING])

    def remove_orphaned_ssh_keys(self) -> int:
        """Forget the keys of deployments that are known no more; how many."""
        where = "kind = ? AND name <> ? AND name NOT IN (SELECT id FROM deployments)"
        if not self._connection.tuples(f"SELECT 1 FROM secrets WHERE {where} LIMIT 1", SSH_KEY, SITE):  # noqa: S608  ours
            return 0
        with self._connection.writing() as db:
            return int(db.execute(f"DELETE FROM secrets WHERE {where}", [SSH_KEY, SITE]).rowcount)  # noqa: S608  ours

    def all(self) -> Iterator[SealedSecret]:
        """Every row."""
        for row in self._connection.tuples(
            "SELECT kind, name, public, body FROM secrets ORDER BY kind, name"
        ):
            yield SealedSecret(*map(str, row))

    def by_key(self) -> dict[str, int]:
        """How many there are by the key that opens them."""
        found = dict[str, int]()
        for row in self.all():
            found[sealed_box.id_of(row.body)] = found.get(sealed_box.id_of(row.body), 0) + 1
        return found

    def encrypt_anew(self, opener: Opener, now: float) -> int:
        """Those of older keys for the newest one, inside the caller's transaction; how many."""
        self._connection.require_transaction()
        old = [row for row in self.all() if sealed_box.id_of(row.body) != opener.key_id]
        done = 0
        for row in old:
            if opener.has(sealed_box.id_of(row.body)):
                place = _place(row.kind, row.name)
                text = opener.open(row.body, place)
                self._put(row._replace(body=sealed_box.seal(text, opener.public, place)), now)
                done += 1
        return done


def _place(kind: str, name: str) -> Place:
    return Place(TABLE, f"{kind}/{name}", COLUMN)
