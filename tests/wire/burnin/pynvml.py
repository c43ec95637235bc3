"""Stands in for nvidia-ml-py where it is watched: answers from the JSON file that FAKE_NVML names.

`{"init": 0, "gpus": [{uuid, bus, name, threshold, samples: [{name of a query: value}]}]}`: each look at a GPU
takes its next sample, the last one stays. A value is a number, `{"error": CODE}` as nvml.h numbers them, or
`"hangs"`. A test holds the names against the genuine module.
"""

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

# torch imports a module of this name, too, where there is one
FILE = os.environ.get("FAKE_NVML")
ANSWERS = json.loads(Path(FILE).read_text()) if FILE else {"init": 12, "gpus": []}
HEALTHY = {"temperature": 40, "power": 90000, "throttle": 0, "ecc": 0, "replays": 0, "gen": 5, "width": 16}
looks: dict[str, int] = {}


TEXTS = {
    3: "Not Supported",
    12: "NVML Shared Library Not Found",
    15: "GPU is lost",
    999: "Unknown Error",
}


class NVMLError(Exception):
    def __init__(self, value: int) -> None:
        self.value = value

    def __str__(self) -> str:
        return TEXTS[self.value]


def nvmlInit() -> None:
    if ANSWERS["init"]:
        raise NVMLError(ANSWERS["init"])


def nvmlDeviceGetCount() -> int:
    return len(ANSWERS["gpus"])


def nvmlDeviceGetHandleByIndex(index: int) -> dict[str, Any]:
    return dict(ANSWERS["gpus"][index])


def nvmlDeviceGetHandleByUUID(uuid: str) -> dict[str, Any]:
    return next(dict(gpu) for gpu in ANSWERS["gpus"] if gpu["uuid"] == uuid)


def nvmlDeviceGetUUID(handle: dict[str, Any]) -> str:
    return str(handle["uuid"])


def nvmlDeviceGetName(handle: dict[str, Any]) -> str:
    return str(handle["name"])


def nvmlDeviceGetPciInfo(handle: dict[str, Any]) -> SimpleNamespace:
    domain, bus, device = handle["bus"].split(".")[0].split(":")
    numbers = {"domain": int(domain, 16), "bus": int(bus, 16), "device": int(device, 16)}
    return SimpleNamespace(busId=f"0000{handle['bus']}".upper().encode(), **numbers)


def answer(handle: dict[str, Any], name: str) -> int:
    samples = handle.get("samples") or [{}]
    number = looks.get(handle["uuid"], -1) + (name == "temperature")  # which is asked first
    looks[handle["uuid"]] = number
    value = {**HEALTHY, **samples[min(number, len(samples) - 1)]}[name]
    if value == "hangs":
        time.sleep(3600)
    if isinstance(value, dict):
        raise NVMLError(value["error"])
    return int(value)


def nvmlDeviceGetTemperature(handle: dict[str, Any], sensor: int) -> int:
    return answer(handle, "temperature")


def nvmlDeviceGetTemperatureThreshold(handle: dict[str, Any], kind: int) -> int:
    if kind != 1 or not handle.get("threshold"):
        raise NVMLError(3)
    return int(handle["threshold"])


def nvmlDeviceGetPowerUsage(handle: dict[str, Any]) -> int:
    return answer(handle, "power")


def nvmlDeviceGetCurrentClocksEventReasons(handle: dict[str, Any]) -> int:
    return answer(handle, "throttle")


def nvmlDeviceGetTotalEccErrors(handle: dict[str, Any], kind: int, counter: int) -> int:
    if (kind, counter) != (1, 0):  # uncorrected, volatile
        raise NVMLError(3)
    return answer(handle, "ecc")


def nvmlDeviceGetPcieReplayCounter(handle: dict[str, Any]) -> int:
    return answer(handle, "replays")


def nvmlDeviceGetCurrPcieLinkGeneration(handle: dict[str, Any]) -> int:
    return answer(handle, "gen")


def nvmlDeviceGetCurrPcieLinkWidth(handle: dict[str, Any]) -> int:
    return answer(handle, "width")
