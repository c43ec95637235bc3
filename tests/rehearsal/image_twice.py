"""Builds the golden image twice from clean and writes what came of it: `make image-twice`."""

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from provisioner import run
from provisioner.golden import record

SCHEMA_VERSION = 1


def command_line(*words: str) -> int:
    """A command of the product, as it is typed; its exit code."""
    return run.start([sys.executable, "-m", "provisioner", *words], stdin=0).wait()


def build(folder: Path, cache: Path, words: list[str]) -> dict[str, Any]:
    """One build with nothing but the cache of packages; its record."""
    options = ["--cache", str(cache), "--out", str(folder), *words]
    if code := command_line("image", "build", *options):
        sys.exit(f"the build in {folder} ended with code {code}")
    found = next(folder.glob(f"*{record.SUFFIX}"))
    return dict(json.loads(found.read_text()))


def is_same(one: dict[str, Any], two: dict[str, Any], folders: Sequence[Path]) -> bool:
    """Whether two builds gave the same bytes; where they did not, the files are named."""
    if one["artefacts"] == two["artefacts"]:
        return True
    command_line("image", "diff", *map(str, folders))
    return False


def main(argv: list[str]) -> int:
    """0 where both are the same bytes, else 1 and the differences are printed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--commit", required=True)
    parser.add_argument("--result", type=Path, required=True)
    parser.add_argument("words", nargs="*")
    wanted = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="image-twice-", dir="/var/tmp") as place:
        folders = [Path(place, "one"), Path(place, "two")]
        one, two = (build(folder, wanted.cache, wanted.words) for folder in folders)
        same = is_same(one, two, folders)
    body = {
        "schema_version": SCHEMA_VERSION,
        "result": "same" if same else "different",
        "commit": wanted.commit,
        "arguments": wanted.words,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "image": one["image"],
        "raw_sha256": [one["raw_sha256"], two["raw_sha256"]],
        "seconds": [one["seconds"], two["seconds"]],
        "artefacts": one["artefacts"],
        "inputs_key": [one["inputs_key"], two["inputs_key"]],
        "raw_bytes": one["raw_bytes"],
        "pack_bytes": one["pack_bytes"],
        "download_seconds_at_1_gbit": one["download_seconds_at_1_gbit"],
        "machine": platform.platform(),
        "tools": one["tools"],
    }
    wanted.result.write_text(json.dumps(body, indent=1) + "\n")
    print(f"{body['result']}: {' '.join(body['raw_sha256'])}, {wanted.result}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
