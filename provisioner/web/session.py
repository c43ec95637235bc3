"""A browser's session: the token of a login, in a cookie that no script reads and no other site sends.

The API takes no cookie: whoever calls it shows a token, which no page of another site can have.
"""

from urllib.parse import urlsplit

from flask import Request, Response, request

from provisioner.api import ROOT
from provisioner.errors import RefusedError

COOKIE = "__Host-provision"  # with this prefix a browser keeps it by TLS alone, for this host and all paths
READING = frozenset({"GET", "HEAD"})
PROGRAMS = (f"{ROOT}/", "/metrics")
OURS = frozenset({"same-origin", "none"})  # of Sec-Fetch-Site; none: typed, or out of a bookmark


def is_for_browsers(asked: Request) -> bool:
    """Whether a page is asked for, even one that there is not: nothing of the API, and no program's path."""
    return not asked.path.startswith(PROGRAMS)


def token_of(asked: Request) -> str:
    """The token that the browser keeps; empty where it has none."""
    return asked.cookies.get(COOKIE, "")


def keep(response: Response, token: str, seconds: float) -> None:
    """Let the browser keep it for so long."""
    response.set_cookie(
        COOKIE, token, max_age=int(seconds), secure=True, httponly=True, samesite="Strict", path="/"
    )


def forget(response: Response) -> None:
    """Let the browser have none."""
    response.delete_cookie(COOKIE, secure=True, httponly=True, samesite="Strict", path="/")


def require_own_page() -> None:
    """What changes something is asked by a page of ours (Fetch Metadata; Origin, RFC 6454).

    Who sends neither header is no browser of today, and shows no cookie that another site could have used:
    SameSite=Strict holds it back. Raises RefusedError (PV-711).
    """
    if request.method in READING:
        return
    site, origin = request.headers.get("Sec-Fetch-Site", ""), request.headers.get("Origin", "")
    is_ours = site in OURS if site else not origin or urlsplit(origin).netloc == request.host
    if not is_ours:
        raise RefusedError(
            "a page of another site has sent this",
            hint="open the page here, and press the button there",
            code=711,
        )
