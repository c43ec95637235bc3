"""`python -m bench [B1 B2 … loss] [--rounds N] [--size MIB] [-o json]`; needs root, as it says."""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import dhcp, material, orchestra, rows, serving, storm, swarm, tftp
from bench.rows import Bench, LanBench, Row
from provisioner import run

ROWS: dict[str, Callable[[Bench], Row | list[Row]]] = {
    "B1": rows.b1,
    "B2": rows.b2,
    "B3": rows.b3,
    "B4": swarm.b4,
    "B5": swarm.b5,
    "B6": serving.b6,
    "B12": rows.b12,
}
NETWORK: dict[str, Callable[[LanBench], Row | list[Row]]] = {
    "B7": tftp.b7,
    "loss": tftp.loss,
    "B8": dhcp.b8,
    "B9": storm.b9,
    "B10": orchestra.b10,
}
MEMORY = Path("/dev/shm")


def main() -> int:
    """The exit code: 1 where an output of ours was wrong."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("rows", nargs="*", choices=[[], *ROWS, *NETWORK], help="all unless given")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=4096, metavar="MIB", help="of the image")
    parser.add_argument("--hosts", type=int, default=50, help="of B10")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        print("make bench needs root: loop devices, network namespaces", file=sys.stderr)
        return 2
    _log(machine())
    wanted = arguments.rows or [*ROWS, *NETWORK]
    done = _imaging([name for name in wanted if name in ROWS], arguments.size, arguments.rounds)
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="bench-") as memory:
        lan = LanBench(Path(memory), arguments.rounds, _log, arguments.hosts)
        done += _rows([(name, partial(NETWORK[name], lan)) for name in wanted if name in NETWORK])
    if arguments.output == "json":
        print(
            json.dumps(
                {"machine": machine(), "rows": [row.as_json() for row in done]}, ensure_ascii=False, indent=2
            )
        )
    else:
        print(table(done))
    ours = [way for row in done for way in row.ways if way.name.startswith(("ours", "delta", "full"))]
    return int(any(way.faults for way in ours))


def _imaging(wanted: list[str], size: int, rounds: int) -> list[Row]:
    """The rows that need an image and a disk."""
    if not wanted:
        return []
    with (
        tempfile.TemporaryDirectory(dir="/var/tmp", prefix="bench-") as folder,
        tempfile.TemporaryDirectory(dir=MEMORY, prefix="bench-") as memory,
        material.sink(Path(memory), (size + 64) * material.MIB) as sink,
    ):
        _log(f"making an image of {size} MiB")
        image = material.make(Path(folder), size * material.MIB)
        bench = Bench(Path(folder), Path(memory), image, sink, rounds, _log)
        return _rows([(name, partial(ROWS[name], bench)) for name in wanted])


def _rows(wanted: list[tuple[str, Callable[[], Row | list[Row]]]]) -> list[Row]:
    done: list[Row] = []
    for name, make in wanted:
        _log(f"{name} (load {os.getloadavg()[0]:.2f})")
        made = make()
        done += made if isinstance(made, list) else [made]
    return done


def _log(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def machine() -> str:
    """What it ran on, and how idle it was."""
    model = run.text(["sh", "-c", "grep -m1 'model name' /proc/cpuinfo | cut -d: -f2"]).strip()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 30
    load = " ".join(f"{number:.2f}" for number in os.getloadavg())
    stamp = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    return f"{os.cpu_count()} × {model}, {memory} GiB, Linux {os.uname().release}, load {load}, {stamp}"


def table(done: list[Row]) -> str:
    """For people, and for docs/performance.md."""
    lines = [
        "| row | way | median s | range | cpu s | wire MB | output |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in done:
        for way in row.ways:
            shown = way.summary()
            wire = f"{shown['wire_bytes'] / 1e6:.1f}" if "wire_bytes" in shown else ""
            lines.append(
                f"| {row.name} {row.what} | {way.name} | {shown['seconds']:.2f} "
                f"| {shown['fastest']:.2f}–{shown['slowest']:.2f} | {shown['cpu_seconds']:.2f} | {wire} "
                f"| {shown['result']} |"
            )
    lines += ["", "| row | ratio | seen | target | physical limit |", "|---|---|---|---|---|"]
    for row in done:
        for what, ratio, target in row.ratios:
            lines.append(f"| {row.name} {row.what} | {what} | {ratio:.2f} | {target} | {row.limit} |")
    return "\n".join(lines)


sys.exit(main())
