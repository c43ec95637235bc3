"""The certificate by which people's programs know the service again: made once, pinned by its SHA-256."""

import ipaddress
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.errors import ServiceError
from provisioner.state.secrets import secrets_folder, write_secret
from provisioner.system.checksum import fingerprint_of

if TYPE_CHECKING:
    from cryptography import x509

YEARS = 20  # it is pinned, so its end protects nobody; a new one is pinned anew by everybody
EARLIER = timedelta(days=2)  # a machine whose clock is behind must not find it to be of the future


def certificate_file(state: Path) -> Path:
    """The certificate (PEM), which is no secret."""
    return secrets_folder(state) / "https.crt"


def key_file(state: Path) -> Path:
    """Its private key (ECDSA P-256, PEM)."""
    return secrets_folder(state) / "https.key"


def ensure_certificate(state: Path, names: Iterable[str]) -> bool:
    """Make both where one is missing, for these names and addresses; whether they were made.

    Raises FileError (PV-151) where there is no room.
    """
    if certificate_file(state).exists() and key_file(state).exists():
        return False
    key, certificate = _make(sorted(names))
    write_secret(key_file(state), key)
    write_secret(certificate_file(state), certificate)
    return True


def _make(names: list[str]) -> tuple[str, str]:
    """Key and certificate as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "provisioner")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + timedelta(days=365 * YEARS))
        .add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return secret.decode(), certificate.public_bytes(serialization.Encoding.PEM).decode()


def _alternative(name: str) -> "x509.GeneralName":
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def fingerprint(state: Path) -> str:
    """SHA-256 of the certificate, as people compare it. Raises ServiceError (PV-613)."""
    try:
        return fingerprint_of(ssl.PEM_cert_to_DER_cert(certificate_file(state).read_text()))
    except (OSError, ValueError) as fault:
        raise _unusable(state, fault) from fault


def server_context(state: Path) -> ssl.SSLContext:
    """TLS 1.3 and nothing older, by the site's certificate. Raises ServiceError (PV-613)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0  # nobody resumes: each connection is a whole handshake, of a millisecond
    try:
        context.load_cert_chain(certificate_file(state), key_file(state))
    except (OSError, ssl.SSLError) as fault:
        raise _unusable(state, fault) from fault
    return context


def _unusable(state: Path, fault: Exception) -> ServiceError:
    return ServiceError(
        f"the service's certificate cannot be used: {certificate_file(state)}: {fault}",
        hint=f"restore it and {key_file(state).name} from a backup; or remove both, start the service again, "
        "and let everybody log in anew",
        code=613,
    )
