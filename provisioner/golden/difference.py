"""Explains how two images differ, file by file."""

from dataclasses import dataclass

from provisioner.golden.files import FIELDS, Area, FileEntry, FileManifest

# field of an entry → the word for a difference in it
WORDS = {
    "type": "type",
    "mode": "mode",
    "owner": "owner",
    "mtime": "time",
    "size": "size",
    "sha256": "content",
    "target": "target",
    "same": "hard link",
    "device": "device",
    "xattrs": "attributes",
}


@dataclass(frozen=True)
class Difference:
    """One finding. `kind` is added, removed, area or a word of WORDS; the values are the manifest's."""

    kind: str
    path: str
    before: object = None
    after: object = None


def compare(old: FileManifest, new: FileManifest) -> list[Difference]:
    """What differs, by path; areas of the disk only where no file of theirs explains it. Equal: empty."""
    before = {entry.path: entry for entry in old.entries}
    after = {entry.path: entry for entry in new.entries}
    differences: list[Difference] = []
    for path in sorted(before.keys() | after.keys()):
        differences += _of_path(path, before.get(path), after.get(path))
    return differences + _of_areas(old, new, explained=bool(differences))


def _of_path(path: str, old: FileEntry | None, new: FileEntry | None) -> list[Difference]:
    if old is None:
        return [Difference("added", path, after=_kind(new))]
    if new is None:
        return [Difference("removed", path, before=_kind(old))]
    changed = [name for name in FIELDS if getattr(old, name) != getattr(new, name)]
    return [Difference(WORDS[name], path, getattr(old, name), getattr(new, name)) for name in changed]


def _kind(entry: FileEntry | None) -> str:
    return f"{entry.type} {entry.mode} {entry.owner}" if entry else ""


def _of_areas(old: FileManifest, new: FileManifest, *, explained: bool) -> list[Difference]:
    """The root's own digest differs with every file: it is told only where no file does."""
    before = {area.name: area for area in old.areas}
    after = {area.name: area for area in new.areas}
    differences = []
    for name in [*before, *(name for name in after if name not in before)]:
        if before.get(name) != after.get(name) and not (explained and name in ("root", "outside")):
            differences.append(Difference("area", name, _digest(before.get(name)), _digest(after.get(name))))
    return differences


def _digest(area: Area | None) -> str:
    return f"{area.length} bytes, sha256 {area.sha256[:16]}…" if area else "none"


def sentence(difference: Difference) -> str:
    """A line for people: `content     etc/motd: sha256 ab… → cd…`."""
    if difference.kind in ("added", "removed"):
        return f"{difference.kind:<11}{difference.path}  ({difference.after or difference.before})"
    return f"{difference.kind:<11}{difference.path}: {_short(difference.before)} → {_short(difference.after)}"


def _short(value: object) -> str:
    text = str(value) if value not in ("", None, {}) else "none"
    return f"{text[:16]}…" if len(text) == 64 else text
