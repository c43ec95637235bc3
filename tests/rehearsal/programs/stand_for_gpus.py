"""Lets the `edu` devices of a QEMU machine stand for NVIDIA's GPUs in its /sys; runs there, as root.

QEMU has no device with NVIDIA's numbers. So a folder of ours is mounted over what the kernel says of such a
function: vendor, device, class, driver, its own link. The function itself, its place, root port and slot are
the kernel's own, and one that is removed is removed from the kernel's bus. Argument: JSON, see `Wanted`.
Prints what there was before anything stood for anything.
"""

import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

DEVICES = Path("/sys/bus/pci/devices")
SLOTS = Path("/sys/bus/pci/slots")
KMSG = Path("/dev/kmsg")
EDU = ("0x1234", "0x11e8")
STAND_IN = Path("/run/gpu-stand-in")
LIBRARY = Path("/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1")
AWAY = LIBRARY.with_suffix(".away")


class Wanted(TypedDict):
    """`functions`: each place's files, of which `driver` and `physfn` become links.

    `removed`: places that shall be on no bus. `library`: whether libnvidia-ml.so.1 is there. `lines`: what a
    program writes into the kernel's log, `quoted`: what the kernel is made to quote there, `kernel_lines`:
    what stands at its end as the kernel's own.
    """

    functions: dict[str, dict[str, str]]
    removed: list[str]
    library: bool
    lines: list[str]
    quoted: list[str]
    kernel_lines: list[str]


class Found(TypedDict):
    """The `edu` functions in the order of their places, and the slots' names by their devices."""

    functions: list[str]
    slots: dict[str, str]


def clear() -> None:
    """Nothing stands for anything any more, and the bus is whole."""
    mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in mounts:
        if mount[3].startswith("/gpu-stand-in/"):  # of the file system that is mounted, /run
            subprocess.run(["umount", mount[4]], check=True)
    (DEVICES.parent / "rescan").write_text("1")
    if AWAY.exists():
        AWAY.rename(LIBRARY)
    shutil.rmtree(STAND_IN / "functions", ignore_errors=True)


def find() -> Found:
    """The `edu` devices and the slots, by the kernel."""
    functions = [
        place.name
        for place in sorted(DEVICES.iterdir())
        if ((place / "vendor").read_text().strip(), (place / "device").read_text().strip()) == EDU
    ]
    slots = {(slot / "address").read_text().strip(): slot.name for slot in SLOTS.iterdir()}
    return {"functions": functions, "slots": slots}


def stand_in(place: str, files: dict[str, str]) -> None:
    """Mount a folder over the kernel's own."""
    folder = STAND_IN / "functions" / place
    folder.mkdir(parents=True)
    for name, text in files.items():
        if name == "physfn":
            (folder / name).symlink_to(f"../{text}")
        elif name == "driver":
            driver = STAND_IN / "drivers" / text
            driver.mkdir(parents=True, exist_ok=True)
            (folder / name).symlink_to(driver)
        else:
            (folder / name).write_text(text + "\n")
    subprocess.run(["mount", "--bind", folder, (DEVICES / place).resolve()], check=True)


def write_as_a_program(line: str) -> None:
    """Into the kernel's log, which marks it as a program's (facility `user`, whatever it says itself)."""
    KMSG.write_text(f"<3>{line}\n")


def let_the_kernel_quote(line: str) -> None:
    """It tells of an option of a mount that it does not know; no comma can be in it.

    Raises SystemExit where it did not refuse: then nothing is in its log.
    """
    argv = ["mount", "-t", "tmpfs", "-o", line, "none", "/mnt"]
    if subprocess.run(argv, capture_output=True, check=False).returncode == 0:
        raise SystemExit(f"the kernel knows the option {line}")


def add_as_the_kernel(lines: list[str]) -> None:
    """No program can write as the kernel: so its log with these lines behind it is mounted over /dev/kmsg."""
    records, log = [], os.open(KMSG, os.O_RDONLY | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while record := os.read(log, 8192):
            records.append(record)
    os.close(log)
    number, at = (int(field) for field in records[-1].split(b",")[1:3])
    for count, line in enumerate(lines, 1):
        records.append(f"3,{number + count},{at + count},-;{line}\n".encode())
    played = STAND_IN / "kmsg"
    played.write_bytes(b"".join(records))
    subprocess.run(["mount", "--bind", played, KMSG], check=True)


def main(wanted: Wanted) -> None:
    clear()
    print(json.dumps(find()))
    for place in wanted["removed"]:
        (DEVICES / place / "remove").write_text("1")
    for place, files in wanted["functions"].items():
        stand_in(place, files)
    if not wanted["library"]:
        LIBRARY.rename(AWAY)
    for line in wanted["lines"]:
        write_as_a_program(line)
    for line in wanted["quoted"]:
        let_the_kernel_quote(line)
    if wanted["kernel_lines"]:
        add_as_the_kernel(wanted["kernel_lines"])


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
