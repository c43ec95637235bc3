"""The last step of every Packer template: turns its disk into the artefacts."""

import argparse
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from provisioner.errors import ProvisionError
from provisioner.golden import record
from provisioner.golden.normalise import FORMATS, Golden, Order, normalise


def arguments(argv: list[str]) -> argparse.Namespace:
    """What a template says."""
    parser = argparse.ArgumentParser(prog="python -m provisioner.golden", description=__doc__)
    parser.add_argument(
        "--disk", type=Path, required=True, help="Packer's disk; its folder is removed at the end"
    )
    parser.add_argument("--format", choices=FORMATS, default="raw")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--epoch", type=int, required=True)
    parser.add_argument("--source", default="", help="the ISO or disk image that was the start")
    parser.add_argument("--mirror-key", default="", help="the mirror's public keyring, which is in the image")
    parser.add_argument("--sign", default="", help="NAME.key of provision image keygen")
    parser.add_argument("--builder", default="qemu")
    parser.add_argument(
        "--facts", type=json.loads, default={}, help="the variables that shape the image, JSON"
    )
    parser.add_argument("--keep", default="", help="where the disk is kept if this fails")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Normalise, record, clean up. An error is told in words, and Packer then fails the build."""
    wanted = arguments(argv)
    began = time.monotonic()

    def report(step: str) -> None:
        print(f"golden: {step} ({time.monotonic() - began:.0f} s)", flush=True)

    try:
        made = normalise(_order(wanted), report)
    except ProvisionError as fault:
        print(f"golden: {fault} (PV-{fault.code})\n  → {fault.hint}", file=sys.stderr)
        _keep(wanted, report)
        return int(fault.exit)
    _record(wanted, made)
    shutil.rmtree(wanted.disk.parent)
    for name, digest in made.sums.items():
        print(f"golden: {digest}  {name}")
    report(f"done: {wanted.out}")
    return 0


def _order(wanted: argparse.Namespace) -> Order:
    return Order(
        disk=wanted.disk,
        form=wanted.format,
        out=wanted.out,
        name=wanted.name,
        version=wanted.version,
        epoch=wanted.epoch,
        key=Path(wanted.sign) if wanted.sign else None,
    )


def _keep(wanted: argparse.Namespace, report: Any) -> None:
    """Packer deletes its disk when this step fails: hold on to it by a second name."""
    if wanted.keep and wanted.disk.is_file():
        folder = Path(wanted.keep)
        folder.mkdir(parents=True, exist_ok=True)
        kept = folder / wanted.disk.name
        kept.unlink(missing_ok=True)
        os.link(wanted.disk, kept)  # the same file, not a copy of gigabytes
        report(f"the disk is kept as {kept}")


def _record(wanted: argparse.Namespace, made: Golden) -> None:
    given = {"source": wanted.source.removeprefix("file://"), "mirror_key": wanted.mirror_key}
    facts = {"name": wanted.name, "version": wanted.version, "epoch": wanted.epoch, **wanted.facts}
    found = record.inputs({name: Path(path) for name, path in given.items() if path}, facts)
    path = made.raw.with_name(f"{wanted.name}-{wanted.version}{record.SUFFIX}")
    body = {
        "image": f"{wanted.name}@{wanted.version}",
        "result": "built",
        "builder": wanted.builder,
        "raw_sha256": made.raw_sha256,
        "artefacts": made.sums,
        "variables": facts,
        "inputs": found,
        "inputs_key": record.key(found),
        "tools": record.tools(),
        **made.facts,
    }
    record.write(path, body)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
