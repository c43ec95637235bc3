"""The last step of every Packer template: turns its disk into the artefacts."""

import argparse
import json
import os
import shutil
import sys
import time
from pathlib import Path

from provisioner.errors import ProvisionError
from provisioner.golden import record
from provisioner.golden.normalise import FORMATS, GoldenImage, NormaliseRequest, Report, normalise


def arguments(argv: list[str]) -> argparse.Namespace:
    """The template's options, as `inline` of its post-processor gives them."""
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
    options = arguments(argv)
    began = time.monotonic()

    def report(step: str) -> None:
        print(f"golden: {step} ({time.monotonic() - began:.0f} s)", flush=True)

    try:
        made = normalise(_request(options), report)
    except ProvisionError as fault:
        print(f"golden: {fault} (PV-{fault.code})\n  → {fault.hint}", file=sys.stderr)
        _keep_disk(options, report)
        return int(fault.exit)
    _record(options, made)
    shutil.rmtree(options.disk.parent)
    for name, digest in made.sums.items():
        print(f"golden: {digest}  {name}")
    report(f"done: {options.out}")
    return 0


def _request(options: argparse.Namespace) -> NormaliseRequest:
    return NormaliseRequest(
        disk=options.disk,
        form=options.format,
        out=options.out,
        name=options.name,
        version=options.version,
        epoch=options.epoch,
        key=Path(options.sign) if options.sign else None,
    )


def _keep_disk(options: argparse.Namespace, report: Report) -> None:
    """Packer deletes its disk when this step fails: hold on to it by a second name."""
    if options.keep and options.disk.is_file():
        folder = Path(options.keep)
        folder.mkdir(parents=True, exist_ok=True)
        link = folder / options.disk.name
        link.unlink(missing_ok=True)
        os.link(options.disk, link)  # the same file, not a copy of gigabytes
        report(f"the disk is kept as {link}")


def _record(options: argparse.Namespace, made: GoldenImage) -> None:
    given = {"source": options.source.removeprefix("file://"), "mirror_key": options.mirror_key}
    variables = {"name": options.name, "version": options.version, "epoch": options.epoch, **options.facts}
    inputs = record.inputs({name: Path(path) for name, path in given.items() if path}, variables)
    written = record.BuildRecord(
        image=f"{options.name}@{options.version}",
        builder=options.builder,
        raw_sha256=made.raw_sha256,
        artefacts=made.sums,
        variables=variables,
        inputs=inputs,
        inputs_key=record.key(inputs),
        tools=record.tools(),
        statistics=made.statistics,
    )
    written.write(made.raw.with_name(f"{options.name}-{options.version}{record.SUFFIX}"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
