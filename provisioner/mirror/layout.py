"""Where things lie in a mirror, and which of them may be read from outside."""

from pathlib import Path, PurePosixPath

APT, WHEELS, COLLECTIONS = "apt", "wheels", "collections"
KEYRING, LOCK, SUMS, SIGNATURE = "site-mirror.gpg", "lock.yml", "SHA256SUMS", "SHA256SUMS.asc"
INDEX = f"{WHEELS}/index.html"
COMPONENT = "main"
INCOMING = ".incoming"  # what a stopped run had fetched
PUBLIC = frozenset({APT, WHEELS, COLLECTIONS, KEYRING, LOCK, SUMS, SIGNATURE})
TYPES = {".html": "text/html", ".yml": "text/plain", "": "text/plain", ".asc": "text/plain"}


def find(root: Path, asked: str) -> Path | None:
    """The file that a request's path (no leading slash) means; None for all that is not for reading.

    Folders are not listed; `wheels/` is its index. Nothing hidden, no link, no way out of the mirror.
    """
    asked = INDEX if asked == f"{WHEELS}/" else asked
    parts = asked.split("/")
    if parts[0] not in PUBLIC or any(part.startswith(".") or not part for part in parts):
        return None
    if "\0" in asked or "\\" in asked:
        return None
    path = root.joinpath(*parts)
    try:
        is_plain = path.resolve() == root.resolve().joinpath(*parts) and path.is_file()
    except OSError:  # a name that is longer than the file system allows
        return None
    return path if is_plain else None


def media_type(path: Path) -> str:
    """The Content-Type of a file in the mirror, by its suffix."""
    return TYPES.get(PurePosixPath(path).suffix, "application/octet-stream")


def contents(root: Path) -> set[str]:
    """Every file below the mirror, relative, but for what a stopped run had fetched."""
    paths = (path.relative_to(root) for path in root.rglob("*") if path.is_symlink() or not path.is_dir())
    return {path.as_posix() for path in paths if path.parts[0] != INCOMING}
