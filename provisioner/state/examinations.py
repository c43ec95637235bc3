"""What the ramdisk of a verification has reported: files of its run's folder, kept as evidence."""

from collections.abc import Mapping
from pathlib import Path

from provisioner.system import file_fault, outputs


def folder(state: Path, ident: str) -> Path:
    """Where the raw outputs of a verification are."""
    return state / "runs" / f"{ident}.verify" / "evidence"


def keep(state: Path, ident: str, reported: Mapping[str, str]) -> None:
    """Each text as it is, in a file of its name. Raises FileError (PV-150, PV-151)."""
    place = folder(state, ident)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in reported.items():
        outputs.write(place / f"{name}.json", text.encode(errors="replace"), mode=0o600)


def read(state: Path, ident: str) -> dict[str, str]:
    """What was kept, by its names; nothing where nothing was. Raises FileError (PV-150)."""
    found = {}
    for path in sorted(folder(state, ident).glob("*.json")):
        try:
            found[path.stem] = path.read_text(encoding="utf-8", errors="replace")
        except OSError as fault:
            raise file_fault.explained(fault, path) from fault
    return found
