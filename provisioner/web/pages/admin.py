"""The service itself: how it is, what its disk holds, who may use it."""

from collections.abc import Iterable, Iterator

from provisioner.domain.check_line import ORDER, CheckLine
from provisioner.domain.person import Role
from provisioner.state import disk_usage
from provisioner.web.operators import people, service
from provisioner.web.pages.page import Page, Shown
from provisioner.web.request import the_site

PARTS = 8  # of the state folder that are named


def show() -> Shown:
    """What is wrong first, with its evidence and what to do; then version, disk and people."""
    site = the_site()
    lines = sorted(service.check().checks, key=lambda line: ORDER.index(line.state))
    state = site.settings.state
    parts = disk_usage.remembered_parts(state)
    values = {
        "wrong": list(_alike(line for line in lines if line.state in ("fault", "warning"))),
        "unknown": [line for line in lines if line.state == "unknown"],
        "well": [line for line in lines if line.state == "ok"],
        "service": service.show(),
        "free": disk_usage.room(state),
        "parts_of_disk": parts[:PARTS],
        "others": sum(taken for _, taken in parts[PARTS:]),
        "largest": max((taken for _, taken in parts), default=0),
        "users": people.list_all().users,
        "tokens": sum(token.expires > site.clock() for token in site.database.access_tokens.all()),
        "signed": site.database.audit.signed_until(),
        "newest": site.database.audit.newest(),
    }
    return Shown("admin.html", values)


def _alike(lines: Iterable[CheckLine]) -> Iterator[list[CheckLine]]:
    """Those for which the same is to be done are told together."""
    found: dict[tuple[str, str], list[CheckLine]] = {}
    for line in lines:
        found.setdefault((line.state, line.hint or line.subject), []).append(line)
    yield from found.values()


PAGES = (Page("GET", "/admin", show, Role.ADMIN),)
