"""People who may use the service: who there is, and what each may do."""

import re
from urllib.parse import quote

from flask import Response, request

from provisioner.api.people import PasswordUpdate, UserUpdate
from provisioner.deployment.people import SHORTEST
from provisioner.domain.person import ROOT, Role
from provisioner.errors import InputError, ProvisionError
from provisioner.web.operators import people
from provisioner.web.pages import notices, submitted
from provisioner.web.pages.page import Page, Shown
from provisioner.web.request import the_caller, the_site

MAY = {
    Role.VIEWER: "looks at everything but secrets, people and the audit",
    Role.TECHNICIAN: "deploys and retries one host, locks hosts, reads consoles, asks BMCs",
    Role.OPERATOR: "deploys racks, changes hosts, images and BMC logins",
    Role.ADMIN: "manage people, tokens, the audit, and everything else",
}
NOTICES = {
    "added": "{name} was added with the role {role}. Set a password below, or make a token.",
    "role": "{name} has the role {role} now.",
    "password": "The password of {name} was set. Whoever came in by the one before is out.",
}


def list_all() -> Shown:
    """Everybody, with what he may do, and how another is added."""
    return _all()


def _all(fault: ProvisionError | None = None, typed: dict[str, str] | None = None) -> Shown:
    site = the_site()
    tokens = site.database.access_tokens.all()
    now = site.clock()
    values = {
        "users": people.list_all().users,
        "open": {
            user: sum(token.user == user and token.expires > now for token in tokens)
            for user in {token.user for token in tokens}
        },
        "root": ROOT,
        "roles": MAY,
        "fault": fault,
        "notice": _removed(),
        "typed": typed or {"name": "", "role": Role.TECHNICIAN},
    }
    return Shown("users.html", values, submitted.status_with(fault))


def _removed() -> str:
    """Who was just removed, if there is nobody of that name."""
    what, name = notices.told()
    is_so = (
        what == "removed"
        and re.fullmatch(r"[A-Za-z0-9_.@-]+", name)
        and the_site().database.users.find(name) is None
    )
    return f"{name} was removed, and all of this user's tokens." if is_so else ""


def add() -> Shown | Response:
    """One more."""
    name, role = submitted.text("name"), submitted.text("role")
    _, fault = submitted.attempt(
        lambda: people.put(name, submitted.model(UserUpdate, role=role, only_new=True))
    )
    if fault:
        return _all(fault, {"name": name[:64], "role": role})
    return notices.after(f"/admin/users/{quote(name)}", "added")


def show(name: str) -> Shown:
    """One of them: his role, his password, his tokens. Raises NotFoundError (PV-709)."""
    return _one(name)


def _one(name: str, fault: ProvisionError | None = None) -> Shown:
    site = the_site()
    site.database.users.get(name)  # raises NotFoundError
    user = next(user for user in people.list_all().users if user.name == name)
    values = {
        "user": user,
        "roles": MAY,
        "shortest": SHORTEST,
        "is_own": name == the_caller().name,
        "tokens": site.database.access_tokens.all(name),
        "fault": fault,
        "notice": NOTICES.get(notices.told()[0], "").format(name=name, role=user.role),
    }
    return Shown("user.html", values, submitted.status_with(fault))


def set_role(name: str) -> Shown | Response:
    """Give him another role."""
    role = submitted.text("role")
    _, fault = submitted.attempt(lambda: people.put(name, submitted.model(UserUpdate, role=role)))
    if fault:
        return _one(name, fault)
    return notices.after(f"/admin/users/{quote(name)}", "role")


def set_password(name: str) -> Shown | Response:
    """Give him another password; who came in by the one before is out."""
    _, fault = submitted.attempt(lambda: people.set_password(name, new_password()))
    if fault:
        return _one(name, fault)
    return notices.after(f"/admin/users/{quote(name)}", "password")


def new_password() -> PasswordUpdate:
    """As it was typed, twice. Raises InputError (PV-100)."""
    values = {name: value for name in ("password", "current") if (value := _typed(name))}
    if _typed("password") != _typed("again"):
        raise InputError(
            "the new password was not typed the same both times", hint="type it once more, twice"
        )
    return submitted.model(PasswordUpdate, **{"password": "", **values})


def _typed(name: str) -> str:
    """A password is taken as it is: a blank may be of it."""
    return request.form.get(name, "")


def remove(name: str) -> Shown | Response:
    """Forget him and all of his tokens."""

    def act() -> None:
        submitted.require_word(request.form, name, f"the user {name} would be removed")
        people.remove(name)

    _, fault = submitted.attempt(act)
    if fault:
        return _one(name, fault)
    return notices.after("/admin/users", "removed", name)


PAGES = (
    Page("GET", "/admin/users", list_all, Role.ADMIN),
    Page("POST", "/admin/users", add, Role.ADMIN),
    Page("GET", "/admin/users/<name>", show, Role.ADMIN),
    Page("POST", "/admin/users/<name>/role", set_role, Role.ADMIN),
    Page("POST", "/admin/users/<name>/password", set_password, Role.ADMIN),
    Page("POST", "/admin/users/<name>/remove", remove, Role.ADMIN),
)
