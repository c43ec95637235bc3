"""Nobody but the service's own user looks into its state folder."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.errors import ServiceError
from provisioner.state import folder


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_folder_is_closed_to_others_with_all_that_comes_into_it(tmp_path: Path) -> None:
    state = tmp_path / "a" / "s"
    folder.prepare_folder(state)
    (state / "provisioner.db").touch()
    assert mode(state) == 0o700
    open_to_others = [
        path for path in sorted(state.rglob("*")) if mode(path) & 0o077 and path.suffix != ".pub"
    ]
    assert open_to_others == [state / "images"], "nginx is shown the images, and cannot pass the state folder"


def test_what_others_could_read_is_narrowed_and_that_is_said(tmp_path: Path) -> None:
    state = tmp_path / "s"
    (state / "secrets").mkdir(parents=True)
    (state / "logs").mkdir()
    wide = ["provisioner.db", "secrets/lab.bmc.json", "secrets/seed.key", "logs/d-1.1.agent.log"]
    for name in wide:
        (state / name).write_text("x")
        (state / name).chmod(0o664)
    (state / "secrets").chmod(0o755)
    state.chmod(0o775)
    said: list[str] = []
    folder.prepare_folder(state, said.append)
    assert [mode(state / name) for name in wide] == [0o600] * 4
    assert (mode(state), mode(state / "secrets")) == (0o700, 0o700)
    assert f"others could look into {state} (mode 0775); now they cannot (0700)" in said
    assert len(said) == 6
    again: list[str] = []
    folder.prepare_folder(state, again.append)
    assert again == []


@pytest.mark.parametrize("name", ["", "secrets/lab.bmc.json", "provisioner.db"])
def test_what_belongs_to_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    state = tmp_path / "s"
    (state / "secrets").mkdir(parents=True, mode=0o700)
    (state / name).touch(0o600)
    real = Path.stat

    def another(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        about = real(path, follow_symlinks=follow_symlinks)
        if path != state / name:
            return about
        return os.stat_result((*about[:4], 4711, *about[5:10]))

    monkeypatch.setattr(Path, "stat", another)
    with pytest.raises(ServiceError, match="belongs to user 4711, and this is ") as caught:
        folder.prepare_folder(state)
    assert caught.value.code == 613 and str(state / name) in str(caught.value)
    assert f"chown -R {folder._user(os.geteuid())}" in caught.value.hint


def test_a_link_among_the_secrets_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("x")
    target.chmod(0o644)
    (tmp_path / "s" / "secrets").mkdir(parents=True, mode=0o700)
    (tmp_path / "s" / "secrets" / "x.bmc.json").symlink_to(target)
    folder.prepare_folder(tmp_path / "s")
    assert mode(target) == 0o644
