"""Runs the burn-in's memory pattern over several pieces and slices, with one word that reads otherwise.

`small_slices.py FOLDER`: the folder that holds the package `burnin`. Prints what `one_pass` and `check` say.
"""

import json
import sys
from dataclasses import replace
from typing import Any

sys.path.insert(0, sys.argv[1])

import importlib

torch: Any = importlib.import_module("torch")
memory: Any = importlib.import_module("burnin.memory")
levels: Any = importlib.import_module("burnin.levels")

memory.SLICE, memory.GIB = 1000, 20_000  # words of a slice, bytes of a piece
device = torch.device("cpu")
pieces = memory.region(torch, device, 50_000)
healthy = [memory.one_pass(torch, device, pieces, pattern) for pattern in memory.patterns(64)]


def stuck(pieces: list[Any]) -> Any:
    """The slices, the last bit of a word in the second piece being always set when they are read."""
    for number, (start, part) in enumerate(slices(pieces)):
        if reads and number == 4:
            part[3] |= 1
        yield start, part
    reads.append(1)


slices, memory.slices = memory.slices, stuck
reads: list[int] = []
faulty = memory.one_pass(torch, device, pieces, ("checkerboard", ~memory.CHECKER))
memory.slices = slices
level = replace(levels.chosen("quick", 0, "tiny"), memory_bytes=50_000, memory_seconds=0)
whole = memory.check(torch, device, level, lambda done, of: None)
sizes = [len(piece) for piece in pieces]
print(json.dumps({"sizes": sizes, "healthy": healthy, "faulty": faulty, "whole": whole}))
