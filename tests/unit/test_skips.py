"""A test that is skipped without a listed reason fails the run, on one processor and on several."""

import shutil
import sys
from pathlib import Path

import pytest

from provisioner import run

TESTS = Path(__file__).parents[1]
SKIPPED = '@pytest.mark.skip(reason="")\ndef {}(): ...\n'
MODULE = "import pytest\n" + "".join(map(SKIPPED.format, ("test_listed", "test_forgotten")))


@pytest.mark.parametrize("spread", [(), ("-n", "2")], ids=["one", "two"])
def test_a_skip_without_a_reason_fails_the_run(tmp_path: Path, spread: tuple[str, ...]) -> None:
    shutil.copy(TESTS / "conftest.py", tmp_path)
    (tmp_path / "test_some.py").write_text(MODULE)
    (tmp_path / "skips.txt").write_text("test_some.py::test_listed  a reason\n")
    argv = [sys.executable, "-m", "pytest", "-q", "--rootdir", tmp_path, "-p", "no:cacheprovider", *spread]
    done = run.run(argv, check=False, cwd=tmp_path, timeout=60)
    said = done.stdout.decode()
    assert done.returncode == 1
    unlisted = said.partition("skipped, but not listed with a reason in tests/skips.txt:")[2]
    assert "test_some.py::test_forgotten" in unlisted and "test_listed" not in unlisted
