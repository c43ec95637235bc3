"""Stands in for nvidia-ml-py: answers from the JSON file that FAKE_NVML names, in that module's own shapes.

A call's answer is a value, or `{"error": CODE}` as nvml.h numbers them. A test holds it against the genuine
module.
"""

import json
import os
import time
from ctypes import Structure, c_char, c_uint, c_ulonglong
from pathlib import Path
from typing import Any

ANSWERS = json.loads(Path(os.environ["FAKE_NVML"]).read_text())
TEXTS = {
    1: "Uninitialized",
    3: "Not Supported",
    9: "Driver Not Loaded",
    12: "NVML Shared Library Not Found",
    15: "GPU is lost",
    18: "RM has detected an NVML/RM version mismatch.",
    999: "Unknown Error",
}


class NVMLError(Exception):
    def __init__(self, value: int) -> None:
        self.value = value

    def __str__(self) -> str:
        return TEXTS[self.value]


class nvmlPciInfo_t(Structure):
    _fields_ = (
        ("busIdLegacy", c_char * 16),
        ("domain", c_uint),
        ("bus", c_uint),
        ("device", c_uint),
        ("pciDeviceId", c_uint),
        ("pciSubSystemId", c_uint),
        ("busId", c_char * 32),
    )


class c_nvmlMemory_t(Structure):
    _fields_ = (("total", c_ulonglong), ("free", c_ulonglong), ("used", c_ulonglong))


def answered(said: Any) -> Any:
    if isinstance(said, dict) and "error" in said:
        raise NVMLError(said["error"])
    return said


def nvmlInit() -> None:
    if ANSWERS["nvmlInit"] == "hangs":
        time.sleep(600)
    if ANSWERS["nvmlInit"] == "crashes":
        os.abort()
    answered(ANSWERS["nvmlInit"])


def nvmlSystemGetNVMLVersion() -> str:
    return str(answered(ANSWERS["nvmlSystemGetNVMLVersion"]))


def nvmlSystemGetDriverVersion() -> str:
    return str(answered(ANSWERS["nvmlSystemGetDriverVersion"]))


def nvmlDeviceGetCount() -> int:
    return len(answered(ANSWERS["gpus"]))


def nvmlDeviceGetHandleByIndex(index: int) -> dict[str, Any]:
    handle: dict[str, Any] = answered(ANSWERS["gpus"][index])
    return handle


def nvmlDeviceGetUUID(handle: dict[str, Any]) -> str:
    return str(answered(handle["nvmlDeviceGetUUID"]))


def nvmlDeviceGetSerial(handle: dict[str, Any]) -> str:
    return str(answered(handle["nvmlDeviceGetSerial"]))


def nvmlDeviceGetName(handle: dict[str, Any]) -> str:
    return str(answered(handle["nvmlDeviceGetName"]))


def nvmlDeviceGetVbiosVersion(handle: dict[str, Any]) -> str:
    return str(answered(handle["nvmlDeviceGetVbiosVersion"]))


def nvmlDeviceGetMemoryInfo(handle: dict[str, Any]) -> c_nvmlMemory_t:
    return c_nvmlMemory_t(**answered(handle["nvmlDeviceGetMemoryInfo"]))


def nvmlDeviceGetPciInfo(handle: dict[str, Any]) -> nvmlPciInfo_t:
    said = answered(handle["nvmlDeviceGetPciInfo"])
    return nvmlPciInfo_t(**{key: v.encode() if isinstance(v, str) else v for key, v in said.items()})


def nvmlDeviceGetCurrPcieLinkWidth(handle: dict[str, Any]) -> int:
    return int(answered(handle["nvmlDeviceGetCurrPcieLinkWidth"]))


def nvmlDeviceGetMaxPcieLinkWidth(handle: dict[str, Any]) -> int:
    return int(answered(handle["nvmlDeviceGetMaxPcieLinkWidth"]))


def nvmlDeviceGetCurrPcieLinkGeneration(handle: dict[str, Any]) -> int:
    return int(answered(handle["nvmlDeviceGetCurrPcieLinkGeneration"]))


def nvmlDeviceGetMaxPcieLinkGeneration(handle: dict[str, Any]) -> int:
    return int(answered(handle["nvmlDeviceGetMaxPcieLinkGeneration"]))


def nvmlDeviceGetEccMode(handle: dict[str, Any]) -> list[int]:
    return list(answered(handle["nvmlDeviceGetEccMode"]))


def nvmlDeviceGetPersistenceMode(handle: dict[str, Any]) -> int:
    return int(answered(handle["nvmlDeviceGetPersistenceMode"]))
