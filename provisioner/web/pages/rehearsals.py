"""Rehearsals: what the last ones came to, their screens and logs, and how another is begun."""

from pathlib import Path

from flask import Response

from provisioner.domain.person import Role
from provisioner.domain.rehearsal import SCENARIOS
from provisioner.state import rehearsals
from provisioner.web.pages.page import Page, Shown
from provisioner.web.request import the_site

COMMAND = "provision rehearse"


def list_newest() -> Shown:
    """The newest first; and the command for each scenario."""
    folder = _folder()
    values = {"rows": rehearsals.newest(folder), "folder": folder, "scenarios": SCENARIOS, "command": COMMAND}
    return Shown("rehearsals.html", values)


def show(name: str) -> Shown:
    """One: its stages, what had to hold, the screens, the last lines of its logs."""
    folder = _folder()
    kept = rehearsals.get(folder, name)
    known = {scenario.name: scenario for scenario in SCENARIOS}
    values = {
        "kept": kept,
        "screens": rehearsals.screens(folder, name),
        "logs": rehearsals.logs(folder, name),
        "scenario": known.get(kept.report.scenario) if kept.report else None,
        "command": COMMAND,
        "folder": folder,
    }
    return Shown("rehearsal.html", values)


def screen(name: str, path: str) -> Response:
    """One screen, as PNG."""
    return Response(rehearsals.screen(_folder(), name, path), content_type="image/png")


def _folder() -> Path:
    settings = the_site().settings
    return rehearsals.folder_of(settings.state, settings.rehearsals.folder)


PAGES = (
    Page("GET", "/rehearsals", list_newest, Role.VIEWER),
    Page("GET", "/rehearsals/<name>", show, Role.VIEWER),
    Page("GET", "/rehearsals/<name>/screens/<path:path>", screen, Role.VIEWER),
)
