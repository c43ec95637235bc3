"""What CI asks of the golden image, `make image-gate`: one build, with the checksum of the same inputs.

Where the inputs are new to images/checksums.json, or a locked package has left its archive, there is nothing
to hold it against: then it is built twice, and the two must be the same bytes.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from provisioner.golden import record
from tests.rehearsal import image_twice
from tests.rehearsal.image_twice import command_line

LEFT = 9  # exit code of `provision mirror make`: a locked package has left its archive
CHECKSUMS = Path("images/checksums.json")
LOCK = Path("images/locks/debian-12.yml")
RELOCK = (
    *("--suite", "bookworm", "--packages", "images/base/packages"),
    *("--packages", "images/locks/debian-12.packages"),
    *("--wheels", "ansible/roles/python_env/files/requirements.txt"),
)


def mirror(lock: Path, out: Path, key: Path) -> int:
    """Make the mirror that images are built from; the command's exit code."""
    return command_line("mirror", "make", "--lock", str(lock), "--out", str(out), "--sign", str(key))


def once(wanted: argparse.Namespace, words: list[str]) -> int:
    """One build, compared; another one where nobody has recorded what it must be."""
    with tempfile.TemporaryDirectory(prefix="image-gate-", dir="/var/tmp") as place:
        one = image_twice.build(Path(place, "one"), wanted.cache, words)
        known = record.known(CHECKSUMS, one["inputs_key"])
        if known:
            is_same = known == one["raw_sha256"]
            verdict = "the one that is recorded" if is_same else f"not the recorded {known}"
            print(f"image-gate: sha256 {one['raw_sha256']}, {verdict} for the same inputs")
            return 0 if is_same else 1
        print(
            "image-gate: these inputs are not in images/checksums.json; building once more to compare.\n"
            "image-gate: `make image` adds them: commit the file with the change",
            flush=True,
        )
        return second(one, Path(place), wanted, words)


def second(one: dict[str, object], place: Path, wanted: argparse.Namespace, words: list[str]) -> int:
    """The other build of two."""
    two = image_twice.build(place / "two", wanted.cache, words)
    is_same = image_twice.is_same(one, two, (place / "one", place / "two"))
    print(f"image-gate: {'the same' if is_same else 'different'}: {one['raw_sha256']} {two['raw_sha256']}")
    return 0 if is_same else 1


def anew(wanted: argparse.Namespace) -> int:
    """Lock again, make a mirror from that, build twice."""
    print("image-gate: a locked package has left its archive: locking anew and building twice", flush=True)
    with tempfile.TemporaryDirectory(prefix="image-gate-", dir="/var/tmp") as place:
        lock, out = Path(place, LOCK.name), Path(place, "mirror")
        code = command_line("mirror", "lock", *RELOCK, "-o", str(lock)) or mirror(lock, out, wanted.key)
        if code:
            return code
        words = [*wanted.words, "--mirror", str(out)]
        one = image_twice.build(Path(place, "one"), wanted.cache, words)
        code = second(one, Path(place), wanted, words)
    print(f"image-gate: lock again and commit {LOCK}: provision mirror lock {' '.join(RELOCK)} -o {LOCK}")
    return code


def main(argv: list[str]) -> int:
    """0 where the image is what it must be; else 1, or the exit code of what failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--mirror", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("words", nargs="*")
    wanted = parser.parse_args(argv)
    code = mirror(LOCK, wanted.mirror, wanted.key)
    if code == LEFT:
        return anew(wanted)
    return code or once(wanted, [*wanted.words, "--mirror", str(wanted.mirror)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
