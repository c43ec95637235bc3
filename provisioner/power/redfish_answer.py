"""What a Redfish service answers (DSP0266): a resource, or an error, read in words and judged."""

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from provisioner.power.outcome import PAUSE, REFUSED, Kind, Outcome

NOT_NOW = {425, 429, 502, 503}
UNKNOWN = {408, 500, 504}
CONFLICT = 409  # with the present state of the resource (RFC 9110, 15.5.10), which will be in another
LARGEST = 4 << 20  # bytes of an answer that are read
# message identifiers (DSP8011, Base, and makers' own) without registry and version, in small letters
BUSY = {
    *("servicetemporarilyunavailable", "serviceinunknownstate", "serviceshuttingdown", "resourceinuse"),
    *("operationtimeout", "resourceinstandby", "resourcenotready", "couldnotestablishconnection"),
    *("sessionlimitexceeded", "eventsubscriptionlimitexceeded", "insufficientstorage"),
    *("unabletomodifyduringsystempost", "unabletomodifyrightnow"),
}
BY_STATUS = {401: 202, 403: 213}  # PV codes
CODES = {  # likewise
    "passwordchangerequired": 212,
    "insufficientprivilege": 213,
    "resourceaturiunauthorized": 202,
    "novalidsession": 202,
    "accountlocked": 215,
    "accessdenied": 202,
}
# in an identifier or in words: `iLO.2.14.InvalidOperationForSystemState`, "Server is already powered OFF"
IN_STATE = re.compile(
    r"(power|system|host|current|present) ?state|already (been )?(power(ed)? |turned )?o(n|ff)\b"
)
FIRST = (212, 215)  # which say more than the others do of the same answer


@dataclass(frozen=True)
class Resource:
    """A JSON object of a BMC, read without trust: what is absent or of another type is empty."""

    fields: Mapping[str, object] = field(default_factory=dict)

    @property
    def identifier(self) -> str:
        """Of a message; iLO 4 writes its name in its own way."""
        return self.text("MessageId") or self.text("MessageID")

    def text(self, name: str) -> str:
        """A string; numbers and truth values as text."""
        value = self.fields.get(name)
        return str(value) if isinstance(value, str | int | float) else ""

    def part(self, *names: str) -> "Resource":
        """An object inside, by the path of names."""
        here: object = self.fields
        for name in names:
            here = here.get(name) if isinstance(here, Mapping) else None
        return Resource(here) if isinstance(here, Mapping) else Resource()

    def parts(self, name: str) -> tuple["Resource", ...]:
        """The objects of a list; one object alone counts as a list."""
        value = self.fields.get(name)
        found = value if isinstance(value, list) else [value]
        return tuple(Resource(one) for one in found if isinstance(one, Mapping))

    def words(self, name: str) -> tuple[str, ...]:
        """The strings of a list."""
        value = self.fields.get(name)
        return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()

    def link(self, *names: str) -> str:
        """`@odata.id` of an object inside."""
        return self.part(*names).text("@odata.id")

    def links(self, name: str) -> tuple[str, ...]:
        """`@odata.id` of each object of a list; some write the links alone."""
        found = (one.text("@odata.id") for one in self.parts(name))
        return tuple(filter(None, found)) or self.words(name)


@dataclass(frozen=True)
class Answer:
    """One answer: status, the body as a resource and as text, the headers by their names in small letters.

    `task`: it is the end of a task that failed, which ended in this state; the status is not its own then.
    `passes`: a refusal in the machine's present state, which will be in another.
    """

    status: int
    body: Resource
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    task: str = ""
    passes: bool = False

    @property
    def is_done(self) -> bool:
        """Whether it is one of the statuses 2xx."""
        return 200 <= self.status < 300

    @property
    def location(self) -> str:
        """Where a redirection, a new resource or a task is."""
        return self.headers.get("location", "")

    def etag(self) -> str:
        """The resource's own ETag, of the header or, where that is missing, of the body (DSP0266, 6.5)."""
        tag = self.headers.get("etag", "") or self.body.text("@odata.etag")
        return tag if tag.isascii() and tag.isprintable() else ""

    def messages(self) -> tuple[Resource, ...]:
        """The extended information of an error (DSP0266, 8.6), or of an answer."""
        found = self.body.part("error").parts("@Message.ExtendedInfo")
        return found or self.body.parts("@Message.ExtendedInfo") or self.body.parts("Messages")

    def identifiers(self) -> frozenset[str]:
        """The messages' identifiers without registry and version, in small letters."""
        found = [one.identifier for one in self.messages()]
        found.append(self.body.part("error").text("code"))
        return frozenset(one.rpartition(".")[2].lower() for one in found if one)

    def words(self) -> str:
        """What it says, for people: its messages, else its text without markup, else the status."""
        error = self.body.part("error")
        said = [one.text("Message") or one.identifier for one in self.messages()]
        said = [one for one in said if one] or [error.text("message") or error.text("code")]
        text = "; ".join(dict.fromkeys(filter(None, said)))
        if not text and not self.body.fields:
            text = re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", self.text, flags=re.DOTALL | re.IGNORECASE)
        if 300 <= self.status < 400:
            text = f"it sends elsewhere, to {self.location or 'nowhere'}"
        reason = HTTPStatus(self.status).phrase if self.status in set(HTTPStatus) else "no known status"
        end = f"its task ended as {self.task}" if self.task else f"status {self.status}"
        return f"{' '.join(text.split())[:300] or reason} ({end})"

    def names_power_state(self) -> bool:
        """Whether it says that an order does not suit the power state; a power state may be shown late."""
        said = " ".join((*self.identifiers(), self.words().lower()))
        return bool(IN_STATE.search(said))

    def pause(self) -> float:
        """Seconds that it asks for (Retry-After, RFC 9110, 10.2.3), a date by its own clock."""
        asked = self.headers.get("retry-after", "").strip()
        if asked.isdecimal() and len(asked) < 7:
            return float(asked)
        try:
            then, now = parsedate_to_datetime(asked), parsedate_to_datetime(self.headers.get("date", ""))
            return (then - now).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return PAUSE


def parse(status: int, body: bytes, headers: Mapping[str, str]) -> Answer:
    """The answer of these bytes; what is no JSON object is text."""
    named = {name.lower(): value for name, value in headers.items()}
    text = _unpacked(body, named).decode("utf-8-sig", errors="replace").strip("\0\t\r\n ")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    resource = Resource(found) if isinstance(found, Mapping) else Resource()
    return Answer(status, resource, text, named)


def _unpacked(body: bytes, headers: Mapping[str, str]) -> bytes:
    """Of gzip or deflate (RFC 9110, 8.4.1), said or not; some say so of plain text."""
    says = headers.get("content-encoding", "").lower() in ("gzip", "x-gzip", "deflate")
    if not says and not body.startswith(b"\x1f\x8b"):
        return body
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, LARGEST)
    except zlib.error:
        return body


def judge(answer: Answer) -> Outcome:
    """What the answer means for the order that it answers."""
    named, words = answer.identifiers(), answer.words()
    codes = [CODES[one] for one in sorted(named) if one in CODES]
    if answer.is_done:
        return Outcome(Kind.DONE, words)
    if codes:
        return Outcome(Kind.REFUSED, words, code=next((one for one in FIRST if one in codes), max(codes)))
    if answer.status in NOT_NOW or named & BUSY:
        return Outcome(Kind.NOT_NOW, words, answer.pause())
    if answer.status in UNKNOWN:
        return Outcome(Kind.UNKNOWN, words, answer.pause())
    needs_license = any("licen" in one for one in named)  # no role helps there
    code = REFUSED if needs_license else BY_STATUS.get(answer.status, REFUSED)
    lasts = answer.status != CONFLICT and not answer.passes
    return Outcome(Kind.REFUSED, words, answer.pause(), code=code, lasts=lasts)
