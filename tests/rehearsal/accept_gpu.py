"""`make accept-gpu`: the GPU scripts on this very machine, which needs an NVIDIA GPU, its driver and torch.

Runs what the service runs on a host (ansible/files/gpus.py, the burn-in), without SSH; keeps what they print
as files that the recorded cases of the tests can be compared with; prints what to look at. Ends with 1 where
the two contradict each other or an error was counted.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from provisioner import run
from provisioner.verify import burnin_archive

COLLECTOR = Path(__file__).parents[2] / "ansible/files/gpus.py"
SYSTEM_PYTHON = "/usr/bin/python3"  # as on a host
COLLECTOR_LIMIT, BURN_LIMIT = 300, 6 * 3600  # seconds


def collect() -> dict[str, Any]:
    """What ansible/files/gpus.py prints here."""
    done = run.run([SYSTEM_PYTHON, "-"], stdin=COLLECTOR.read_bytes(), timeout=COLLECTOR_LIMIT)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def burn(words: list[str]) -> list[dict[str, Any]]:
    """The lines that the burn-in prints here; the report is the last."""
    with tempfile.TemporaryDirectory(prefix="accept-gpu-") as place:
        archive = Path(place, burnin_archive.NAME)
        archive.write_bytes(burnin_archive.build())
        done = run.run([SYSTEM_PYTHON, archive, *words], timeout=BURN_LIMIT)
    return [json.loads(line) for line in done.stdout.splitlines()]


def keep(folder: Path, name: str, value: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
    print(f"kept: {folder / name}")


def faults(collected: dict[str, Any], report: dict[str, Any]) -> Iterator[str]:
    """What cannot be as it is."""
    if report["state"] != "ok":
        yield f"the burn-in ended as {report['state']}: {report['reason']}"
    if report["exit_errors"]:
        yield f"{report['exit_errors']} errors were counted"
    if report["device"] == "cuda":
        listed = {gpu.get("uuid") for gpu in collected.get("gpus", [])}
        burned = {gpu["uuid"] for gpu in report["gpus"]}
        if listed != burned:
            yield f"the collector lists {sorted(map(str, listed))}, the burn-in {sorted(burned)}"


def table(report: dict[str, Any]) -> Iterator[str]:
    """What a person compares with the GPU's data sheet, and with nvidia-smi beside it."""
    for gpu in report["gpus"]:
        yield f"{gpu['uuid']} {gpu['bus']} {gpu['name']}"
        for test in gpu["tests"]:
            value = "" if test["value"] is None else f"{test['value']:g} {test['unit']}"
            yield f"  {test['name']:15} {test['state']:8} {value:18} {test['reason']}".rstrip()
        yield "  " + ", ".join(f"{name} {value}" for name, value in gpu["watch"].items())
    for part in ("nccl", "dcgm"):
        told = {name: value for name, value in report[part].items() if name not in ("raw", "tests")}
        yield f"{part}: {told}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(".cache/accept-gpu"))
    parser.add_argument("words", nargs="*", help="arguments of the burn-in, after --")
    asked = parser.parse_args()
    collected, lines = collect(), burn(asked.words or ["--level", "quick"])
    report = lines[-1]
    keep(asked.out, "gpus.json", collected)
    keep(asked.out, "burnin.json", report)
    keep(asked.out, "progress.json", lines[:-1])
    print(*table(report), sep="\n")
    found = list(faults(collected, report))
    print(*(f"WRONG: {fault}" for fault in found), sep="\n", end="\n" if found else "")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
