"""What NVML says: which GPUs there are, and twice a second how each is."""

import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from typing import Any

PRIVATE = "/opt/provisioner/python"  # as ansible/files/gpus.py
NEEDED = ("NVMLError", "nvmlInit", "nvmlDeviceGetCount", "nvmlDeviceGetHandleByIndex", "nvmlDeviceGetUUID")
ABSENT = (9, 12)  # nvmlReturn_t: driver not loaded, library not found
LOST = 15  # NVML_ERROR_GPU_IS_LOST
SLOWDOWN = 1  # NVML_TEMPERATURE_THRESHOLD_SLOWDOWN
UNCORRECTED, VOLATILE = 1, 0  # nvmlMemoryErrorType_t, nvmlEccCounterType_t
EVERY = 0.5  # seconds


def nvidia_ml_py() -> Any:
    """NVIDIA's module `pynvml`, or None; other makers' modules of this name are passed over."""
    for folder in (PRIVATE, *filter(None, sys.path)):
        spec = PathFinder.find_spec("pynvml", [folder])
        if spec is None or spec.loader is None:
            continue
        for name in [name for name in sys.modules if name.split(".")[0] == "pynvml"]:
            del sys.modules[name]
        sys.modules["pynvml"] = module = module_from_spec(spec)
        with suppress(Exception, SystemExit):  # it may be of another Python, or no module at all
            spec.loader.exec_module(module)
            if all(hasattr(module, name) for name in NEEDED):
                return module
    return None


def text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)  # as nvidia-ml-py before 12 answers


def place(pci: Any) -> str:
    """The bus id as the kernel writes it; NVML writes 00000000:17:00.0."""
    last = text(pci.busId)[-1:]  # the function has no field of its own
    return f"{pci.domain:04x}:{pci.bus:02x}:{pci.device:02x}.{last if last.isdigit() else 0}"


def inventory() -> dict[str, Any]:
    """`{state, reason, gpus: [{uuid, bus, name}]}`; state: ok, no gpu, or error."""
    module = nvidia_ml_py()
    if module is None:
        return {"state": "error", "reason": "nvidia-ml-py is missing, so nobody can watch the GPUs"}
    try:
        module.nvmlInit()
        handles = [module.nvmlDeviceGetHandleByIndex(one) for one in range(module.nvmlDeviceGetCount())]
        gpus = [
            {
                "uuid": text(module.nvmlDeviceGetUUID(handle)),
                "bus": place(module.nvmlDeviceGetPciInfo(handle)),
                "name": text(module.nvmlDeviceGetName(handle)),
            }
            for handle in handles
        ]
    except Exception as fault:  # NVMLError, and what an older module lacks
        absent = getattr(fault, "value", None) in ABSENT
        return {"state": "no gpu" if absent else "error", "reason": f"NVML: {fault}"[:200]}
    return {"state": "ok" if gpus else "no gpu", "reason": "" if gpus else "NVML shows no GPU", "gpus": gpus}


def queries(module: Any, handle: Any) -> dict[str, Callable[[], Any]]:
    """What is asked twice a second, by the names of a sample."""
    reasons = getattr(module, "nvmlDeviceGetCurrentClocksEventReasons", None)  # by NVML 12.2
    reasons = reasons or getattr(module, "nvmlDeviceGetCurrentClocksThrottleReasons", None)
    return {
        "temperature": lambda: int(module.nvmlDeviceGetTemperature(handle, 0)),  # 0: the GPU itself
        "power": lambda: module.nvmlDeviceGetPowerUsage(handle) / 1000,  # from mW
        "throttle": lambda: int(reasons(handle)),  # type: ignore[misc]  # without it: an error like others
        "ecc": lambda: int(module.nvmlDeviceGetTotalEccErrors(handle, UNCORRECTED, VOLATILE)),
        "replays": lambda: int(module.nvmlDeviceGetPcieReplayCounter(handle)),
        "generation": lambda: int(module.nvmlDeviceGetCurrPcieLinkGeneration(handle)),
        "width": lambda: int(module.nvmlDeviceGetCurrPcieLinkWidth(handle)),
    }


def sample(asked: dict[str, Callable[[], Any]]) -> dict[str, Any]:
    """One look; a value that the GPU does not tell is None.

    `lost` says that it is gone, `fault` that it told nothing at all.
    """
    found: dict[str, Any] = {}
    fault_text = ""
    for name, query in asked.items():
        try:
            found[name] = query()
        except Exception as fault:  # NVMLError, and what this nvidia-ml-py lacks
            found[name], fault_text = None, str(fault)[:200]
            if getattr(fault, "value", None) == LOST:
                return {"lost": fault_text}
    return found if any(value is not None for value in found.values()) else {**found, "fault": fault_text}


def threshold(module: Any, handle: Any) -> int | None:
    """The temperature in °C at which the GPU slows itself down; None where it does not tell."""
    try:
        return int(module.nvmlDeviceGetTemperatureThreshold(handle, SLOWDOWN)) or None
    except Exception:  # NVMLError, and what this nvidia-ml-py lacks
        return None


def watch(uuid: str) -> None:
    """Print the GPU's threshold, then a sample twice a second, until the process is ended."""
    module = nvidia_ml_py()
    module.nvmlInit()
    handle = module.nvmlDeviceGetHandleByUUID(uuid)
    print(json.dumps({"threshold": threshold(module, handle)}), flush=True)
    asked = queries(module, handle)
    while True:
        print(json.dumps({"sample": sample(asked)}), flush=True)
        time.sleep(EVERY)
