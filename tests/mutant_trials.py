"""Tries its share of the mutants of a session, one after the other, in the copy of the tree it starts in.

For tests/mutants.py. cosmic-ray starts a Python for each mutant, which imports everything and runs all tests.
Here each is tried in a fork, and only by the tests that come by its lines. A mutant within functions needs no
import: the functions are given their other code, in a fork of a process that has all tests ready. Else what
is mutated is imported anew, in a fork of a process that has all else.
"""

import contextlib
import difflib
import gc
import importlib
import inspect
import json
import os
import resource
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib.abc import MetaPathFinder
from itertools import zip_longest
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import TYPE_CHECKING

import pytest
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkerOutcome, WorkItem, WorkResult

if TYPE_CHECKING:
    from _typeshed import TraceFunction

LIMIT = 60.0  # seconds of a processor for the tests of one mutant
PATIENCE = 10
OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist")
LONGEST = 14000.0  # for those of all that need no import
SAID, SEEN, LOADED, TRIED = Path("said.txt"), Path("seen.json"), Path("loaded.json"), Path("tried.jsonl")


@dataclass
class Seen:
    """Which tests come by a line, `file:line`, and how many seconds each test takes."""

    tests: dict[str, list[str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def of(self, mutation: MutationSpec) -> set[str]:
        """The tests that a mutant is tried by; empty for all: it is in what an import does, or in no test."""
        path = Path(mutation.module_path).absolute()
        lines = range(mutation.start_pos[0], mutation.end_pos[0] + 1)
        found = [self.tests.get(f"{path}:{line}") for line in lines]
        return set().union(*filter(None, found)) if any(found) else set()


class _Watching:
    """A plugin of pytest that keeps which lines of some files each test comes by; imports are no test's."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = {str(path.absolute()) for path in files}
        self._lines: set[str] = set()
        self.seen = Seen()

    def _call(self, frame: FrameType, event: str, argument: object) -> "TraceFunction | None":
        if frame.f_code.co_filename not in self._files or frame.f_code.co_name == "<module>":
            return None
        self._lines.add(f"{frame.f_code.co_filename}:{frame.f_lineno}")
        return self._call

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._lines, began = set(), time.monotonic()
        threading.settrace(self._call)
        sys.settrace(self._call)
        yield
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type]  # none again
        self.seen.seconds[item.nodeid] = time.monotonic() - began
        for line in self._lines:
            self.seen.tests.setdefault(line, []).append(item.nodeid)


class _Choosing:
    """A plugin of pytest that leaves out all but some tests, and runs the quick ones first."""

    def __init__(self, chosen: set[str], seconds: dict[str, float]) -> None:
        self._chosen, self._seconds = chosen, seconds

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self._chosen:
            items[:] = [item for item in items if item.nodeid in self._chosen]
        items.sort(key=lambda item: self._seconds.get(item.nodeid, 0.0))


class _Barred(MetaPathFinder):
    """Lets nobody import these files: whoever needs them cannot be imported either."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = {str(path.absolute()) for path in files}

    def find_spec(self, name: str, path: Sequence[str] | None, target: object = None) -> None:
        """Raises ImportError for the package of one of them, which its modules need."""
        for place in path or sys.path:
            module = Path(place, name.rpartition(".")[2]).absolute()
            if {str(module.with_suffix(".py")), str(module / "__init__.py")} & self._files:
                raise ImportError(f"{name} is mutated")


def forked(work: Callable[[], int], limit: float = 600.0) -> int | None:
    """The exit code of `work`, done by a fork that prints into a file.

    It ends badly after `limit` seconds of a processor: whether tests fail must not depend on what else the
    machine does. None where it waited for something and took PATIENCE times as long.
    """
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit) + 1))
        with SAID.open("wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        code = 70  # of what ends without a word
        with contextlib.suppress(BaseException):
            code = work()
            sys.stdout.flush()
        os._exit(code)
    handle = os.pidfd_open(child)
    ended = bool(select.select([handle], [], [], PATIENCE * limit)[0])
    if not ended:
        os.kill(child, signal.SIGKILL)
    os.close(handle)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) if ended else None


def warm(mutated: Sequence[Path], arguments: Sequence[str]) -> None:
    """Import all that the tests import but what is mutated, and what needs that.

    Raises SystemExit where something that is mutated is imported already.
    """
    _require_none(mutated)

    def list_modules() -> int:
        code = pytest.main([*OPTIONS, "--collect-only", *arguments])
        LOADED.write_text(json.dumps(list(sys.modules)))
        return int(code)

    if forked(list_modules):
        return  # what does not do with the tests is said where they are tried first
    barred = _Barred(mutated)
    sys.meta_path.insert(0, barred)
    for name in json.loads(LOADED.read_text()):
        if not name.startswith("tests"):  # pytest rewrites their assertions when it imports them
            with contextlib.suppress(Exception):
                importlib.import_module(name)
    sys.meta_path.remove(barred)
    _require_none(mutated)


def _require_none(mutated: Sequence[Path]) -> None:
    places = {str(path.absolute()) for path in mutated}
    if wrong := [name for name, module in sys.modules.items() if getattr(module, "__file__", "") in places]:
        raise SystemExit(f"{', '.join(wrong)} would be imported without its mutants")


def look(mutated: Sequence[Path], arguments: Sequence[str]) -> Seen:
    """Run the tests without a mutant. Raises SystemExit where they fail."""

    def watch() -> int:
        watching = _Watching(mutated)
        code = pytest.main([*OPTIONS, *arguments], plugins=[watching])
        SEEN.write_text(json.dumps(asdict(watching.seen)))
        return int(code)

    if forked(watch) != 0:
        raise SystemExit(f"the tests fail without a mutant:\n{SAID.read_text(errors='replace')[-2000:]}")
    return Seen(**json.loads(SEEN.read_text()))


def mutant(mutation: MutationSpec, code: str) -> str:
    """The module's source with the mutation in it."""
    operator = get_operator(mutation.operator_name)(**mutation.operator_args)
    return mutate_code(code, operator, mutation.occurrence) or code


def tried(mutation: MutationSpec, arguments: Sequence[str], number: int, seen: Seen) -> WorkResult:
    """What the tests say of a mutant whose module is imported anew, with all that needs it."""
    path = Path(mutation.module_path)
    genuine = path.read_text()
    changed = mutant(mutation, genuine)
    choosing = _Choosing(seen.of(mutation), seen.seconds)
    try:
        path.write_text(changed)
        os.utime(path, (number, number))  # Python knows what it compiled by time and size
        code = forked(lambda: int(pytest.main([*OPTIONS, *arguments], plugins=[choosing])), LIMIT)
    finally:
        path.write_text(genuine)
    return result(path, genuine, changed, code, SAID.read_text(errors="replace"))


def result(path: Path, genuine: str, changed: str, code: int | None, said: str) -> WorkResult:
    """As cosmic-ray keeps it; `code` is how the tests ended, `said` what they printed."""
    names = (f"a/{path}", f"b/{path}")
    lines = difflib.unified_diff(genuine.splitlines(), changed.splitlines(), *names, lineterm="")
    return WorkResult(
        output=said,
        diff="\n".join(lines),
        test_outcome=TestOutcome.SURVIVED if code == 0 else TestOutcome.KILLED,
        worker_outcome=WorkerOutcome.NORMAL,
    )


def replaced(genuine: CodeType, changed: CodeType) -> dict[CodeType, CodeType] | None:
    """The code of each function that differs, and what is to take its place; of a module or a class.

    None where something else is done when it is imported: no function's code says that.
    """
    ours, others = _nested(genuine), _nested(changed)
    if len(ours) != len(others) or _body(genuine) != _body(changed):
        return None
    pairs: dict[CodeType, CodeType] = {}
    for mine, other in zip(ours, others, strict=True):
        if mine == other:
            continue
        if not mine.co_flags & inspect.CO_OPTIMIZED:  # the body of a class
            within = replaced(mine, other)
        else:
            within = {mine: other} if mine.co_freevars == other.co_freevars else None
        if within is None:
            return None
        pairs |= within
    return pairs


def _nested(code: CodeType) -> list[CodeType]:
    return [each for each in code.co_consts if isinstance(each, CodeType)]


def _body(code: CodeType) -> tuple[object, ...]:
    """What it does by itself: its instructions with what they name, functions by their names alone."""
    known = tuple(each.co_name if isinstance(each, CodeType) else repr(each) for each in code.co_consts)
    return code.co_code, code.co_names, known


class _Trying:
    """A plugin of pytest that runs the tests for each mutant within functions, in place of once."""

    def __init__(self, pending: Sequence[WorkItem], seen: Seen) -> None:
        self._pending, self._seen = pending, seen
        self._functions: dict[CodeType, list[FunctionType]] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        for each in gc.get_objects():
            if isinstance(each, FunctionType):
                self._functions.setdefault(each.__code__, []).append(each)
        with TRIED.open("w") as file:
            for item in self._pending:
                if found := self._try(item.mutations[0], session):
                    print(json.dumps([item.job_id, *found]), file=file, flush=True)
        return True

    def _try(self, mutation: MutationSpec, session: pytest.Session) -> tuple[int | None, str] | None:
        """How the tests ended, and what they printed; None where the module has to be imported anew."""
        path, chosen = Path(mutation.module_path), self._seen.of(mutation)
        texts = (genuine := path.read_text(), mutant(mutation, genuine))
        try:
            pairs = replaced(*(compile(text, str(path.absolute()), "exec") for text in texts))
        except SyntaxError:
            return None
        if not chosen or not pairs or not pairs.keys() <= self._functions.keys():
            return None
        items = [item for item in session.items if item.nodeid in chosen]
        items.sort(key=lambda item: self._seen.seconds[item.nodeid])

        def run_them() -> int:
            for mine, other in pairs.items():
                for function in self._functions[mine]:
                    function.__code__ = other
            for item, following in zip_longest(items, items[1:]):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if session.testsfailed:
                    return 1
            return 0

        return forked(run_them, LIMIT), SAID.read_text(errors="replace")


def try_within_functions(
    pending: Sequence[WorkItem], arguments: Sequence[str], seen: Seen
) -> Iterator[tuple[WorkItem, WorkResult]]:
    """Those that need no import, and what the tests say of them. Raises SystemExit where it does not end."""
    TRIED.unlink(missing_ok=True)
    trying = _Trying(pending, seen)
    if forked(lambda: int(pytest.main([*OPTIONS, "-s", *arguments], plugins=[trying])), LONGEST) != 0:
        raise SystemExit(f"the trials did not end:\n{SAID.read_text(errors='replace')[-2000:]}")
    items = {item.job_id: item for item in pending}
    for line in TRIED.read_text().splitlines():
        job, code, said = json.loads(line)
        mutation = items[job].mutations[0]
        genuine = (path := Path(mutation.module_path)).read_text()
        yield items[job], result(path, genuine, mutant(mutation, genuine), code, said)


def main(session: str, share: str, *arguments: str) -> None:
    """Every mutant of the share (`1/4`: every fourth, from the second on) without a result gets one.

    Raises SystemExit where the tests fail without a mutant.
    """
    first, step = map(int, share.split("/"))
    sys.dont_write_bytecode = True  # two mutants of a second have the same size and time
    with use_db(session) as database:
        pending = sorted(database.pending_work_items, key=lambda item: str(item.mutations[0]))
        mutated = sorted({Path(item.mutations[0].module_path) for item in pending})
        warm(mutated, arguments)
        seen = look(mutated, arguments)
        mine = pending[first::step]
        began = time.monotonic()
        for item, found in try_within_functions(mine, arguments, seen):
            database.set_result(item.job_id, found)
        left = [item for item in database.pending_work_items if item.job_id in {one.job_id for one in mine}]
        print(f"{len(mine) - len(left)} of {len(mine)} tried in {time.monotonic() - began:.0f} s", flush=True)
        for number, item in enumerate(left, 1):
            database.set_result(item.job_id, tried(item.mutations[0], arguments, number, seen))
        print(f"{len(mine)} of {len(mine)} tried in {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
