"""Starts the process that records a host's serial console during a deployment, and reads what it answers.

The process is the `recorder` module of the BMC's driver. It reads its request as one line of JSON on standard
input, answers `{"recording": true}` or a `process.Failure` on standard output, and ends when its standard
input closes. It is a process of its own since pyghmi keeps global state and threads.
"""

import json
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from provisioner import run
from provisioner.errors import PowerError
from provisioner.power import process
from provisioner.power.protocol import BmcAddress
from provisioner.state.recording import Recording

LISTENER = "web"  # whose processes are woken for new bytes, and when a recording has ended
RECORDING = json.dumps({"recording": True})


@dataclass(frozen=True)
class RecorderRequest:
    """Whose console is recorded for which deployment; `state` is the service's state folder."""

    bmc: BmcAddress
    state: Path
    deployment: str

    @property
    def recording(self) -> Recording:
        """The files that the console is recorded to."""
        return Recording(self.state, self.deployment)

    def to_json(self) -> bytes:
        """One line of JSON, which the recorder reads from standard input."""
        fields = {"bmc": asdict(self.bmc), "state": str(self.state), "deployment": self.deployment}
        return json.dumps(fields).encode() + b"\n"

    @classmethod
    def from_json(cls, line: bytes) -> "RecorderRequest":
        """The request that `to_json` wrote."""
        fields = json.loads(line)
        return cls(BmcAddress(**fields["bmc"]), Path(fields["state"]), fields["deployment"])


def start(recorder: str, request: RecorderRequest) -> run.Process:
    """Run the module `recorder`; the kernel ends it with the thread that starts it.

    Closing its standard input ends it in good order. Raises OSError, ProgramError.
    """
    made = run.start([sys.executable, "-m", recorder], stdin=run.PIPE, stdout=run.PIPE)
    if made.stdin:
        with suppress(BrokenPipeError):  # why it ended is on its standard output
            made.stdin.write(request.to_json())
            made.stdin.flush()
    return made


def error_in(line: bytes) -> PowerError | None:
    """The error in a recorder's answer; None where it says that it records."""
    try:
        answer = json.loads(line)
    except ValueError:
        return PowerError("the recorder of the console broke", hint="the service's log has more", code=209)
    return process.error_of(answer) if "error" in answer else None
