"""Signs a report, and says whose signature it is: by the minisign program, in a folder of its own."""

import base64
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from provisioner.certificate import canonical, minisig, statement
from provisioner.certificate.minisig import Signature
from provisioner.certificate.statement import Statement
from provisioner.errors import CertificateError, InputError, PackError
from provisioner.imaging import signature as signatures
from provisioner.system import file_fault

PUBLIC_KEY = 42  # bytes: algorithm (2), key id (8), the key; minisign(1), "Public key format"
LONGEST_KEY = 8192  # bytes of its file: two lines, the first a comment


class SigningKey(NamedTuple):
    """Whose signature it is: the name of the key's file, and the key's number as minisign prints it."""

    name: str
    key_id: str


def sign(report: bytes, key: Path) -> str:
    """The signature of a report as the text of `FILE.minisig`; its trusted comment is the signed statement.

    So `minisign -V` shows what the report comes to, and whoever has both files has the QR code, too. The same
    report and key give the same text. Raises CertificateError (PV-560), PackError (PV-325): the key cannot
    sign.
    """
    said = statement.of_report(canonical.read(report), report)
    short = _sign(said.signed_bytes(), key, statement.FORMAT)
    return _sign(report, key, statement.write(said, short)).text()


def require_usable(key: Path) -> None:
    """Try a key before the work whose result it shall sign. Raises PackError (PV-325), FileError (PV-150)."""
    try:
        key.open("rb").close()
    except OSError as fault:
        raise file_fault.explained(fault, key) from fault
    _sign(b"", key, statement.FORMAT)


def check(report: bytes, signature: str, keys: Sequence[Path]) -> SigningKey:
    """Who signed a report. Nothing of the report is read before.

    Raises CertificateError: no signature (PV-561), another's (PV-563), or of other bytes (PV-562); InputError
    (PV-568): one of `keys` is no public key, or there is none.
    """
    found = minisig.read(signature)
    if found is None:
        raise CertificateError(
            "the signature is not whole, or not written as those of certificates are",
            hint="take the .minisig file as it was written with the report",
            code=561,
        )
    return _check(report, found, keys, "the report", code=562)


def check_statement(said: Statement, signature: Signature, keys: Sequence[Path]) -> SigningKey:
    """Who signed a statement. Raises CertificateError (PV-563, PV-566), InputError (PV-568)."""
    return _check(said.signed_bytes(), signature, keys, "the statement", code=566)


def public_id(key: Path) -> str:
    """A public key's number, as minisign prints it. Raises InputError (PV-568), FileError (PV-150)."""
    return minisig.printed_id(_public(key))


def _public(key: Path) -> bytes:
    """The second line of its file, decoded; its lines may end as those of another system do."""
    try:
        with key.open("rb") as file:
            lines = file.read(LONGEST_KEY).splitlines()
    except OSError as fault:
        raise file_fault.explained(fault, key) from fault
    try:
        data = base64.b64decode(lines[1].strip(), validate=True)
    except (ValueError, IndexError):
        data = b""
    if len(data) != PUBLIC_KEY or not data.startswith(b"Ed"):
        raise InputError(
            f"{key.name} is no public key of minisign",
            hint="give NAME.pub: provision certificate key prints the site's",
            code=568,
        )
    return data


def _check(data: bytes, signature: Signature, keys: Sequence[Path], what: str, *, code: int) -> SigningKey:
    if not keys:
        raise InputError(
            "no public key is known here, so nobody can say whose signature it is",
            hint="--key NAME.pub, as the site gave it with the certificate",
            code=568,
        )
    known = {public_id(key): key for key in keys}
    key = known.get(signature.key_id)
    if key is None:
        raise CertificateError(
            f"{what} is signed by the key {signature.key_id}, which is not known here",
            hint=f"known: {', '.join(f'{path.stem} {number}' for number, path in known.items())};"
            " give --key NAME.pub only if it came from the site itself",
            code=563,
        )
    with _written(data) as path:
        path.with_name(path.name + ".minisig").write_text(signature.text())
        clean = path.with_name("key.pub")  # minisign takes no other line ends, and nothing behind the key
        clean.write_text(f"untrusted comment: a key\n{base64.b64encode(_public(key)).decode()}\n")
        try:
            signatures.verify(path, path.with_name(path.name + ".minisig"), [clean])
        except PackError as fault:
            raise CertificateError(
                f"{what} is not what {key.stem} signed: it was changed since",
                hint="do not rely on it; get the certificate anew from the site",
                code=code,
            ) from fault
    return SigningKey(key.stem, signature.key_id)


def _sign(data: bytes, key: Path, trusted: str) -> Signature:
    with _written(data) as path:
        text = signatures.sign(path, key, trusted=trusted, comment=minisig.COMMENT).read_text()
    found = minisig.read(text)
    if found is None:
        raise PackError(f"minisign wrote another signature than is wanted with {key.name}", code=325)
    return found


@contextmanager
def _written(data: bytes) -> Iterator[Path]:
    """The bytes as a file, for a program that reads files."""
    try:
        with tempfile.TemporaryDirectory(prefix="certificate-") as folder:
            path = Path(folder) / "report"  # by this name messages speak of it
            path.write_bytes(data)
            yield path
    except OSError as fault:
        raise file_fault.explained(fault) from fault
