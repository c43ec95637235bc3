"""What an image build leaves: all of its results or none, its log, and a journal of whole lines."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from provisioner.errors import ProvisionError
from provisioner.golden import artefacts, record
from provisioner.system import file_fault, outputs

LOG = "packer.log"
DOWNLOADS = ".packer-cache"  # what Packer has fetched serves the next build too
KEPT = ".build-*"  # a failed build's key, seeds and disk, where they are to be kept


@contextmanager
def gathered(out: Path) -> Iterator[Path]:
    """A hidden folder to build in. At the block's end the results are in `out`, all of them or none.

    What tells how it went comes in either case: Packer's log, and what a failed build was to keep. Raises
    what the block raises, with the paths that people know; FileError (PV-151) where no room is left.
    """
    (out / DOWNLOADS).mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".partial-", dir=out))
    try:
        for name in (DOWNLOADS, LOG):
            (work / name).symlink_to((out / name).absolute())
        yield work
        _publish(work, out)
    except ProvisionError as fault:
        if full := file_fault.no_room(out):  # then Packer, or one of its programs, ended for want of room
            raise full from fault
        fault.args = tuple(str(text).replace(str(work), str(out)) for text in fault.args)
        fault.hint = fault.hint.replace(str(work), str(out))
        raise
    finally:
        for path in work.glob(KEPT):
            with suppress(OSError):
                path.rename(out / path.name)
        shutil.rmtree(work, ignore_errors=True)


def _publish(work: Path, out: Path) -> None:
    """By name; what says that the others are whole comes last: the sums, then the record."""
    paths = [path for path in work.iterdir() if path.is_file() and path.name != LOG]
    names = sorted(
        (path.name for path in paths),
        key=lambda name: (name.endswith(record.SUFFIX), name == artefacts.SUMS, name),
    )
    with outputs.staging(out, *names) as stage:
        for name in names:
            (work / name).rename(stage / name)


@contextmanager
def whole_cache(cache: Path) -> Iterator[None]:
    """Before the block and after it, what a full disk cut off in the cache is taken back.

    Else half a line of the journal would make all of it unreadable, and half a note of a base image that.
    """
    _take_back(cache)
    try:
        yield
    finally:
        _take_back(cache)


def _take_back(cache: Path) -> None:
    with suppress(OSError), (cache / record.JOURNAL).open("r+b") as journal:
        text = journal.read()
        journal.truncate(text.rfind(b"\n") + 1)
    for note in (cache / "base").glob("base-*.json"):
        try:
            json.loads(note.read_bytes())
        except ValueError:
            note.unlink()


def remember(checksums: Path, key: str, digest: str, image: str) -> None:
    """As `record.remember`, in one step. Raises FileError (PV-150, PV-151); then the file is as before."""
    real = checksums.resolve()
    with outputs.staging(real.parent, real.name) as stage:
        if real.exists():
            outputs.write(stage / real.name, real.read_bytes())
        record.remember(stage / real.name, key, digest, image)
