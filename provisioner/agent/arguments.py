"""What the kernel's arguments let a boot of the agent do: write as ordered, look, or take the inventory."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from provisioner.agent.protocol import ProtocolError


@dataclass(frozen=True)
class KernelArguments:
    """Where the ramdisk finds its service, and the one-time number that proves it was ordered."""

    server: str  # http://ADDRESS[:PORT], no path
    mac: str  # aa:bb:cc:dd:ee:ff, the MAC that was ordered
    nonce: str  # url-safe text

    def __post_init__(self) -> None:
        """What writes is made from these: without a nonce there are none. Raises ProtocolError."""
        _check("nonce", self.nonce)

    def __str__(self) -> str:
        return f"pv.server={self.server} pv.mac={self.mac} pv.nonce={self.nonce}"

    @classmethod
    def parse(cls, command_line: str) -> "KernelArguments":
        """From ``/proc/cmdline``. Raises ProtocolError naming the argument that is missing or malformed."""
        if is_survey(command_line):
            raise ProtocolError("kernel argument pv.inventory forbids every order")
        words = _words(command_line)
        for name in CHECKS:
            _check(name, words.get(f"pv.{name}", ""))
        return cls(words["pv.server"], words["pv.mac"], words["pv.nonce"])


@dataclass(frozen=True)
class SurveyArguments:
    """Where the ramdisk of a machine that nobody knows reports what it is; nothing that could allow more."""

    server: str
    mac: str

    def __str__(self) -> str:
        return f"pv.server={self.server} pv.mac={self.mac} pv.inventory=1"

    @classmethod
    def parse(cls, command_line: str) -> "SurveyArguments":
        """From ``/proc/cmdline``; a nonce there is not even read. Raises ProtocolError."""
        words = _words(command_line)
        for name in ("server", "mac"):
            _check(name, words.get(f"pv.{name}", ""))
        return cls(words["pv.server"], words["pv.mac"])


@dataclass(frozen=True)
class ExaminationArguments:
    """Where the ramdisk of a host that is verified reports what it sees.

    `pv.inventory` stands there too: by it every release of the agent knows that nothing may be written, and
    none that writes is even loaded. An agent that does not know `pv.examination` hands in an inventory.
    """

    server: str
    mac: str
    nonce: str

    def __post_init__(self) -> None:
        """Raises ProtocolError for a nonce that is none."""
        _check("nonce", self.nonce)

    def __str__(self) -> str:
        return f"{SurveyArguments(self.server, self.mac)} pv.examination={self.nonce}"

    @classmethod
    def parse(cls, command_line: str) -> "ExaminationArguments":
        """From ``/proc/cmdline``. Raises ProtocolError, where pv.inventory is missing too."""
        if not is_survey(command_line):
            raise ProtocolError("kernel argument pv.examination without pv.inventory")
        survey, words = SurveyArguments.parse(command_line), _words(command_line)
        return cls(survey.server, survey.mac, words.get("pv.examination", ""))


CHECKS = {
    "server": r"http://[\w.:\[\]-]+",
    "mac": r"([0-9a-f]{2}:){5}[0-9a-f]{2}",
    "nonce": r"[\w-]+",
}


def is_survey(command_line: str) -> bool:
    """Whether ``pv.inventory`` stands there, with any value or none: then nothing may be written."""
    return any(word.split("=", 1)[0] == "pv.inventory" for word in command_line.split())


def is_examination(command_line: str) -> bool:
    """Whether ``pv.examination`` stands there, with any value or none."""
    return any(word.split("=", 1)[0] == "pv.examination" for word in command_line.split())


def _words(command_line: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in command_line.split() if "=" in word)


def _check(name: str, value: str) -> None:
    is_usable = re.fullmatch(CHECKS[name], value, re.ASCII) is not None
    if name == "server" and is_usable:
        try:
            address = urlsplit(value)
            is_usable = bool(address.hostname) and address.port != 0  # a port of 99999 raises here
        except ValueError:
            is_usable = False
    if not is_usable:
        raise ProtocolError(f"kernel argument pv.{name} is missing or malformed")
