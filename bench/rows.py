"""The rows of the table: what is compared, with the command lines of both sides."""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from bench import limits, link, material
from bench.material import Image, Sink
from bench.measure import Measurement, Summary, alternate, shell
from provisioner import run
from provisioner.imaging.manifest import Manifest

UNITS = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}


@dataclass
class Bench:
    """Folders, the image and the disk that the rows share. `folder` is on a disk, `memory` a tmpfs."""

    folder: Path
    memory: Path
    image: Image
    sink: Sink
    rounds: int
    log: Callable[[str], None]


@dataclass
class LanBench:
    """What the rows of the boot services share: a folder in memory; `hosts` are those of B10."""

    folder: Path
    rounds: int
    log: Callable[[str], None]
    hosts: int


@dataclass
class Row:
    """One line of the table. `limit` in words; `ratios` of peers to ours, with the target of each."""

    name: str
    what: str
    limit: str
    ways: list[Measurement]
    ratios: list[tuple[str, float, str]] = field(default_factory=list)

    def as_json(self) -> "RowData":
        """For the JSON, with ratios of two decimals."""
        ratios: list[RatioData] = [
            {"what": what, "ratio": round(ratio, 2), "target": target} for what, ratio, target in self.ratios
        ]
        ways = [way.summary() for way in self.ways]
        return {"row": self.name, "what": self.what, "limit": self.limit, "ways": ways, "ratios": ratios}


class RatioData(TypedDict):
    """One comparison of two ways."""

    what: str
    ratio: float
    target: str


class RowData(TypedDict):
    """A row in the JSON."""

    row: str
    what: str
    limit: str
    ways: list[Summary]
    ratios: list[RatioData]


def provision(*words: str | Path) -> list[str]:
    """Our own command line, as people type it."""
    return [sys.executable, "-m", "provisioner", *map(str, words)]


def write(bench: Bench, url: str, *more: str) -> list[str]:
    """`provision image write URL DEVICE`."""
    return provision("image", "write", url, bench.sink.device, "--pubkey", bench.image.key, "--yes", *more)


def data_bytes(manifest: Manifest) -> tuple[int, int, int]:
    """Bytes on the wire, of data, and of zeros that must be."""
    data = [chunk for chunk in manifest.chunks if chunk.kind == "data"]
    zeros = sum(chunk.length for chunk in manifest.chunks if chunk.kind == "zero")
    return sum(c.pack_length for c in data), sum(c.length for c in data), zeros


def peers(bench: Bench, line: link.Line) -> list[tuple[str, list[str]]]:
    """The streams of others, configured fairly: each ends with its bytes on the disk."""
    device, url = bench.sink.device, line.url
    return [
        (
            "curl|zstd|dd direct",
            [*line.prefix, *shell(
                f"curl -sSf {url}/image.raw.zst | zstd -dcq | "
                f"dd of={device} bs=4M iflag=fullblock oflag=direct conv=fsync status=none"
            )],
        ),
        (
            "Ironic-style raw",
            [*line.prefix, sys.executable, str(Path(__file__).with_name("ironic.py")),
             f"{url}/image.raw", str(device), bench.image.manifest.raw_sha256],
        ),
    ]  # fmt: skip


def bmaptool(bench: Bench) -> tuple[str, list[str]]:
    """It reads the compressed file from the disk's cache, for its own HTTP is slower."""
    image = bench.image
    return "bmaptool", [
        "bmaptool",
        "-q",
        "copy",
        "--bmap",
        str(image.bmap),
        str(image.zst),
        str(bench.sink.device),
    ]


def check(bench: Bench, manifest: Manifest, raw: Path) -> Callable[[str, str], str]:
    """Compares the disk with the image after every round."""
    return lambda name, output: bench.sink.faults(raw, manifest)


def b1(bench: Bench) -> Row:
    """A dirty disk, loopback."""
    image = bench.image
    with link.loopback(bench.folder, bench.memory) as line:
        ours = ("ours, read back", write(bench, f"{line.url}/v1.pack", "--full"))
        ways = [ours, *peers(bench, line), bmaptool(bench)]
        measured = alternate(
            ways,
            bench.rounds,
            before=lambda name: bench.sink.soil(),
            check=check(bench, image.manifest, image.raw),
            log=bench.log,
        )
    mine, direct, ironic, bmap = measured
    limit = limits.writing(image.pack, image.manifest, bench.sink)
    row = Row("B1", "image to a dirty disk, loopback", str(limit), measured)
    row.ratios = [
        ("direct dd / ours", direct.median / mine.median, "≥ 2.7"),
        ("Ironic-style / ours", ironic.median / mine.median, "≥ 5"),
        ("bmaptool / ours", bmap.median / mine.median, "≥ 2.5"),
        ("cpu: ours / direct dd", _cpu(mine) / _cpu(direct), "≤ 0.5"),
        ("ours / limit", mine.median / limit.seconds, "≤ 1.2"),
    ]
    return row


def _cpu(way: Measurement) -> float:
    return way.summary()["cpu_seconds"]


def b2(bench: Bench) -> Row:
    """A dirty disk, 1 Gbit."""
    image, rate = bench.image, 125e6
    with link.limited(bench.folder, bench.memory, "1gbit") as line:
        ours = ("ours, read back", [*line.prefix, *write(bench, f"{line.url}/v1.pack", "--full")])
        measured = alternate(
            [ours, *peers(bench, line)],
            bench.rounds,
            before=lambda name: bench.sink.soil(),
            check=check(bench, image.manifest, image.raw),
            log=bench.log,
        )
    mine, direct, ironic = measured
    limit = limits.writing(image.pack, image.manifest, bench.sink, rate)
    row = Row("B2", "the same over 1 Gbit", str(limit), measured)
    wire = data_bytes(image.manifest)[0] / rate
    row.ratios = [
        ("raw stream / ours", ironic.median / mine.median, "≥ 10"),
        ("direct dd / ours", direct.median / mine.median, "-"),
        ("ours / (wire bytes / link)", mine.median / wire, "≤ 1.15"),
        ("ours / limit", mine.median / limit.seconds, "-"),
    ]
    return row


def b3(bench: Bench) -> list[Row]:
    """Re-imaging, on loopback and over 1 Gbit."""
    rows = []
    for share in (0.0, 0.01, 0.1):
        version = f"{2 + share}"
        out, manifest = material.changed(bench.image, bench.folder, share, version)
        raw = bench.memory / "expanded.raw"
        run.run(shell(f"zstd -dcq {out} | cp --sparse=always /dev/stdin {raw}"), timeout=600)
        rows += _again(bench, f"{share:.0%} of the chunks changed", out, manifest, raw, lambda: None)
        raw.unlink()
    image = bench.image
    rows += _again(bench, "after one boot", image.pack, image.manifest, image.raw, lambda: _use(bench.sink))
    return rows


def _use(sink: Sink) -> None:
    """What a boot leaves: the root filesystem mounted, some files new, some gone; the seed read."""
    place = sink.backing.with_name("mnt")
    place.mkdir(exist_ok=True)
    run.run(["mount", "-o", f"loop,offset={material.ROOT}", sink.device, place])
    try:
        for number in range(40):
            (place / f"log{number}").write_bytes(bytes(range(256)) * 2048)
        (place / "f00003").unlink()
    finally:
        run.run(["umount", place])


def _again(
    bench: Bench, what: str, out: Path, manifest: Manifest, raw: Path, use: Callable[[], None]
) -> list[Row]:
    rows = []
    lines = [
        ("loopback", link.loopback(bench.folder, bench.memory), "≥ 3"),
        ("1 Gbit", link.limited(bench.folder, bench.memory, "1gbit"), "≥ 12"),
    ]
    for place, opened, target in lines:
        with opened as line:

            def before(name: str) -> None:
                run.run(write(bench, str(bench.image.pack), "--full"), timeout=600)
                use()

            url = f"{line.url}/{out.name}"
            fetched: dict[str, list[int]] = {"delta": [], "full": []}

            def checked(name: str, output: str, fetched: dict[str, list[int]] = fetched) -> str:
                amount = re.search(r"([\d.]+) ([kMG]?B) fetched", output)
                assert amount, output
                fetched[name].append(int(float(amount[1]) * UNITS[amount[2]]))
                return bench.sink.faults(raw, manifest)

            ways = [
                ("delta", [*line.prefix, *write(bench, url)]),
                ("full", [*line.prefix, *write(bench, url, "--full")]),
            ]
            measured = alternate(ways, bench.rounds, before=before, check=checked, log=bench.log)
        for way in measured:
            way.bytes = fetched[way.name]
        limit = limits.comparing(manifest, out, bench.sink.device, _changed(bench.image.manifest, manifest))
        row = Row("B3", f"{what}, {place}", str(limit), measured)
        delta, full = (way.median for way in measured)
        row.ratios = [("full / delta", full / delta, target), ("delta / limit", delta / limit.seconds, "-")]
        rows.append(row)
    return rows


def _changed(old: Manifest, new: Manifest) -> set[int]:
    """Places of the new image's data that the old one has otherwise."""
    before = {chunk.offset: chunk.digest for chunk in old.chunks}
    data = ((number, chunk) for number, chunk in enumerate(new.chunks) if chunk.kind == "data")
    return {number for number, chunk in data if before.get(chunk.offset) != chunk.digest}


def b12(bench: Bench) -> Row:
    """Raw image to pack."""
    image, folder = bench.image, bench.folder
    out, key = folder / "b12.pack", folder / "bench.key"
    words = ("--name", "b", "--version", "1", "--sign", key)
    ours = provision("image", "pack", image.raw, "-o", out, *words)
    theirs = shell(
        f"bmaptool -q create -o {folder}/b12.bmap {image.raw}; "
        f"zstd -q -T2 -3 -f {image.raw} -o {folder}/b12.zst; sync {folder}/b12.zst"
    )

    def checked(name: str, output: str) -> str:
        product = out if name == "ours" else folder / "b12.zst"
        digest = run.run(shell(f"zstd -dcq {product} | sha256sum"), timeout=600).stdout.split()[0].decode()
        wanted = image.manifest.raw_sha256
        return "" if digest == wanted else f"{product.name} expands to another image"

    ways = [("ours", ours), ("bmaptool + zstd -T2 -3", theirs)]
    measured = alternate(ways, bench.rounds, before=lambda name: None, check=checked, log=bench.log)
    single = folder / "one.zst"
    run.run(["zstd", "-q", "-3", "--single-thread", "-f", image.raw, "-o", single], timeout=600)
    limit = limits.packing(image.raw, image.manifest, folder)
    row = Row("B12", "raw image to signed pack", str(limit), measured)
    row.ratios = [
        ("bmaptool + zstd / ours", measured[1].median / measured[0].median, "≥ 2.5"),
        ("ours / limit", measured[0].median / limit.seconds, "-"),
        ("size / one stream", out.stat().st_size / single.stat().st_size, "≤ 1.05"),
    ]
    for path in (out, single, folder / "b12.zst"):
        path.unlink()
    return row
