"""Where the key of the site's secrets comes from, and what is said where it is not there, or another one."""

import os
from pathlib import Path

import pytest

from provisioner import settings as settings_module
from provisioner.errors import SecretKeyError
from provisioner.settings import Settings
from provisioner.state import secret_keys

PHRASE = "correct horse battery staple"


def of(state: Path, **secrets: object) -> Settings:
    plain = {"state": state, "interface": "lan0", "address": "10.77.0.1/24", "secrets": secrets}
    return settings_module.check(plain, source="test")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "s").mkdir()
    return tmp_path / "s"


def unlock(settings: Settings, credentials: Path | None = None, **more: object) -> str:
    environment = {"CREDENTIALS_DIRECTORY": str(credentials)} if credentials else {}
    return secret_keys.unlock(settings, environment=environment, **more).key_id  # type: ignore[arg-type]


def test_the_first_start_makes_a_key_beside_the_state_folder_and_says_so(state: Path) -> None:
    said: list[str] = []
    first = unlock(of(state), say=said.append)
    path = state.parent / "s-keys" / "secrets.key"
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    assert said == [f"{path} was made: it opens the site's secrets. Keep a copy, and not beside the backups"]
    assert unlock(of(state), say=said.append) == first and len(said) == 1
    assert secret_keys.public_key(state).source == str(path)
    key = path.read_text().strip()
    assert not any(key in file.read_text() for file in state.rglob("*") if file.is_file())


def test_a_lost_key_is_not_replaced(state: Path) -> None:
    unlock(of(state))
    (state.parent / "s-keys" / "secrets.key").unlink()
    with pytest.raises(SecretKeyError, match="is missing: without it") as lost:
        unlock(of(state))
    assert lost.value.code == 695


def test_another_key_is_refused(state: Path) -> None:
    unlock(of(state))
    (state.parent / "s-keys" / "secrets.key").write_text(os.urandom(32).hex() + "\n")
    with pytest.raises(
        SecretKeyError, match="is not the one that the site's secrets were encrypted for"
    ) as other:
        unlock(of(state))
    assert other.value.code == 696


def test_a_credential_comes_before_passphrase_and_file(state: Path, tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "secrets.key").write_text(os.urandom(32).hex())
    (tmp_path / "phrase").write_text(PHRASE)
    settings = of(state, passphrase_file=str(tmp_path / "phrase"))
    first = unlock(settings, credentials)
    assert secret_keys.public_key(state).source == "systemd's credential secrets.key"
    assert not (state.parent / "s-keys").exists()
    with pytest.raises(SecretKeyError, match="not the one"):
        unlock(settings)
    assert unlock(settings, credentials) == first


def test_a_passphrase_is_the_same_key_wherever_it_is_read(state: Path, tmp_path: Path) -> None:
    (tmp_path / "phrase").write_text(f"{PHRASE}\nsecond line\n")
    first = unlock(of(state, passphrase_file=str(tmp_path / "phrase")))
    assert unlock(of(state, ask=True), ask=lambda: PHRASE) == first
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "secrets.passphrase").write_text(PHRASE)
    assert unlock(of(state), credentials) == first
    with pytest.raises(SecretKeyError, match="not the one"):
        unlock(of(state, ask=True), ask=lambda: PHRASE + "r")


def test_a_passphrase_alone_is_of_no_use_for_another_site(tmp_path: Path) -> None:
    keys = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        keys.add(unlock(of(tmp_path / name, ask=True), ask=lambda: PHRASE))
    assert len(keys) == 2, "each has a salt of its own"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "holds no key"),
        ("hunter2", "holds no key"),
        ("ab" * 31, "holds no key"),
        (None, "cannot be read"),
    ],
    ids=["empty", "a password", "too short", "a folder"],
)
def test_what_is_no_key_is_refused(state: Path, tmp_path: Path, content: str | None, words: str) -> None:
    path = tmp_path / "key"
    if content is None:
        path.mkdir()
    else:
        path.write_text(content)
    with pytest.raises(SecretKeyError, match=words):
        unlock(of(state, key_file=str(path)))


@pytest.mark.parametrize(("phrase", "words"), [("short", "shorter than 12"), ("", "shorter than 12")])
def test_a_short_passphrase_is_refused(state: Path, phrase: str, words: str) -> None:
    with pytest.raises(SecretKeyError, match=words):
        unlock(of(state, ask=True), ask=lambda: phrase)


def test_where_nobody_can_be_asked_it_says_so(state: Path) -> None:
    with pytest.raises(SecretKeyError, match="nobody is here to type"):
        unlock(of(state, ask=True))


def test_a_key_that_others_could_read_is_closed_and_told(state: Path) -> None:
    unlock(of(state))
    (state.parent / "s-keys" / "secrets.key").chmod(0o644)
    said: list[str] = []
    unlock(of(state), say=said.append)
    assert len(said) == 1 and "change the key" in said[0]
    assert (state.parent / "s-keys" / "secrets.key").stat().st_mode & 0o777 == 0o600


def test_who_only_looks_makes_nothing(state: Path) -> None:
    with pytest.raises(SecretKeyError, match=r"worker\.pub is missing"):
        secret_keys.look(of(state))
    assert not (state.parent / "s-keys").exists()
    unlock(of(state))
    assert secret_keys.look(of(state)).key_id == unlock(of(state))
