"""What a page says of what was just done there; for a minute, as an address that is kept is no news."""

from urllib.parse import urlencode

from flask import Response, request

from provisioner.web.pages.page import go
from provisioner.web.request import the_site

HELD = 60.0  # seconds


def after(path: str, what: str, of: str = "") -> Response:
    """To the page that says `what` was done, and of which name where it is not the page's own."""
    told = {"told": what, "of": of, "at": str(int(the_site().clock()))}
    return go(f"{path}?{urlencode({key: text for key, text in told.items() if text})}")


def told() -> tuple[str, str]:
    """What was done a moment ago, and of which name, as the address says; empty where it says nothing."""
    asked = request.args
    moment = asked.get("at", "")
    is_fresh = len(moment) < 12 and moment.isdecimal() and abs(the_site().clock() - int(moment)) < HELD
    return (asked.get("told", ""), asked.get("of", "")[:100]) if is_fresh else ("", "")
