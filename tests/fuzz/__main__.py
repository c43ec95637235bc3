"""Coverage-guided fuzzing by atheris: `python -m tests.fuzz dhcp|tftp|dns|stream [--seconds 600]`.

What it finds is written to ./crash-*; `--again FILE` runs one input. It begins with the corpora of
tests/hostile.py.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["provisioner"]):
    from tests.fuzz.targets import TARGETS
from tests import hostile
from tests.unit.services.dhcp import dhcp_corpus


def seeds(name: str) -> list[bytes]:
    """As the target takes them: TFTP's are followed by acknowledgements."""
    if name == "dhcp":  # each twice: a machine asks again
        corpus = [packet for packet in dhcp_corpus.everything() if len(packet) < 1000]
        return [2 * (len(packet).to_bytes(2, "big") + packet) for packet in corpus]
    if name == "dns":
        return hostile.dns_corpus()
    if name == "stream":
        return [
            bytes([len(packet) + 2]) + len(packet).to_bytes(2, "big") + packet
            for packet in hostile.dns_corpus()
            if len(packet) < 253
        ]
    acks = b"".join(b"\4\0\4" + number.to_bytes(2, "big") for number in range(12))
    return [bytes([len(packet)]) + packet + acks for packet in hostile.tftp_corpus() if len(packet) < 256]


def main() -> None:
    """Ends with a traceback and a code that is not 0 at the first finding."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--again", type=Path)
    arguments = parser.parse_args()
    if arguments.again:
        TARGETS[arguments.target](arguments.again.read_bytes())
        return
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(seeds(arguments.target)):
            (Path(folder) / f"{number:05}").write_bytes(seed)
        limits = [f"-max_total_time={arguments.seconds}", "-max_len=2048", "-timeout=2", "-rss_limit_mb=1024"]
        atheris.Setup([sys.argv[0], *limits, "-print_final_stats=1", folder], TARGETS[arguments.target])
        atheris.Fuzz()


main()
