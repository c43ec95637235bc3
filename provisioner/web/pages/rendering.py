"""How a page is made: its template, what every page has, and the filters that templates use."""

import re
import time
from datetime import UTC, datetime

from flask import Flask, Response, current_app, g, make_response, render_template, request
from jinja2.ext import Extension
from markupsafe import Markup, escape

from provisioner import __version__
from provisioner.domain.person import Caller, Role
from provisioner.system.text import escape_lines
from provisioner.system.units import counted, duration, size
from provisioner.web.pages import advice, fault_words, live, look, static_files
from provisioner.web.pages.live import LivePart
from provisioner.web.pages.page import Shown
from provisioner.web.request import the_site

# no other origin, no frame, nothing written into the page: what a machine said is never a script
POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'; img-src 'self' data:"
)
GUARDS = {"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin", "X-Frame-Options": "DENY"}
MENU: tuple[tuple[str, str, Role], ...] = (
    ("/", "Now", Role.VIEWER),
    ("/t", "At the rack", Role.TECHNICIAN),
    ("/hosts", "Hosts", Role.VIEWER),
    ("/runs", "Runs", Role.VIEWER),
    ("/network", "Network", Role.VIEWER),
    ("/images", "Images", Role.VIEWER),
    ("/reports", "Reports", Role.VIEWER),
    ("/rehearsals", "Rehearsals", Role.VIEWER),
    ("/admin", "Admin", Role.ADMIN),
)
HOMES = {"/deployments": "/hosts"}  # whose menu entry pages have that have none of their own
VALUE = re.compile(r'\bvalue="\{\{ ([^}]+) \}\}"')  # an attribute of a template, as a whole
DAY = 86400.0
LIVE = "live"  # the block


def prepare(app: Flask) -> None:
    """What templates may use."""
    app.extensions["live_parts"] = live.LiveParts(app.config["LISTENER"])
    app.jinja_env.finalize = fit
    app.jinja_env.add_extension(CarriedValues)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(ago=ago, exact=exact, moment=moment)
    app.jinja_env.filters.update(size=size, duration=duration, counted=counted)
    told = {
        "sentence": advice.sentence,
        "pieces": advice.pieces,
        "steps": advice.steps,
        "of_host": advice.of_host,
    }
    app.jinja_env.filters.update(told)
    app.jinja_env.filters["carried"] = carried
    app.jinja_env.globals.update(
        look=look,
        asset=static_files.address,
        version=__version__,
        site_name=_site_name,
        in_words=fault_words.told,
    )


class CarriedValues(Extension):
    """`value="{{ … }}"` is sent back by a form: each goes through `carried`, whoever writes the template."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """The template's source with that filter."""
        return VALUE.sub(r'value="{{ (\1) | carried }}"', source)


def carried(value: object) -> Markup:
    """A text as a browser sends it back, unchanged: what must not stand in a page is a character reference.

    Of what HTML has no reference for (U+0080 to U+009F, halves of characters) it is what a page shows.
    """
    text = str(escape(value))
    signs = text if text.isascii() and text.isprintable() else "".join(map(_reference, text))
    return Markup(signs)  # noqa: S704  escaped above


def _reference(letter: str) -> str:
    number, shown = ord(letter), escape_lines(letter)
    if shown == letter:
        return letter
    return shown if number == 0 or 0x7F < number < 0xA0 or 0xD800 <= number < 0xE000 else f"&#{number};"


def fit(value: object) -> object:
    """What a template shows: no text of a machine hides, turns round or forges what stands beside it.

    What a form carries and gets back as it was, lines and all, goes through the filter `e` first, and an
    attribute `value` by itself through `carried`.
    """
    return escape_lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _site_name() -> str:
    return the_site().settings.dhcp.domain


def answer(shown: Shown, live_text: str = "") -> Response:
    """The page; its live part where it has been rendered before."""
    common = {"menu": _menu(), "following": request.full_path.rstrip("?"), **_common()}
    values = {**common, **shown.values, "live_text": Markup(live_text)}  # noqa: S704  a template's own
    response = make_response(render_template(shown.template, **values), shown.status)
    return guard(response)


def guard(response: Response) -> Response:
    """What a browser is told to keep to, of whatever is answered to it, unless that says otherwise."""
    for name, value in GUARDS.items():
        response.headers.setdefault(name, value)
    return response


def is_live(shown: Shown) -> bool:
    """Whether the page has a part that goes on by itself."""
    return LIVE in current_app.jinja_env.get_template(shown.template).blocks


def live_part(shown: Shown) -> LivePart:
    """That part alone."""
    template = current_app.jinja_env.get_template(shown.template)
    context = template.new_context({**_common(), **shown.values})
    text = "".join(template.blocks[LIVE](context))
    return LivePart(shown, text, live.digest_of(text))


def _common() -> dict[str, object]:
    return {"caller": g.get("caller"), "now": the_site().clock(), "path": request.path}


def _menu() -> list[tuple[str, str, bool]]:
    """Path and name of what the caller may see, and whether it is what he sees."""
    caller: Caller | None = g.get("caller")
    if caller is None:
        return []
    first = "/" + request.path.split("/")[1]
    first = HOMES.get(first, first)
    return [(path, name, path == first) for path, name, role in MENU if caller.role.covers(role)]


def moment(seconds: float) -> str:
    """RFC 3339, UTC, for machines that read pages."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def exact(seconds: float) -> Markup:
    """A moment to the second, in UTC, which whoever shows it says once."""
    return Markup("<time>{}</time>").format(time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds)))


def ago(seconds: float, now: float | None = None) -> Markup:
    """A moment as people tell it, `5 m 02 s ago`, the exact one where the pointer rests; `never` for 0."""
    if not seconds:
        return Markup("never")
    now = the_site().clock() if now is None else now
    title = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        moment(seconds), title, _told(now - seconds)
    )


def _told(seconds: float) -> str:
    if abs(seconds) < 1:
        return "now"
    if seconds < 0:
        far = -seconds
        return f"in {counted(int(far // DAY), 'day')}" if far >= 2 * DAY else f"in {duration(far)}"
    return f"{counted(int(seconds // DAY), 'day')} ago" if seconds >= 2 * DAY else f"{duration(seconds)} ago"
