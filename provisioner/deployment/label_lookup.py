"""What somebody at the rack has scanned or typed: the host or the stranger that is meant, or what is near."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from provisioner.certificate import statement
from provisioner.deployment import plan
from provisioner.discovery import machines
from provisioner.domain.host import Host
from provisioner.errors import CertificateError, InputError, NotFoundError
from provisioner.site.site import Site
from provisioner.system.text import clean
from provisioner.system.units import named

LONGEST = 2400  # characters of a scan; a certificate's code has at most 2331
MOST_WORDS, LEAST_LETTERS = 8, 3  # of a label's text that are looked up one by one
MOST_NEAR, LEAST_NEAR = 5, 3  # suggestions; characters below which everything is near everything
TITLE = re.compile(r"\b(mac|s/?n|serial)\b\s*[:#=]*", re.IGNORECASE)  # before a number
ALIKE = str.maketrans("oil", "011")  # letters that are read for digits


class Match(NamedTuple):
    """A host by its name, or a machine that nobody knows by its MAC; the other one is empty."""

    host: str = ""
    machine: str = ""


class NearMatch(NamedTuple):
    """What is known and differs by one character, or by letters that look like digits; and whose it is."""

    text: str
    match: Match


def find(site: Site, scanned: str) -> Match:
    """By name, serial, MAC in any notation, the whole text of a label, or the code of a certificate.

    Raises NotFoundError (PV-121): nothing has it; InputError: nothing was read, or it is said of several.
    """
    text = scanned.encode(errors="replace").decode().strip()[:LONGEST]
    if not text:
        raise InputError("nothing was read", hint="scan the label again, or type what it says")
    doubts: list[InputError] = []
    for words in _readings(text):
        found = set(filter(None, (_look_up(site, word, doubts) for word in words if word)))
        if len(found) > 1:
            names = named(sorted(match.host or match.machine for match in found))
            raise InputError(f"this is said of several: {names}", hint="scan or type the MAC alone")
        for match in found:
            return match
    if doubts:
        raise doubts[0]
    raise NotFoundError(
        f"no machine here has {clean(text, 60)!r}",
        hint="compare it with the label; a new machine appears in the list once it starts from the network",
        code=121,
    )


def near(site: Site, scanned: str) -> tuple[NearMatch, ...]:
    """What may have been meant by a text that nothing has, MACs first."""
    wanted = _plain(TITLE.sub("", scanned.strip()[:LONGEST]))
    if len(wanted) < LEAST_NEAR:
        return ()
    known = sorted(_known(site), key=lambda one: ":" not in one.text)
    return tuple(one for one in known if _is_near(_plain(one.text), wanted))[:MOST_NEAR]


def is_one_off(one: str, other: str) -> bool:
    """Whether one character is another, missing or too many, or two neighbours are swapped."""
    begin = 0
    while begin < min(len(one), len(other)) and one[begin] == other[begin]:
        begin += 1
    left, right = one[begin:], other[begin:]
    return left != right and (
        left[1:] == right[1:]
        or left == right[1:]
        or left[1:] == right
        or (left[2:] == right[2:] and left[:2] == right[:2][::-1])
    )


def _is_near(known: str, wanted: str) -> bool:
    return is_one_off(known, wanted) or known.translate(ALIKE) == wanted.translate(ALIKE)


def _readings(text: str) -> Iterator[list[str]]:
    """What may be meant, the likeliest first: each a list of words that all speak of one machine."""
    try:
        said, _ = statement.read(text)
        yield [said.host]
        yield [said.serial]
    except CertificateError:
        yield [text]
        words = re.split(r"[\s,;|/]+", TITLE.sub(" ", text))
        yield [word for word in words if len(word) >= LEAST_LETTERS][:MOST_WORDS]


def _look_up(site: Site, word: str, doubts: list[InputError]) -> Match | None:
    try:
        return Match(host=plan.find_host(site, word).name)
    except NotFoundError:
        pass
    except InputError as fault:
        doubts.append(fault)
        return None
    try:
        return Match(machine=machines.find(site, word).mac)
    except NotFoundError:
        return None
    except InputError as fault:
        doubts.append(fault)
        return None


def _known(site: Site) -> Iterator[NearMatch]:
    for host in site.database.hosts.all():
        yield from (NearMatch(text, Match(host=host.name)) for text in _names(host))
    for machine in machines.unknown(site):
        texts = filter(None, (*machine.macs, machine.serial))
        yield from (NearMatch(text, Match(machine=machine.mac)) for text in texts)


def _names(host: Host) -> tuple[str, ...]:
    return tuple(filter(None, (*host.macs, host.serial, host.name)))


def _plain(text: str) -> str:
    return re.sub(r"[^0-9a-z]", "", text.lower())
