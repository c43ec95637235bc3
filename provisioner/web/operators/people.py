"""People: log in and out, and who may do what."""

from flask import current_app, request

from provisioner.api.answer import ServiceAnswer
from provisioner.api.people import (
    Identity,
    Login,
    LoginAnswer,
    PasswordUpdate,
    UserAnswer,
    UserList,
    UserStatus,
    UserUpdate,
)
from provisioner.deployment import people
from provisioner.deployment.access import AccessEntry, record_access
from provisioner.errors import RefusedError
from provisioner.state.users import User
from provisioner.web.login_limit import LoginLimit
from provisioner.web.request import the_caller, the_site


def log_in(body: Login) -> LoginAnswer:
    """A token for who knows a user's password; ten wrong ones a minute, of a user or address, are heard."""
    limit: LoginLimit = current_app.config["LOGIN_LIMIT"]
    address = request.remote_addr or ""
    keys = (f"address {address}", f"user {body.user}")
    if not limit.begin(*keys):
        _note(body.user, "throttled", "too many wrong logins")
        raise RefusedError(
            "too many wrong logins of this user, or from this address", hint="wait for a minute", code=683
        )
    try:
        token, text = people.log_in(the_site(), body.user, body.password)
    except RefusedError as fault:
        _note(body.user, "refused", str(fault))
        raise
    limit.was_right(*keys)
    _note(token.user, "done", f"{token.id}, role {token.role}")
    return LoginAnswer(user=token.user, role=token.role, token=text, expires=token.expires)


def _note(name: str, outcome: str, sentence: str) -> None:
    values = {"action": "login", "outcome": outcome, "name": name, "sentence": sentence}
    entry = AccessEntry.model_validate({**values, "address": request.remote_addr or ""})
    record_access(the_site(), entry)


def log_out() -> ServiceAnswer:
    """Let the token that was shown be worth nothing."""
    caller = the_caller()
    if caller.token:
        people.revoke_token(the_site(), caller, caller.token)
    return ServiceAnswer()


def whoami() -> Identity:
    """Who the service takes the caller for."""
    caller = the_caller()
    known = caller.model_dump(exclude={"name"})
    return Identity(user=caller.name, **known)


def list_all() -> UserList:
    """Everybody who may use the service, but root."""
    return UserList(users=tuple(_status(user) for user in the_site().database.users.all()))


def put(name: str, body: UserUpdate) -> UserAnswer:
    """Add a user (`only_new`), or give one another role; his tokens may do no more than he may."""
    changed = people.put_user(the_site(), the_caller(), name, body.role, is_new=body.only_new)
    return UserAnswer(user=_status(changed))


def set_password(name: str, body: PasswordUpdate) -> UserAnswer:
    """Give a user a password; who came in by the one before is out. Another's is set by admins."""
    user = people.set_password(the_site(), the_caller(), name, body.password, body.current)
    return UserAnswer(user=_status(user))


def remove(name: str) -> UserAnswer:
    """Forget a user and all of his tokens."""
    return UserAnswer(user=_status(people.remove_user(the_site(), the_caller(), name)))


def _status(user: User) -> UserStatus:
    known = user.model_dump(exclude={"password"})
    return UserStatus(**known, has_password=bool(user.password))
