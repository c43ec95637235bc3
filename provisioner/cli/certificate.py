"""`provision certificate …`: whether a certificate is right, on any machine, without service or network."""

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioner.cli.options import output_option, state_option, with_client
from provisioner.cli.output import Column, info, local_time, print_field, print_record, print_rows, write
from provisioner.errors import InputError, NotAcceptedError, NotFoundError

if TYPE_CHECKING:
    from provisioner.api.certificates import CertificateInfo
    from provisioner.certificate.verifying import VerifiedCertificate
    from provisioner.client import Client

FILE = click.Path(path_type=Path)
key_option = click.option(
    "--key",
    "keys",
    multiple=True,
    type=FILE,
    help="The site's public key, NAME.pub; repeat it for several. Without it the key of --state.",
)
FORMS = {"json": "the report", "pdf": "the PDF", "html": "the page", "qr": "the scanned text"}


@dataclass(frozen=True)
class SiteKey:
    """The site's public key: its number, its file, and the text of the file."""

    key_id: str
    file: str
    public: str


class _HostOrCommand(click.Group):
    """A group whose first word may be a host, too: `certificate HOST` is `certificate get HOST`.

    A word that is like a command is a command that was mistyped; a host of such a name is got by `get`.
    """

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        first = args[0] if args else "-"
        if not (first.startswith("-") or first in self.commands or get_close_matches(first, self.commands)):
            args = ["get", *args]
        return super().resolve_command(ctx, args)


@click.group(cls=_HostOrCommand)
def certificate() -> None:
    """Certificates of GPU acceptance: get a host's, verify, write in another form; keys.

    `provision certificate HOST` is `provision certificate get HOST`.
    """


@certificate.command()
@click.argument("host", metavar="HOST")
@click.option("--report", default="", metavar="ID", help="An older report than the newest one.")
@click.option("-o", "--to", "target", type=FILE, help="The file to write: .json, .pdf or .html.")
@with_client
def get(client: "Client", host: str, report: str, target: Path | None) -> None:
    """Write the certificate of a host's newest verification to a file.

    Without --to its verdict is shown. As .json, the signature comes beside it as .json.minisig.
    """
    from provisioner.certificate import files

    known = client.certificates(host)
    ident = report or next((one.report for one in known), "")
    if not ident:
        raise NotFoundError(
            f"{host} has no certificate yet",
            hint=f"one is signed when it is verified: provision deploy {host}",
            code=147,
        )
    found = client.certificate(ident)
    if target is None:
        return _show_info(found.certificate)
    files.write(found.body.encode(), found.signature, target)
    info(f"{target}: report {ident} of {found.certificate.host}, {_words(found.certificate)}")
    return None


def _show_info(one: "CertificateInfo") -> None:
    print_field("Host", one.host)
    print_field("Verdict", _words(one))
    print_field("Level", one.level)
    print_field("Report", one.report)
    print_field("Signed", local_time(one.created))
    info(f"as a file: provision certificate {one.host} --to {one.host}.pdf")


def _words(one: "CertificateInfo") -> str:
    return one.verdict.replace("_", " ")


@certificate.command("list")
@click.argument("host", metavar="HOST")
@output_option
@with_client
def list_of_host(client: "Client", host: str, output: str) -> None:
    """List the certificates of a host, the newest first."""
    columns = (
        Column["CertificateInfo"]("REPORT", lambda row: row.report),
        Column["CertificateInfo"]("SIGNED", lambda row: local_time(row.created)),
        Column["CertificateInfo"]("LEVEL", lambda row: row.level),
        Column["CertificateInfo"]("VERDICT", _words),
        Column["CertificateInfo"]("DEPLOYMENT", lambda row: row.deployment),
    )
    print_rows(output, "certificates", client.certificates(host), columns, name=lambda row: row.report)


@certificate.command()
@click.argument("file", metavar="[FILE]", required=False, type=FILE)
@key_option
@click.option("--qr", "scanned", default="", metavar="TEXT", help="What the QR code says, in single quotes.")
@output_option
@state_option
def verify(file: Path | None, keys: tuple[Path, ...], scanned: str, output: str, state: Path) -> None:
    """Say whose signature a certificate has, and whether anything in it was changed.

    FILE is a report (.json, with .json.minisig beside it), a .pdf or a .html. Of these two not only the data
    are checked: what they show must be what was signed, to the byte. With --qr alone the scanned text is
    checked, and names the report by its SHA-256; with both, they must belong together.

    Neither service nor network is asked. Exit code 0: it is right and the unit was accepted; 8 (PV-569): it
    is right, and the unit was rejected or not wholly examined; 6: it is not right (PV-560 to 567); 2: a file
    or key cannot be read.
    """
    from provisioner.certificate import verifying

    if not (file or scanned):
        raise InputError("nothing to verify", hint="a FILE, --qr 'TEXT', or both")
    known = keys or _site_keys(state)
    report = verifying.verify(file, known) if file else None
    statement = verifying.verify_statement(scanned, known) if scanned else None
    if report and statement:
        verifying.require_same(report, statement)
    _tell(report or statement, output, is_both=bool(report and statement))


def _tell(found: "VerifiedCertificate | None", output: str, *, is_both: bool) -> None:
    """Print what is proven. Raises NotAcceptedError (PV-569) where that is no acceptance."""
    if found is None:  # one of both was given
        return
    print_record(output, "certificate", found, lambda: _show(found), name=found.report_id)
    what = f"{FORMS[found.form]} and the scanned text are" if is_both else f"{FORMS[found.form]} is"
    info(f"{what} right: signed by {found.signed_by}, and nothing was changed")
    if found.form == "qr":
        info("its report is the one whose SHA-256 is above: sha256sum REPORT.json")
    if not found.is_accepted:
        raise NotAcceptedError(
            f"{found.host} was not accepted: the verdict is {found.verdict}",
            hint="the certificate says what failed first, and what to do",
            code=569,
        )


def _show(found: "VerifiedCertificate") -> None:
    print_field("Host", found.host)
    print_field("Serial", found.serial or "none")
    print_field("Verdict", found.verdict.replace("_", " "))
    print_field("Report", found.report_id)
    print_field("Finished", found.finished_at)
    print_field("SHA-256", found.sha256)
    print_field("Signed by", f"{found.signed_by} (key {found.key_id})")


@certificate.command()
@click.argument("file", metavar="FILE", type=FILE)
@click.option("--to", "target", required=True, type=FILE, help="The file to write: .json, .pdf or .html.")
@key_option
@state_option
def export(file: Path, target: Path, keys: tuple[Path, ...], state: Path) -> None:
    """Write a certificate in another form, or draw it anew, from what was signed in FILE.

    Its signature is checked; what FILE shows beside its data is left aside. As .json, the signature comes
    beside it as .json.minisig, and minisign -V checks both without this program.
    """
    from provisioner.certificate import files, verifying

    signed = verifying.open_signed(file, keys or _site_keys(state))
    files.write(signed.data, signed.signature.text(), target)
    info(f"{target}: report {signed.report.report_id} of {signed.report.subject.name}")


@certificate.command()
@click.argument("name")
@click.option("--dir", "folder", type=FILE, default=Path(), help="Where to.")
def keygen(name: str, folder: Path) -> None:
    """Make a key pair that signs reports of verify --local: NAME.key and NAME.pub, in minisign's format.

    It is your own, not the site's, and never written over. Keep NAME.key (it has no password), and give
    NAME.pub to whoever is to verify: certificate verify FILE --key NAME.pub.
    """
    from provisioner.imaging import signature

    if Path(name).name != name:
        raise InputError(f"{name!r} is no name for a key", hint="--dir says where to")
    secret, public = signature.keygen(folder, name)
    info(f"{secret} signs; keep it secret (it has no password)")
    info(f"{public} verifies; next: provision verify --local --key {secret} --to FILE.pdf")


@certificate.command()
@output_option
@state_option
def key(output: str, state: Path) -> None:
    """Print the site's public key, by which anybody verifies its certificates.

    Save it as a file and give it away: provision certificate key > SITE.pub. The private key was made at the
    service's first start and stays in the state folder.
    """
    from provisioner.certificate import signing
    from provisioner.state.secrets import signing_public_file

    path = signing_public_file(state)
    number = signing.public_id(path)
    found = SiteKey(number, str(path), path.read_text())
    if output == "table":
        return write(found.public)
    columns = (Column[SiteKey]("KEY", lambda row: row.key_id),)
    return print_rows(output, "keys", [found], columns, name=lambda row: row.key_id)


def _site_keys(state: Path) -> tuple[Path, ...]:
    """The key of the state folder on this machine, if there is one that can be seen."""
    from provisioner.state.secrets import signing_public_file

    path = signing_public_file(state)
    try:
        return (path,) if path.exists() else ()
    except OSError:  # who may not look into the folder is asked for --key
        return ()
