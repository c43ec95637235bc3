"""Prints this machine's NVIDIA GPUs, as the PCI bus and as NVML show them, as one JSON object.

Runs on the target with its Python and, where it is installed, nvidia-ml-py (module `pynvml`).
Arguments, for tests: another /sys, another time limit in seconds.
"""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any

PRIVATE = "/opt/provisioner/python"  # where an image keeps nvidia-ml-py away from its owner's Python
NVIDIA = "10de"  # PCI vendor id
LIMIT = 120.0  # seconds; eight GPUs without the persistence daemon take half a minute to wake
NEEDED = (  # what is asked of nvidia-ml-py, and that by which another module of its name is known
    *("NVMLError", "nvmlInit", "nvmlSystemGetNVMLVersion", "nvmlSystemGetDriverVersion"),
    *("nvmlDeviceGetCount", "nvmlDeviceGetHandleByIndex", "nvmlDeviceGetPciInfo", "nvmlDeviceGetUUID"),
    *("nvmlDeviceGetSerial", "nvmlDeviceGetName", "nvmlDeviceGetVbiosVersion", "nvmlDeviceGetMemoryInfo"),
    *("nvmlDeviceGetCurrPcieLinkWidth", "nvmlDeviceGetMaxPcieLinkWidth", "nvmlDeviceGetEccMode"),
    *("nvmlDeviceGetCurrPcieLinkGeneration", "nvmlDeviceGetMaxPcieLinkGeneration"),
    "nvmlDeviceGetPersistenceMode",
)
# nvmlReturn_t (nvml.h): what keeps NVML from starting
STATES = {9: "not loaded", 12: "no library", 18: "mismatch"}
FUNCTION_NOT_FOUND = 13
# invalid argument, not supported: how a GPU says that it has no such link or counter; and how an old driver
ABSENT = (2, 3, FUNCTION_NOT_FOUND)
MOST_LINKS = 36  # NVML_NVLINK_MAX_LINKS of NVLink 5
CORRECTED, UNCORRECTED = 0, 1  # nvmlMemoryErrorType_t
VOLATILE, AGGREGATE = 0, 1  # nvmlEccCounterType_t: since the driver was loaded, in the GPU's life
LINK_ERRORS = range(5)  # nvmlNvLinkErrorCounter_t: replays, recoveries, CRC of flits and of data, ECC
# the same for NVLink 5 (NVML_FI_DEV_NVLINK_COUNT_…): malformed packets, overruns, packets received with
# errors, marked by the other end or with bad headers, local integrity, recoveries that failed. Symbol errors
# are left out: forward error correction mends them.
LINK_FIELDS = (206, 207, 208, 209, 210, 211, 214)


def word(path: Path) -> str:
    """The file's text without its newline; empty where it cannot be read."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def graphics(sysfs: Path) -> list[dict[str, str]]:
    """NVIDIA's display controllers on the bus (class 03h: no audio, no NVSwitch) and their drivers.

    No virtual functions (SR-IOV): they are shares of a GPU, for virtual machines, and no GPUs to NVML.
    """
    functions = sysfs / "bus/pci/devices"
    found = []
    for place in sorted(functions.iterdir()) if functions.is_dir() else []:
        vendor, device = word(place / "vendor")[2:], word(place / "device")[2:]
        kind = word(place / "class")[2:]
        if vendor == NVIDIA and kind.startswith("03") and not (place / "physfn").is_symlink():
            driver = (place / "driver").resolve().name if (place / "driver").exists() else ""
            one = {"bus": place.name, "id": f"{vendor}:{device}", "driver": driver, "pci_class": kind}
            found.append(one)
    return found


def nvidia_ml_py() -> tuple[Any, str]:
    """NVIDIA's module `pynvml`, or None and what is wrong with others of this name; empty: there is none.

    Packages of other makers have the name too, and so may any file in a folder of Python's path.
    """
    faults = []
    for folder in (PRIVATE, *filter(None, sys.path)):
        spec = PathFinder.find_spec("pynvml", [folder])
        if spec is None or spec.loader is None or spec.origin is None:
            continue
        for name in [name for name in sys.modules if name.split(".")[0] == "pynvml"]:
            del sys.modules[name]
        sys.modules["pynvml"] = module = module_from_spec(spec)  # a package imports its parts by this name
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as fault:  # it may be of another Python, or no module at all
            faults.append(f"{spec.origin} cannot be imported ({type(fault).__name__})")
            continue
        missing = [name for name in NEEDED if not hasattr(module, name)]
        if not missing:
            return module, ""
        faults.append(f"{spec.origin} has no {missing[0]}")
    return None, "; ".join(faults)


def ask() -> dict[str, Any]:
    """What NVML says: `state` is `ok`, or why it says nothing."""
    pynvml, why = nvidia_ml_py()
    if pynvml is None:
        return {"state": "another module" if why else "no module", "reason": why}
    report: dict[str, Any] = {"state": "ok"}
    try:
        pynvml.nvmlInit()
    except Exception as fault:  # NVMLError, and whatever a module that is none of NVIDIA's raises
        report = {"state": STATES.get(getattr(fault, "value", 0), "error"), "reason": str(fault)}
    errors: dict[str, str] = {}
    # this one answers without nvmlInit
    report["library"] = guarded(errors, "library", pynvml.nvmlSystemGetNVMLVersion)
    if report["state"] == "ok":
        report["driver"] = guarded(errors, "driver", pynvml.nvmlSystemGetDriverVersion)
        report["cuda"] = guarded(errors, "cuda", lambda: cuda(pynvml))
        count = guarded(errors, "count", pynvml.nvmlDeviceGetCount)
        report["gpus"] = [gpu(pynvml, index) for index in range(count or 0)]
        report["reason"] = errors.get("count", "")
    return report


def guarded(errors: dict[str, str], name: str, query: Callable[..., Any], *handle: Any) -> Any:
    """The query's value; None where the GPU does not know it (or no longer answers), and why in `errors`."""
    try:
        value = query(*handle)
        return value.decode() if isinstance(value, bytes) else value  # as nvidia-ml-py before 12 answers
    except Exception as fault:  # NVMLError, and what an older nvidia-ml-py lacks or cannot decode
        errors[name] = (str(fault) or type(fault).__name__)[:200]
        return None


def gpu(nvml: Any, index: int) -> dict[str, Any]:
    """One GPU; what it cannot tell is None and named in `errors`."""
    errors: dict[str, str] = {}
    handle = guarded(errors, "handle", nvml.nvmlDeviceGetHandleByIndex, index)
    if handle is None:
        return {"index": index, "errors": errors}
    queries: dict[str, Callable[..., Any]] = {
        "uuid": nvml.nvmlDeviceGetUUID,
        "serial": nvml.nvmlDeviceGetSerial,
        "name": nvml.nvmlDeviceGetName,
        "vbios": nvml.nvmlDeviceGetVbiosVersion,
        "memory": lambda one: int(nvml.nvmlDeviceGetMemoryInfo(one).total),
        "pci": lambda one: place(nvml.nvmlDeviceGetPciInfo(one)),
        "width": nvml.nvmlDeviceGetCurrPcieLinkWidth,
        "width_max": nvml.nvmlDeviceGetMaxPcieLinkWidth,
        "generation": nvml.nvmlDeviceGetCurrPcieLinkGeneration,
        "generation_max": nvml.nvmlDeviceGetMaxPcieLinkGeneration,
        "ecc": lambda one: bool(nvml.nvmlDeviceGetEccMode(one)[0]),
        "ecc_pending": lambda one: bool(nvml.nvmlDeviceGetEccMode(one)[1]),
        "persistence": lambda one: bool(nvml.nvmlDeviceGetPersistenceMode(one)),
    }
    queries |= health(nvml)
    queries["nvlinks"] = lambda one: links(nvml, errors, one)
    found = {name: guarded(errors, name, query, handle) for name, query in queries.items()}
    bus, ident = found.pop("pci") or ("", "")
    return {"index": index, "bus": bus, "id": ident, **found, "errors": errors}


def health(nvml: Any) -> dict[str, Callable[..., Any]]:
    """What is asked of a GPU's health. The names are looked up late: an older nvidia-ml-py lacks some."""

    def errors(kind: int, counter: int) -> Callable[..., Any]:
        return lambda one: nvml.nvmlDeviceGetTotalEccErrors(one, kind, counter)

    return {
        "mig": lambda one: bool(nvml.nvmlDeviceGetMigMode(one)[0]),
        "ecc_volatile_corrected": errors(CORRECTED, VOLATILE),
        "ecc_volatile_uncorrected": errors(UNCORRECTED, VOLATILE),
        "ecc_aggregate_corrected": errors(CORRECTED, AGGREGATE),
        "ecc_aggregate_uncorrected": errors(UNCORRECTED, AGGREGATE),
        "remapped_corrected": lambda one: int(nvml.nvmlDeviceGetRemappedRows(one)[0]),
        "remapped_uncorrected": lambda one: int(nvml.nvmlDeviceGetRemappedRows(one)[1]),
        "remap_pending": lambda one: bool(nvml.nvmlDeviceGetRemappedRows(one)[2]),
        "remap_failed": lambda one: bool(nvml.nvmlDeviceGetRemappedRows(one)[3]),
        # nvmlPageRetirementCause_t: several single bit errors, a double bit error
        "retired_pages": lambda one: sum(len(nvml.nvmlDeviceGetRetiredPages(one, cause)) for cause in (0, 1)),
        "retired_pending": lambda one: bool(nvml.nvmlDeviceGetRetiredPagesPendingStatus(one)),
        "power_limit": lambda one: nvml.nvmlDeviceGetEnforcedPowerLimit(one) / 1000,  # NVML says mW
        "power_limit_default": lambda one: nvml.nvmlDeviceGetPowerManagementDefaultLimit(one) / 1000,
        "power": lambda one: nvml.nvmlDeviceGetPowerUsage(one) / 1000,
        "temperature": lambda one: temperature(nvml, one),
        "temperature_slowdown": lambda one: slowdown(nvml, one),
        "throttle": lambda one: newer(
            nvml,
            "nvmlDeviceGetCurrentClocksEventReasons",
            "nvmlDeviceGetCurrentClocksThrottleReasons",
            one,
        ),
        "replays": lambda one: int(nvml.nvmlDeviceGetPcieReplayCounter(one)),
    }


def newer(nvml: Any, name: str, older: str, *arguments: Any) -> Any:
    """A query by its newer name; by the older one where nvidia-ml-py or the driver does not have it."""
    try:
        return getattr(nvml, name)(*arguments)
    except Exception as fault:
        if not isinstance(fault, AttributeError) and getattr(fault, "value", 0) != FUNCTION_NOT_FOUND:
            raise
    return getattr(nvml, older)(*arguments)


def temperature(nvml: Any, one: Any) -> int:
    """The GPU's, in °C."""
    return int(newer(nvml, "nvmlDeviceGetTemperatureV", "nvmlDeviceGetTemperature", one, 0))


def slowdown(nvml: Any, one: Any) -> int:
    """At how many °C the GPU slows down; the newest say only how far they are from it (nvml.h)."""
    # NVML_TEMPERATURE_THRESHOLD_SLOWDOWN
    threshold = optional(nvml.nvmlDeviceGetTemperatureThreshold, one, 1)
    if threshold is None:
        threshold = temperature(nvml, one) + nvml.nvmlDeviceGetMarginTemperature(one)
    return int(threshold)


def cuda(nvml: Any) -> str:
    """The newest CUDA that the driver can do; NVML writes 13.0 as 13000."""
    number = int(nvml.nvmlSystemGetCudaDriverVersion_v2())
    return f"{number // 1000}.{number % 1000 // 10}"


def optional(query: Callable[..., Any], *arguments: Any) -> Any:
    """The query's value, None where the GPU has no such thing. Raises whatever else is wrong."""
    try:
        return query(*arguments)
    except Exception as fault:
        if getattr(fault, "value", 0) not in ABSENT:
            raise
    return None


def links(nvml: Any, errors: dict[str, str], handle: Any) -> list[dict[str, Any]]:
    """The GPU's NVLinks. Raises where it has none, or one does not answer: none is left out in silence."""
    states = [optional(nvml.nvmlDeviceGetNvLinkState, handle, number) for number in range(MOST_LINKS)]
    # nvmlNvLinkState: 0 is inactive; active, asleep and active without traffic are up
    found = [
        {"number": number, "active": bool(state), **link(nvml, errors, handle, number)}
        for number, state in enumerate(states)
        if state is not None
    ]
    if not found:
        nvml.nvmlDeviceGetNvLinkState(handle, 0)  # raises once more, and says why
    return found


def link(nvml: Any, errors: dict[str, str], handle: Any, number: int) -> dict[str, Any]:
    """What else one NVLink says of itself; an inactive one may not know its other end."""

    def remote() -> str:
        return place(nvml.nvmlDeviceGetNvLinkRemotePciInfo(handle, number))[0]

    return {
        "version": guarded(errors, "nvlink version", lambda: nvml.nvmlDeviceGetNvLinkVersion(handle, number)),
        "remote": guarded(errors, "nvlink remote", remote) or "",
        "errors": guarded(errors, "nvlink errors", count, nvml, handle, number),
    }


def count(nvml: Any, handle: Any, number: int) -> int:
    """The sum of the error counters that a link has. Raises where it has none, or one does not answer."""
    counts = [optional(nvml.nvmlDeviceGetNvLinkErrorCounter, handle, number, kind) for kind in LINK_ERRORS]
    if counts.count(None) == len(counts):
        asked = [(ident, number) for ident in LINK_FIELDS]
        fields = nvml.nvmlDeviceGetFieldValues(handle, asked)
        counts = [optional(field, nvml, one) for one in fields]
    known = [int(one) for one in counts if one is not None]
    if not known:
        raise LookupError("it has no error counter")
    return sum(known)


def field(nvml: Any, one: Any) -> int:
    """The value of one answer to nvmlDeviceGetFieldValues, each of which may fail by itself."""
    if one.nvmlReturn:
        raise nvml.NVMLError(one.nvmlReturn)
    return int(one.value.ullVal)


def place(pci: Any) -> tuple[str, str]:
    """Bus id as the kernel writes it, and `vendor:device`; NVML writes 00000000:17:00.0 and 0x233010DE."""
    both, name = int(pci.pciDeviceId), pci.busId
    last = (name.decode() if isinstance(name, bytes) else name)[-1:]  # the function has no field of its own
    bus = f"{pci.domain:04x}:{pci.bus:02x}:{pci.device:02x}.{last if last.isdigit() else 0}"
    return bus, f"{both & 0xFFFF:04x}:{both >> 16:04x}"


def answer() -> bytes:
    """What `ask` gives, as JSON; that it failed is an answer, too."""
    try:
        return json.dumps(ask()).encode()
    except (
        Exception
    ) as fault:  # whatever a module that is none of NVIDIA's gives in place of text and numbers
        return json.dumps({"state": "error", "reason": f"{type(fault).__name__}: {fault}"[:200]}).encode()


def read(text: bytes) -> dict[str, Any]:
    """The answer of the process that asked; without a whole one it has died."""
    try:
        return dict(json.loads(text))
    except ValueError:
        return {"state": "killed"}


def within(seconds: float) -> dict[str, Any]:
    """Ask in a process of its own: a GPU that fell off its bus can hang, or kill, whoever asks."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):  # SSH waits for whoever holds these
            os.dup2(null, number)
        try:
            os.write(writer, answer())
        finally:
            os._exit(0)
    os.close(writer)
    text, until = b"", time.monotonic() + seconds
    while select.select([reader], [], [], max(0.0, until - time.monotonic()))[0]:
        part = os.read(reader, 1 << 16)
        if not part:
            return read(text)
        text += part
    os.kill(child, signal.SIGKILL)  # it may not even die of this, so nobody waits for it
    return {"state": "silent", "reason": f"no answer within {seconds:g} s"}


if __name__ == "__main__":
    kernel = Path(sys.argv[1] if len(sys.argv) > 1 else "/sys")
    limit = float(sys.argv[2]) if len(sys.argv) > 2 else LIMIT
    # NVML first: it may load the kernel module, whose version is read then
    said = within(limit)
    said["module"] = word(kernel / "module/nvidia/version")
    print(json.dumps({**said, "graphics": graphics(kernel)}))
