"""What the answer of a BMC means: done, not now, refused for good, or not known; and the error that it is.

Every driver puts its protocol's answers into one `Outcome`. What is not known is decided by reading back.
"""

from dataclasses import dataclass
from enum import Enum

from provisioner.errors import NotYetError, PowerError
from provisioner.power.protocol import BmcAddress

PAUSE = 2.0  # seconds before a BMC is asked again, unless it says how long
UNREADABLE_PAUSE = 30.0  # likewise, of one that talks nonsense: it may have just started
REFUSED = 203  # the PV code of a refusal that has no code of its own


class Kind(Enum):
    """What becomes of an order after this answer."""

    DONE = "done"
    NOT_NOW = "not now"  # nothing was done: ask again
    UNKNOWN = "unknown"  # it may have been done: read back, then ask again
    REFUSED = "refused"


@dataclass(frozen=True)
class Outcome:
    """One answer. `words` are the BMC's own, `pause` in seconds, `code` the PV code of the error.

    A refusal that does not last is one in the machine's present state: another order may be taken now, and
    the same one later.
    """

    kind: Kind
    words: str = ""
    pause: float = PAUSE
    code: int = REFUSED
    lasts: bool = True

    @property
    def is_done(self) -> bool:
        """Whether the BMC took the order."""
        return self.kind is Kind.DONE

    def fault(self, bmc: BmcAddress, action: str) -> PowerError:
        """The error: NotYetError (PV-211) unless it is refused for good (PV-202, 203, 207, 212, 213, 215)."""
        if self.kind is not Kind.REFUSED or not self.lasts:
            return not_yet(bmc, f"cannot do {action} now: {self.words}", pause=self.pause)
        if self.code in WITH_WORDS:
            sentence, hint = WITH_WORDS[self.code]
            filled = {"address": bmc.address, "user": bmc.user, "action": action, "name": bmc.name}
            filled["secret"] = bmc.secret or "NAME"
            return PowerError(
                f"{sentence.format(**filled)}: {self.words[:300]}", hint=hint.format(**filled), code=self.code
            )
        return refused_login(bmc, self.words) if self.code == 202 else refused(bmc, action, self.words)


WITH_WORDS = {
    207: (
        "BMC {address} refuses both cipher suites, 17 and 3",
        "switch IPMI's cipher suite 17 (or 3) on for LAN at the BMC's own page; or, where it speaks Redfish, "
        "name that in the inventory: bmc: {{driver: redfish}} of {name}",
    ),
    212: (
        "BMC {address} lets user {user!r} do nothing before its password is changed",
        "log in at the BMC's own page and change it; then provision bmc secret {secret} --user {user}",
    ),
    213: (
        "BMC {address} forbids {action} to user {user!r}",
        "give the user the role Operator or Administrator at the BMC, or: "
        "provision bmc secret {secret} --user USER names another",
    ),
    215: (
        "BMC {address} has locked user {user!r} out",
        "unlock the user at the BMC's own page, or wait as long as it locks; is the password right? "
        "Then provision bmc test {name}",
    ),
}


def not_yet(bmc: BmcAddress, sentence: str, *, pause: float = PAUSE) -> NotYetError:
    """A BMC that answers, but cannot do it at the moment."""
    return NotYetError(
        f"BMC {bmc.address} {sentence}"[:400],
        hint=f"one that stays so can be reset at its own page; ask it again: provision bmc test {bmc.name}",
        pause=pause,
    )


def unreadable(bmc: BmcAddress, fault: Exception) -> NotYetError:
    """The error of a BMC whose answer is none of its protocol; it may be starting, or another machine."""
    port = f"{bmc.address} port {bmc.port}"
    return NotYetError(
        f"BMC {bmc.address} answers what cannot be read ({type(fault).__name__}: {fault})"[:400],
        hint=f"is {port} the BMC, and does it speak {bmc.driver}? If so, reset it at its own page, or update "
        f"its firmware; provision bmc test {bmc.name}",
        pause=UNREADABLE_PAUSE,
    )


def silent(bmc: BmcAddress, transport: str, *, is_there: bool = False) -> PowerError:
    """The error of a BMC that does not answer; `is_there` where its machine does, and refuses the port."""
    edit = f"provision host edit {bmc.name} --bmc ADDRESS"
    cabled = f"is it cabled, is the address right? ping {bmc.address}; else {edit}"
    closed = "a machine is there, and has the port closed: is it the BMC, is its service switched on?"
    return PowerError(
        f"BMC {bmc.address} does not answer on {transport} port {bmc.port}",
        hint=f"{closed if is_there else cabled}; provision bmc test {bmc.name}",
        code=201,
    )


def too_old(bmc: BmcAddress, reason: str) -> PowerError:
    """The error of a BMC whose TLS is so old that no password is sent over it; `reason` is OpenSSL's."""
    return PowerError(
        f"BMC {bmc.address} speaks only TLS that is older than 1.2, or as weak: {reason}",
        hint=f"update the BMC's firmware, or switch TLS 1.2 on at its page; if it has none, name IPMI in the "
        f"inventory, as bmc: {{driver: ipmi}} of {bmc.name}, on a network of its own",
        code=REFUSED,
    )


def refused_login(bmc: BmcAddress, words: str = "") -> PowerError:
    """The error of a BMC that does not take the login, with what it says of it."""
    return PowerError(
        f"BMC {bmc.address} refuses the login of user {bmc.user!r}{f': {words[:200]}' if words else ''}",
        hint=f"set another password: provision bmc secret {bmc.secret or 'NAME'} --user {bmc.user}",
        code=202,
    )


def refused(bmc: BmcAddress, action: str, reason: str) -> PowerError:
    """The error of a BMC that answers with one."""
    return PowerError(
        f"BMC {bmc.address} refuses {action}: {reason[:300]}",
        hint=f"provision bmc test {bmc.name}",
        code=REFUSED,
    )
