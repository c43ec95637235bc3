"""Chooses by the kernel's arguments what this boot is for: an order, a verification, the inventory."""

import threading
from pathlib import Path

from provisioner.agent import facts
from provisioner.agent.arguments import (
    ExaminationArguments,
    KernelArguments,
    SurveyArguments,
    is_examination,
    is_survey,
)
from provisioner.agent.lldp import LldpListener
from provisioner.agent.protocol import ProtocolError


def main(command_line: Path = Path("/proc/cmdline"), arguments: str = "") -> int:
    """Never returns normally in the ramdisk: it reboots, or rests. The exit code of a crash is 1.

    Below Ubuntu's installer, whose kernel was started with other arguments, ours are `said`.
    """
    words = arguments or command_line.read_text(errors="replace")
    try:
        if is_examination(words):
            _examine(ExaminationArguments.parse(words))
        elif is_survey(words):
            _survey(SurveyArguments.parse(words))
        else:
            _work(KernelArguments.parse(words))
    except ProtocolError as fault:
        print(f"agent: {fault}", flush=True)
        return 2
    threading.Event().wait()  # rests until it restarts or is powered off
    return 0


def _survey(arguments: SurveyArguments) -> None:
    from provisioner.agent.survey import Survey

    Survey(arguments, neighbours=_listener()).run()


def _examine(arguments: ExaminationArguments) -> None:
    from provisioner.agent.examination import Examiner

    Examiner(arguments, neighbours=_listener()).run()


def _work(arguments: KernelArguments) -> None:
    # only here: a machine that is surveyed does not even load what writes
    from provisioner.agent.job import Job

    Job(arguments, neighbours=_listener()).run()


def _listener() -> LldpListener:
    """From the first moment: switches speak when a link comes up, and then every 30 s or so."""
    try:
        names = [nic.name for nic in facts.nics()]
    except OSError:
        names = []
    return LldpListener(names)
