"""People: log in and out, and who may do what."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from flask import current_app, request

from provisioner.api.answer import ServiceAnswer
from provisioner.api.people import (
    Login,
    LoginAnswer,
    PasswordUpdate,
    UserAnswer,
    UserList,
    UserStatus,
    UserUpdate,
    WhoAmI,
)
from provisioner.deployment import people
from provisioner.deployment.access import AccessEntry, record_access
from provisioner.errors import ProvisionError, RefusedError
from provisioner.state.users import UserRow
from provisioner.web.login_limit import LoginLimit
from provisioner.web.machines.refusals import note_access
from provisioner.web.operators import refused
from provisioner.web.request import the_caller, the_site

WRONG = 702  # a password


def log_in(body: Login) -> LoginAnswer:
    """A token for who knows a user's password; ten wrong ones a minute, of a user or address, are heard."""
    with _guess(body.user):
        token, text = people.log_in(the_site(), body.user, body.password)
    known = {"outcome": "done", "name": token.user, "role": token.role, "subject": token.id}
    record_access(the_site(), _entry("", f"role {token.role}").model_copy(update=known))
    return LoginAnswer(user=token.user, role=token.role, token=text, expires=token.expires)


@contextmanager
def _guess(name: str) -> Iterator[None]:
    """In the block one password is looked at; the wrong ones are counted, and written down.

    Raises RefusedError (PV-703) where there were too many.
    """
    limit: LoginLimit = current_app.config["LOGIN_LIMIT"]
    keys = (f"address {request.remote_addr or ''}", f"user {name}")
    if not limit.begin(*keys):
        note_access(_entry(name, "too many wrong logins").model_copy(update={"outcome": "throttled"}))
        raise RefusedError(
            "too many wrong logins of this user, or from this address", hint="wait for a minute", code=703
        )
    try:
        yield
    except RefusedError as fault:
        if fault.code != WRONG:
            limit.was_right(*keys)
        else:
            note_access(_entry(name, str(fault)))
        raise
    except ProvisionError:  # it was not looked at
        limit.was_right(*keys)
        raise
    limit.was_right(*keys)


def _entry(claimed: str, sentence: str) -> AccessEntry:
    """A login that is refused. A name that nobody has is not written down: it may be a password."""
    is_known = bool(claimed) and the_site().database.users.find(claimed) is not None
    return refused.entry("login", f"as {claimed}" if is_known else "as nobody known", sentence)


def log_out() -> ServiceAnswer:
    """Let the token that was shown be worth nothing."""
    people.log_out(the_site(), the_caller())
    return ServiceAnswer()


def whoami() -> WhoAmI:
    """Who the service takes the caller for."""
    caller = the_caller()
    known = caller.model_dump(exclude={"name", "address"})
    return WhoAmI(user=caller.name, **known)


def list_all() -> UserList:
    """Everybody who may use the service, but root."""
    return UserList(users=tuple(_status(user) for user in the_site().database.users.all()))


def put(name: str, body: UserUpdate) -> UserAnswer:
    """Add a user (`only_new`), or give one another role; his tokens may do no more than he may."""
    changed = people.put_user(the_site(), the_caller(), name, body.role, is_new=body.only_new)
    return UserAnswer(user=_status(changed))


def set_password(name: str, body: PasswordUpdate) -> UserAnswer:
    """Give a user a password; who came in by the one before is out. Another's is set by admins."""
    caller = the_caller()
    is_guess = name == caller.name and caller.way == "token"  # whoever has stolen one may try passwords by it
    with _guess(name) if is_guess else nullcontext():
        user = people.set_password(the_site(), caller, name, body.password, body.current)
    return UserAnswer(user=_status(user))


def remove(name: str) -> UserAnswer:
    """Forget a user and all of his tokens."""
    return UserAnswer(user=_status(people.remove_user(the_site(), the_caller(), name)))


def _status(user: UserRow) -> UserStatus:
    known = user.model_dump(exclude={"password"})
    return UserStatus(**known, has_password=bool(user.password))
