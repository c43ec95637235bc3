"""Which hosts a list shows, in which order: what a URL says of it, and how many there are of each kind."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from provisioner.domain import selection
from provisioner.domain.deployment import Deployment
from provisioner.domain.host import Host
from provisioner.domain.selection import NEVER, Candidate, Term
from provisioner.domain.stage import RESTING, UNSUCCESSFUL, Stage
from provisioner.errors import InputError
from provisioner.site.site import Site
from provisioner.web.pages import look, moving
from provisioner.web.pages.look import Look
from provisioner.web.pages.moving import Moving

AT_ONCE = 100  # rows of one page: each that changes is sent again to all who look
LONGEST = 500  # characters of what is typed
STUCK, UNDER_WAY, UNSUCCESSFUL_ONES, LOCKED = "stuck", "under-way", "unsuccessful", "locked"


@dataclass(frozen=True)
class HostRow:
    """A host, its fixed address, its last deployment, and whether it is verified just now.

    `going` is what is known of a deployment that is under way.
    """

    host: Host
    address: str
    last: Deployment | None
    verified: bool
    going: Moving | None = None

    @property
    def look(self) -> Look:
        """How it stands."""
        return moving.look_of(self.last, self.going, is_verified=self.verified)

    @property
    def changed(self) -> float:
        """When its last deployment came to where it is, in seconds since 1970; 0 for never."""
        return self.last.stage_since if self.last else 0.0

    @property
    def image(self) -> str:
        """The image of its last deployment."""
        return self.last.image if self.last else ""

    @property
    def kinds(self) -> frozenset[str]:
        """What it counts among."""
        stage = self.last.stage if self.last else None
        groups = {UNSUCCESSFUL_ONES: stage in UNSUCCESSFUL, LOCKED: self.host.locked}
        groups[STUCK] = self.look is look.STUCK
        groups[UNDER_WAY] = self.verified or (stage is not None and stage not in RESTING)
        return frozenset({stage.value if stage else NEVER, *(name for name, fits in groups.items() if fits)})

    def has(self, words: list[str]) -> bool:
        """Whether each of the words is part of something that it is known by."""
        host = self.host
        known = " ".join(
            (host.name, host.rack, host.serial, host.uuid, host.profile, *host.macs, self.address, self.image)
        ).lower()
        digits = known.replace(":", "")
        return all(word in known or re.sub(r"[:.-]", "", word) in digits for word in words)


def read(site: Site) -> list[HostRow]:
    """Every host by name, by a query for each table."""
    database = site.database
    lasts, addresses = database.deployments.last_of_each(brief=True), database.macs.addresses()
    over_ssh = {row.host for row in database.verifications.open()}
    ordered = {mac: ident for mac, ident, _ in database.deployments.orders()}
    going = moving.active(lasts.values())
    return [
        HostRow(
            host,
            addresses.get(host.macs[0], ""),
            last,
            host.name in over_ssh or _is_verified(last, order),
            going.get(last.id) if last else None,
        )
        for host in database.hosts.all()
        for last in [lasts.get(host.name)]
        for order in [ordered.get(host.macs[0], "")]
    ]


def _is_verified(last: Deployment | None, order: str) -> bool:
    """Whether what is under way is none of its deployments, and so a verification."""
    return bool(order) and (last is None or last.id != order)


Key = tuple[object, ...]


def _natural(text: str) -> Key:
    """`vc-2` before `vc-10`; what is empty comes last."""
    parts = re.split(r"(\d+)", text.lower())
    return (not text, *((1, int(part)) if part.isdecimal() else (0, part) for part in parts if part))


ORDERS: Mapping[str, Callable[[HostRow], Key]] = {
    "state": lambda row: (row.look.word,),
    "name": lambda row: _natural(row.host.name),
    "rack": lambda row: _natural(row.host.rack),
    "address": lambda row: _natural(row.address),
    "image": lambda row: _natural(row.image),
    "serial": lambda row: _natural(row.host.serial or row.host.macs[0]),
    "changed": lambda row: (row.changed == 0, -row.changed),
    "locked": lambda row: (not row.host.locked,),
}
KINDS: tuple[tuple[str, str], ...] = (
    (STUCK, look.STUCK.word),
    (UNDER_WAY, "under way"),
    (UNSUCCESSFUL_ONES, "failed or rejected"),
    (Stage.READY, "ready"),
    (Stage.CANCELLED, "cancelled"),
    (NEVER, "never deployed"),
    (LOCKED, "locked"),
)
STATES = frozenset({*(kind for kind, _ in KINDS), *(stage.value for stage in Stage)})


@dataclass(frozen=True)
class HostFilter:
    """What a URL asks for: each key is that of the query string, empty where it says nothing."""

    text: str = ""
    state: str = ""
    profile: str = ""
    rack: str = ""
    image: str = ""
    select: str = ""
    sort: str = "name"
    page: int = 1

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "HostFilter":
        """As it is asked for; what there is not counts as not said."""
        texts = {key: query.get(key, "").strip()[:LONGEST] for key in cls.__dataclass_fields__}
        if texts["state"] not in STATES:
            texts["state"] = ""
        if texts["sort"].removeprefix("-") not in ORDERS:
            texts["sort"] = "name"
        number = texts.pop("page")
        return cls(**texts, page=max(1, int(number)) if re.fullmatch(r"\d{1,6}", number) else 1)

    @property
    def is_set(self) -> bool:
        """Whether it leaves anything out."""
        return any((self.text, self.state, self.profile, self.rack, self.image, self.select))

    def query(self, **changes: str | int) -> str:
        """The page's address with this filter, apart from the changes; a change leads to its first page."""
        said = {key: getattr(self, key) for key in self.__dataclass_fields__}
        said |= {"page": 1, **changes}
        usual = {"sort": "name", "page": 1}
        told = {key: value for key, value in said.items() if value and value != usual.get(key)}
        return f"/hosts?{urlencode(told)}" if told else "/hosts"

    def sorted_by(self, column: str) -> str:
        """The page's address sorted by a column; by the one that it is sorted by, the other way round."""
        return self.query(sort=f"-{column}" if self.sort == column else column)

    def direction(self, column: str) -> str:
        """`ascending`, `descending` or `none`, as aria-sort has it."""
        if self.sort.removeprefix("-") != column:
            return "none"
        return "descending" if self.sort.startswith("-") else "ascending"

    def fits(self, row: HostRow) -> bool:
        """Whether a host fits all of it but for its state and `select`."""
        exact = ((self.profile, row.host.profile), (self.rack, _rack(row.host)), (self.image, row.image))
        return all(not wanted or wanted == said for wanted, said in exact) and (
            not self.text or row.has(self.text.lower().split())
        )


def _rack(host: Host) -> str:
    """`B3` of `B3/U12`: a rack, and not a place in it."""
    return host.rack.partition("/")[0]


@dataclass(frozen=True)
class HostListing:
    """What a page shows: its `rows`, the `names` of all that fit, of how many in `total`; `fault` of select.

    `counts` has how many fit of each kind, were it the state that is asked for; `racks`, `profiles` and
    `images` are what there is to choose from.
    """

    wanted: HostFilter
    names: tuple[str, ...]
    rows: tuple[HostRow, ...]
    total: int
    counts: Mapping[str, int]
    racks: tuple[str, ...]
    profiles: tuple[str, ...]
    images: tuple[str, ...]
    fault: InputError | None

    @property
    def first(self) -> int:
        """The number of the first row that is shown, from 0."""
        return _first(self.wanted.page, len(self.names))


def choose(rows: list[HostRow], wanted: HostFilter) -> HostListing:
    """Those that fit, in the order that is asked for."""
    terms, fault = _terms(wanted.select)
    like = [row for row in rows if wanted.fits(row) and _fits(terms, row)]
    counts = Counter(kind for row in like for kind in row.kinds)
    fitting = [row for row in like if not wanted.state or wanted.state in row.kinds]
    fitting = [] if fault else fitting
    key = ORDERS[wanted.sort.removeprefix("-")]
    fitting.sort(key=lambda row: _natural(row.host.name))
    fitting.sort(key=key, reverse=wanted.sort.startswith("-"))
    first = _first(wanted.page, len(fitting))
    return HostListing(
        wanted=wanted,
        names=tuple(row.host.name for row in fitting),
        rows=tuple(fitting[first : first + AT_ONCE]),
        total=len(rows),
        counts={**counts, "": len(like)},
        racks=_distinct(_rack(row.host) for row in rows),
        profiles=_distinct(row.host.profile for row in rows),
        images=_distinct(row.image for row in rows),
        fault=fault,
    )


def _first(page: int, fitting: int) -> int:
    """The number of the first row of a page, or of the last page where there are fewer."""
    last = max(1, -(-fitting // AT_ONCE))
    return (min(page, last) - 1) * AT_ONCE


def _terms(select: str) -> tuple[tuple[Term, ...], InputError | None]:
    """Those of an expression, or what is wrong with it: then nobody fits."""
    if not select:
        return (), None
    try:
        return selection.parse(select), None
    except InputError as fault:
        return (), fault


def _fits(terms: tuple[Term, ...], row: HostRow) -> bool:
    candidate = Candidate(row.host, row.last)
    return all(term.fits(candidate) for term in terms)


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(filter(None, texts)), key=_natural))
