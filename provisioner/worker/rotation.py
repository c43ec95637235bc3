"""Changes the password of a host's BMC so that nothing is lost, whenever this process is killed.

    done ── another password is made and kept ─→ sent ── the BMC is told ── a login with it works ─→ done

`sent` is committed before anything is sent. From then on the BMC may have the one password or the other: who
needs to log in tries the new one, then the old one (`settle`), and the old one is forgotten only when a login
with the new one has worked. One that was not taken is kept until the next is made: an order that was on its
way when we were killed may still come to the BMC.
"""

import json
import secrets
import string
import threading
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise

from provisioner.domain.audit import Entry, Kind
from provisioner.domain.host import Host
from provisioner.errors import NotYetError, PowerError
from provisioner.power import registry
from provisioner.power.outcome import REFUSED
from provisioner.power.protocol import Accounts, BmcAddress, Power
from provisioner.site import opened_secrets
from provisioner.site.site import Site
from provisioner.state import audit
from provisioner.state.rotations import Rotation
from provisioner.state.sealed_secrets import OWN_BMC_LOGIN
from provisioner.state.secrets import BmcLogin

LENGTHS = (20, 16)  # characters: IPMI 2.0's most; what IPMI 1.5 and some firmware take
CLASSES = ("abcdefghijkmnpqrstuvwxyz", "ABCDEFGHJKLMNPQRSTUVWXYZ", "23456789", "-_.")
ALPHABET = "".join(CLASSES)  # no look-alikes, and nothing that a firmware's page, a shell or a URL reads
WRONG = {202}  # PV codes of a login that was refused
PATIENCE = 20.0
LOST = "neither the password before nor the new one is taken"


def make_password(length: int) -> str:
    """A random one of ALPHABET with each of CLASSES in it, the first a letter, none twice in a row."""
    while True:
        made = "".join(secrets.choice(ALPHABET) for _ in range(length))
        is_mixed = all(set(made) & set(letters) for letters in CLASSES)
        if (
            is_mixed
            and made[0] in string.ascii_letters
            and all(one != other for one, other in pairwise(made))
        ):
            return made


_locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)  # by host: one login at a time


def rotate(site: Site, host: Host, bmc: BmcAddress) -> BmcAddress:
    """Give the host's BMC another password; how to log in from now on.

    `bmc` has the login of until now. Raises PowerError; then the one that works is kept, and where it is not
    known which one does (`sent`), both are.
    """
    if not isinstance(registry.connect(bmc), Accounts):
        raise PowerError(f"the driver of {host.name} cannot change passwords", code=203)
    with _locks[host.name]:
        bmc = _found(site, host, bmc)
        for length in LENGTHS:
            row = _begin(site, host, BmcLogin(bmc.user, make_password(length)))
            try:
                return _send(site, host, bmc, row)
            except PowerError as fault:
                if length == LENGTHS[-1] or fault.code != REFUSED or isinstance(fault, NotYetError):
                    raise
    raise AssertionError("the last length returns or raises")


def settle(site: Site, host: Host, bmc: BmcAddress) -> BmcAddress:
    """How to log in to a BMC that may have taken another password; a login finds it out, and it is kept so.

    `bmc` has the login of before. Raises PowerError: PV-240, neither is taken; else the BMC cannot say now.
    """
    if site.database.rotations.of(host).state != "sent":
        return bmc
    with _locks[host.name]:
        row = site.database.rotations.of(host)
        if row.state != "sent":  # another thread has found it out
            login = own_login(site, host)
            return _with(bmc, login) if login else bmc
        for login in _as_taken(_opened(site, row.next, host)):
            if _takes(_with(bmc, login)):
                _end(site, row, login)
                return _with(bmc, login)
        if _takes(bmc):
            _end(site, row, None)
            return bmc
    words = f"provision bmc secret {host.bmc.secret} --user USER --host {host.name}"
    raise PowerError(
        f"BMC {bmc.address}: {LOST}; both are kept",
        hint=f"set its password on its own page, then: {words}",
        code=240,
    )


def _found(site: Site, host: Host, bmc: BmcAddress) -> BmcAddress:
    """The login that works; where ours is refused, one that was sent once may have come late."""
    row = site.database.rotations.of(host)
    if login := own_login(site, host):  # it may be newer than `bmc`: another thread has just changed it
        bmc = _with(bmc, login)
    if row.state == "done" and row.next and not _takes(bmc):
        with site.database.writing():
            site.database.rotations.put(row.model_copy(update={"state": "sent"}))
    return settle(site, host, bmc)


def _as_taken(login: BmcLogin) -> list[BmcLogin]:
    """As the BMC may have it: some cut a password off without a word, and know its beginning from then on."""
    cut = login._replace(password=login.password[: LENGTHS[-1]])
    return list(dict.fromkeys([login, cut]))


def own_login(site: Site, host: Host) -> BmcLogin | None:
    """The host's own login; None where it has the one of the inventory's name."""
    row = site.database.rotations.of(host)
    return _opened(site, row.login, host) if row.login else None


def _opened(site: Site, name: str, host: Host) -> BmcLogin:
    body = json.loads(opened_secrets.read(site, OWN_BMC_LOGIN, name, host=host.name))
    return BmcLogin(body["user"], body["password"])


def _begin(site: Site, host: Host, login: BmcLogin) -> Rotation:
    """Keep the new password, as one that the BMC may have from now on."""
    now, name = site.clock(), f"{host.name}.{secrets.token_hex(4)}"
    with site.database.writing():
        before = site.database.rotations.of(host)
        row = before.model_copy(update={"next": name, "state": "sent", "changed": now})
        site.database.secrets.remove(OWN_BMC_LOGIN, before.next)
        site.database.secrets.put(OWN_BMC_LOGIN, name, json.dumps(login._asdict()), now=now)
        site.database.rotations.put(row)
        _note(site, row, "another password was made")
    return row


def _send(site: Site, host: Host, bmc: BmcAddress, row: Rotation) -> BmcAddress:
    driver: Power = registry.connect(replace(bmc, patience=PATIENCE))
    login = _opened(site, row.next, host)
    fresh = {one.password for one in _as_taken(login)}
    assert isinstance(driver, Accounts)  # noqa: S101  rotate has looked
    try:
        driver.set_password(login.password)
    except PowerError:  # refused, or its answer was lost: which password holds is for a login to say
        if (taken := settle(site, host, bmc)).password not in fresh:
            raise
        return taken
    if (taken := settle(site, host, bmc)).password in fresh:
        return taken
    raise PowerError(
        f"BMC {bmc.address} said that it took another password, and does not take it at a login",
        hint="the one before is still in use; look for rules on passwords on the BMC's own page",
        code=241,
    )


def _with(bmc: BmcAddress, login: BmcLogin) -> BmcAddress:
    return replace(bmc, user=login.user, password=login.password)


def _takes(bmc: BmcAddress) -> bool:
    """Whether a login works. Raises PowerError where the BMC says neither yes nor no."""
    try:
        registry.connect(replace(bmc, patience=PATIENCE)).state()
    except PowerError as fault:
        if fault.code in WRONG:
            return False
        raise
    return True


def _end(site: Site, row: Rotation, taken: BmcLogin | None) -> None:
    """One of both is known to hold: the new one as it was `taken`, or where that is None the one before.

    The one before is forgotten then, unless it is one that others share.
    """
    update: dict[str, object] = {"state": "done", "changed": site.clock()}
    if taken:
        update |= {"login": row.next, "next": ""}
    with site.database.writing():
        site.database.rotations.put(row.model_copy(update=update))
        if taken:
            site.database.secrets.put(OWN_BMC_LOGIN, row.next, json.dumps(taken._asdict()), now=site.clock())
        if taken and row.login:
            site.database.secrets.remove(OWN_BMC_LOGIN, row.login)
        _note(site, row, "a login with the new one worked" if taken else "the one before is still in use")


def _note(site: Site, row: Rotation, sentence: str) -> None:
    what = f"{OWN_BMC_LOGIN} {row.secret}"
    audit.record(
        site.database,
        Entry(
            kind=Kind.SECRET_WRITTEN,
            time=site.clock(),
            by="worker",
            door="worker",
            host=row.host,
            what=what,
            sentence=sentence,
        ),
    )
