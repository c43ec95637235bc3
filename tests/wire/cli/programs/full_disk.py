"""Runs one command again and again on a file system that has room for ever so many pages more.

full_disk FOLDER SEED PAGES[,PAGES…] WORD…: mounts a tmpfs of ROOM bytes (in the environment) on FOLDER, as
root of a mount namespace may, copies SEED there, and for each number lets `provision WORD…` run with so many
free pages. Prints a JSON list: exit code, stderr, every file (name to SHA-256) before and after; where it
failed, how it ended once more with room and what there was then. Last it runs with room from the start.
"""

import json
import os
import shutil
import sys
from pathlib import Path

from provisioner import run
from provisioner.system.checksum import sha256
from tests.wire import forkserver

PAGE, SIZE = 4096, int(os.environ["ROOM"])
Files = dict[str, str]


def listed(folder: Path) -> Files:
    """Every file below it, hidden ones too; the filler is none."""
    return {str(path.relative_to(folder)): sha256(path) for path in folder.rglob("*") if path.is_file()}


def attempt(folder: Path, seed: Path, pages: int, words: list[str]) -> dict[str, object]:
    """One run with so many free pages, on the files of the seed alone; -1 for as many as there are."""
    run.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", folder])
    try:
        shutil.copytree(seed, folder, dirs_exist_ok=True)
        before = listed(folder)
        filler = folder / "filler"
        free = os.statvfs(folder).f_bfree
        if 0 <= pages < free:
            with filler.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, (free - pages) * PAGE)
        code, _, err = forkserver.provision(words, timeout=100)
        filler.unlink(missing_ok=True)
        after, used = listed(folder), free - os.statvfs(folder).f_bfree
        again = forkserver.provision(words, timeout=100)[0] if code else code
        return {
            "pages": pages,
            "code": code,
            "err": err.decode(),
            "before": before,
            "after": after,
            "used": used,
            "again": again,
            "finally": listed(folder),
        }
    finally:
        run.run(["umount", folder])


def main() -> None:
    """All runs, the one with room last."""
    folder, seed, pages, *words = sys.argv[1:]
    numbers = [*(int(number) for number in pages.split(",") if number), -1]
    print(json.dumps([attempt(Path(folder), Path(seed), number, words) for number in numbers]))


if __name__ == "__main__":
    main()
