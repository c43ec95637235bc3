"""Words that the kernel gives of its devices."""

from pathlib import Path


def read_word(path: Path) -> str:
    """The file's text without blanks; empty where it cannot be read."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
