"""Who may do what: names are proved by the kernel, a password or a token; refusals say whom to ask."""

import pwd
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pydantic import ValidationError

from provisioner.deployment.access import AccessEntry, Action, audited, log_access
from provisioner.deployment.tokens import token_fits
from provisioner.domain.person import NOBODY, ROOT, Caller, Role
from provisioner.errors import InputError, RefusedError
from provisioner.site.site import Site
from provisioner.state import audit
from provisioner.state.access_tokens import AccessToken
from provisioner.state.users import UserRow
from provisioner.system import passwords
from provisioner.system.checksum import sha256_text

LOGIN_SECONDS = 12 * 3600.0  # a working day: who has gone home has logged out
MOST_DAYS = 366  # of a token that is made
SHORTEST, LONGEST = 12, 1000  # characters of a password


def by_peer(site: Site, uid: int, own: int) -> Caller:
    """Who has opened the Unix socket: root, and the user `own` that the service runs as, are admins.

    That user can write the database, so there is nothing that he could not make himself. Raises RefusedError
    (PV-700) for whoever has no role here.
    """
    name = _linux_name(uid)
    if uid in (0, own):
        return Caller(name=ROOT if uid == 0 else name or ROOT, role=Role.ADMIN, way="socket")
    user = site.database.users.find(name) if name else None
    if user is None:
        wanted = f"provision user add {name or 'NAME'} --role ROLE"
        raise RefusedError(
            f"the service does not know the Linux user {name or uid}",
            hint=f"ask {whom_to_ask(site, Role.ADMIN)} for: {wanted}",
            code=700,
        )
    return Caller(name=user.name, role=user.role, way="socket")


def _linux_name(uid: int) -> str:
    """Empty for a number without a name, and for the one that stands for all without a number here."""
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""
    return "" if name == NOBODY else name


def by_token(site: Site, text: str, address: str = "") -> Caller:
    """Whose token it is, shown from an address; it may do no more than its user may by now.

    Raises RefusedError: PV-601 nobody's, or none at all; PV-708 it has expired.
    """
    if not text:
        raise RefusedError("no token was shown", hint=_how_to_come_in(site), code=601)
    token = site.database.access_tokens.by_hash(sha256_text(text))
    if token is None or not token_fits(text, token.hash):
        raise _unknown_token(site)
    role = _role_of(site, token.user)
    if role is None:
        raise _unknown_token(site)
    if token.expires <= site.clock():
        raise RefusedError(
            f"the token {token.id} of {token.user} has expired",
            hint=_how_to_come_in(site),
            code=708,
        )
    least = min(token.role, role, key=lambda each: each.rank)
    return Caller(
        name=token.user, role=least, way="token", token=token.id, expires=token.expires, address=address
    )


def _role_of(site: Site, name: str) -> Role | None:
    if name == ROOT:
        return Role.ADMIN
    user = site.database.users.find(name)
    return user.role if user else None


def _unknown_token(site: Site) -> RefusedError:
    sentence = "the service does not know this token"
    return RefusedError(sentence, hint=_how_to_come_in(site), code=601)


def _how_to_come_in(site: Site) -> str:
    return f"provision login {site.settings.api_url}; for programs: provision token create"


def require(site: Site, caller: Caller, role: Role, what: str) -> None:
    """Raises RefusedError (PV-701) unless the caller has this role or a higher one."""
    if caller.role.covers(role):
        return
    raise RefusedError(
        f"{what} needs the role {role}, and {caller.name} is {caller.role}"
        + (" by this token" if caller.way == "token" and _role_of(site, caller.name) != caller.role else ""),
        hint=f"ask {whom_to_ask(site, role)}",
        code=701,
    )


def whom_to_ask(site: Site, role: Role) -> str:
    """The people who have a role, or who may do more; `root` where there are none."""
    names = site.database.users.named(role)
    return " or ".join([*names[:5], ROOT]) if names else f"{ROOT} of the service's machine"


def log_in(site: Site, name: str, password: str) -> tuple[AccessToken, str]:
    """A token for whoever knows the password, and its text. Raises RefusedError (PV-702).

    It takes as long, and says the same, whether there is such a user, a password, or none.
    """
    user = site.database.users.find(name)
    known = user.password if user else ""
    if not passwords.fits(password[:LONGEST], known) or user is None:
        raise RefusedError(
            "user or password is wrong",
            hint="an admin sets a new one: provision user password NAME",
            code=702,
        )
    return make_token(site, user.name, user.role, site.clock() + LOGIN_SECONDS, kind="login")


def make_token(
    site: Site, user: str, role: Role, expires: float, *, note: str = "", kind: str = "token"
) -> tuple[AccessToken, str]:
    """A token and its text (256 bit), which nobody will see again."""
    token, text = _new_token(site, user, role, expires, note=note, kind=kind)
    with site.database.writing():
        site.database.access_tokens.add(token)
    return token, text


def _new_token(
    site: Site, user: str, role: Role, expires: float, *, note: str, kind: str
) -> tuple[AccessToken, str]:
    """One that is kept nowhere yet."""
    text = secrets.token_urlsafe(32)
    values = {"user": user, "role": role, "note": note, "kind": kind, "expires": expires}
    token = AccessToken.model_validate(
        {**values, "id": f"t-{secrets.token_hex(4)}", "hash": sha256_text(text), "created": site.clock()}
    )
    return token, text


def put_user(site: Site, caller: Caller, name: str, role: Role, *, is_new: bool) -> UserRow:
    """Add a user, or give one who is known another role; what he has by tokens changes with it.

    Raises InputError (PV-100), RefusedError (PV-130) where he is known already, NotFoundError (PV-709).
    """
    if name in (ROOT, NOBODY):
        raise InputError(f"{name} cannot be given a role: {_why_not(name)}", hint="another name", code=100)
    with _changing(site, caller, "user.put", name, f"role {role}"):
        if not is_new:
            user = site.database.users.get(name).model_copy(update={"role": role})
        elif site.database.users.find(name):
            raise RefusedError(f"{name} is known already", hint=f"provision user role {name} {role}")
        else:
            user = _new_user(name, role, site.clock(), caller.name)
        site.database.users.put(user)
    return user


def _new_user(name: str, role: Role, created: float, by: str) -> UserRow:
    try:
        return UserRow(name=name, role=role, created=created, created_by=by)
    except ValidationError as fault:
        hint = "letters, digits, . _ @ - ; as Linux has it, where the user shall come in on this machine"
        raise InputError(f"{name!r} is no name of a user", hint=hint) from fault


def _why_not(name: str) -> str:
    return "it is an admin by itself" if name == ROOT else "it stands for whoever has no name"


def set_password(site: Site, caller: Caller, name: str, new: str, current: str) -> UserRow:
    """Give a user a password; all that came in by the one before is out.

    Whoever came by a token says his own `current` one, so that a stolen token becomes no password.
    """
    _check_password(new)
    user = site.database.users.get(name)
    if name != caller.name:
        require(site, caller, Role.ADMIN, f"setting the password of {name}")
    elif caller.way == "token" and not passwords.fits(current[:LONGEST], user.password):
        raise RefusedError("the current password is wrong", hint="an admin can set a new one", code=702)
    changed = passwords.hashed(new)
    with _changing(site, caller, "user.put", name, "password"):
        user = site.database.users.get(name).model_copy(update={"password": changed})
        site.database.users.put(user)
        for token in site.database.access_tokens.all(name):
            if token.kind == "login" and token.id != caller.token:
                site.database.access_tokens.remove(token.id)
    return user


def _check_password(text: str) -> None:
    if not SHORTEST <= len(text) <= LONGEST:
        raise InputError(
            f"a password has {SHORTEST} characters at least, and {LONGEST} at most",
            hint="several words that nobody says together are easier to remember than signs",
        )


def remove_user(site: Site, caller: Caller, name: str) -> UserRow:
    """Forget a user and all of his tokens."""
    with _changing(site, caller, "user.remove", name):
        user = site.database.users.get(name)
        site.database.users.remove(name)
        site.database.access_tokens.remove_of(name)
    return user


def create_token(
    site: Site, caller: Caller, *, user: str, role: Role | None, days: float, note: str
) -> tuple[AccessToken, str]:
    """A token of the caller's, or by an admin of another user's; never for more than its maker may."""
    owner = user or caller.name
    if owner != caller.name:
        require(site, caller, Role.ADMIN, f"making a token of {owner}")
    if owner != ROOT:
        site.database.users.get(owner)  # raises NotFoundError
    own = caller.role if owner == caller.name else _role_of(site, owner) or Role.VIEWER
    wanted = role or own
    if not own.covers(wanted):
        raise RefusedError(
            f"a token of {owner} cannot have the role {wanted}: it would be more than {own}",
            hint=f"ask {whom_to_ask(site, wanted)}",
            code=701,
        )
    until = site.clock() + days * 86400
    if caller.token and site.database.access_tokens.get(caller.token).kind == "token":
        until = min(until, caller.expires)  # a stolen one is not prolonged by itself
    token, text = _new_token(site, owner, wanted, until, note=note, kind="token")
    sentence = f"of {owner}, role {wanted}, {days:g} days"
    with _changing(site, caller, "token.create", token.id, sentence):
        site.database.access_tokens.add(token)
    return token, text


def log_out(site: Site, caller: Caller) -> None:
    """Let the token by which the caller came in be worth nothing; by the Unix socket there is none."""
    if caller.token:
        with _changing(site, caller, "logout", caller.token):
            site.database.access_tokens.remove(caller.token)


def revoke_token(site: Site, caller: Caller, ident: str) -> AccessToken:
    """Let a token of the caller's be worth nothing; another user's only an admin."""
    token = site.database.access_tokens.get(ident)
    if token.user != caller.name:
        require(site, caller, Role.ADMIN, f"revoking a token of {token.user}")
    with _changing(site, caller, "token.revoke", ident, f"of {token.user}"):
        site.database.access_tokens.remove(ident)
    return token


def tokens_of(site: Site, caller: Caller, *, everybodys: bool) -> Sequence[AccessToken]:
    """The caller's, or everybody's, which an admin alone may see."""
    if everybodys:
        require(site, caller, Role.ADMIN, "seeing everybody's tokens")
    return site.database.access_tokens.all("" if everybodys else caller.name)


@contextmanager
def _changing(site: Site, caller: Caller, action: Action, subject: str, sentence: str = "") -> Iterator[None]:
    """A transaction in which people or tokens are changed; the audit's line of it is written with it."""
    entry = AccessEntry(
        action=action,
        outcome="done",
        name=caller.name,
        role=caller.role,
        door=caller.way,
        address=caller.address,
        subject=subject,
        sentence=sentence,
    )
    with site.database.writing():
        yield
        audit.record(site.database, audited(site, entry))
    log_access(entry)
