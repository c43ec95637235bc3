"""`provision backup` and `provision restore`: the state folder as one file, and a state folder from it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioner.cli import state_folder
from provisioner.cli.check import SETTINGS
from provisioner.cli.options import output_option, state_option
from provisioner.cli.output import info, print_field, print_record
from provisioner.cli.times import utc
from provisioner.errors import FileError, NotFoundError, SecretKeyError
from provisioner.system.units import counted, named, size

if TYPE_CHECKING:
    from provisioner.state.backup_file import Backup, BackupManifest

FILE = click.Path(path_type=Path)


@click.command()
@click.argument("file", type=FILE)
@click.option("--images", "with_images", is_flag=True, help="The images too; else they are named.")
@click.option("--settings", type=FILE, default=SETTINGS, help="The service's settings, whose file is in it.")
@output_option
@state_option
def backup(file: Path, with_images: bool, settings: Path, state: Path, output: str) -> None:
    """Write the state folder to FILE, while the service runs: database, keys, secrets, logs, ramdisk.

    The database is as of one moment (SQLite's own copy, read from end to end). FILE replaces one of that
    name when it is whole; its manifest has the SHA-256 of all. Images are in it by name, unless --images is
    given. It is signed by the site's key where the key of the secrets is a file that you may read: as root.
    That key itself is in no backup, and without it none of the secrets can be read: keep a copy, elsewhere.
    What is not encrypted (logs, tokens of installers, the key of the certificate for HTTPS) is nobody's
    business either: FILE is made with mode 0600, keep it so.
    """
    from provisioner.state import backup as backups

    state_folder.require_ours(state)
    with _signer(state, settings) as key:
        manifest = backups.write(state, file, with_images=with_images, settings=settings, key=key)
    _print(output, manifest, file, is_signed=key is not None)
    left = "" if with_images or not manifest.images else f"; without the bytes of {named(manifest.images)}"
    info(f"{file}, {size(file.stat().st_size)}{left}. Keep it where nobody looks")
    _say_which_opens(manifest)


def _say_which_opens(manifest: "BackupManifest") -> None:
    if manifest.secrets_key:
        info(f"its secrets are opened by the key {manifest.secrets_key} alone, which is not in it")


@contextmanager
def _signer(state: Path, settings: Path) -> Iterator[Path | None]:
    """The key that signs reports, in memory; None where what opens it is not ours to read, which is said."""
    from provisioner.site import opened_secrets
    from provisioner.site.site import Site
    from provisioner.state import secret_keys
    from provisioner.state.database import Database

    key: Path | None = None
    with ExitStack() as stack:
        try:
            known = state_folder.settings_of(state, settings)
            opener = secret_keys.look(known)
            database = Database(state)
            stack.callback(database.close)
            held = opened_secrets.certificate_key(Site(known, database, opener=opener), by="backup")
            key = stack.enter_context(held)
        except (SecretKeyError, NotFoundError) as fault:
            info(f"not signed: {fault} (PV-{fault.code})")
        yield key


@click.command()
@click.argument("file", type=FILE)
@click.option(
    "--images", type=FILE, help="A folder with images: those that FILE only names are taken from it."
)
@click.option("--key", type=FILE, help="The site's public key: FILE must be signed by it.")
@click.option(
    "--settings", type=FILE, help="Where the settings go that are in FILE; never over another file."
)
@click.option("--dry-run", is_flag=True, help="Read all of FILE, and write nothing.")
@output_option
@state_option
def restore(
    file: Path,
    images: Path | None,
    key: Path | None,
    settings: Path | None,
    dry_run: bool,
    state: Path,
    output: str,
) -> None:
    """Make the state folder, which must be empty or not there, from a backup; whole, or not at all.

    Every file is held against its SHA-256, the database is read from end to end and brought to this
    release. What was under way when the backup was made ends as failed (PV-684), for an order may have been
    carried out since: nothing is erased by a restored order. Images that FILE only names are listed, unless
    --images has them. A backup of a newer release is refused (PV-611).
    """
    from provisioner.state import backup_file, sealed_file
    from provisioner.state import restore as restoring

    with sealed_file.opened(file, backup_file.BACKUP) as opened:
        if key:
            opened.verify_signature(key)
        if dry_run:
            restoring.check(opened)
            restoring.require_bare(state)
            _print(output, opened.manifest, file, is_signed=opened.is_signed)
            _say_which_opens(opened.manifest)
            return info(f"{file} is whole; {state} would be made from it")
        _restore(opened, state, images, settings)
        _print(output, opened.manifest, file, is_signed=opened.is_signed)


def _restore(opened: "Backup", state: Path, images: Path | None, settings: Path | None) -> None:
    from provisioner.state import restore as restoring

    if settings and settings.exists():
        raise FileError(
            f"{settings}: something of that name is there already", hint="give another --settings"
        )
    ended: list[str] = []
    with _settings(opened, settings):
        made = restoring.restore(
            opened,
            state,
            images=images,
            end=lambda stage, manifest: ended.extend(_end(stage, manifest)),
            say=info,
        )
    if ended:
        info(f"{counted(len(ended), 'order')} ended (PV-684): nobody knows what became of {named(ended)}")
    if made.missing:
        info(f"add these images again, the backup only names them: {named(made.missing)}")
    _say_which_key(opened.manifest.secrets_key, state, settings or SETTINGS)
    info(f"{state} is as it was at {utc(opened.manifest.created)}; next: start the service, provision check")


def _say_which_key(wanted: str, state: Path, settings: Path) -> None:
    """Whether what opens the restored secrets is on this machine, and where it has to be put if not."""
    from provisioner.state import secret_keys

    if not wanted:
        return
    known = state_folder.settings_of(state, settings)
    try:
        secret_keys.look(known)
    except SecretKeyError as fault:
        source = secret_keys.public_key(state).source
        info(
            f"its secrets are opened by the key {wanted} alone, which is in no backup (it came from {source})"
        )
        info(f"  → put your copy into {secret_keys.key_file(known)} before the service starts; here: {fault}")
    else:
        info(f"the key {wanted}, which opens its secrets, is here")


@contextmanager
def _settings(opened: "Backup", target: Path | None) -> Iterator[None]:
    """The settings that the backup has, where they are wanted; gone again where the block fails."""
    from provisioner.state import restore as restoring

    if not target:
        yield
        return
    try:
        if not restoring.extract_settings(opened, target):
            info(f"the backup has no settings: {target} is not written")
        yield
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _end(stage: Path, manifest: "BackupManifest") -> list[str]:
    """Nothing of the settings matters to the end of an order but where its rows lie."""
    from provisioner.deployment import restored
    from provisioner.site.site import Site
    from provisioner.state.database import Database

    database = Database(stage)
    try:
        return restored.end_all(Site(state_folder.bare_settings(stage), database), utc(manifest.created))
    finally:
        database.close()


def _print(output: str, manifest: "BackupManifest", file: Path, *, is_signed: bool) -> None:
    def show() -> None:
        print_field("Made", f"{utc(manifest.created)} on {manifest.machine}, by {manifest.version}")
        print_field("Database", f"schema {manifest.schema_version}")
        total = sum(each.size for each in manifest.files)
        print_field("Files", f"{counted(len(manifest.files), 'file')}, {size(total)}")
        print_field("Images", named(manifest.images) or "none")
        print_field("Signed", "by the site's key" if is_signed else "no; its files have their SHA-256 in it")

    print_record(output, "backup", manifest, show, name=str(file))
