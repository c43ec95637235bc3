"""The files of the state folder that the service hands out or trusts: images, boot files, keys, secrets."""

import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from provisioner import run
from provisioner.errors import InputError, NotFoundError, PackError, PowerError, RefusedError, ServiceError
from provisioner.imaging import manifest as manifests
from provisioner.imaging import pack as packs
from provisioner.imaging import signature
from provisioner.model import Image

PARTS = {"pack": "pack", "manifest": "pack.json", "manifest.minisig": "pack.json.minisig"}
INSTALLER = {"vmlinuz": "casper/vmlinuz", "initrd": "casper/initrd"}  # our name → place in Ubuntu's live ISO
ISO = "installer.iso"
ISO_LIMIT = 600.0  # seconds for reading an ISO's table and one of its files
BOOT_FILES = ("vmlinuz", "initrd.img", "local.efi", "snponly.efi", "snponly-arm64.efi", "undionly.kpxe")


def prepare(state: Path) -> None:
    """Make the folders and keys that the service needs; idempotent. Raises ServiceError."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("images", "keys", "ramdisk", "logs", "run"):
            (state / name).mkdir(exist_ok=True)
        (state / "secrets").mkdir(mode=0o700, exist_ok=True)
    except OSError as fault:
        raise ServiceError(f"the state folder {state} cannot be used: {fault.strerror}", code=613) from fault
    token = state / "secrets" / "operator.token"
    if not token.exists():
        _write_secret(token, secrets.token_urlsafe(32) + "\n")
    seeds = state / "secrets" / "seed.key"
    if not seeds.exists():
        _write_secret(seeds, secrets.token_urlsafe(32) + "\n")
    key = state / "secrets" / "deploy_ed25519"
    if not key.exists():
        run.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "provisioner", "-f", key])


def _write_secret(path: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent)  # 0600 from its first moment
    with os.fdopen(descriptor, "w") as out:
        out.write(text)
        out.flush()
        os.fsync(descriptor)
    Path(name).rename(path)


def operator_token_hash(state: Path) -> str:
    """SHA-256 of the token that `--server` clients must show."""
    text = (state / "secrets" / "operator.token").read_text().strip()
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


def deployment_key(state: Path) -> str:
    """The public SSH key that the seed gives to the host until it is sealed."""
    return (state / "secrets" / "deploy_ed25519.pub").read_text().strip()


def phone_token(state: Path, deployment: str, nonce: str) -> str:
    """The phone-home token in an installer's seed: the same however often the seed is read.

    It is derived, so that serving a seed writes nothing; the nonce alone, which stands in the kernel's
    arguments, does not tell it.
    """
    key = (state / "secrets" / "seed.key").read_bytes()
    return hmac.new(key, f"{deployment} {nonce}".encode(), hashlib.sha256).hexdigest()


def put_secret(state: Path, name: str, user: str, password: str) -> None:
    """Keep a BMC's login. Raises InputError for a name that is not one."""
    if not re.fullmatch(r"\w[\w.-]{0,60}", name):
        raise InputError(f"{name!r} is not a name for a secret", hint="letters, digits, . - _")
    _write_secret(state / "secrets" / f"{name}.bmc.json", json.dumps({"user": user, "password": password}))


def secret(state: Path, name: str) -> tuple[str, str]:
    """User and password of a BMC. Raises PowerError (PV-205) where it was never given."""
    path = state / "secrets" / f"{name}.bmc.json"
    try:
        body = json.loads(path.read_text())
    except OSError as fault:
        raise PowerError(
            f"the BMC login {name!r} was never given",
            hint=f"provision bmc secret {name or 'NAME'} --user USER",
            code=205,
        ) from fault
    return body["user"], body["password"]


def pin(state: Path, host: str) -> Path:
    """Where the certificate of a host's BMC is pinned at its first login: one line, its SHA-256."""
    return state / "secrets" / f"{host}.bmc.sha256"


def boot_file(state: Path, name: str) -> Path | None:
    """A file that any machine may fetch; None for any other name."""
    path = state / "ramdisk" / name
    return path if name in BOOT_FILES and path.is_file() else None


def _folder(state: Path, ident: str) -> Path:
    return state / "images" / ident.replace("@", "-")


def part(state: Path, ident: str, name: str) -> Path:
    """The file of an image by its part's name. Raises NotFoundError."""
    path = _folder(state, ident) / PARTS.get(name, "?")
    if name not in PARTS or not path.is_file():
        raise NotFoundError(f"{ident} has no {name}")
    return path


def keys(state: Path) -> list[Path]:
    """The public keys whose signatures this site trusts."""
    return sorted((state / "keys").glob("*.pub"))


@contextmanager
def changing(state: Path, *, alone: bool = False) -> Iterator[None]:
    """While images are added; `alone` while files are removed. Raises RefusedError."""
    folder = os.open(state / "images", os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        yield
    except BlockingIOError as fault:
        raise RefusedError(
            "files of the catalogue are being added or removed", hint="try again when that is done"
        ) from fault
    finally:
        os.close(folder)


def garbage(state: Path, known: Collection[str]) -> list[dict[str, str | int]]:
    """What lies in images/ and belongs to no image of the ids `known`: `name`, `size` in bytes, `why`."""
    folders = {_folder(state, ident).name for ident in known}
    found: list[dict[str, str | int]] = []
    for path in sorted((state / "images").iterdir()):
        if path.name not in folders:
            is_whole = any((path / name).exists() for name in ("pack.json", ISO))
            why = "no image of the catalogue" if is_whole else "half of a broken copy"
            found.append({"name": path.name, "size": _size(path), "why": why})
        elif path.is_dir():
            partial = [p for p in sorted(path.iterdir()) if p.name.endswith(".partial")]
            rows = ((f"{path.name}/{p.name}", _size(p)) for p in partial)
            found += [{"name": name, "size": size, "why": "half of a broken copy"} for name, size in rows]
    return found


def remove_garbage(state: Path, known: Collection[str], names: Collection[str]) -> list[dict[str, str | int]]:
    """Remove what is both in `names` and garbage now; what was removed."""
    gone = [row for row in garbage(state, known) if row["name"] in names]
    for row in gone:
        path = state / "images" / str(row["name"])
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return gone


def _size(path: Path) -> int:
    inside = [path, *path.rglob("*")] if path.is_dir() and not path.is_symlink() else [path]
    return sum(item.lstat().st_blocks * 512 for item in inside if not item.is_dir())


def add(state: Path, source: str, now: float) -> Image:
    """Check a pack and copy it into the catalogue. Raises PackError, InputError; nothing is left behind."""
    pack = Path(source)
    names = [pack, pack.with_name(pack.name + ".json"), pack.with_name(pack.name + ".json.minisig")]
    for path in names:
        if not path.is_file():
            raise InputError(
                f"{path}: no such file", hint="provision image pack RAW -o PACK --sign KEY", code=320
            )
    key = signature.verify(names[1], names[2], keys(state))
    manifest = manifests.load(names[1])
    if not any(p.role == "esp" and p.label == manifests.ESP_LABEL for p in manifest.partitions):
        raise PackError(
            f"{pack.name}: its ESP is not labelled {manifests.ESP_LABEL}",
            hint="hosts could not find it",
            code=322,
        )
    ident = f"{manifest.name}@{manifest.version}"
    target = _folder(state, ident)
    with tempfile.TemporaryDirectory(dir=state / "images") as work:
        for path, name in zip(names, PARTS.values(), strict=True):
            shutil.copyfile(path, Path(work) / name)
            (Path(work) / name).chmod(0o644)  # for nginx; the state folder itself lets nobody in
        packs.verify(Path(work) / "pack", manifest)
        shutil.rmtree(target, ignore_errors=True)
        Path(work).rename(target)
        Path(work).mkdir()  # for the context manager to remove
    target.chmod(0o755)
    size = (target / "pack").stat().st_size
    return Image(
        name=manifest.name,
        version=manifest.version,
        raw_size=manifest.raw_size,
        raw_sha256=manifest.raw_sha256,
        pack_size=size,
        signed_by=key,
        added=now,
    )


def add_iso(state: Path, source: str, now: float, *, name: str, version: str, sha256: str = "") -> Image:
    """Copy Ubuntu's live-server ISO into the catalogue, its kernel and initrd beside it.

    There is no signature of ours on it: `sha256`, from Ubuntu's SHA256SUMS, says whether it is the right
    one. Raises InputError (PV-320 no such file, PV-329 no live ISO or another sum); nothing is left behind.
    """
    iso = Path(source)
    _must_exist(iso)
    image = Image(
        name=name,
        version=version,
        raw_size=0,
        raw_sha256="",
        pack_size=0,
        signed_by="",
        added=now,
        kind="iso",
    )
    target = _folder(state, image.id)
    with tempfile.TemporaryDirectory(dir=state / "images") as work:
        copy = Path(work) / ISO
        shutil.copyfile(iso, copy)
        with copy.open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
        if sha256 and found != sha256.lower():
            raise InputError(
                f"{iso.name} has the SHA-256 {found}, not {sha256}", hint="download it again", code=329
            )
        for part_name, place in INSTALLER.items():
            _take_out(copy, place, Path(work) / part_name)
        shutil.rmtree(target, ignore_errors=True)
        Path(work).rename(target)
        Path(work).mkdir()  # for the context manager to remove
    target.chmod(0o755)
    size = (target / ISO).stat().st_size
    return image.model_copy(update={"raw_size": size, "raw_sha256": found, "pack_size": size})


def _must_exist(iso: Path) -> None:
    if not iso.is_file():
        raise InputError(f"{iso}: no such file", hint="provision image add --iso FILE", code=320)


def _take_out(iso: Path, place: str, target: Path) -> None:
    """One file of an ISO, by libarchive's bsdtar, which needs no root and no loop device."""
    done = run.run(["bsdtar", "-xOf", iso, place], check=False, timeout=ISO_LIMIT)
    if done.returncode or not done.stdout:
        raise _no_installer(iso, place)
    target.write_bytes(done.stdout)


def check_iso(source: Path) -> None:
    """See, without reading all of it, that it holds what an installer boots from. Raises InputError."""
    _must_exist(source)
    for place in INSTALLER.values():
        if run.run(["bsdtar", "-tf", source, place], check=False, timeout=ISO_LIMIT).returncode:
            raise _no_installer(source, place)


def _no_installer(iso: Path, place: str) -> InputError:
    return InputError(
        f"{iso.name} holds no {place}: it is no live-server ISO of Ubuntu",
        hint="give ubuntu-NN.NN-live-server-amd64.iso",
        code=329,
    )


def describe_iso(source: Path) -> tuple[str, str]:
    """Name and version of a live ISO as its `.disk/info` says them: `ubuntu`, `24.04.1`; empty where not.

    Raises InputError (PV-320) where there is no such file.
    """
    _must_exist(source)
    done = run.run(["bsdtar", "-xOf", source, ".disk/info"], check=False, timeout=ISO_LIMIT)
    said = re.match(r"Ubuntu\S* (\d+\.\d+(?:\.\d+)?)\b", done.stdout.decode(errors="replace"))
    return ("ubuntu", said[1]) if said else ("", "")


def verify_iso(state: Path, image: Image) -> int:
    """Read the stored ISO again; 1. Raises PackError (PV-321) where it is not what was added."""
    with (_folder(state, image.id) / ISO).open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != image.raw_sha256:
        raise PackError(f"{image.id}: its ISO was changed on the disk", hint="add it again", code=321)
    return 1


def installer_file(state: Path, ident: str, name: str) -> Path | None:
    """Kernel, initrd or ISO of an installer; None for any other name."""
    path = _folder(state, ident) / name
    return path if name in (*INSTALLER, ISO) and path.is_file() else None


def verify(state: Path, ident: str) -> int:
    """Read the stored pack again, signature included; the number of chunks. Raises PackError."""
    path = part(state, ident, "manifest")
    signature.verify(path, part(state, ident, "manifest.minisig"), keys(state))
    manifest = manifests.load(path)
    packs.verify(part(state, ident, "pack"), manifest)
    return len(manifest.chunks)
