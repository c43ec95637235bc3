"""Every error of a file has a sentence; none says errno."""

import errno
from pathlib import Path

import pytest

from provisioner.errors import Exit
from provisioner.system.file_fault import explained


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_error_number_is_a_sentence(number: int) -> None:
    fault = explained(OSError(number, "as the kernel says", "/a/b"))
    assert str(fault).startswith("/a/b: ") and "rrno" not in str(fault)
    assert fault.exit == Exit.USAGE and fault.code in (150, 151)


def test_a_full_disk_has_a_code_of_its_own() -> None:
    numbers = [number for number in errno.errorcode if explained(OSError(number, "")).code == 151]
    assert sorted(numbers) == sorted([errno.ENOSPC, errno.EDQUOT, errno.EFBIG])


def test_the_file_is_called_what_people_call_it() -> None:
    assert str(explained(OSError(errno.EACCES, "", "a", None, "b"))).startswith("b: ")
    assert str(explained(OSError(errno.EACCES, "", "hidden"), Path("report"))).startswith("report: ")
    assert str(explained(OSError(errno.EIO, ""))) == "a file: its medium failed to read or write"
    assert str(explained(OSError(errno.EIO, "", 3))).startswith("a file: ")
    assert str(explained(OSError(errno.ENOENT, "", "a\x1b[2J"))) == (
        "a\\x1b[2J: there is no such file or folder"
    )
