"""The certificate of people's door: made once, private, and good for clients that verify names."""

import socket
import ssl
import threading
from pathlib import Path

import pytest

from provisioner.client import pinned
from provisioner.errors import RefusedError, ServiceError, UnreachableError
from provisioner.state import site_certificate
from provisioner.state.secrets import secrets_folder

NAMES = ("127.0.0.1", "provision.site.example")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    secrets_folder(tmp_path).mkdir(mode=0o700)
    assert site_certificate.ensure_certificate(tmp_path, NAMES)
    return tmp_path


def test_it_is_made_once_and_its_key_is_private(state: Path) -> None:
    before = site_certificate.fingerprint(state)
    assert not site_certificate.ensure_certificate(state, NAMES)
    assert site_certificate.fingerprint(state) == before
    assert site_certificate.key_file(state).stat().st_mode & 0o077 == 0
    assert "EC PRIVATE" not in site_certificate.certificate_file(state).read_text()


@pytest.mark.parametrize("lost", [site_certificate.key_file, site_certificate.certificate_file])
def test_half_of_it_is_not_used(state: Path, lost: object) -> None:
    before = site_certificate.fingerprint(state)
    lost(state).unlink()  # type: ignore[operator]
    assert site_certificate.ensure_certificate(state, NAMES)
    assert site_certificate.fingerprint(state) != before
    site_certificate.server_context(state)


def test_one_that_is_damaged_is_said(state: Path) -> None:
    site_certificate.certificate_file(state).write_text("no certificate")
    for use in (site_certificate.server_context, site_certificate.fingerprint):
        with pytest.raises(ServiceError) as caught:
            use(state)
        assert caught.value.code == 613 and "backup" in caught.value.hint


class Answering:
    """Shakes hands with one client, and keeps what it sent."""

    def __init__(self, state: Path) -> None:
        self.heard = b""
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._context = site_certificate.server_context(state)
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> "Answering":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._server.close()

    def _serve(self) -> None:
        accepted, _ = self._server.accept()
        try:
            with self._context.wrap_socket(accepted, server_side=True) as tls:
                self.heard = tls.recv(4096)
        except OSError:
            accepted.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_client_that_verifies_names_is_content(state: Path, name: str) -> None:
    trusting = ssl.create_default_context(cafile=str(site_certificate.certificate_file(state)))
    with (
        Answering(state) as service,
        socket.create_connection(("127.0.0.1", service.port)) as plain,
        trusting.wrap_socket(plain, server_hostname=name) as tls,
    ):
        assert tls.version() == "TLSv1.3"


def test_a_pinned_client_sends_nothing_to_another_certificate(state: Path) -> None:
    with Answering(state) as service:
        connection = pinned.PinnedConnection("127.0.0.1", service.port, 10, "ab" * 32)
        with pytest.raises(RefusedError) as caught:
            connection.request("GET", "/", headers={"Authorization": "Bearer secret"})
    assert caught.value.code == 706 and service.heard == b""
    assert site_certificate.fingerprint(state) in caught.value.hint


def test_a_pinned_client_talks_to_the_right_one(state: Path) -> None:
    with Answering(state) as service:
        found = site_certificate.fingerprint(state)
        connection = pinned.PinnedConnection("127.0.0.1", service.port, 10, found)
        connection.request("GET", "/")
        connection.close()
    assert service.heard.startswith(b"GET / ")


def test_what_is_no_tls_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        thread = threading.Thread(target=_hang_up, args=[server])
        thread.start()
        with pytest.raises(UnreachableError, match=r"no service answers by TLS 1\.3"):
            pinned.fetch_fingerprint("127.0.0.1", port, 5)
        thread.join()


def _hang_up(server: socket.socket) -> None:
    server.accept()[0].close()
