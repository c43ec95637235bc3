"""Writes lines of the journal and checksums without end, and says after each how many there are."""

import itertools
import sys
from pathlib import Path

from provisioner.golden import record

folder, name = Path(sys.argv[1]), sys.argv[2]
for number in itertools.count(1):
    line = record.JournalEntry(float(number), 1.0, "built", f"{name}@{number}", "qemu", error="x" * 3000)
    record.append(folder, line)
    record.remember(folder / f"{name}.json", f"{number}", "a" * 64, f"{name}@1")
    print(number, flush=True)
