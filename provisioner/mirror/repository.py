"""The apt repository around a pool: index and signed Release, the same bytes from the same packages.

By apt-ftparchive: aptly 1.5 and reprepro 5.3 write the present time into Release, which no option of theirs
changes, and both keep a database beside a mirror that is never changed, only made.
"""

import lzma
import os
import shutil
import tempfile
from datetime import datetime
from email.utils import format_datetime
from pathlib import Path

from provisioner import run
from provisioner.mirror import archive, files, layout
from provisioner.mirror.locks import Lock
from provisioner.mirror.signing import Signer

SCAN_LIMIT = 1800.0  # seconds
ORIGIN = "Site mirror"


def write(root: Path, lock: Lock, signer: Signer) -> None:
    """`root`/dists around `root`/pool, which holds just what is locked. Raises ProgramError, RefusedError."""
    suite = root / "dists" / lock.suite
    shutil.rmtree(root / "dists", ignore_errors=True)
    text = _packages(root, lock)
    index = suite / layout.COMPONENT / f"binary-{lock.architecture}" / "Packages"
    files.write(index, text)
    files.write(index.with_suffix(".xz"), lzma.compress(text.encode(), preset=6))
    release = suite / "Release"
    files.write(release, _release(suite, lock))
    files.write(suite / "InRelease", signer.inline(release))
    files.write(suite / "Release.gpg", signer.detached(release))


def _packages(root: Path, lock: Lock) -> str:
    """The index, sorted: apt-ftparchive goes by the folder's own order."""
    (root / "pool").mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", prefix="override-") as override:
        override.writelines(f"{item.name} {item.priority} {item.section}\n" for item in lock.packages)
        override.flush()
        output = _ftparchive(root, "packages", "pool", override.name)
    stanzas = sorted(archive.read_stanzas(output), key=lambda stanza: (stanza["Package"], stanza["Filename"]))
    return "".join(map(archive.write_stanza, stanzas))


def _release(suite: Path, lock: Lock) -> str:
    values = {
        "Origin": ORIGIN,
        "Label": ORIGIN,
        "Suite": lock.suite,
        "Codename": lock.suite,
        "Architectures": lock.architecture,
        "Components": layout.COMPONENT,
        "Date": format_datetime(datetime.fromisoformat(lock.created)),
    }
    options = (f"-oAPT::FTPArchive::Release::{name}={value}" for name, value in values.items())
    return _ftparchive(suite, *options, "release", ".")


def _ftparchive(place: Path, *words: str) -> str:
    weak = (f"-oAPT::FTPArchive::{name}=false" for name in ("MD5", "SHA1", "SHA512"))
    program = run.find("apt-ftparchive", "apt-utils")
    done = run.run([program, "-q", *weak, *words], cwd=place, timeout=SCAN_LIMIT, env=_plain_environment())
    return done.stdout.decode()


def _plain_environment() -> dict[str, str]:
    return {"LC_ALL": "C.UTF-8", "TZ": "UTC", "APT_CONFIG": os.devnull}
