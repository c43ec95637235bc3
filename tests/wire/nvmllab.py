"""NVML without a GPU: a library of ours plays the cases of tests/golden/nvml to the genuine nvidia-ml-py.

`library` compiles tests/wire/nvml/nvml.c; `scenario` writes what it reads, `furnish` the bus beside it.
"""

import importlib.util
import json
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from provisioner import run

ROOT = Path(__file__).parents[2]
SOURCE = Path(__file__).with_name("nvml") / "nvml.c"
CASES = ROOT / "tests/golden/nvml"
# what nvidia-ml-py calls by another name than its own
SYMBOLS = {
    "nvmlDeviceGetPciInfo": "nvmlDeviceGetPciInfo_v3",
    "nvmlDeviceGetNvLinkRemotePciInfo": "nvmlDeviceGetNvLinkRemotePciInfo_v2",
    "nvmlDeviceGetTemperatureV": "nvmlDeviceGetTemperature",
}
# by how many arguments an answer is chosen: a case has a list, or lists in a list
CHOSEN = {
    "nvmlDeviceGetTotalEccErrors": 2,
    "nvmlDeviceGetRetiredPages": 1,
    "nvmlDeviceGetTemperature": 1,
    "nvmlDeviceGetTemperatureThreshold": 1,
    "nvmlDeviceGetNvLinkState": 1,
    "nvmlDeviceGetNvLinkVersion": 1,
    "nvmlDeviceGetNvLinkRemotePciInfo": 1,
    "nvmlDeviceGetNvLinkErrorCounter": 2,
    "nvmlDeviceGetFieldValues": 2,
}
MODULE = importlib.util.find_spec("pynvml")


def library(folder: Path, *without: str, place: str = "") -> Path:
    """A folder with nvidia-ml-py and a libnvidia-ml.so.1, `without` some symbols, as an older one lacks.

    It looks for its scenario in the file `place`, where its environment names none.
    """
    module(folder)
    script = folder / "symbols.map"
    script.write_text("{ local: " + "".join(f"{name}; " for name in without or ["nothing"]) + "};\n")
    target = folder / "libnvidia-ml.so.1"
    run.run(
        [
            *("gcc", "-Wall", "-Wextra", "-Werror", "-std=gnu11", "-shared", "-fPIC"),
            *((f'-DSCENARIO="{place}"',) if place else ()),
            *(f"-Wl,--version-script={script}", "-o", target, SOURCE),
        ]
    )
    return folder


def module(folder: Path, text: str = "") -> Path:
    """A folder with nvidia-ml-py and nothing else in it; `text` in place of its own."""
    assert MODULE and MODULE.origin
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pynvml.py").write_text(text or Path(MODULE.origin).read_text())
    return folder


def load(name: str) -> dict[str, Any]:
    """A case; `change` is a list of ways into the case that it is like, each with the new value at its end.

    None takes an entry of a list away (all changes are made before that); one past the end adds an entry.
    `all` is what every GPU answers that does not say otherwise.
    """
    case: dict[str, Any] = json.loads((CASES / f"{name}.json").read_text())
    if "like" not in case:
        return {**case, "gpus": [{**deepcopy(case["all"]), **gpu} for gpu in case["gpus"]]}
    whole = load(case["like"].removesuffix(".json"))
    return {
        **changed(whole, case["change"]),
        **{key: case[key] for key in case if key not in ("like", "change")},
    }


def changed(whole: dict[str, Any], changes: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """A case with such changes."""
    whole = deepcopy(whole)
    for *way, last, value in changes:
        place: Any = whole
        for step in way:
            place = place[step]
        if isinstance(place, list) and last == len(place):
            place.append(value)
        else:
            place[last] = value
    for name in ("bus", "gpus"):
        if isinstance(whole[name], list):
            whole[name] = [entry for entry in whole[name] if entry is not None]
    return whole


def scenario(case: dict[str, Any]) -> str:
    """The case as nvml.c reads it."""
    lines = [*answers("nvmlInitWithFlags", case["nvmlInit"])]
    lines += answers("nvmlSystemGetNVMLVersion", case["nvmlSystemGetNVMLVersion"])
    lines += answers("nvmlSystemGetDriverVersion", case["nvmlSystemGetDriverVersion"])
    lines += answers("nvmlSystemGetCudaDriverVersion_v2", case["nvmlSystemGetCudaDriverVersion"])
    gpus = case["gpus"]
    if isinstance(gpus, dict):
        return "\n".join([*lines, *answers("gpus", gpus), ""])
    lines.append(f"gpus {len(gpus)}")
    for index, gpu in enumerate(gpus):
        one = {"nvmlDeviceGetHandleByIndex_v2": gpu} if "error" in gpu else gpu
        lines += [f"{index} {line}" for name, value in one.items() for line in answers(name, value)]
    return "\n".join([*lines, ""])


def answers(name: str, value: Any) -> Iterator[str]:
    """The lines for one function."""
    yield from _chosen(SYMBOLS.get(name, name), value, CHOSEN.get(name, 0))


def _chosen(key: str, value: Any, choices: int) -> Iterator[str]:
    if choices and isinstance(value, dict) and "error" not in value:  # by number, where a list were long
        for number, one in value.items():
            yield from _chosen(f"{key}/{number}", one, choices - 1)
    elif choices and isinstance(value, list):
        for number, one in enumerate(value):
            yield from _chosen(f"{key}/{number}", one, choices - 1)
    elif value is not None:
        yield f"{key} {_words(key, value)}"


def _words(key: str, value: Any) -> str:
    if isinstance(value, dict) and "error" in value:
        return f"error {value['error']}"
    if key.startswith("nvmlDeviceGetNvLinkRemotePciInfo"):  # an NVSwitch of the third generation
        domain, bus, rest = value.split(":")
        return f"{value} {int(domain, 16)} {int(bus, 16)} {int(rest[:2], 16)} {0x22A310DE} 0 0000{value}"
    if key.startswith("nvmlDeviceGetRetiredPages/"):
        return " ".join(map(str, [len(value), *value]))
    if isinstance(value, dict):
        return " ".join(map(str, value.values()))
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def furnish(case: dict[str, Any], folder: Path) -> Path:
    """A /sys with what gpus.py reads of it."""
    for one in case["bus"]:
        place = folder / "bus/pci/devices" / one["place"]
        place.mkdir(parents=True)
        for name in ("vendor", "device", "class"):
            (place / name).write_text(one[name] + "\n")
        if "physfn" in one:
            (place / "physfn").symlink_to(f"../{one['physfn']}")
        if one["driver"]:
            driver = folder / "bus/pci/drivers" / one["driver"]
            driver.mkdir(parents=True, exist_ok=True)
            (place / "driver").symlink_to(driver)
    if case["module"]:
        (folder / "module/nvidia").mkdir(parents=True)
        (folder / "module/nvidia/version").write_text(case["module"] + "\n")
    return folder
