"""Takes out of an image's tree what a declared list names; never leaves the tree."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from provisioner.errors import InputError

VERBS = ("gone", "empty", "blank")


@dataclass(frozen=True)
class Rule:
    """One line of the list; `pattern` is relative to the image's root."""

    verb: str
    pattern: str
    reason: str


def rules(text: str) -> list[Rule]:
    """The rules of a list `packer/scrub`. Raises InputError naming the line that is none."""
    parsed = []
    for number, line in enumerate(text.splitlines(), 1):
        rule, _, reason = line.partition("#")
        words = rule.split()
        if not words:
            continue
        if len(words) != 2 or words[0] not in VERBS or not reason.strip() or not _stays_inside(words[1]):
            raise InputError(
                f"line {number} of the scrub list is no rule: {line.strip()!r}",
                hint="VERB PATTERN # reason; the verb is gone, empty or blank, the pattern relative",
            )
        parsed.append(Rule(words[0], words[1], reason.strip()))
    return parsed


def _stays_inside(pattern: str) -> bool:
    parts = PurePosixPath(pattern).parts
    return bool(parts) and parts[0] != "/" and not {"..", "**"} & set(parts)


def apply(root: Path, wanted: list[Rule]) -> dict[str, int]:
    """Scrub the tree; pattern → how many paths it met. Symbolic links are removed, never followed."""
    return {rule.pattern: sum(_ACTS[rule.verb](path) for path in _matches(root, rule)) for rule in wanted}


def _matches(root: Path, rule: Rule) -> Iterator[Path]:
    for path in sorted(root.glob(rule.pattern)):
        between = [above for above in path.parents if above != root and root in above.parents]
        if not any(above.is_symlink() for above in between):
            yield path


def _gone(path: Path) -> int:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
    return 1


def _empty(folder: Path) -> int:
    if folder.is_symlink() or not folder.is_dir():
        return 0
    files = [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
    for path in files:
        path.unlink()
    return len(files)


def _blank(path: Path) -> int:
    if path.is_symlink() or not path.is_file():
        return 0
    with path.open("wb"):  # opening it so empties it; owner and mode stay
        return 1


_ACTS = {"gone": _gone, "empty": _empty, "blank": _blank}
