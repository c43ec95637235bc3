"""Tries the mutants of a session, one after the other, in the copy of the tree that it is started in.

For tests/mutants.py. cosmic-ray starts a Python for each mutant, and most of that time goes into imports.
Here one process imports what no mutant is in, and each mutant is tried in a fork of it.
"""

import contextlib
import difflib
import importlib
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkerOutcome, WorkResult

LIMIT = 60.0  # seconds for the tests of one mutant
USUAL = ("pydantic", "hypothesis", "provisioner.domain.profile", "provisioner.domain.acceptance")
OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist")


def warm(mutated: Sequence[Path]) -> None:
    """Import what is the same for all. Raises SystemExit where that is mutated, too."""
    for name in USUAL:
        importlib.import_module(name)
    places = {str(path.absolute()) for path in mutated}
    if wrong := [name for name, module in sys.modules.items() if getattr(module, "__file__", "") in places]:
        raise SystemExit(f"{', '.join(wrong)} would be imported without its mutants")


def tests(arguments: Sequence[str], said: Path) -> TestOutcome:
    """What the tests come to, in a fork; what they print goes into the file `said`."""
    child = os.fork()
    if not child:
        with said.open("wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        code = 70  # of what ends without a word
        with contextlib.suppress(BaseException):
            code = int(pytest.main([*OPTIONS, *arguments]))
            sys.stdout.flush()
        os._exit(code)
    handle = os.pidfd_open(child)
    ended = bool(select.select([handle], [], [], LIMIT)[0])
    if not ended:
        os.kill(child, signal.SIGKILL)
    os.close(handle)
    _, status = os.waitpid(child, 0)
    return TestOutcome.KILLED if not ended or os.waitstatus_to_exitcode(status) else TestOutcome.SURVIVED


def mutant(mutation: MutationSpec, code: str) -> str:
    """The module's source with the mutation in it."""
    operator = get_operator(mutation.operator_name)(**mutation.operator_args)
    return mutate_code(code, operator, mutation.occurrence) or code


def tried(mutation: MutationSpec, arguments: Sequence[str], number: int) -> WorkResult:
    """What the tests say of one mutant."""
    path, said = Path(mutation.module_path), Path("said.txt")
    genuine = path.read_text()
    changed = mutant(mutation, genuine)
    try:
        path.write_text(changed)
        os.utime(path, (number, number))  # Python knows what it compiled by time and size
        outcome = tests(arguments, said)
    finally:
        path.write_text(genuine)
    lines = difflib.unified_diff(
        genuine.splitlines(), changed.splitlines(), f"a/{path}", f"b/{path}", lineterm=""
    )
    return WorkResult(
        output=said.read_text(errors="replace"),
        diff="\n".join(lines),
        test_outcome=outcome,
        worker_outcome=WorkerOutcome.NORMAL,
    )


def main(session: str, *arguments: str) -> None:
    """Every mutant without a result gets one. Raises SystemExit where the tests fail without a mutant."""
    with use_db(session) as database:
        pending = sorted(database.pending_work_items, key=lambda item: str(item.mutations[0]))
        warm([Path(item.mutations[0].module_path) for item in pending])
        said = Path("said.txt")
        if tests(arguments, said) is not TestOutcome.SURVIVED:
            raise SystemExit(f"the tests fail without a mutant:\n{said.read_text(errors='replace')[-2000:]}")
        began = time.monotonic()
        for number, item in enumerate(pending, 1):
            database.set_result(item.job_id, tried(item.mutations[0], arguments, number))
            if number % 50 == 0:
                seconds = time.monotonic() - began
                print(f"{number} of {len(pending)} mutants tried, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
