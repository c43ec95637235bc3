"""Runs Packer on a template: with a key of its own, step by step, and a line in the journal at the end."""

import importlib.util
import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from provisioner import run
from provisioner.errors import Exit, ProvisionError
from provisioner.golden import base, record, seeds
from provisioner.golden.templates import BUILDERS
from provisioner.system import shipped

DEBIAN = "debian-12-base.pkrvars.hcl"
BASE_NAME, BASE_VERSION = "debian-12-base", "1"
# lines of Packer's that are steps: its own, Ansible's tasks, and those of our last step
_STEP = re.compile(
    r"^==> \S+: (?P<own>.+)$"
    r"|^\s+\S+: TASK \[(?P<task>[^\]]+)\].*$"
    r"|^\s+\S+(?: \(shell-local\))?: (?P<said>(?:gate|golden): .+)$"
)
# most telling first: a check or a task that failed and our last step's words, Packer's own, anything else
_FAULTS = tuple(
    re.compile(pattern)
    for pattern in (r"fatal: |gate: FAILED|golden: .*PV-\d", r"(?i)^\* |\berror: ", r"(?i)error|failed|PV-\d")
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
LONGEST = 110  # characters of a step that are told; the log has all
MOST_EVIDENCE = 600  # characters of a line
GRACE = 60.0  # seconds for Packer to remove its machine after Ctrl-C
Report = Callable[[str], None]


class BuildError(ProvisionError):
    """PV-660: an image could not be built, or is not what it must be."""

    code = 660
    exit = Exit.FAILED


@dataclass(frozen=True)
class BuildRequest:
    """What is built by which of BUILDERS; `out` gets the results, `cache` the journal and the base image."""

    out: Path
    builder: str = "qemu"
    debian: bool = False
    mirror: base.AptMirror | None = None  # that the base image is made from, where it is Debian's
    var_files: tuple[Path, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    keep_failed: bool = False
    cache: Path = Path()


@dataclass(frozen=True)
class BuiltImage:
    """A finished build: its line in the journal, its pack, and how many seconds it took."""

    entry: record.JournalEntry
    pack: Path
    seconds: float


def build(request: BuildRequest, report: Report, *, commit: str = "") -> BuiltImage:
    """Build one image. Raises BuildError after the journal has its line; ProgramError: no Packer."""
    run.find("packer")
    request.out.mkdir(parents=True, exist_ok=True)
    started, began = time.time(), time.monotonic()
    try:
        made = _made(request, report)
    except (ProvisionError, KeyboardInterrupt) as fault:
        record.append(request.cache, _failed(request, started, time.monotonic() - began, commit, fault))
        raise
    seconds = round(time.monotonic() - began, 1)
    body = {**json.loads(made.read_text()), "seconds": seconds, "started": started, "commit": commit}
    made.write_text(json.dumps(body, indent=1, sort_keys=True) + "\n")
    entry = _entry(body, request.builder)
    record.append(request.cache, entry)
    return BuiltImage(entry, made.with_name(made.name.removesuffix(record.SUFFIX) + ".pack"), seconds)


def _failed(
    request: BuildRequest, started: float, seconds: float, commit: str, fault: BaseException
) -> record.JournalEntry:
    image = f"{request.variables.get('image_name', '')}@{request.variables.get('image_version', '')}"
    error = str(fault) or "interrupted"
    return record.JournalEntry(started, seconds, "failed", image, request.builder, commit=commit, error=error)


def _entry(body: Mapping[str, object], builder: str) -> record.JournalEntry:
    return record.JournalEntry(
        started=float(str(body["started"])),
        seconds=float(str(body["seconds"])),
        result="built",
        image=str(body["image"]),
        builder=builder,
        raw_sha256=str(body["raw_sha256"]),
        raw_bytes=int(str(body["raw_bytes"])),
        pack_bytes=int(str(body["pack_bytes"])),
        download_seconds=float(str(body["download_seconds_at_1_gbit"])),
        inputs=str(body["inputs_key"]),
        commit=str(body["commit"]),
    )


def _made(request: BuildRequest, report: Report) -> Path:
    """The build record that the template's last step wrote."""
    with _workshop(request) as work:
        variables = {**_start(request, work, report), **request.variables}
        argv = command(request, work, variables)
        # Debian's variables say tcg where nobody says anything
        accelerator = variables.get("accelerator", "tcg" if request.debian else "kvm")
        _follow(argv, request, report, emulated=accelerator == "tcg")
    records = sorted(request.out.glob(f"*{record.SUFFIX}"), key=lambda path: path.stat().st_mtime)
    if not records:
        raise BuildError("Packer ended well, but there is no build record", hint=f"see {_log(request)}")
    return records[-1]


@contextmanager
def _workshop(request: BuildRequest) -> Iterator[Path]:
    """The folder of key, seeds and virtual machine; kept after a failure if that was asked."""
    work = Path(tempfile.mkdtemp(dir=request.out.absolute(), prefix=".build-"))
    try:
        yield work
    except ProvisionError:
        if not request.keep_failed:
            shutil.rmtree(work, ignore_errors=True)
        raise
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    shutil.rmtree(work, ignore_errors=True)


def _start(request: BuildRequest, work: Path, report: Report) -> dict[str, str]:
    """What the virtual machine starts from: seeds with a new key and, for Debian, the base image."""
    seeds.write(work)
    if not request.debian:
        return {}
    report("making the base image")
    raw = work / f"{BASE_NAME}.raw"
    cache = request.cache / "base"
    made = base.build(
        raw, name=BASE_NAME, version=BASE_VERSION, cache=cache, mirror=request.mirror, report=report
    )
    return {"iso_url": str(raw), "iso_checksum": f"sha256:{made.sha256}"}


def command(request: BuildRequest, work: Path, variables: dict[str, str]) -> list[str]:
    """Packer's argv; `variables` (name → value) win over the variable files of the request."""
    folder = shipped.folder("packer")
    files = [folder / DEBIAN] if request.debian else []
    own = {
        "python": sys.executable,
        "seed": str(work),
        "work": str(work / "vm"),
        "out": str(request.out.absolute()),
        "keep": str(work / "kept") if request.keep_failed else "",
    }
    words = ["packer", "build", "-color=false", f"-on-error={'abort' if request.keep_failed else 'cleanup'}"]
    words += [f"-var-file={path}" for path in (*files, *request.var_files)]
    for name, value in {**own, **variables}.items():
        words += ["-var", f"{name}={value}"]
    return [*words, str(folder / BUILDERS[request.builder].file)]


def _log(request: BuildRequest) -> Path:
    return request.out / "packer.log"


def mitogen_environment() -> dict[str, str]:
    """Ansible's environment for Mitogen: one Python in the guest for all tasks, rather than one for each.

    To start it is what most of a playbook's time is spent on where the processor is emulated. The tasks are
    the same, and so are the image's bytes.
    """
    spec = importlib.util.find_spec("ansible_mitogen")
    if not (spec and spec.origin):
        return {}
    plugins = Path(spec.origin).parent / "plugins" / "strategy"
    return {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": str(plugins)}


def _follow(argv: list[str], request: BuildRequest, report: Report, *, emulated: bool) -> None:
    """Run, tell each step, keep the whole log. Raises BuildError with the last words."""
    # Packer asks its maker for newer versions unless told not to
    env = {"CHECKPOINT_DISABLE": "1", "PACKER_CACHE_DIR": str(request.out.absolute() / ".packer-cache")}
    if emulated:
        env |= mitogen_environment()
    process = run.start(argv, stdout=run.PIPE, env=env)
    last: list[str] = []
    try:
        assert process.stdout  # noqa: S101  it is a pipe
        with _log(request).open("w", encoding="utf-8") as log:
            for raw in process.stdout:
                line = _COLOUR.sub("", raw.decode(errors="replace")).rstrip()
                log.write(line + "\n")
                log.flush()
                last = [*last[-200:], line]
                if progress := step(line):
                    report(progress)
        code = process.wait()
    finally:
        run.stop(process, grace=GRACE)
    if code:
        remains = f"; key, seeds and disk are kept below {request.out}" if request.keep_failed else ""
        raise BuildError(
            f"Packer ended with code {code}: {evidence(last)}", hint=f"see {_log(request)}{remains}"
        )


def step(line: str) -> str:
    """What a line of Packer's tells of the build's progress; empty for nothing."""
    match = _STEP.match(line)
    return next(text for text in match.groups() if text)[:LONGEST] if match else ""


def evidence(lines: list[str]) -> str:
    """The lines that tell most of a fault; the last ones where none does."""
    texts = [line.strip() for line in lines if line.strip()] or ["it said nothing"]
    for pattern in _FAULTS:
        if telling := [line for line in texts if pattern.search(line)]:
            return " / ".join(line[:MOST_EVIDENCE] for line in telling[-3:])
    return " / ".join(texts[-4:])
