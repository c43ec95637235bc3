"""What a Redfish service answers (DSP0266): a resource, or an error, read in words and judged."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from provisioner.power.outcome import PAUSE, REFUSED, Kind, Outcome

NOT_NOW = {425, 429, 502, 503}
UNKNOWN = {408, 500, 504}
# message identifiers (DSP8011, Base) without registry and version, in small letters
BUSY = {
    *("servicetemporarilyunavailable", "serviceinunknownstate", "serviceshuttingdown", "resourceinuse"),
    *("operationtimeout", "resourceinstandby", "resourcenotready", "couldnotestablishconnection"),
    *("sessionlimitexceeded", "eventsubscriptionlimitexceeded", "insufficientstorage"),
}
BY_STATUS = {401: 202, 403: 213}  # PV codes
CODES = {  # likewise
    "passwordchangerequired": 212,
    "insufficientprivilege": 213,
    "resourceaturiunauthorized": 202,
    "novalidsession": 202,
    "accountlocked": 202,
    "accessdenied": 202,
}


@dataclass(frozen=True)
class Resource:
    """A JSON object of a BMC, read without trust: what is absent or of another type is empty."""

    fields: Mapping[str, object] = field(default_factory=dict)

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


@dataclass(frozen=True)
class Answer:
    """One answer: status, the body as a resource and as text, the headers by their names in small letters."""

    status: int
    body: Resource
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """Whether it is one of the statuses 2xx."""
        return 200 <= self.status < 300

    def etag(self) -> str:
        """The resource's own ETag, of the header or, where that is missing, of the body (DSP0266, 6.5)."""
        return self.headers.get("etag", "") or self.body.text("@odata.etag")

    def messages(self) -> tuple[Resource, ...]:
        """The extended information of an error (DSP0266, 8.6), or of an answer."""
        found = self.body.part("error").parts("@Message.ExtendedInfo")
        return found or self.body.parts("@Message.ExtendedInfo")

    def identifiers(self) -> frozenset[str]:
        """The messages' identifiers without registry and version, in small letters."""
        found = [one.text("MessageId") for one in self.messages()]
        found.append(self.body.part("error").text("code"))
        return frozenset(one.rpartition(".")[2].lower() for one in found if one)

    def words(self) -> str:
        """What it says, for people: its messages, else its text without markup, else the status."""
        error = self.body.part("error")
        said = [one.text("Message") or one.text("MessageId") for one in self.messages()]
        said = [one for one in said if one] or [error.text("message") or error.text("code")]
        text = "; ".join(dict.fromkeys(filter(None, said)))
        if not text and not self.body.fields:
            text = re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", self.text, flags=re.DOTALL | re.IGNORECASE)
        reason = HTTPStatus(self.status).phrase if self.status in set(HTTPStatus) else "no known status"
        return f"{' '.join(text.split())[:300] or reason} (status {self.status})"

    def pause(self) -> float:
        """Seconds that it asks for (Retry-After, RFC 9110, 10.2.3; dates are not read)."""
        asked = self.headers.get("retry-after", "")
        return float(asked) if asked.isdecimal() and len(asked) < 7 else PAUSE


def parse(status: int, body: bytes, headers: Mapping[str, str]) -> Answer:
    """The answer of these bytes; what is no JSON object is text."""
    text = body.decode(errors="replace")
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    resource = Resource(found) if isinstance(found, Mapping) else Resource()
    return Answer(status, resource, text, {name.lower(): value for name, value in headers.items()})


def judge(answer: Answer) -> Outcome:
    """What the answer means for the order that it answers."""
    named, words = answer.identifiers(), answer.words()
    codes = [CODES[one] for one in sorted(named) if one in CODES]
    if answer.is_done:
        return Outcome(Kind.DONE, words)
    if codes:
        return Outcome(Kind.REFUSED, words, code=212 if 212 in codes else max(codes))
    if answer.status in NOT_NOW or named & BUSY:
        return Outcome(Kind.NOT_NOW, words, answer.pause())
    if answer.status in UNKNOWN:
        return Outcome(Kind.UNKNOWN, words, answer.pause())
    return Outcome(Kind.REFUSED, words, code=BY_STATUS.get(answer.status, REFUSED))
