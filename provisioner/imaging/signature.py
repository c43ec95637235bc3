"""Signatures in minisign's format, by the minisign program."""

import base64
from collections.abc import Sequence
from pathlib import Path

from provisioner.errors import PackError, ProgramError, RefusedError
from provisioner.run import run
from provisioner.system import outputs


def keygen(folder: Path, name: str) -> tuple[Path, Path]:
    """A new key pair `NAME.key` (0600, no password) and `NAME.pub`. Raises RefusedError where one exists."""
    secret, public = folder / f"{name}.key", folder / f"{name}.pub"
    for path in (secret, public):
        if path.exists():
            raise RefusedError(
                f"{path} exists already", hint="take another name; a lost key cannot be made again"
            )
    with outputs.staging(folder, secret.name, public.name) as stage:
        run(["minisign", "-G", "-W", "-f", "-s", stage / secret.name, "-p", stage / public.name])
        (stage / secret.name).chmod(0o600)
    return secret, public


def sign(path: Path, key: Path, *, trusted: str = "", comment: str = "") -> Path:
    """Sign a file; the signature lies beside it as `FILE.minisig`. Raises PackError.

    `trusted` is a line that is signed with it, the file's name unless given; `comment` one that is not.
    """
    target = path.with_name(path.name + ".minisig")
    comments = ("-t", trusted or f"file:{path.name}", *(("-c", comment) if comment else ()))
    try:
        run(["minisign", "-S", "-s", key, "-m", path, "-x", target, *comments])
    except ProgramError as fault:
        words = str(fault) if key.exists() else f"there is no {key}"
        raise PackError(f"{path.name} could not be signed with {key.name}: {words}", code=325) from fault
    return target


def verify(path: Path, signature: Path, keys: Sequence[Path]) -> str:
    """The name of the key that signed the file. Raises PackError (PV-326) where none of `keys` did."""
    if not keys:
        raise PackError("no public key is trusted here", hint="put NAME.pub into the keys folder", code=326)
    reasons = []
    for key in keys:
        done = run(["minisign", "-V", "-p", key, "-m", path, "-x", signature], check=False)
        if done.returncode == 0:
            return key.stem
        reasons.append((done.stderr or done.stdout).decode(errors="replace").strip())
    raise PackError(
        f"{path.name}: {_reason(reasons)}",
        hint="add the pack again from its source, signed by a trusted key",
        code=326,
    )


def key_id(path: Path) -> str:
    """The number of the key (16 hexadecimal digits) that a public key is, or that a signature is by.

    Empty where the file is neither. Both have it in bytes 2 to 10 of their second line (minisign(1)).
    """
    try:
        return base64.b64decode(path.read_text().splitlines()[1], validate=True)[2:10].hex()
    except (OSError, IndexError, ValueError):
        return ""


def _reason(reasons: list[str]) -> str:
    """Why no key fitted, from what minisign said for each: the key that came furthest knows best."""
    if any("verification failed" in text.lower() for text in reasons):
        return "the signature does not match: it was changed after it was signed"
    strangers = [text for text in reasons if "key id" in text.lower()]
    others = [text for text in reasons if text not in strangers]
    if strangers and not others:
        return "signed by a key that is not trusted here"
    return f"the signature cannot be used: {others[-1].splitlines()[-1] if others[-1] else 'minisign failed'}"
