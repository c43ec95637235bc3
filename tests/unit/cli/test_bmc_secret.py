"""A BMC's password is read from a file or asked at a terminal; what cannot be read is said."""

import io
from pathlib import Path

import pytest

from provisioner.api.bmc import LoginStored
from provisioner.cli import bmc, password
from provisioner.errors import Exit, InputError, ProvisionError, RefusedError


@pytest.mark.parametrize("content", [b"\xff\xfepw\n", b"", b"\npw\n"])
def test_a_file_without_a_password_is_a_slip_of_input(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pw").write_bytes(content)
    with pytest.raises(InputError, match="no password can be read") as caught:
        password.first_line(tmp_path / "pw")
    assert caught.value.exit == Exit.USAGE and caught.value.hint


def test_a_folder_is_no_password_file(tmp_path: Path) -> None:
    with pytest.raises(ProvisionError) as caught:
        password.first_line(tmp_path)
    assert caught.value.code == 150 and "Errno" not in str(caught.value)


def test_the_first_line_is_the_password(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("päss word\nmore\n")
    assert password.first_line(tmp_path / "pw") == "päss word"


def test_without_a_terminal_the_password_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROVISION_BMC_PASSWORD", raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(RefusedError, match="there is no terminal to ask on") as caught:
        password.read_password(None, "this asks", variable="PROVISION_BMC_PASSWORD")
    assert caught.value.code == 133 and "--password-file" in caught.value.hint
    monkeypatch.setenv("PROVISION_BMC_PASSWORD", "pw")
    assert password.read_password(None, "this asks", variable="PROVISION_BMC_PASSWORD") == "pw"


@pytest.mark.parametrize(
    ("replaced", "hosts", "sentence"),
    [
        (False, (), "the login b3 is kept by the service; no host uses it yet"),
        (False, ("vc-1",), "the login b3 is kept by the service; it is for the BMC of vc-1"),
        (True, (), "the login b3 is replaced by this one; no host uses it"),
        (True, ("vc-1", "vc-2"), "the login b3 is replaced by this one; it is for the BMC of vc-1, vc-2"),
    ],
)
def test_it_is_said_that_a_login_was_replaced_and_whose_it_is(
    replaced: bool, hosts: tuple[str, ...], sentence: str
) -> None:
    assert bmc._stored(LoginStored(secret="b3", replaced=replaced, hosts=hosts)) == sentence
