"""Prints the way from each NVIDIA GPU to its root port through PCI Express, as one JSON object.

Runs on the target with its Python alone; only root may read the slots' names. Argument, for tests: another
/sys. Changes nothing.
"""

import json
import re
import struct
import sys
from pathlib import Path
from typing import Any

NVIDIA = "10de"  # PCI vendor id
PLACE = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
# what cannot be a number of lanes: nobody knows it (the kernel), or the function answers nothing but ones
NO_WIDTH = ("255", "63")
SLOT = 9  # SMBIOS type of a system slot (DSP0134 7.10)
END = 127


def word(path: Path) -> str:
    """The file's text without its newline; empty where it cannot be read."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def graphics(sysfs: Path) -> list[Path]:
    """NVIDIA's display controllers (class 03h), no virtual functions: the same that gpus.py names."""
    functions = sysfs / "bus/pci/devices"
    return [
        place
        for place in (sorted(functions.iterdir()) if functions.is_dir() else [])
        if word(place / "vendor")[2:] == NVIDIA
        and word(place / "class")[2:].startswith("03")
        and not (place / "physfn").is_symlink()
    ]


def way(place: Path) -> list[Path]:
    """A function and all above it, up to the root port: sysfs has each below the one that it hangs on."""
    real = place.resolve()
    return [one for one in (real, *real.parents) if PLACE.fullmatch(one.name)]


def function(place: Path, parent: str, slots: dict[str, str]) -> dict[str, Any]:
    """One function with its link to the one above it, and what it counted of errors."""
    address = place.name.rpartition(".")[0]
    return {
        "bus": place.name,
        "parent": parent,
        "width": lanes(word(place / "current_link_width")),
        "width_max": lanes(word(place / "max_link_width")),
        "speed": transfers(word(place / "current_link_speed")),
        "speed_max": transfers(word(place / "max_link_speed")),
        "slot": slots.get(place.name) or slots.get(address, ""),
        **{f"aer_{kind}": errors(place / f"aer_dev_{kind}") for kind in ("fatal", "nonfatal", "correctable")},
    }


def lanes(text: str) -> int | None:
    """A link's width; 0 is a link that is down."""
    return int(text) if text.isdigit() and text not in NO_WIDTH else None


def transfers(text: str) -> float | None:
    """`32.0 GT/s PCIe` as 32.0; None for `Unknown`."""
    found = re.match(r"(\d+(?:\.\d+)?) GT/s", text)
    return float(found[1]) if found else None


def errors(path: Path) -> int | None:
    """The sum at the end of the kernel's table of AER errors; None without AER."""
    found = re.search(r"^TOTAL_ERR_\w+ (\d+)$", word(path), re.MULTILINE)
    return int(found[1]) if found else None


def slot_names(sysfs: Path) -> tuple[dict[str, str], str]:
    """Names of slots by the place of what is in them, and why SMBIOS gave none.

    The slot drivers name a device, `0000:18:00`, SMBIOS a function; where both do, SMBIOS has what is printed
    on the board. Which function it names is the firmware's choice: the one in the slot, or the port above it.
    """
    names = {}
    for slot in (sysfs / "bus/pci/slots").glob("*"):
        names[word(slot / "address")] = slot.name
    try:
        tables = (sysfs / "firmware/dmi/tables/DMI").read_bytes()
    except OSError as fault:
        return names, f"the SMBIOS tables cannot be read: {fault.strerror}"
    try:
        return {**names, **designations(tables)}, ""
    except (struct.error, IndexError, ValueError):
        return names, "the SMBIOS tables are damaged"


def designations(tables: bytes) -> dict[str, str]:
    """The slots of SMBIOS tables, as `{place: designation}`; those without a PCI address are left out."""
    found = {}
    at = 0
    while at + 4 <= len(tables):
        kind, length = tables[at], tables[at + 1]
        if kind == END or length < 4:
            break
        body = tables[at : at + length]
        end = tables.index(b"\0\0", at + length)  # the strings end with an empty one
        strings = tables[at + length : end].split(b"\0")
        at = end + 2
        if kind == SLOT and length >= 0x11:  # with an address since SMBIOS 2.6
            segment, bus, place = struct.unpack_from("<HBB", body, 0x0D)
            number = body[4]
            if (segment, bus, place) != (0xFFFF, 0xFF, 0xFF) and 0 < number <= len(strings):
                name = strings[number - 1].decode("ascii", "replace").strip()
                found[f"{segment:04x}:{bus:02x}:{place >> 3:02x}.{place & 7}"] = name
    return found


def ask(sysfs: Path) -> dict[str, Any]:
    """The GPUs' places, and every function on their ways once."""
    slots, reason = slot_names(sysfs)
    gpus, functions = graphics(sysfs), {}
    for gpu in gpus:
        places = way(gpu)
        for place, above in zip(places, [*places[1:], None], strict=True):
            functions[place.name] = function(place, above.name if above else "", slots)
    return {"gpus": [gpu.name for gpu in gpus], "functions": list(functions.values()), "reason": reason}


if __name__ == "__main__":
    print(json.dumps(ask(Path(sys.argv[1] if len(sys.argv) > 1 else "/sys"))))
