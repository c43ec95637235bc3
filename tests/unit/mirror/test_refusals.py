"""What the mirror says of bytes that are not those that were locked, and of a gap that cannot be made."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provisioner import run
from provisioner.errors import ProgramError, RefusedError, ServiceError
from provisioner.mirror import airgap, gap, make, wheels


def test_other_bytes_than_were_locked_are_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lock: Any = SimpleNamespace(packages=[], wheels=[SimpleNamespace(file="torch.whl")], collections=[])
    missing = {"wheels/torch.whl": "ab" * 32}
    monkeypatch.setattr(wheels, "fetch", lambda lock, items, out: None)
    monkeypatch.setattr(make, "_take", lambda source, out, wanted, move: wanted)
    with pytest.raises(RefusedError, match=r"wheels/torch\.whl") as caught:
        make._fetch(tmp_path, lock, missing, None, lambda said: None)
    assert caught.value.code == 653 and "do not use it" in caught.value.hint


def test_a_gap_that_cannot_be_made_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def forbid(argv: list[str], **_: object) -> None:
        raise ProgramError(f"{argv[0]} ended with code 2: Operation not permitted")

    monkeypatch.setattr(run, "run", forbid)
    with pytest.raises(ServiceError, match="Operation not permitted") as caught:
        gap.build("mirror.local", tmp_path)
    assert caught.value.code == 658


def test_a_gap_that_left_no_account_says_how_it_ended(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="broke off with code 137") as caught:
        airgap._read(tmp_path / "account.json", 137)
    assert caught.value.code == 658
