"""What an image build leaves: all of its results or none, and its log."""

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
