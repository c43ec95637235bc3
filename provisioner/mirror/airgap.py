"""The proof of the air gap: a command runs where only the mirror answers; what else it asks is named."""

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner import errors, run
from provisioner.errors import InputError, ServiceError
from provisioner.mirror import layout
from provisioner.mirror.gap import Attempt
from provisioner.system import namespaces

SCHEMA_VERSION = 1
STDIN = 0  # ours, handed on


@dataclass(frozen=True)
class Account:
    """How the command ended, and every attempt to reach something else than the mirror."""

    code: int
    attempts: tuple[Attempt, ...]

    @property
    def count(self) -> int:
        """All attempts together; the air gap held where it is 0."""
        return sum(attempt.count for attempt in self.attempts)

    def dump(self) -> str:
        """As files and other programs read it: JSON with schema_version, count, attempts, exit_code."""
        body = {
            "schema_version": SCHEMA_VERSION,
            "count": self.count,
            "attempts": [attempt.as_json() for attempt in self.attempts],
            "exit_code": self.code,
        }
        return json.dumps(body, indent=2) + "\n"


def run_inside(command: Sequence[str], *, mirror: Path, name: str) -> Account:
    """Run a command with our standard streams; `name` is the mirror's, which `http://NAME/` serves there.

    Raises:
        InputError: `mirror` is no mirror (PV-656).
        ServiceError: the namespaces cannot be made (PV-642, PV-658).
        ProgramError: no such command.
    """
    if not (mirror / layout.SUMS).is_file():
        raise InputError(f"{mirror} is no mirror", hint="provision mirror make", code=656)
    program = run.find(command[0])
    with tempfile.TemporaryDirectory(prefix="gap-") as folder:
        account = Path(folder) / "account.json"
        inside: list[str | Path] = [
            sys.executable,
            "-m",
            "provisioner.mirror.inside",
            mirror.resolve(),
            name,
            account,
        ]
        words = [*namespaces.with_network(), *inside, program, *command[1:]]
        process = run.start(words, stdin=STDIN)
        code = _await(process)
        return _read(account, code)


def _await(process: run.Process) -> int:
    """Ctrl-C reaches the command too; its account is what we wait for."""
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def _read(account: Path, code: int) -> Account:
    if not account.is_file():
        raise ServiceError(f"the air gap broke off with code {code} and left no account", code=658)
    body = json.loads(account.read_text())
    if "error" in body:
        raise errors.from_json(body["error"])
    rows = ({"name": "", "address": "", **row} for row in body["attempts"])
    return Account(int(body["code"]), tuple(Attempt(**row) for row in rows))
