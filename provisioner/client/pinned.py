"""Connections by TLS 1.3 to a service that is known by its certificate, whatever its name or address."""

import hmac
import http.client
import socket
import ssl

from provisioner.errors import RefusedError, UnreachableError
from provisioner.system.checksum import fingerprint_of


def shown(fingerprint: str) -> str:
    """A SHA-256 as people compare it: in pairs, as openssl prints it."""
    return ":".join(fingerprint[at : at + 2] for at in range(0, len(fingerprint), 2)).upper()


def context() -> ssl.SSLContext:
    """TLS 1.3 and nothing older; the certificate is compared after the handshake, before a byte is sent."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def fetch_fingerprint(host: str, port: int, patience: float) -> str:
    """The SHA-256 of the certificate of whoever answers there. Raises UnreachableError (PV-620)."""
    try:
        with (
            socket.create_connection((host, port), patience) as plain,
            context().wrap_socket(plain, server_hostname=host) as tls,
        ):
            return fingerprint_of(tls.getpeercert(binary_form=True) or b"")
    except OSError as fault:
        reason = getattr(fault, "strerror", None) or str(fault)
        sentence = f"no service answers by TLS 1.3 at {host}:{port}: {reason}"
        raise UnreachableError(sentence, hint="check the address; is `provision serve` running?") from fault


class PinnedConnection(http.client.HTTPSConnection):
    """Raises RefusedError (PV-706) rather than send anything to another certificate than the pinned one."""

    def __init__(self, host: str, port: int | None, patience: float, fingerprint: str) -> None:
        super().__init__(host, port, timeout=patience, context=context())
        self._fingerprint = fingerprint

    def connect(self) -> None:
        super().connect()
        assert isinstance(self.sock, ssl.SSLSocket)  # noqa: S101  by HTTPSConnection
        found = fingerprint_of(self.sock.getpeercert(binary_form=True) or b"")
        if not hmac.compare_digest(found, self._fingerprint):
            self.close()
            raise changed(f"{self.host}:{self.port}", self._fingerprint, found)


def changed(place: str, known: str, found: str) -> RefusedError:
    """Another certificate than the one that was believed: nothing was sent there."""
    return RefusedError(
        f"{place} shows another certificate than before: SHA-256 {shown(found)}, not {shown(known)}; "
        "nothing was sent",
        hint="ask whoever runs the service whether it is new; then: "
        f"provision login https://{place} --fingerprint {found}",
        code=706,
    )
