"""`python3 burnin.pyz --level quick`: burn the GPUs in, print progress and, as the last line, the report.

The exit code says only whether there is a report; what counts is in it. With `--lease SECONDS` the run ends,
with all of its processes, when the standard input ends or has had no byte for so long.
"""

import argparse
import json
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from burnin import nvml
from burnin.burn import Burn, say
from burnin.children import Family, Stopped
from burnin.levels import LEVELS, chosen
from burnin.worker import main as work


def arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="burnin", description="Burn the GPUs of this host in.")
    parser.add_argument("--level", choices=[*LEVELS], default="quick")
    parser.add_argument("--seconds", type=float, default=3600, help="how long a soak takes, roughly")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--size", choices=["full", "tiny"], default="full", help="tiny: what a CPU can do")
    parser.add_argument("--gpus", type=int, default=2, help="with --device cpu: how many it plays")
    parser.add_argument("--python", action="append", default=[], help="where torch is; may be repeated")
    parser.add_argument("--lease", type=float, default=0, help="end after so many seconds without input")
    found = parser.parse_args(words)
    if found.device == "cpu" and found.size != "tiny":
        parser.error("a CPU does only --size tiny")
    return found


def take_away(folder: Path) -> None:
    """Nothing stays where whoever placed us is gone, killed or cut off, and cannot do so any more."""
    if re.fullmatch(r"provision-\w+", folder.name) and not folder.is_symlink():
        shutil.rmtree(folder, ignore_errors=True)


def burn_in(asked: argparse.Namespace) -> None:
    level = chosen(asked.level, asked.seconds, asked.size)
    family = Family(asked.lease)
    burn = Burn(family, level, asked.device, asked.gpus, asked.python)
    state, reason = "ok", ""
    try:
        burn.run()
    except Stopped as stopped:
        state, reason = stopped.state, stopped.reason
    except Exception as fault:  # a fault of ours is reported, and the children end all the same
        state, reason = "error", f"{type(fault).__name__}: {fault}"[:500]
    family.close()
    report = burn.report(state, reason)
    if asked.lease:
        take_away(Path(sys.argv[0]).absolute().parent)
    say(report)
    sys.stdout.flush()
    os._exit(0)  # a child that the kernel cannot end may hold nobody up


def main() -> None:
    role = sys.argv[1] if len(sys.argv) > 1 else ""
    if role == "inventory":
        print(json.dumps({"result": nvml.inventory()}), flush=True)
    elif role == "watch":
        nvml.watch(json.loads(sys.argv[2])["uuid"])
    elif role in ("worker", "peers", "rank"):
        work(role, json.loads(sys.argv[2]))
    else:
        burn_in(arguments(sys.argv[1:]))


if __name__ == "__main__":
    main()
