"""Unpacks a program, whose zip file is read from the standard input as base64, as FOLDER/NAME; compiles it.

`unpack.py FOLDER NAME PYTHON`. Prints `changed`, or `as before` where all of it is there. Modes and byte code
depend on no umask and no file's time (PEP 552, unchecked hash): the image sets all times.
"""

import base64
import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path


def is_there(archive: zipfile.ZipFile, target: Path) -> bool:
    """Whether the folder has every file of the archive, and no other."""
    found = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    own = {name for name in found if "__pycache__" not in name}
    return own == set(archive.namelist()) and all(
        (target / name).read_bytes() == archive.read(name) for name in own
    )


def main() -> None:
    folder, name, python = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    target, fresh = folder / name, folder / f".{name}.new"
    os.umask(0o022)
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(sys.stdin.read().strip(), validate=True))) as archive:
        if is_there(archive, target):
            print("as before")
            return
        shutil.rmtree(fresh, ignore_errors=True)
        archive.extractall(fresh)
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
    compiling = ["-m", "compileall", "-qf", "--invalidation-mode", "unchecked-hash"]
    subprocess.run([python, *compiling, target], check=True)
    print("changed")


main()
