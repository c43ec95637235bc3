"""The order of the tests on all GPUs of a host, and the report that they come to."""

import contextlib
import json
import math
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from burnin import dcgm
from burnin.children import Child, Family, Stopped
from burnin.levels import COPIES, TESTS, TOGETHER, Level
from burnin.watch import Watch
from burnin.worker import failed, skipped

PLACE = str(Path(__file__).parents[1])  # the archive, or the folder that holds this package
RUN = "import sys; sys.path.insert(0, sys.argv.pop(1)); from burnin.__main__ import main; main()"
ENV = {
    "PYTHONDONTWRITEBYTECODE": "1",
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # cuBLAS: the same bits each time
    "NVIDIA_TF32_OVERRIDE": "0",  # fp32 means fp32, whatever a library thinks
    "NCCL_SOCKET_IFNAME": "lo",  # the ranks meet on this host only
    "GLOO_SOCKET_IFNAME": "lo",
}
PYTHONS = ("/opt/ml/pytorch/bin/python", "/opt/ml/vllm/bin/python", sys.executable)  # roles/ml_frameworks
# that it can be imported, too, is shown by the first that does
FIND_TORCH = "import importlib.util; print('torch' if importlib.util.find_spec('torch') else '')"
NVML_SECONDS = 120.0  # eight GPUs without the persistence daemon take half a minute to wake
MEMORY_PASS_SECONDS = 5.0  # for the limit only: all memory once, written and read


@dataclass(eq=False)
class Gpu:
    """One GPU, its processes, and what came of its tests so far."""

    uuid: str
    bus: str
    name: str
    watch: Watch
    worker: Child | None = None
    watcher: Child | None = None
    gone: str = ""  # why it is tested no more
    tests: dict[str, dict[str, Any]] = field(default_factory=dict)

    def as_data(self, why: str) -> dict[str, Any]:
        """Its part of the report; a test that was not begun is skipped, for `why`."""
        reason = self.gone or why or "it was not begun"
        every = [self.tests.get(name) or skipped(name, reason) for name in TESTS]
        watched = self.watch.as_data()
        return {"uuid": self.uuid, "bus": self.bus, "name": self.name, "tests": every, "watch": watched}


class Burn:
    """One run. `report` can be asked at any time, so that a run which was stopped has one, too."""

    def __init__(self, family: Family, level: Level, device: str, count: int, pythons: Iterable[str]) -> None:
        self.level, self.device, self.gpus = level, device, list[Gpu]()
        self.peers: list[dict[str, Any]] = []
        self.torch = ""
        self.nccl: dict[str, Any] = {"state": "skipped", "reason": "it was not begun", "gpus": 0}
        self.nccl |= {"errors": 0, "bus_gbps": None}
        self.dcgm: dict[str, Any] = dcgm.MISSING
        self._family, self._count = family, count
        self._pythons, self._python = tuple(pythons) or PYTHONS, ""
        self._began, self._started, self._usual = time.monotonic(), time.time(), 0.0
        self._test = ""
        family.watch = self._watch

    # --- the order -------------------------------------------------------------------------------------

    def run(self) -> None:
        """All of it. Raises Stopped: the run ends early, and the report says why."""
        self._find_gpus()
        self._find_torch()
        self._usual = self.level.usual(len(self.gpus))
        self._start()
        for gpu in self.gpus:  # alone, for all share the host's memory
            for test in COPIES:
                self._do(test, [gpu])
        for test in TOGETHER:
            self._do(test, self.gpus)
        for gpu in self.gpus:
            if gpu.worker:
                gpu.worker.kill()  # frees the GPU for what follows
                gpu.worker.reap()
        self._copy_between()
        self._reduce()
        self._diagnose()

    def _find_gpus(self) -> None:
        if self.device == "cpu":
            found: Any = [{"uuid": f"CPU-{one}", "bus": "", "name": "CPU"} for one in range(self._count)]
        else:
            child = self._start_role("inventory", {}, python=sys.executable)
            answer = self._ask([child], NVML_SECONDS, NVML_SECONDS)[child]
            if answer is None:
                raise Stopped("error", f"NVML gives no list of GPUs: {child.why()}")
            if answer["state"] != "ok":
                raise Stopped(answer["state"], answer["reason"])
            found = answer["gpus"]
        self.gpus = [Gpu(one["uuid"], one["bus"], one["name"], Watch(one["bus"])) for one in found]

    def _find_torch(self) -> None:
        tried = []
        for python in dict.fromkeys(self._pythons):
            if not Path(python).exists():
                tried.append(f"{python} is not there")
                continue
            child = self._family.start([python, "-c", FIND_TORCH], ENV, is_text=True)
            if self._family.read(child, NVML_SECONDS).split() == [b"torch"]:
                self._python = python
                return
            tried.append(f"{python} has none" if not child.errors else f"{python}: {child.why()}")
        raise Stopped("no torch", "; ".join(tried)[:1000])

    def _start(self) -> None:
        """A process of torch and one of NVML for each GPU; a GPU whose process does not start is told."""
        for gpu in self.gpus:
            gpu.worker = self._start_torch("worker", [gpu])
            if self.device == "cuda":
                gpu.watcher = self._start_role("watch", {"uuid": gpu.uuid}, python=sys.executable)
                gpu.watch.heard = time.monotonic()
        workers = [gpu.worker for gpu in self.gpus if gpu.worker]
        answers = self._ask(workers, self.level.start_seconds, self.level.start_seconds)
        for gpu in self.gpus:
            if gpu.worker and (answer := answers[gpu.worker]) is None:
                gpu.gone = gpu.worker.why()
                gpu.tests = {name: failed(name, gpu.gone) for name in TESTS[:1]}
            elif gpu.worker:
                self.torch = answer["torch"]

    def _do(self, test: str, gpus: list[Gpu]) -> None:
        """One test on these GPUs at once."""
        able = [(gpu, gpu.worker) for gpu in gpus if gpu.worker and not gpu.gone]
        for _, worker in able:
            worker.send({"test": test})
        self._test = test
        limit = self.level.seconds(test) * 3 + self.level.patience
        if test == "memory-pattern":  # each pattern once, however long it takes
            limit += MEMORY_PASS_SECONDS * (self.level.walks + 4)
        answers = self._ask([worker for _, worker in able], self.level.patience, limit)
        for gpu, worker in able:
            answer = answers[worker]
            if answer is None:
                gpu.gone = worker.why()
                answer = failed(test, gpu.gone)
            gpu.tests[test] = sound(answer)

    def _copy_between(self) -> None:
        able = [gpu for gpu in self.gpus if not gpu.gone]
        if len(able) < 2:
            return
        self._test = "peers"
        child = self._start_torch("peers", able)
        limit = self.level.start_seconds + len(able) ** 2 * 10
        answer = self._ask([child], self.level.start_seconds, limit)[child]
        ends = {"from": "", "to": ""}
        self.peers = [{**ends, **failed("d2d", child.why())}] if answer is None else list(map(sound, answer))
        child.kill()

    def _reduce(self) -> None:
        """All-reduce over all GPUs; one that is missing there is an error, not a smaller ring."""
        ranks = len(self.gpus)
        self.nccl["gpus"] = ranks
        if ranks < 2:
            self.nccl["reason"] = "there is one GPU"
            return
        if any(gpu.gone for gpu in self.gpus):
            self.nccl |= {"state": "error", "reason": "a GPU is missing from the ring", "errors": 1}
            return
        self._test = "nccl"
        with tempfile.TemporaryDirectory(prefix="burnin-") as folder:
            meeting = f"{folder}/ranks"
            children = [
                self._start_torch("rank", self.gpus, rank=rank, meeting=meeting) for rank in range(ranks)
            ]
            answers = self._ask(children, self.level.start_seconds, self.level.start_seconds)
            for child in children:
                child.kill()
        self.nccl |= reduced([answers[child] for child in children], [child.why() for child in children])

    def _diagnose(self) -> None:
        program = shutil.which("dcgmi")
        if not program:
            return
        wanted, why = dcgm.level_for([gpu.name for gpu in self.gpus], self.level.dcgm)
        self._test = "dcgm"
        argv = [program, "diag", "-r", str(wanted), "-j"]
        # it asks its daemon to stop when it is told to end, and cannot when it is killed
        child = self._family.start(argv, {}, is_text=True, end=signal.SIGTERM)
        output = self._family.read(child, self.level.dcgm_seconds, self._tell_wait).decode(errors="replace")
        late = f"it did not end within {self.level.dcgm_seconds:g} s" if child.is_silent else ""
        self.dcgm = {**dcgm.read(output, late), "level": wanted}
        self.dcgm["reason"] = "; ".join(filter(None, (why, self.dcgm["reason"])))

    # --- its processes ---------------------------------------------------------------------------------

    def _start_role(self, role: str, order: dict[str, Any], *, python: str, env: Any = None) -> Child:
        argv = [python, "-c", RUN, PLACE, role, json.dumps(order)]
        return self._family.start(argv, {**ENV, **(env or {})})

    def _start_torch(self, role: str, gpus: list[Gpu], **more: Any) -> Child:
        """It sees these GPUs only, in this order; by UUID, for CUDA may count otherwise than NVML."""
        uuids = [gpu.uuid for gpu in gpus]
        order = {"device": self.device, "level": self.level.as_data(), "uuids": uuids, **more}
        env = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // len(self.gpus)))}  # they work at once
        if self.device == "cuda":
            env["CUDA_VISIBLE_DEVICES"] = ",".join(uuids)
        return self._start_role(role, order, python=self._python, env=env)

    def _ask(self, children: list[Child], patience: float, limit: float) -> dict[Child, Any]:
        return self._family.ask(children, patience, limit, self._tell)

    def _watch(self) -> None:
        """Called all the time: hear the watching processes. Raises Stopped: one GPU is lost or too hot."""
        for gpu in self.gpus:
            if not gpu.watcher:
                continue
            while gpu.watcher.messages:
                if why := gpu.watch.take(gpu.watcher.messages.popleft()):
                    self._stop(gpu, why)
            silence = time.monotonic() - gpu.watch.heard
            if gpu.watcher.has_ended or silence > self.level.patience:
                gpu.watcher.is_silent = not gpu.watcher.has_ended
                self._stop(gpu, f"NVML no longer answers for GPU {gpu.bus}: {gpu.watcher.why()}")

    def _stop(self, gpu: Gpu, why: str) -> None:
        gpu.gone = gpu.gone or why
        if self._test in TESTS and self._test not in gpu.tests:
            gpu.tests[self._test] = failed(self._test, why)
        raise Stopped("error", why)

    def _tell(self, child: Child, progress: Any) -> None:
        gpu = next((gpu for gpu in self.gpus if gpu.worker is child), None)
        if gpu and self._test == "load":
            gpu.watch.work()
        self._say_progress(gpu.uuid if gpu else "", progress)

    def _say_progress(self, gpu: str, progress: Any) -> None:
        left = max(0.0, self._usual - (time.monotonic() - self._began))
        words = {"test": self._test, "gpu": gpu, **progress, "seconds_left": round(left)}
        say({"progress": words})

    def _tell_wait(self) -> None:
        """A program of others does not say how far it is."""
        self._say_progress("", {"done": 0, "of": 1})

    # --- what it came to -------------------------------------------------------------------------------

    def report(self, state: str, reason: str) -> dict[str, Any]:
        """The last line. `state` says how the run ended; what the GPUs did is in the counts."""
        gpus = [gpu.as_data(reason) for gpu in self.gpus]
        tests = [test for gpu in gpus for test in gpu["tests"]]
        errors = sum(counted(test) for test in [*tests, *self.peers, self.nccl])
        errors += sum(test["status"] in ("fail", "error") for test in self.dcgm["tests"])
        return {
            "state": state,
            "reason": reason,
            "level": self.level.name,
            "device": self.device,
            "torch": self.torch,
            "started": round(self._started, 3),
            "seconds": round(time.monotonic() - self._began, 1),
            "gpus": gpus,
            "peers": self.peers,
            "nccl": self.nccl,
            "dcgm": self.dcgm,
            "exit_errors": max(errors, int(state == "error")),
        }


def counted(entry: dict[str, Any]) -> int:
    """Its errors; at least one where its state says so."""
    return max(int(entry["errors"]), int(entry["state"] == "error"))


def sound(entry: dict[str, Any]) -> dict[str, Any]:
    """A worker's entry: counted errors are errors, whatever it says, and so is a value that is no number."""
    value = entry.get("value")
    if value is not None and not math.isfinite(value):
        entry = {**entry, "value": None, "state": "error", "reason": "its value is no number"}
    if entry["errors"] and entry["state"] != "error":
        entry = {**entry, "state": "error", "reason": entry["reason"] or f"{entry['errors']} errors"}
    return entry


def reduced(answers: list[Any], why: list[str]) -> dict[str, Any]:
    """`nccl` of the report from what each rank saw; the slowest rank has the bandwidth."""
    missing = [reason for answer, reason in zip(answers, why, strict=True) if answer is None]
    found = [answer for answer in answers if answer is not None]
    errors = sum(answer["errors"] for answer in found)
    if missing:
        return {"state": "error", "reason": missing[0], "errors": errors + len(missing), "bus_gbps": None}
    reason = f"{errors} elements of the sum are wrong" if errors else ""
    slowest = min(answer["bus_gbps"] for answer in found)
    state = "error" if errors else "ok"
    return {
        "state": state,
        "reason": reason,
        "errors": errors,
        "bus_gbps": slowest,
        "bytes": found[0]["bytes"],
    }


def say(message: dict[str, Any]) -> None:
    """One line. Whoever has hung up hears nothing; that ends the run elsewhere."""
    with contextlib.suppress(OSError):
        print(json.dumps(message, allow_nan=False), flush=True)
