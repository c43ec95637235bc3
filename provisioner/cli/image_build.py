"""`provision image build|builds|diff`: make a golden image, see how builds went, compare two."""

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioner.cli.mirror import judge
from provisioner.cli.options import output_option, with_client
from provisioner.cli.output import Column, info, local_time, print_json, print_rows, say
from provisioner.cli.ramdisk import CACHE
from provisioner.errors import Exit, FileError, InputError
from provisioner.setting_sections import Mirror
from provisioner.system import file_fault
from provisioner.system.checksum import sha256
from provisioner.system.units import size

if TYPE_CHECKING:
    from provisioner.client import Client
    from provisioner.golden import base
    from provisioner.golden.files import FileManifest
    from provisioner.golden.packer import BuildRequest, BuiltImage
    from provisioner.golden.record import JournalEntry

cache_option = click.option(
    "--cache",
    type=click.Path(path_type=Path),
    default=CACHE,
    help="Keeps base images and the journal of builds.",
)
OUT = Path("dist/image")
INSIDE = "PROVISION_AIR_GAP"  # in the environment of a build that runs there


@click.command()
@click.option("--builder", type=click.Choice(["qemu", "virtualbox", "vmware"]), default="qemu")
@click.option("--debian", is_flag=True, help="Debian's base image instead of Ubuntu's installer.")
@click.option("--var-file", "files", multiple=True, type=click.Path(path_type=Path, exists=True))
@click.option("--var", "variables", multiple=True, metavar="NAME=VALUE", help="A variable of the template.")
@click.option("--out", type=click.Path(path_type=Path), default=OUT, show_default=True, help="Where to.")
@click.option("--sign", type=click.Path(path_type=Path), help="NAME.key of keygen.")
@click.option("--name", default="", help="IMAGE_ID and the pack's name.")
@click.option("--version", default="", help="IMAGE_VERSION and the pack's version.")
@click.option("--keep-failed", is_flag=True, help="Keep machine, key and disk of a build that fails.")
@click.option(
    "--mirror",
    type=click.Path(path_type=Path),
    help="Build from this mirror alone, where nothing else answers.",
)
@click.option("--checksums", type=click.Path(path_type=Path), help="Compare with, or add to, this file.")
@click.option("--add", "adds", is_flag=True, help="Add the pack to the catalogue of the service.")
@cache_option
@with_client
def build(
    client: "Client",
    builder: str,
    debian: bool,
    files: tuple[Path, ...],
    variables: tuple[str, ...],
    out: Path,
    sign: Path | None,
    name: str,
    version: str,
    keep_failed: bool,
    mirror: Path | None,
    checksums: Path | None,
    adds: bool,
    cache: Path,
) -> int:
    """Build the golden image with Packer and Ansible: raw, qcow2, vmdk, pack, manifests, SHA256SUMS.

    The same inputs give the same bytes. Every build leaves a line in the journal: provision image builds

    With --mirror it runs in the air gap of `provision mirror airgap`: the folder is served there under the
    mirror's name, whatever else is asked for is refused and named, and the build has failed (exit code 6).
    """
    from provisioner.golden.packer import BuildRequest

    if adds and not sign:
        raise InputError("--add needs --sign", hint="the catalogue takes signed packs only")
    if sign and not sign.is_file():
        raise InputError(f"{sign}: no such file", code=320)
    if mirror and not os.environ.get(INSIDE):
        code = _in_air_gap(mirror, adds)
        return code or (_add(client, out) if adds else Exit.DONE)
    given = {"image_name": name, "image_version": version, "sign": str(sign.absolute()) if sign else ""}
    chosen = {**(_mirror_variables(mirror) if mirror else {}), **_variables(variables)}
    chosen |= {key: value for key, value in given.items() if value}
    source = _base_mirror(mirror) if mirror else None
    accelerated = _accelerated(chosen, builder, cache)
    order = BuildRequest(out, builder, debian, source, files, accelerated, keep_failed, cache)
    made = _build(order)
    _report(made, order)
    if checksums:
        _compare(made, checksums)
    return _add(client, out) if adds else Exit.DONE


def _build(order: "BuildRequest") -> "BuiltImage":
    """Build, with a line in the journal for whatever comes of it. Raises BuildError, FileError."""
    from provisioner.cli import image_results
    from provisioner.golden import packer, record

    started, began, commit = time.time(), time.monotonic(), _commit()
    try:
        with image_results.gathered(order.out) as work:
            return packer.build(replace(order, out=work), _step_printer(), commit=commit)
    except OSError as fault:  # of which the build itself leaves no line
        explained = file_fault.explained(fault, order.out)
        image = f"{order.variables.get('image_name', '')}@{order.variables.get('image_version', '')}"
        seconds = time.monotonic() - began
        line = record.JournalEntry(started, seconds, "failed", image, order.builder, commit=commit)
        with suppress(FileError):
            record.append(order.cache, replace(line, error=str(explained)))
        raise explained from fault


def _in_air_gap(mirror: Path, adds: bool) -> int:
    """This very command where only the mirror answers; the service is told afterwards, from outside."""
    from provisioner.mirror import airgap

    os.environ[INSIDE] = "1"
    words = [word for word in sys.argv[1:] if word != "--add"] if adds else sys.argv[1:]
    name = Mirror().name
    done = airgap.run_inside([sys.executable, "-m", "provisioner", *words], mirror=mirror, name=name)
    return judge(done, "the build", name)


def _base_mirror(mirror: Path) -> "base.AptMirror":
    from provisioner.golden import base
    from provisioner.mirror import layout

    return base.AptMirror(f"http://{Mirror().name}/apt", mirror / layout.KEYRING, _lock_of(mirror))


def _mirror_variables(mirror: Path) -> dict[str, str]:
    """What the template must know of a mirror that the air gap serves."""
    from provisioner.mirror import gap, layout

    return {
        "mirror": f"http://{Mirror().name}",
        "mirror_key": str((mirror / layout.KEYRING).resolve()),
        "mirror_hosts_entry": gap.ADDRESS,
        "mirror_lock": _lock_of(mirror),
    }


def _lock_of(mirror: Path) -> str:
    from provisioner.mirror import layout

    return sha256(mirror / layout.LOCK)


def _add(client: "Client", out: Path) -> int:
    """The newest pack of a folder of builds into the catalogue."""
    pack = max(out.glob("*.pack"), key=lambda path: path.stat().st_mtime)
    image = client.add_image(pack.resolve())
    info(f"{image.id} added, signed by {image.signed_by}")
    return Exit.DONE


def _variables(words: tuple[str, ...]) -> dict[str, str]:
    variables_by_name = {}
    for word in words:
        name, separator, value = word.partition("=")
        if not name or not separator:
            raise InputError(f"--var {word}: not NAME=VALUE", hint="--var memory=4096")
        variables_by_name[name] = value
    return variables_by_name


def _accelerated(chosen: dict[str, str], builder: str, cache: Path) -> dict[str, str]:
    """KVM where it works, unless the user has chosen."""
    from provisioner.lab import qemu

    if builder != "qemu" or "accelerator" in chosen:
        return chosen
    accelerator = qemu.choose_accelerator(cache / "accelerator.json")
    return {"accelerator": accelerator, "cpu": "host" if accelerator == "kvm" else "Nehalem", **chosen}


def _step_printer() -> Callable[[str], None]:
    began = time.monotonic()

    def report(step: str) -> None:
        seconds = int(time.monotonic() - began)
        info(f"{seconds // 60:3d}:{seconds % 60:02d}  {step}")

    return report


def _commit() -> str:
    """The checkout's commit; empty outside one."""
    from provisioner.run import run

    here = Path(__file__).parent
    done = run(
        ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"], cwd=here, check=False
    )
    return done.stdout.decode().strip()


def _report(made: "BuiltImage", order: "BuildRequest") -> None:
    entry = made.entry
    info(
        f"{entry.image} built in {made.seconds / 60:.1f} min: {size(entry.raw_bytes)}, "
        f"pack {size(entry.pack_bytes)}, sha256 {entry.raw_sha256}"
    )
    info(f"in {order.out}: raw, qcow2, vmdk, pack, per-file manifest, bill of materials, SHA256SUMS, record")


def _compare(made: "BuiltImage", checksums: Path) -> None:
    """Raises BuildError where the same inputs once gave another image."""
    from provisioner.golden import record
    from provisioner.golden.packer import BuildError

    key, digest = made.entry.inputs, made.entry.raw_sha256
    known = record.known(checksums, key)
    if not known:
        record.remember(checksums, key, digest, made.entry.image)
        info(f"these inputs are new: {checksums} has their checksum now; commit it")
    elif known != digest:
        raise BuildError(
            f"the same inputs gave sha256 {digest}, once it was {known}",
            hint="provision image diff OLD NEW names the files; the record lists the tools' versions",
            code=664,
        )
    else:
        info("the checksum is the one that was recorded for the same inputs")


COLUMNS: "tuple[Column[JournalEntry], ...]" = (
    Column("STARTED", lambda build: local_time(build.started)),
    Column("IMAGE", lambda build: build.image),
    Column("BUILDER", lambda build: build.builder),
    Column("RESULT", lambda build: build.result),
    Column("MINUTES", lambda build: f"{build.seconds / 60:.1f}"),
    Column("SIZE", lambda build: size(build.raw_bytes) if build.raw_bytes else ""),
    Column("PACK", lambda build: size(build.pack_bytes) if build.pack_bytes else ""),
    Column("SHA256", lambda build: build.raw_sha256[:16]),
    Column("WHY", lambda build: build.error[:60]),
)


@click.command()
@output_option
@cache_option
def builds(output: str, cache: Path) -> None:
    """All builds of this machine, and what they come to: success rate and medians against the targets."""
    from provisioner.golden import record

    lines = record.journal(cache)
    print_rows(output, "builds", lines, COLUMNS, name=lambda build: build.image)
    if output == "table" and lines:
        for target in record.targets(lines):
            shown = "not measured" if target.value is None else f"{target.value:.1f} {target.unit}"
            verdict = {True: "✓", False: "✗", None: "–"}[target.met]
            comparison = ">" if target.name == "success rate" else "<"
            info(f" {verdict} {target.name}: {shown} (target {comparison} {target.limit:g} {target.unit})")


@click.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
def diff(old: Path, new: Path, output: str) -> int:
    """Explain how two images differ, file by file. Exit code 0: they do not; 3: they do.

    OLD and NEW are per-file manifests (*.files.jsonl), folders of builds, or raw images.
    """
    from provisioner.golden.difference import compare, sentence

    before, after = _manifest(old), _manifest(new)
    differences = compare(before, after)
    if output == "json":
        print_json({"schema_version": 1, "differences": [asdict(each) for each in differences]}, indent=2)
    else:
        for difference in differences:
            say(sentence(difference))
        what = f"{len(differences)} differences" if len(differences) != 1 else "1 difference"
        info(f"{before.image} and {after.image}: {what if differences else 'the same'}")
    return Exit.FAILED if differences else Exit.DONE


def _manifest(path: Path) -> "FileManifest":
    from provisioner.golden import files, inspection

    if path.is_dir():
        manifests = sorted(path.glob(f"*{files.SUFFIX}"))
        if len(manifests) != 1:
            raise InputError(f"{path} holds {len(manifests)} per-file manifests, not one", code=663)
        return files.load(manifests[0])
    if not path.is_file():
        raise InputError(f"{path}: no such file", code=663)
    if path.suffix == ".raw":
        return inspection.inspect(path).manifest
    return files.load(path)
