"""Makes a bundle on a machine with network: packages, ramdisk, images, mirror, keys, pages."""

import platform
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner import __version__
from provisioner.bundle import bill, contents, packages
from provisioner.bundle.contents import BundleManifest
from provisioner.errors import InputError
from provisioner.imaging import signature
from provisioner.mirror import verify as mirrors
from provisioner.state.sealed_file import Writer
from provisioner.system import outputs

PACK_PARTS = ("", ".json", ".json.minisig")
RAMDISK_LIST = "ramdisk.json"
Report = Callable[[str], None]


@dataclass(frozen=True)
class Ingredients:
    """What goes into a bundle; `package` is our .deb, `lock` its Python packages', `docs` the pages."""

    package: Path
    lock: Path
    key: Path
    docs: Path | None = None
    ramdisk: Path | None = None
    images: Sequence[Path] = ()
    mirror: Path | None = None
    keys: Sequence[Path] = ()
    sources: Path | None = None
    suite: str = "bookworm"
    commit: str = ""


def make(out: Path, of: Ingredients, report: Report = lambda _: None) -> BundleManifest:
    """Write the bundle `out`, whole or not at all; what is in it.

    Raises InputError (PV-150 an ingredient is not there, PV-652), UnreachableError (PV-652), RefusedError
    (PV-653), PackError (PV-325 the key does not sign), FileError (PV-150, PV-151).
    """
    created = time.time()
    architecture = packages.architecture(of.package)
    _check(of)
    with outputs.staging(out.parent, out.name) as stage:
        work = stage / f"{out.name}.parts"
        report(f"asking apt what {of.package.name} needs on a minimal {of.suite}")
        needs = packages.collect(
            of.package, work / contents.PACKAGES, of.suite, architecture, sources=of.sources
        )
        (work / contents.SBOM).write_text(bill.materials(of.package, needs, of.lock, created))
        inputs = [path for path in (*_packs(of.images), *of.keys) if path.suffix != ".minisig"]
        provenance = bill.provenance(of.package, of.lock, inputs, commit=of.commit, created=created)
        (work / contents.PROVENANCE).write_text(provenance)
        with tarfile.open(stage / out.name, "x", format=tarfile.PAX_FORMAT) as archive:
            writer = Writer(archive)
            report("writing")
            for path, name in (*_below(work, ""), *_parts(of)):
                writer.add(path, name)
            _sums(writer, work, of.key)
            manifest = BundleManifest(
                version=__version__,
                created=created,
                machine=platform.node(),
                files=tuple(writer.files),
                suite=of.suite,
                architecture=architecture,
                package=of.package.name,
                images=tuple(path.name for path in of.images),
                has_ramdisk=of.ramdisk is not None,
                has_mirror=of.mirror is not None,
            )
            writer.seal(manifest, stage, of.key)
    return manifest


def _check(of: Ingredients) -> None:
    """Before anything is fetched. Raises InputError (PV-150), PackError, what a mirror's own check raises."""
    wanted = [of.package, of.lock, of.key, *_packs(of.images), *of.keys]
    wanted += [of.ramdisk / RAMDISK_LIST] if of.ramdisk else []
    for path in wanted:
        if not path.is_file():
            raise InputError(f"{path}: no such file", hint="provision bundle make --help", code=150)
    if of.mirror and (rows := mirrors.verify(of.mirror).rows()):
        first = rows[0]
        raise InputError(
            f"the mirror {of.mirror} is not whole: {first['kind']} {first['file']}",
            hint=f"provision mirror verify {of.mirror}",
            code=656,
        )


def _packs(images: Sequence[Path]) -> Iterator[Path]:
    for pack in images:
        yield from (pack.with_name(pack.name + ending) for ending in PACK_PARTS)


def _parts(of: Ingredients) -> Iterator[tuple[Path, str]]:
    """Each file that is taken from where it lies, and its place in the bundle."""
    yield of.lock, contents.LOCK
    for path in _packs(of.images):
        yield path, f"{contents.IMAGES}/{path.name}"
    for path in of.keys:
        yield path, f"{contents.KEYS}/{path.name}"
    for folder, place in (
        (of.ramdisk, contents.RAMDISK),
        (of.mirror, contents.MIRROR),
        (of.docs, contents.DOCS),
    ):
        if folder:
            yield from _below(folder, f"{place}/")


def _below(folder: Path, prefix: str) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not path.is_symlink() and not hidden:
            yield path, f"{prefix}{path.relative_to(folder).as_posix()}"


def _sums(writer: Writer, work: Path, key: Path) -> None:
    """For a machine on which there is no program of ours yet: what sha256sum and minisign read."""
    path = work / contents.SUMS
    path.write_text("".join(f"{part.sha256}  {part.name}\n" for part in writer.files))
    for file in (path, signature.sign(path, key)):
        writer.add(file, file.name)
