"""What a backup's manifest says, and where things lie in it: `state/…`, and `settings.toml`."""

from provisioner.state.sealed_file import Kind, Manifest, SealedFile

SETTINGS = "settings.toml"
STATE = "state/"
CODES = (680, 681, 682)


class BackupManifest(Manifest):
    """What a backup holds; `schema_version` is the database's.

    `images` are all of the catalogue at that time; with `has_images` their bytes are in it, too.
    `secrets_key` is the id of the key that opens its secrets, and is in no backup; empty: it has none.
    """

    schema_version: int
    has_images: bool
    images: tuple[str, ...]
    secrets_key: str = ""


def is_place(name: str) -> bool:
    """Whether a file of this path may be in a backup."""
    return name == SETTINGS or name.startswith(STATE)


Backup = SealedFile[BackupManifest]
BACKUP = Kind("backup", BackupManifest, CODES, is_place, again="take another backup: provision backup FILE")
