"""Rehearsals as they are kept in a folder, for tests that look at what is shown of them."""

import json
import os
import struct
import zlib
from pathlib import Path

from provisioner.lab.report import Check, HostReport, ImageReport, Report, StageReport, write

STAGES = (
    ("powering", 8.0),
    ("netbooting", 47.0),
    ("writing", 77.0),
    ("restarting", 166.0),
    ("verifying", 18.0),
)


def png(grey: int = 40, width: int = 640, height: int = 400) -> bytes:
    """A picture of one grey (PNG 3, 11.2)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes([grey]) * width) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def report(scenario: str = "deploy", *, is_good: bool = True, **other: object) -> Report:
    """What a rehearsal leaves."""
    checks = [
        Check("provision watch ends with 0", True, "0"),
        Check("the stranger's disk", is_good, "as seen"),
    ]
    found = Report(scenario, result="ready" if is_good else "failed", seconds=561.4, accelerator="tcg")
    found.stages = [StageReport(name, seconds) for name, seconds in STAGES]
    found.hosts = [HostReport("vault-1", "52:54:00:77:01:01", "uefi", "virtio 1024 MiB, 0xA5", found.result)]
    found.checks, found.image = checks, ImageReport("rehearsal-os@1.0", 712_000_000, "1" * 64, 134_700_000)
    found.versions = {"provisioner": "0.1.0", "qemu": "9.2.0"}
    for name, value in other.items():
        setattr(found, name, value)
    return found


def keep(folder: Path, name: str, found: Report, *, ended: float, log: str = "all is well\n") -> Path:
    """One below `folder`: report, a screen, a log."""
    target = folder / name
    (target / "vault-1").mkdir(parents=True)
    write(target / "report.json", [found], 1)
    (target / "vault-1.png").write_bytes(png())
    (target / "service.log").write_text(log)
    (target / "vault-1" / "serial.log").write_text("GRUB loading\r\n\x1b[2Jvault login:\r\n")
    os.utime(target / "report.json", (ended, ended))
    assert json.loads((target / "report.json").read_text())["scenario"] == found.scenario
    return target
