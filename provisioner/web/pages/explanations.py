"""What error codes mean, what to do, and which hosts have one now."""

import re
from typing import NamedTuple

from flask import Response, request

from provisioner.api.deployments import DeploymentQuery
from provisioner.domain.person import Role
from provisioner.domain.stage import RESTING, UNSUCCESSFUL
from provisioner.errors import NotFoundError
from provisioner.explanations.codes import CODES
from provisioner.web.operators import deployments
from provisioner.web.pages import moving
from provisioner.web.pages.moving import Moving
from provisioner.web.pages.page import Page, Shown, go
from provisioner.web.request import the_site

MOST = 1000  # deployments that are looked through
LONGEST = 200  # characters of a filter
FAMILIES = {
    1: "Orders and input",
    2: "Power and network boot",
    3: "The agent, the disk and images",
    4: "The first boot",
    5: "Verification and sealing",
    6: "The service and its site",
    7: "People, roles and tokens",
}


class Explanation(NamedTuple):
    """One code: what has happened where it is shown, what to do, the hosts that have it now."""

    number: int
    meaning: str
    remedy: str
    hosts: tuple[str, ...]

    def fits(self, text: str) -> bool:
        """Whether all words of the text are in it."""
        said = f"pv-{self.number} {self.meaning} {self.remedy}".lower()
        return all(word in said for word in text.lower().split())


def list_all() -> Shown:
    """All codes by what they are about, or those that a text is in."""
    text = request.args.get("q", "")[:LONGEST]
    having = _hosts_by_code()
    found = [_of(number, having) for number in sorted(CODES)]
    found = [each for each in found if each.fits(text)]
    groups = [(name, [each for each in found if each.number // 100 == key]) for key, name in FAMILIES.items()]
    values = {"text": text, "groups": [(name, rows) for name, rows in groups if rows], "count": len(found)}
    return Shown("explanations.html", values)


def show(code: str) -> Shown | Response:
    """One of them. Raises NotFoundError (PV-120) for what is none."""
    match = re.fullmatch(r"(?:PV-?)?(\d{3})", code, re.IGNORECASE | re.ASCII)
    if not match or int(match[1]) not in CODES:
        raise NotFoundError(f"there is no code {code[:LONGEST]!r}", hint="all codes: /explain")
    number = int(match[1])
    if code != f"PV-{number}":
        return go(f"/explain/PV-{number}")
    family = FAMILIES[number // 100]
    return Shown("explanation.html", {"one": _of(number, _hosts_by_code()), "family": family})


def _of(number: int, having: dict[int, list[str]]) -> Explanation:
    meaning, remedy = CODES[number]
    return Explanation(number, meaning, remedy, tuple(having.get(number, ())))


def _hosts_by_code() -> dict[int, list[str]]:
    """Which hosts have which code: by their last deployment's end, or by what hinders one that goes on."""
    rows = deployments.list_newest(DeploymentQuery(limit=MOST)).deployments
    last = {row.host: row for row in reversed(rows)}
    known = the_site().database.hosts.known(last)
    having: dict[int, list[str]] = {}
    under_way = [row for name, row in last.items() if name in known and row.stage not in RESTING]
    going_on: dict[str, Moving] = {each.row.host: each for each in moving.of(under_way)}
    for name in sorted(known):
        row = last[name]
        codes = {row.code} if row.stage in UNSUCCESSFUL else set()
        if (hindered := going_on.get(name)) and hindered.details:
            codes |= {cause.code for cause in hindered.details.causes}
        for number in codes - {0}:
            having.setdefault(number, []).append(name)
    return having


PAGES = (
    Page("GET", "/explain", list_all, Role.VIEWER),
    Page("GET", "/explain/<code>", show, Role.VIEWER),
)
