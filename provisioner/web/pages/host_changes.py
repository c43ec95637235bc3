"""One host is locked, renamed, moved, removed: what would change is shown, what goes is confirmed."""

from flask import Response, request

from provisioner.api.answer import Removal
from provisioner.api.hosts import HostMove, HostRename, HostStatus
from provisioner.domain.events.inventory import HostRemoved
from provisioner.domain.host import Host
from provisioner.domain.person import Role
from provisioner.errors import NotFoundError, ProvisionError
from provisioner.web.operators import hosts
from provisioner.web.pages import notices, submitted
from provisioner.web.pages.host import path_of
from provisioner.web.pages.page import Page, Shown
from provisioner.web.request import the_site


def lock(name: str) -> Response:
    """Nobody deploys it from now on."""
    return _told(hosts.lock(name).host.name, "locked")


def unlock(name: str) -> Response:
    """It can be deployed again."""
    return _told(hosts.unlock(name).host.name, "unlocked")


def _told(name: str, what: str) -> Response:
    return notices.after(path_of(name), what)


def ask_rename(name: str) -> Shown:
    """How it shall be called."""
    return _page("host_rename.html", name, None)


def rename(name: str) -> Shown | Response:
    """Call it so."""
    wanted = request.form.get("name", "").strip()
    done, fault = submitted.attempt(lambda: hosts.rename(name, submitted.model(HostRename, name=wanted)))
    if done is not None:
        return _told(done.host.name, "renamed")
    if _is_gone(name) and (now := the_site().database.events.renamed_to(name)):  # who presses twice
        return _told(now, "renamed")
    return _page("host_rename.html", name, fault, wanted=wanted)


def _is_gone(name: str) -> bool:
    """Whether there is no host of this name, serial or MAC."""
    try:
        hosts.show(name)
    except NotFoundError:
        return True
    return False


def ask_remove(name: str) -> Shown:
    """All that would be forgotten, or why it cannot be."""
    _, refused = submitted.attempt(lambda: hosts.remove(name, Removal(dry_run=True)))
    return _page("host_remove.html", name, None, refused=refused)


def remove(name: str) -> Shown | Response:
    """Forget it."""

    def act() -> None:
        submitted.require_word(request.form, name, f"the host {name} would be removed")
        hosts.remove(name, Removal())

    _, fault = submitted.attempt(act)
    if fault is None or (_is_gone(name) and _was_removed(name)):
        return notices.after("/hosts", "removed", name)
    return _page("host_remove.html", name, fault, refused=None)


def _was_removed(name: str) -> bool:
    found = the_site().database.events.history(name, 1)
    return bool(found) and isinstance(found[0].data, HostRemoved)


def ask_move(name: str) -> Shown:
    """To which other host; once that is said, what both are and what would become of them."""
    to = request.args.get("to", "").strip()
    if not to:
        return _move(name, None, None)
    other, fault = submitted.attempt(lambda: hosts.show(to).host)
    if other is None:
        return _move(name, None, fault, to)
    shown = (hosts.show(name).host.as_host(), other.as_host())
    _, fault = submitted.attempt(lambda: hosts.move(name, HostMove(to=other.name, shown=shown, dry_run=True)))
    return _move(name, None if fault else other, fault, to)


def move(name: str) -> Shown | Response:
    """Let the other host be this machine."""
    form, to = request.form, request.form.get("to", "")

    def act() -> str:
        submitted.require_word(form, to, f"the host {name} would be no more")
        shown = (
            submitted.from_json(Host, form.get("source", "")),
            submitted.from_json(Host, form.get("target", "")),
        )
        return hosts.move(name, HostMove(to=to, shown=shown)).host.name

    moved, fault = submitted.attempt(act)
    if moved:
        return _told(moved, "moved")
    other, _ = submitted.attempt(lambda: hosts.show(to).host)
    return _move(name, other, fault, to)


def _move(name: str, other: HostStatus | None, fault: ProvisionError | None, typed: str = "") -> Shown:
    host = hosts.show(name).host
    shown = (host.as_host(), other.as_host()) if other else ()
    names = [each.name for each in the_site().database.hosts.all() if each.name != host.name]
    values = {
        "other": other,
        "typed": typed,
        "names": names,
        "shown": [each.model_dump_json() for each in shown],
    }
    return _page("host_move.html", name, fault, **values)


def _page(template: str, name: str, fault: ProvisionError | None, **values: object) -> Shown:
    shown = {"host": hosts.show(name).host, "fault": fault, **values}
    return Shown(template, shown, submitted.status_with(fault))


PAGES = (
    Page("POST", "/hosts/<name>/lock", lock, Role.TECHNICIAN),
    Page("POST", "/hosts/<name>/unlock", unlock, Role.OPERATOR),
    Page("GET", "/hosts/<name>/rename", ask_rename, Role.OPERATOR),
    Page("POST", "/hosts/<name>/rename", rename, Role.OPERATOR),
    Page("GET", "/hosts/<name>/remove", ask_remove, Role.OPERATOR),
    Page("POST", "/hosts/<name>/remove", remove, Role.OPERATOR),
    Page("GET", "/hosts/<name>/move", ask_move, Role.OPERATOR),
    Page("POST", "/hosts/<name>/move", move, Role.OPERATOR),
)
