"""The one token of earlier releases becomes a token like others: root's, with an end, kept as its hash."""

from collections.abc import Callable

from provisioner.domain.audit import Entry, Kind
from provisioner.domain.person import ROOT, Role
from provisioner.state import audit
from provisioner.state.access_tokens import AccessToken
from provisioner.state.database import Database
from provisioner.state.secrets import operator_token_file
from provisioner.system.checksum import sha256_text

NAME = "t-operator"
DAYS = 90
NOTE = "operator.token of an earlier release"


def take_over(database: Database, now: float, say: Callable[[str], None]) -> None:
    """Keep its hash and remove the file, once; an empty file is nobody's token. `now`: seconds since 1970."""
    path = operator_token_file(database.state)
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        return
    if text and database.access_tokens.by_hash(sha256_text(text)) is None:
        with database.writing():
            database.access_tokens.remove(NAME)
            database.access_tokens.add(_token(sha256_text(text), now))
            what = f"token.create {NAME}"
            entry = Entry(kind=Kind.PEOPLE, time=now, by="service", what=what, sentence=NOTE)
            audit.record(database, entry)
        say(
            f"{path.name} is the token {NAME} of an admin now, until {DAYS} days from today, by https alone; "
            "its file is removed\n  → give each program one of its own: provision token create; "
            f"then: provision token revoke {NAME}"
        )
    path.unlink()


def _token(hashed: str, now: float) -> AccessToken:
    until = now + DAYS * 86400
    return AccessToken(
        id=NAME, user=ROOT, role=Role.ADMIN, note=NOTE, hash=hashed, created=now, expires=until
    )
