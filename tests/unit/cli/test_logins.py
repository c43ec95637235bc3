"""What a user's configuration keeps of services, and which service is meant."""

import stat
from pathlib import Path

import pytest

from provisioner.cli import logins, options
from provisioner.cli.logins import KnownServer, Logins
from provisioner.client.transport import normal_url
from provisioner.errors import FileError, InputError

URL = "https://10.77.0.1"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def test_it_is_written_for_its_user_alone(home: Path) -> None:
    assert logins.read() == Logins()
    kept = Logins(current=URL, servers={URL: KnownServer(fingerprint="ab", token="secret", user="ann")})
    logins.write(kept)
    assert logins.read() == kept
    assert stat.S_IMODE(logins.file().stat().st_mode) == 0o600
    assert stat.S_IMODE(logins.file().parent.stat().st_mode) == 0o700


def test_one_that_others_could_read_is_closed_to_them() -> None:
    logins.write(Logins(current=URL))
    logins.file().chmod(0o644)
    assert logins.read().current == URL
    assert stat.S_IMODE(logins.file().stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", '{"servers": 7}'])
def test_one_that_is_damaged_is_named(text: str) -> None:
    logins.write(Logins())
    logins.file().write_text(text)
    with pytest.raises(FileError, match=r"logins\.json is not what provision login writes"):
        logins.read()


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("10.77.0.1", URL),
        ("https://10.77.0.1/", URL),
        ("https://10.77.0.1:443", URL),
        ("https://LAB.example:8443", "https://lab.example:8443"),
    ],
)
def test_a_server_is_known_by_one_url(typed: str, url: str) -> None:
    assert normal_url(typed) == url


@pytest.mark.parametrize("typed", ["http://10.77.0.1", "http://10.77.0.1:80/"])
def test_plain_http_is_refused_before_anything_is_sent(typed: str) -> None:
    with pytest.raises(InputError, match="plain HTTP is for machines alone") as caught:
        normal_url(typed)
    assert caught.value.code == 102 and "https://" in caught.value.hint


def test_which_service_is_meant(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "STATE", home / "state")
    monkeypatch.setattr(options, "SHARED_SOCKET", home / "api.sock")
    logins.write(Logins(current=URL, servers={URL: KnownServer(fingerprint="ab" * 32)}))
    assert options.meant("https://other", home / "state") == "https://other"
    assert options.meant("", home / "elsewhere") == "", "a folder that was named is meant"
    assert options.meant("", home / "state") == URL, "nothing answers here"
    (home / "api.sock").touch()
    assert options.meant("", home / "state") == "", "the socket for everybody"
    assert options.local_socket(home / "state") == home / "api.sock"
    assert options.local_socket(home / "elsewhere") is None
