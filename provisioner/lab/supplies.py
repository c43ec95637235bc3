"""What a rehearsal deploys: a signed pack of the base image and its key, built once and kept in a cache."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from provisioner import ramdisk, run
from provisioner.errors import InputError
from provisioner.golden import base
from provisioner.imaging import manifest as manifests
from provisioner.imaging import pack, signature, unpack
from provisioner.imaging.manifest import Manifest
from provisioner.system.checksum import sha256

NAME, VERSION, OLDER = "rehearsal-os", "1.0", "0.9"
KEY = "rehearsal"
CREATED = "2026-01-01T00:00:00Z"  # the same pack from the same image
Progress = Callable[[str], None]  # takes sentences for people


@dataclass(frozen=True)
class Supplies:
    """A raw image, its pack with the manifest beside it, and the public key that verifies it."""

    raw: Path
    sha256: str
    pack: Path
    public_key: Path
    manifest: Manifest

    @property
    def image(self) -> str:
        """As orders name it."""
        return f"{self.manifest.name}@{self.manifest.version}"


def provide(cache: Path, report: Progress) -> Supplies:
    """Build what the cache lacks: minutes the first time, seconds afterwards. Raises ProgramError."""
    built = _image(cache, VERSION, report)
    secret, public = _keys(cache / "keys")
    folder = cache / "packs"
    target = folder / f"{NAME}-{built.sha256[:16]}-{manifests.FORMAT.replace('/', '')}.pack"
    listed = target.with_name(target.name + ".json")
    if not target.with_name(target.name + ".json.minisig").exists():
        report("packing the image")
        pack.build(built.path, target, name=NAME, version=VERSION, created=CREATED, key=secret)
    signature.verify(listed, listed.with_name(listed.name + ".minisig"), [public])
    return Supplies(built.path, built.sha256, target, public, manifests.load(listed))


def bring(given: Path, folder: Path, cache: Path, report: Progress) -> Supplies:
    """A pack that was built before, signed in `folder` by the lab's key, the one that its ramdisk knows;
    its image is unpacked there too. Raises PackError, ProgramError, InputError.
    """
    secret, public = _keys(cache / "keys")
    pack, listed = folder / "given.pack", folder / "given.pack.json"
    shutil.copyfile(given, pack)
    shutil.copyfile(_listed(given), listed)
    manifest = manifests.load(listed)
    signature.sign(listed, secret)
    report(f"unpacking {manifest.name}@{manifest.version}")
    raw = folder / "given.raw"
    run.run(["zstd", "-dqf", "--sparse", pack, "-o", raw])
    unpack.verify(pack, manifest)
    digest = sha256(raw)
    if manifest.raw_sha256 not in ("", digest):
        raise InputError(
            f"{given} unpacks to sha256 {digest}, its manifest says {manifest.raw_sha256}", code=320
        )
    return Supplies(raw, digest, pack, public, manifest)


def check_pack(given: Path) -> None:
    """What can be refused before minutes are spent. Raises InputError, PackError."""
    for path in (given, _listed(given)):
        if not path.is_file():
            raise InputError(
                f"--image: {path} is no file", hint="give the .pack of `provision image build`", code=320
            )
    manifests.load(_listed(given))


def _listed(pack: Path) -> Path:
    return pack.with_name(pack.name + ".json")


def stock(cache: Path, report: Progress) -> None:
    """Fill the cache with all that a rehearsal needs, so that it can do without any network."""
    provide(cache, report)
    older(cache, report)
    stock_ramdisk(cache, report)


def stock_ramdisk(cache: Path, report: Progress) -> None:
    """What a rehearsal needs whose image is given: iPXE and the ramdisk."""
    with tempfile.TemporaryDirectory() as folder:
        report("building the ramdisk")
        ramdisk.build(Path(folder), cache=cache / "ramdisk", keys=[public_key(cache)])


def public_key(cache: Path) -> Path:
    """Whose signatures the lab trusts."""
    return _keys(cache / "keys")[1]


def older(cache: Path, report: Progress) -> Path:
    """An earlier version of the image, to be found on a disk that is deployed again."""
    return _image(cache, OLDER, report).path


def _image(cache: Path, version: str, report: Progress) -> base.BaseImage:
    out = cache / "base" / f"{NAME}-{version}.raw"
    return base.build(out, name=NAME, version=version, cache=cache / "base", report=report)


def _keys(folder: Path) -> tuple[Path, Path]:
    secret, public = folder / f"{KEY}.key", folder / f"{KEY}.pub"
    if not (secret.exists() and public.exists()):
        for half in (secret, public):  # of one that was cut short
            half.unlink(missing_ok=True)
        signature.keygen(folder, KEY)
    return secret, public
