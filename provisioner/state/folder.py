"""The state folder: whose it is, who may look into it, and what is in it before the service starts."""

import os
import pwd
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from provisioner.errors import ServiceError
from provisioner.state.disk_usage import unusable
from provisioner.state.secrets import secrets_folder, seed_key_file, write_secret

FOLDERS = ("images", "keys", "ramdisk", "logs", "run")
SHOWN_TO_NGINX = "images"  # it is shown this folder alone; into the state folder itself it cannot look
UMASK = 0o077
PRIVATE = 0o077  # the bits that nobody else may have
FILES = ("provisioner.db*", "secrets/*", "logs/*")


def claim_folder(state: Path, say: Callable[[str], None] = lambda sentence: None) -> None:
    """Make the folder ours and nobody else's; from now on this process makes files for its user alone.

    What others may read is narrowed, and `say` is told. Raises ServiceError (PV-613) where it cannot be used,
    or it or a file of secrets belongs to somebody else.
    """
    os.umask(UMASK)
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in (state, secrets_folder(state), *_private_files(state)):
            if path.exists():
                _narrow(path, say)
    except OSError as fault:
        raise unusable(state, fault) from fault


def _private_files(state: Path) -> Iterator[Path]:
    for pattern in FILES:
        yield from (path for path in state.glob(pattern) if path.is_file() and not path.is_symlink())


def _narrow(path: Path, say: Callable[[str], None]) -> None:
    about = path.stat()
    if about.st_uid != os.geteuid():
        raise ServiceError(
            f"{path} belongs to {_user(about.st_uid)}, and this is {_user(os.geteuid())}",
            hint=f"start the service as its owner, or: chown -R {_user(os.geteuid())} {path}",
            code=613,
        )
    mode = stat.S_IMODE(about.st_mode)
    if mode & PRIVATE and not _is_public_key(path):
        path.chmod(mode & ~PRIVATE)
        say(f"others could look into {path} (mode {mode:04o}); now they cannot ({mode & ~PRIVATE:04o})")


def _is_public_key(path: Path) -> bool:
    return path.suffix == ".pub"


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


@contextmanager
def used_by_command(state: Path) -> Iterator[None]:
    """For a command that writes into the folder itself: root does it as the folder's owner, whose it is then.

    Raises as `prepare_folder`.
    """
    if not state.exists():
        prepare_folder(state)
    with as_owner(state):
        prepare_folder(state)
        yield


def is_anothers(folder: Path) -> bool:
    """Whether we are root, and the folder is some other user's."""
    return os.geteuid() == 0 and folder.exists() and folder.stat().st_uid != 0


@contextmanager
def as_owner(folder: Path) -> Iterator[None]:
    """Root is the folder's owner within the block: no link that the owner has put there leads him further.

    Others stay who they are. Effective ids are the process's (setresuid(2)), so of all its threads.
    """
    if not is_anothers(folder):
        yield
        return
    about = folder.stat()
    group, groups = os.getegid(), os.getgroups()
    os.setgroups([])
    os.setegid(about.st_gid)
    os.seteuid(about.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def give_away(folder: Path, user: int, group: int) -> None:
    """Everything below a folder that root owns becomes somebody else's; no link is followed."""
    for _, folders, names, here in os.fwalk(folder):
        for name in (*folders, *names):
            if os.stat(name, dir_fd=here, follow_symlinks=False).st_uid == 0:
                os.chown(name, user, group, dir_fd=here, follow_symlinks=False)


def prepare_folder(state: Path, say: Callable[[str], None] = lambda sentence: None) -> None:
    """Make the folders and tokens that the service needs; what is there stays, but see `claim_folder`.

    Raises ServiceError (PV-613), DiskFullError (PV-609), FileError (PV-151) where there is no room for a key.
    """
    claim_folder(state, say)
    try:
        for name in FOLDERS:
            (state / name).mkdir(exist_ok=True)
        (state / SHOWN_TO_NGINX).chmod(0o755)
        secrets_folder(state).mkdir(mode=0o700, exist_ok=True)
        if not seed_key_file(state).exists():
            write_secret(seed_key_file(state), secrets.token_urlsafe(32) + "\n")
    except OSError as fault:
        raise unusable(state, fault) from fault
