"""From Packer's disk to the golden image: the same inputs give the same bytes, anywhere, at any time."""

import json
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import InputError
from provisioner.golden import artefacts, boot, disk, files, inspection, loaders, namespace, qcow2, sbom, tree
from provisioner.golden.record import Statistics
from provisioner.imaging.manifest import check_names
from provisioner.imaging.source import LARGEST
from provisioner.run import run
from provisioner.system import shipped
from provisioner.system.checksum import sha256

NAMESPACE = uuid.UUID("d2a4f0e6-1f0b-5c39-8a57-7f3a1c9e4b02")
FORMATS = ("raw", "qcow2", "vmdk", "vdi")
E2FSCK_CLEAN = 0
Report = Callable[[str], None]


@dataclass(frozen=True)
class NormaliseRequest:
    """What is made. `disk` is a finished machine's, never written to; `epoch` in seconds."""

    disk: Path
    form: str
    out: Path
    name: str
    version: str
    epoch: int
    user: str = "packer"
    key: Path | None = None

    @property
    def stem(self) -> str:
        """NAME-VERSION, with which the names of all results begin."""
        return f"{self.name}-{self.version}"


@dataclass(frozen=True)
class GoldenImage:
    """The results: the raw image, its digest, that of every artefact by file name, and what was counted."""

    raw: Path
    raw_sha256: str
    sums: dict[str, str]
    statistics: Statistics


def normalise(request: NormaliseRequest, report: Report = lambda _: None) -> GoldenImage:
    """Make every artefact in `order.out`. Works without root.

    Raises:
        InputError: the disk is none of ours, or was not shut down cleanly.
        ProvisionError: a private key is left, or the image is too large; ProgramError: a program failed.
    """
    began = time.monotonic()
    check_names(request.name, request.version, "2026-01-01T00:00:00Z")
    request.out.mkdir(parents=True, exist_ok=True)
    ids = disk.ImageIds(NAMESPACE, request.name, request.version)
    raw = request.out / f"{request.stem}.raw"
    with tempfile.TemporaryDirectory(dir=request.out, prefix="normalise-") as folder:
        rebuilt, is_signed = _rebuild(request, Path(folder), raw, ids, report)
    report("reading what was made")
    digest = sha256(raw)
    content = inspection.inspect(raw, digest)
    listed = _describe(request, raw, digest, content)
    report("packing")
    packs = artefacts.packed(
        raw, name=request.name, version=request.version, epoch=request.epoch, key=request.key
    )
    sizes = artefacts.check_sizes(raw, packs[0])
    report("converting to qcow2 and vmdk")
    others = [artefacts.qcow2(raw), artefacts.vmdk(raw, ids.serial("vmdk"))]
    sums = artefacts.checksums([raw, *others, *packs[:2], *listed])
    statistics = Statistics(
        **vars(sizes),
        **vars(rebuilt),
        signed_loaders=is_signed,
        files=len(content.manifest.entries),
        packages=len(content.packages),
        normalise_seconds=round(time.monotonic() - began, 1),
    )
    return GoldenImage(raw, digest, sums, statistics)


def _rebuild(
    request: NormaliseRequest, work: Path, raw: Path, ids: disk.ImageIds, report: Report
) -> tuple[tree.RebuiltRoot, bool]:
    """Write `raw`; what was done to its root, and whether a distribution's signed loaders were kept."""
    source = _as_raw(request, work, report)
    root = inspection.root_of(source)
    _check_clean(source, root.offset)
    esp = next((part for part in inspection.partitions(source) if part.name.lower() == "esp"), None)
    signed = loaders.signed(source, esp.offset, work, ids) if esp else None
    report("copying, scrubbing and rebuilding the root file system")
    rules = shipped.file("packer", "scrub")
    rebuild_request = tree.RebuildRequest(
        raw=str(source.absolute()),
        offset=root.offset,
        out=str((work / "root.ext4").absolute()),
        ids=boot.FilesystemIds(str(ids.of("root-filesystem")), ids.serial("esp")),
        epoch=request.epoch,
        user=request.user,
        rules=str(rules.absolute()),
    )
    rebuilt = tree.RebuiltRoot(**json.loads(namespace.inside(tree.__name__, rebuild_request.dump())))
    report("building the disk")
    disk.assemble(work / raw.name, work / "root.ext4", ids, epoch=request.epoch, loaders=signed)
    (work / raw.name).replace(raw)
    return rebuilt, signed is not None


def _as_raw(request: NormaliseRequest, work: Path, report: Report) -> Path:
    if request.form not in FORMATS:
        raise InputError(
            f"{request.form} is no disk format that is known here", hint=", ".join(FORMATS), code=660
        )
    if not request.disk.is_file():
        raise InputError(f"{request.disk}: no such file", hint="it is Packer's disk", code=660)
    if request.form == "raw":
        return request.disk
    if request.form == "qcow2":
        qcow2.check(request.disk.resolve(), LARGEST, report)
    out = work / "source.raw"
    argv = ("qemu-img", "convert", "-f", request.form, "-O", "raw")
    run([*argv, request.disk, out], timeout=artefacts.CONVERT_LIMIT)
    return out


def _check_clean(raw: Path, offset: int) -> None:
    """A journal that was not played back would hide files. Raises InputError."""
    done = run(["e2fsck", "-n", f"{raw}?offset={offset}"], check=False, timeout=600)
    if done.returncode != E2FSCK_CLEAN:
        last = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()[-1:]
        raise InputError(
            f"the machine's root is not clean: {' '.join(last)}",
            hint="it must be shut down, not switched off: see the end of Packer's log",
            code=660,
        )


def _describe(
    request: NormaliseRequest, raw: Path, digest: str, content: inspection.Inspection
) -> list[Path]:
    """The per-file manifest and the bill of materials. Raises InputError where os-release says otherwise."""
    wanted = f"{request.name}@{request.version}"
    if content.manifest.image != wanted:
        raise InputError(
            f"os-release says {content.manifest.image}, not {wanted}",
            hint="deployments would be refused: packer/scripts/identify.sh must have the last word",
            code=660,
        )
    listed = raw.with_name(request.stem + files.SUFFIX)
    listed.write_text(content.manifest.dump())
    bill = raw.with_name(request.stem + sbom.SUFFIX)
    release = f"{content.release.get('ID', 'linux')}"
    text = sbom.document(
        content.packages,
        image=request.name,
        version=request.version,
        raw_sha256=digest,
        epoch=request.epoch,
        distribution=release,
    )
    bill.write_text(text)
    return [listed, bill]
