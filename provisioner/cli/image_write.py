"""`provision image write`: the agent's own writer, without a deployment: for a rescue stick, or a bench."""

import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import SplitResult, quote, urlsplit

import click

from provisioner.agent import disks, facts
from provisioner.agent.block_device import BlockDevice
from provisioner.agent.link import SILENCE, Link
from provisioner.agent.packfile import PackFile
from provisioner.agent.protocol import Disk, Phase
from provisioner.agent.stream import Stream
from provisioner.agent.sysfs import read_word
from provisioner.agent.writer import ChunkSource, ImageWriter
from provisioner.cli import question
from provisioner.cli.image_pack import Bar
from provisioner.cli.options import STATE
from provisioner.cli.output import info
from provisioner.errors import DiskError, InputError, PackError, RefusedError
from provisioner.imaging import manifest as manifests
from provisioner.imaging import signature
from provisioner.system import file_fault
from provisioner.system.units import size

PATIENCE = 60.0  # seconds in which nothing whole comes from the server; somebody waits before the screen
SYS = Path("/sys/dev/block")


@click.command()
@click.argument("source", metavar="PACK|URL")
@click.argument("device", type=click.Path(path_type=Path))
@click.option(
    "--pubkey", type=click.Path(path_type=Path), help="NAME.pub; the state folder's keys unless given."
)
@click.option("--full", is_flag=True, help="Write all, not only what differs.")
@click.option("--erase-foreign", is_flag=True, help="Erase LVM, RAID, ZFS or encrypted data too.")
@click.option("--yes", is_flag=True, help="Do not ask. For scripts.")
@click.option(
    "--patience",
    type=click.FloatRange(min=1),
    default=PATIENCE,
    show_default=True,
    metavar="SECONDS",
    help="Of a URL: give up when the server gives nothing whole for so long.",
)
def write(
    source: str,
    device: Path,
    pubkey: Path | None,
    full: bool,
    erase_foreign: bool,
    yes: bool,
    patience: float,
) -> None:
    """Write a pack to a disk of this machine: verified, read back, bootable last. No service is needed.

    DEVICE is a whole disk, or a regular file that stands for one. It is shown and must be confirmed. A host's
    seed is not written. PACK.json and PACK.json.minisig lie beside the pack. The server of a URL must know
    ranges; redirects are not followed.
    """
    began = time.monotonic()
    target = _examine(device)
    with ExitStack() as stack:
        manifest, chunks = stack.enter_context(_opened(source, device, _keys(pubkey), patience))
        info(f"Image     {manifest.name} {manifest.version}   {size(manifest.raw_size)}")
        info(f"Erases    {device}  {disks.describe(target)}  ({target.content})")
        disks.check(target, manifest.raw_size, manifest.logical_sector_size)
        disks.check_consent(target, (), erase=True, foreign=erase_foreign)
        if not yes:
            _ask(device, target)
        disk = stack.enter_context(BlockDevice(device))
        bar = stack.enter_context(Bar("writing"))

        def report(phase: Phase, done: int, total: int) -> None:
            bar(done, total)

        writer = ImageWriter(
            disk, manifest, report, info, method="full" if full else "delta", may_discard=True
        )
        try:
            writer.write(chunks, {})
        except BaseException:
            info(f"{device} {writer.state}")
            raise
    seconds = max(0.001, time.monotonic() - began)
    info(
        f"{device} is {manifest.name} {manifest.version}: "
        f"{size(writer.bytes_written)} written and read back, "
        f"{size(writer.bytes_saved)} were right already, {size(chunks.fetched)} fetched, {seconds:.1f} s, "
        f"{size(manifest.raw_size / seconds)}/s"
    )


def _keys(pubkey: Path | None) -> list[Path]:
    if pubkey:
        return [pubkey]
    folder = Path(os.environ.get("PROVISION_STATE", STATE)) / "keys"
    keys = sorted(folder.glob("*.pub")) if os.access(folder, os.R_OK) else []
    if not keys:
        raise PackError(f"no public key is trusted in {folder}", hint="give --pubkey NAME.pub", code=326)
    return keys


@contextmanager
def _opened(
    source: str, device: Path, keys: list[Path], patience: float
) -> Iterator[tuple[manifests.Manifest, ChunkSource]]:
    """Manifest, once its signature was checked, and where its chunks come from. Raises PackError."""
    if "://" in source:
        yield _fetched(source, keys, patience)
        return
    path = Path(source)
    if path.is_dir():
        raise InputError(f"{path} is a folder", hint="give the pack's file", code=320)
    listed = path.with_name(path.name + ".json")
    _refuse_source(device, [path, listed, listed.with_name(listed.name + ".minisig"), *keys])
    manifest = _checked(listed, keys)
    with PackFile(path, manifest) as chunks:
        length = path.stat().st_size
        if length != manifest.pack_size:
            raise PackError(f"{path} has {length} bytes, the manifest says {manifest.pack_size}", code=321)
        yield manifest, chunks


def _refuse_source(device: Path, sources: list[Path]) -> None:
    """Raises InputError (PV-310) where the target is one of these files, by whatever name or link."""
    for path in sources:
        with suppress(OSError):  # it is missing, which is said where it is read
            if path.samefile(device):
                raise InputError(
                    f"{device} is {path}, which is read from: writing it would destroy it",
                    hint="give another target",
                    code=310,
                )


def _fetched(url: str, keys: list[Path], patience: float) -> tuple[manifests.Manifest, Stream]:
    server, path = _address(url)
    silence = min(SILENCE, patience)
    link = Link(server, log=info, patience=patience, queue_patience=patience, silence=silence)
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "pack.json"
        for ending in (".json", ".json.minisig"):
            (Path(folder) / f"pack{ending}").write_bytes(link.fetch(path + ending))
        manifest = _checked(listed, keys)
    return manifest, Stream(link, path, manifest)


def _address(url: str) -> tuple[str, str]:
    """Server and path of a pack, the path as requests have it. Raises InputError (PV-102)."""
    parts, fault = _split(url)
    if parts and not (parts.query or parts.fragment or "@" in parts.netloc) and parts.path.strip("/"):
        return f"http://{parts.netloc}", quote(parts.path, safe="/%:@!$&'()*+,;=")
    if "@" in url:  # a password may stand there, so nothing of it is shown
        fault = "a login, ? or # does not belong in a pack's URL"
    raise InputError(fault, hint="write http://ADDRESS[:PORT]/PATH.pack, without login, ? and #", code=102)


def _split(url: str) -> tuple[SplitResult | None, str]:
    """Its parts where it is a http:// address, and what is wrong with it else, or may be with its path."""
    shown = f"{url:.200}"
    try:
        parts = urlsplit(url)
        if parts.scheme != "http":
            return None, f"{shown}: not a http:// address; the signature protects it, not the line"
        if parts.hostname and parts.port != 0:  # half an IPv6 address raises, and a port of 99999
            return parts, f"{shown}: a plain path is wanted, for PACK.json is asked for beside it"
    except ValueError:
        return None, f"{shown}: it has an address or port that cannot be"
    return None, f"{shown}: there is no address or no port in it"


def _checked(listed: Path, keys: list[Path]) -> manifests.Manifest:
    if not listed.is_file():
        raise PackError(f"{listed}: no such file", hint="it lies beside the pack", code=320)
    signer = signature.verify(listed, listed.with_name(listed.name + ".minisig"), keys)
    info(f"Signed    by {signer} ✓")
    return manifests.load(listed)


def _examine(device: Path) -> Disk:
    """What the disk is and holds. Raises DiskError where something uses it, InputError for no disk."""
    try:
        status = device.stat()
    except OSError as fault:
        hint = "lsblk shows the disks; or give a regular file"
        raise InputError(f"{file_fault.explained(fault, device)}", hint=hint, code=310) from fault
    if stat.S_ISREG(status.st_mode):
        length = status.st_size
        foreign, owner = facts.ownership(device, 512, length)
        content = facts.content(device, 512)
        return Disk(device.name, length, 512, "regular file", content=content, foreign=foreign, owner=owner)
    if not stat.S_ISBLK(status.st_mode):
        hint = "lsblk shows the disks"
        raise InputError(f"{device} is neither a disk nor a regular file", hint=hint, code=310)
    place = (SYS / f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}").resolve()
    if (place / "partition").exists():
        raise DiskError(
            f"{device} is a partition", hint=f"give the whole disk: /dev/{place.parent.name}", code=310
        )
    _refuse_used(device, place)
    return facts.disk(place)


def _refuse_used(device: Path, place: Path) -> None:
    """Raises DiskError (PV-315) where it, or a partition of it, is mounted, swapped to, or held."""
    parts = [place, *(path.parent for path in place.glob("*/partition"))]
    numbers = {read_word(part / "dev") for part in parts}
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    used = [f"mounted on {line.split()[4]}" for line in mounts if line.split()[2] in numbers]
    used += [f"held by {holder.name}" for part in parts for holder in (part / "holders").glob("*")]
    swaps = {line.split()[0] for line in Path("/proc/swaps").read_text().splitlines()[1:]}
    used += [f"swap on {part.name}" for part in parts if f"/dev/{part.name}" in swaps]
    if used:
        raise DiskError(
            f"{device} is in use: {', '.join(used)[:200]}", hint="is it the right disk? Unmount it", code=315
        )


def _ask(device: Path, target: Disk) -> None:
    wanted = target.serial[-4:] if target.serial else target.name
    words = "the last 4 of its serial" if target.serial else "its name"
    question.require_terminal(f"{device}: this erases it", "give --yes in a script")
    if question.ask(f"Type {words} to continue").strip().lower() != wanted.lower():
        raise RefusedError(f"{device}: not confirmed, nothing was changed", hint=f"type {words}", code=133)
