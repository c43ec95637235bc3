"""Files of a root file system that is mounted somewhere else; its links never lead out of it."""

from pathlib import Path

LONGEST_CHAIN = 40  # links, as in the kernel's own path walk
LARGEST_TEXT = 1 << 20  # bytes of a file that is read as text


class RootFiles:
    """Those below `root`, by the paths that their own system knows them by."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def find(self, path: str) -> Path:
        """The regular file of that name, from here. Raises OSError."""
        place, links = Path(), 0
        left = [part for part in reversed(path.split("/")) if part not in ("", ".")]
        while left:
            part = left.pop()
            if part == "..":
                place = place.parent
                continue
            here = self._root / place / part
            if not here.is_symlink():
                place /= part
                continue
            links += 1
            if links > LONGEST_CHAIN:
                raise OSError(f"{path} goes round in links")
            target = here.readlink()
            place = Path() if target.is_absolute() else place
            left += [part for part in reversed(str(target).split("/")) if part not in ("", ".")]
        found = self._root / place
        if not found.is_file():
            raise FileNotFoundError(f"there is no file {path}")
        return found

    def text(self, path: str) -> str | None:
        """Its text; None where it is no regular file. Raises OSError where it is too large."""
        try:
            found = self.find(path)
        except FileNotFoundError:
            return None
        if found.stat().st_size > LARGEST_TEXT:
            raise OSError(f"{path} has {found.stat().st_size} bytes")
        return found.read_text(errors="replace")
