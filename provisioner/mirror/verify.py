"""Holds a mirror against its signature and its lock, and names whatever differs."""

from dataclasses import dataclass, field
from pathlib import Path

from provisioner.errors import InputError
from provisioner.mirror import files, layout, locks, signing
from provisioner.system.checksum import sha256


@dataclass
class Findings:
    """Places in the mirror, by what is wrong with them; all empty: all is right."""

    count: int = 0
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unsigned: list[str] = field(default_factory=list)  # place: gpgv's reason

    def rows(self) -> list[dict[str, str]]:
        """One `{kind, file}` a finding."""
        kinds = ("missing", "extra", "changed", "unsigned")
        return [{"kind": kind, "file": place} for kind in kinds for place in getattr(self, kind)]


def verify(root: Path, *, public: Path | None = None, lock_file: Path | None = None) -> Findings:
    """All files of the mirror. Without `public` its own key is believed, which finds damage but no forger.

    Raises InputError (PV-650) where it has no lock that can be read, (PV-656) where it is no mirror.
    """
    if not (root / layout.LOCK).is_file():
        hint = "give the folder that provision mirror make wrote"
        raise InputError(f"{root} is no mirror: it has no {layout.LOCK}", hint=hint, code=656)
    if public and not public.is_file():
        raise InputError(f"{public}: no such file", hint="NAME.gpg of provision mirror keygen")
    lock = locks.load(root / layout.LOCK)
    findings = Findings()
    _signatures(root, lock.suite, public or root / layout.KEYRING, findings)
    listed = _listed(root)
    present = layout.contents(root) - {layout.SUMS, layout.SIGNATURE}
    findings.extra = sorted(present - listed.keys())
    findings.missing = sorted((listed.keys() | lock.files().keys()) - present)
    wanted = listed | lock.files()  # what both name is held against the lock, which a person has read
    findings.changed = sorted(
        place for place in present & wanted.keys() if not files.is_right(root / place, wanted[place])
    )
    for place, file in ((layout.KEYRING, public), (layout.LOCK, lock_file)):
        if file and place in present and sha256(root / place) != sha256(file):
            findings.changed.append(f"{place} (not {file})")
    findings.count = len(present)
    return findings


def _signatures(root: Path, suite: str, keyring: Path, findings: Findings) -> None:
    release = f"{layout.APT}/dists/{suite}/InRelease"
    for place, signature, signed in (
        (layout.SUMS, layout.SIGNATURE, layout.SUMS),
        (release, release, None),
    ):
        needed = [signature, *([signed] if signed else [])]
        lost = [name for name in needed if not (root / name).is_file()]
        if lost or not keyring.is_file():
            findings.unsigned.append(f"{place}: there is no {(lost or [keyring.name])[0]}")
            continue
        reason = signing.verify(keyring, root / signature, root / signed if signed else None)
        if reason:
            findings.unsigned.append(f"{place}: {reason}")


def _listed(root: Path) -> dict[str, str]:
    """Place → SHA-256, as SHA256SUMS says; nothing where there is none."""
    path = root / layout.SUMS
    text = path.read_text(errors="replace") if path.is_file() else ""
    pairs = (line.split("  ", 1) for line in text.splitlines() if "  " in line)
    return {place: digest for digest, place in pairs}
