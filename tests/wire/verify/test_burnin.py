"""The burn-in as a host runs it, on processors in place of GPUs: a real torch, planted faults."""

import ast
import importlib
import importlib.util
import json
import os
import select
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from provisioner import run
from provisioner.verify import burnin_archive
from tests.rehearsal import accept_gpu

PARTS = Path(__file__).parents[1] / "burnin"
SOURCES = Path(__file__).parents[3] / "ansible/files/burnin"
# A Python with torch: Debian's own, or another one.
PYTHON = os.environ.get("BURNIN_PYTHON", "/usr/bin/python3")
COPIES, MATMULS = ["h2d", "d2h", "d2d"], ["matmul-fp32", "matmul-fp16", "matmul-bf16"]
TESTS = [*COPIES, *MATMULS, "memory-pattern", "load"]
TINY = ("--device", "cpu", "--size", "tiny")
GPU = {"uuid": "GPU-0", "bus": "0000:18:00.0", "name": "NVIDIA H100 80GB HBM3", "threshold": 87}
OTHER = {**GPU, "uuid": "GPU-1", "bus": "0000:2a:00.0"}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("burnin") / burnin_archive.NAME
    path.write_bytes(burnin_archive.build())
    return path


# what whoever judges reads of the report; there may be more
REPORT = {
    *("state", "reason", "level", "device", "started", "seconds", "gpus", "nccl", "dcgm", "exit_errors"),
}
TEST = {"name", "state", "reason", "iterations", "errors", "value", "unit", "max_abs_error"}
WATCH = {
    *("temperature_max", "power_max", "throttle", "ecc_uncorrected", "replays"),
    *("pcie_generation_min_under_load", "pcie_width_min"),
}


class Ran:
    """One run: its lines of progress, and the report, which must be the last line."""

    def __init__(self, output: bytes) -> None:
        lines = [json.loads(line) for line in output.decode().splitlines()]
        self.report: dict[str, Any] = lines.pop()
        assert all(set(line) == {"progress"} for line in lines)
        self.progress: list[dict[str, Any]] = [line["progress"] for line in lines]
        self._has_all_keys()

    def _has_all_keys(self) -> None:
        assert set(self.report) >= REPORT
        assert set(self.report["nccl"]) >= {"state", "gpus", "errors", "bus_gbps"}
        assert set(self.report["dcgm"]) >= {"state", "version", "tests"}
        for gpu in self.report["gpus"]:
            assert set(gpu) >= {"uuid", "bus", "tests", "watch"} and set(gpu["watch"]) >= WATCH
            assert all(set(test) >= TEST for test in gpu["tests"])
        for line in self.progress:
            assert set(line) == {"test", "gpu", "done", "of", "seconds_left"}

    def tests(self, number: int = 0) -> dict[str, dict[str, Any]]:
        found = {test["name"]: test for test in self.report["gpus"][number]["tests"]}
        assert list(found) == TESTS
        return found

    def states(self, number: int = 0) -> dict[str, str]:
        return {name: test["state"] for name, test in self.tests(number).items()}


def burn(archive: Path, *words: str, fault: str = "", env: dict[str, str] | None = None) -> Ran:
    """By the system's Python, alone: the archive is all that it has."""
    given = {"PYTHONPATH": str(PARTS), "FAULT": fault, **(env or {})}
    argv = ["/usr/bin/python3", archive, "--python", PYTHON, *(words or (*TINY, "--gpus", "1"))]
    done = run.run(argv, env=given, timeout=100)
    return Ran(done.stdout)


def test_healthy_devices_pass_and_the_report_has_it_all(archive: Path) -> None:
    ran = burn(archive, *TINY, "--gpus", "2")
    report = ran.report
    assert (report["state"], report["reason"], report["exit_errors"]) == ("ok", "", 0)
    assert (report["level"], report["device"], len(report["gpus"])) == ("quick", "cpu", 2)
    assert report["started"] + report["seconds"] == pytest.approx(time.time(), abs=30)
    for number in range(2):
        assert report["gpus"][number]["uuid"] == f"CPU-{number}"
        for name, test in ran.tests(number).items():
            if name == "matmul-fp16" and test["state"] == "skipped":
                assert "not implemented for 'Half'" in test["reason"]  # by torch before 2.1 on a processor
                continue
            assert (test["state"], test["errors"], test["reason"]) == ("ok", 0, "")
            assert test["iterations"] > 1 and test["value"] >= 0
        tests = ran.tests(number)
        assert [tests[name]["unit"] for name in TESTS if name != "matmul-fp16"] == [
            *["GB/s"] * 3,
            *("TFLOPS", "TFLOPS", "s", "TFLOPS"),
        ]
        assert 0 < tests["matmul-fp32"]["max_abs_error"] < 1e-4 < tests["matmul-bf16"]["max_abs_error"] < 0.1
        assert tests["memory-pattern"]["iterations"] >= 8 and tests["memory-pattern"]["bytes"] == 1 << 20
    assert {(peer["from"], peer["to"]) for peer in report["peers"]} == {
        ("CPU-0", "CPU-1"),
        ("CPU-1", "CPU-0"),
    }
    nccl = report["nccl"]
    assert (nccl["state"], nccl["gpus"], nccl["errors"]) == ("ok", 2, 0) and nccl["bus_gbps"] > 0
    assert report["dcgm"]["state"] == "missing"
    assert {"matmul-fp32", "memory-pattern", "load"} <= {line["test"] for line in ran.progress}
    assert all(line["done"] <= line["of"] and line["seconds_left"] >= 0 for line in ran.progress)


def test_a_gpu_that_computes_or_keeps_wrongly_is_told_and_counted(archive: Path) -> None:
    ran = burn(archive, fault="wrong:float32,flips:bfloat16,misreads")
    tests = ran.tests()
    for name, words in (
        ("matmul-fp32", "1 elements are not what the processor computes, the first in row 2, column 3: "),
        ("matmul-bf16", "1 elements changed between iterations"),
        ("memory-pattern", "1 words differ in checkerboard, first at offset 0x88, bits 0x0000010000000000"),
    ):
        assert (tests[name]["state"], tests[name]["errors"]) == ("error", 1)
        assert tests[name]["reason"].startswith(words)
    assert 0.9 < tests["matmul-fp32"]["max_abs_error"] < 1.1
    assert tests["load"]["state"] == "ok", "the others are done all the same"
    assert ran.report["state"] == "ok", "it ran to its end; the counts decide"
    assert ran.report["exit_errors"] == 3


def test_what_is_no_number_is_an_error_and_a_test_that_breaks_is_one(archive: Path) -> None:
    ran = burn(archive, fault="nan:bfloat16,raises:float32")
    tests = ran.tests()
    assert ": nan, not " in tests["matmul-bf16"]["reason"] and tests["matmul-bf16"]["max_abs_error"] is None
    assert (tests["load"]["state"], tests["load"]["reason"]) == ("error", "1 elements are no numbers")
    reason = "RuntimeError: CUDA error: an illegal memory access was encountered"
    assert (tests["matmul-fp32"]["state"], tests["matmul-fp32"]["reason"]) == ("error", reason)
    assert ran.report["exit_errors"] == 3


def test_a_gpu_that_hangs_is_silent_and_holds_nobody_up(archive: Path) -> None:
    began = time.monotonic()
    ran = burn(archive, *TINY, "--gpus", "2", fault="hangs,first")
    assert time.monotonic() - began < 60
    first, second = ran.tests(0), ran.states(1)
    assert first["matmul-fp32"]["state"] == "error"
    assert first["matmul-fp32"]["reason"].startswith("silent: ")
    assert [first[name]["state"] for name in COPIES] == ["ok"] * 3
    assert [first[name]["state"] for name in ("matmul-bf16", "memory-pattern", "load")] == ["skipped"] * 3
    assert "silent" in first["load"]["reason"]
    assert second["load"] == "ok" and second["memory-pattern"] == "ok"
    assert ran.report["nccl"]["state"] == "error", "a smaller ring would prove less than was asked"
    assert ran.report["exit_errors"] == 2


@pytest.mark.parametrize("fault", ["killed", "cut"])
def test_a_worker_that_is_killed_is_told_and_half_a_line_of_it_is_nothing(archive: Path, fault: str) -> None:
    ran = burn(archive, fault=fault)
    test = ran.tests()["matmul-fp32"]
    assert (test["state"], test["errors"]) == ("error", 1)
    assert test["reason"].startswith("its process was killed by SIGKILL")  # and torch's last words
    assert ran.states()["load"] == "skipped" and ran.report["exit_errors"] == 1


def test_lines_that_are_no_messages_are_passed_over(archive: Path) -> None:
    ran = burn(archive, fault="noise")
    assert ran.report["exit_errors"] == 0 and ran.states()["load"] == "ok"


def test_counted_errors_are_errors_whatever_state_and_exit_code_say(archive: Path) -> None:
    ran = burn(archive, fault="lies")
    for test in ran.tests().values():
        assert (test["state"], test["errors"], test["reason"]) == ("error", 3, "3 errors")
    assert ran.report["exit_errors"] == 3 * len(TESTS)


def test_a_sum_over_all_gpus_that_is_wrong_is_counted_by_every_rank(archive: Path) -> None:
    ran = burn(archive, *TINY, "--gpus", "2", fault="ring")
    nccl = ran.report["nccl"]
    assert nccl["state"] == "error"
    assert nccl["errors"] == ran.report["exit_errors"] == 2 * 5  # two ranks, two warm rounds and three
    assert nccl["reason"] == "10 elements of the sum are wrong"


def test_a_host_without_torch_is_told_with_what_was_tried(archive: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.write_text('#!/bin/sh\nexec /usr/bin/python3 -I -S "$@"\n')
    bare.chmod(0o755)
    argv = ["/usr/bin/python3", archive, *TINY, "--python", bare, "--python", tmp_path / "none"]
    report = Ran(run.run(argv).stdout).report
    assert report["state"] == "no torch"
    assert report["reason"] == f"{bare} has none; {tmp_path / 'none'} is not there"
    assert {test["state"] for gpu in report["gpus"] for test in gpu["tests"]} == {"skipped"}


def test_a_torch_that_cannot_be_imported_is_an_error_of_every_gpu(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text(
        "raise ImportError('libcudart.so.13: cannot open shared object file')\n"
    )
    report = burn(archive, *TINY, env={"PYTHONPATH": str(tmp_path)}).report
    assert (report["state"], report["exit_errors"]) == ("ok", 3)  # two GPUs, and the ring that lacks them
    for gpu in report["gpus"]:
        assert "code 1 without a result: ImportError: libcudart.so.13" in gpu["tests"][0]["reason"]


def test_a_word_is_found_in_any_slice_of_any_piece() -> None:
    program = Path(__file__).with_name("programs") / "small_slices.py"
    said = json.loads(run.text([PYTHON, program, SOURCES.parent]))
    assert said["sizes"] == [2500, 2500, 1250]
    assert {tuple(result) for result in said["healthy"]} == {(0, "")} and len(said["healthy"]) == 68
    # the fourth slice is the second of the second piece
    offset = (2500 + 1000 + 3) * 8
    words = f"1 words differ in checkerboard, first at offset {offset:#x}, bits 0x0000000000000001"
    assert said["faulty"] == [1, words]
    assert (said["whole"]["state"], said["whole"]["iterations"], said["whole"]["bytes"]) == ("ok", 8, 50_000)


# --- NVML ----------------------------------------------------------------------------------------------


def watched(archive: Path, tmp_path: Path, *gpus: dict[str, Any], fault: str = "cuda", init: int = 0) -> Ran:
    """As on a host with GPUs: the list and the watch come from NVML's stand-in, the work from processors."""
    (tmp_path / "nvml.json").write_text(json.dumps({"init": init, "gpus": gpus}))
    words = ("--size", "tiny", "--device", "cuda")
    return burn(archive, *words, fault=fault, env={"FAKE_NVML": str(tmp_path / "nvml.json")})


def test_a_watch_has_the_extremes_and_what_grew(archive: Path, tmp_path: Path) -> None:
    samples = [
        {"ecc": 2, "replays": 7},
        {"temperature": 71, "throttle": 4, "width": 8},
        {"power": 650000, "throttle": 0x20, "ecc": 2, "replays": 9},
        {"ecc": 3, "replays": 9, "throttle": {"error": 3}},
    ]
    ran = watched(archive, tmp_path, {**GPU, "samples": samples})
    assert ran.report["state"] == "ok" and ran.report["exit_errors"] == 0
    (gpu,) = ran.report["gpus"]
    assert (gpu["uuid"], gpu["bus"], gpu["name"]) == ("GPU-0", "0000:18:00.0", GPU["name"])
    watch = gpu["watch"]
    assert watch["samples"] >= 4
    assert (watch["temperature_max"], watch["power_max"], watch["throttle"]) == (71, 650.0, 0x24)
    assert (watch["ecc_uncorrected"], watch["replays"], watch["pcie_width_min"]) == (1, 2, 8)
    nccl = {"state": "skipped", "reason": "there is one GPU", "gpus": 1, "errors": 0, "bus_gbps": None}
    assert ran.report["nccl"] == nccl


def test_what_a_gpu_does_not_tell_is_nothing_and_no_zero(archive: Path, tmp_path: Path) -> None:
    names = ("temperature", "power", "throttle", "ecc", "replays", "gen", "width")
    mute = {name: {"error": 3} for name in names}
    ran = watched(archive, tmp_path, {**GPU, "threshold": None, "samples": [mute]})
    assert ran.report["state"] == "ok"
    watch = ran.report["gpus"][0]["watch"]
    assert watch.pop("samples") == 0
    assert set(watch.values()) == {None}


ERROR = {"error": 999}
STOPS = {
    "lost": ({"ecc": {"error": 15}}, "GPU 0000:18:00.0 is lost (GPU is lost)"),
    "hot": ({"temperature": 88}, "GPU 0000:18:00.0 has 88 °C, it slows itself down at 87 °C"),
    "away": (
        dict.fromkeys(("temperature", "power", "throttle", "ecc", "replays", "gen", "width"), ERROR),
        "GPU 0000:18:00.0 no longer answers NVML (Unknown Error)",
    ),
    "mute": ({"power": "hangs"}, "NVML no longer answers for GPU 0000:18:00.0: silent"),
}


@pytest.mark.parametrize(("sample", "reason"), STOPS.values(), ids=list(STOPS))
def test_one_gpu_that_is_lost_or_too_hot_stops_them_all(
    archive: Path, tmp_path: Path, sample: dict[str, Any], reason: str
) -> None:
    began = time.monotonic()
    gpus = ({**GPU, "samples": [{}] * 4 + [sample]}, OTHER)
    (tmp_path / "nvml.json").write_text(json.dumps({"init": 0, "gpus": gpus}))
    words = ("--size", "tiny", "--level", "soak", "--seconds", "600")
    ran = burn(archive, *words, fault="cuda", env={"FAKE_NVML": str(tmp_path / "nvml.json")})
    assert time.monotonic() - began < 60
    assert ran.report["state"] == "error" and ran.report["reason"].startswith(reason)
    assert ran.report["exit_errors"] >= 1
    assert ran.states(1)["load"] == "skipped" and reason in ran.tests(1)["load"]["reason"]


def test_a_host_without_a_driver_or_without_gpus_has_no_gpu(archive: Path, tmp_path: Path) -> None:
    report = watched(archive, tmp_path, init=12).report
    assert (report["state"], report["reason"]) == ("no gpu", "NVML: NVML Shared Library Not Found")
    report = watched(archive, tmp_path).report
    assert (report["state"], report["reason"], report["gpus"]) == ("no gpu", "NVML shows no GPU", [])


def test_a_gpu_that_nvml_shows_and_torch_does_not_see_is_an_error(archive: Path, tmp_path: Path) -> None:
    if importlib.util.find_spec("torch"):  # pragma: no cover
        pytest.fail("this test wants a torch without GPUs")
    ran = watched(archive, tmp_path, GPU, fault="")
    assert ran.tests()["h2d"]["state"] == "error"
    assert "sees 0 of 1 GPUs" in ran.tests()["h2d"]["reason"]
    assert ran.report["exit_errors"] == 1


def test_the_stand_in_has_the_names_of_nvidia_s_own_module() -> None:
    assert str(PARTS) not in sys.path
    genuine = importlib.import_module("pynvml")
    asked = {
        node.attr
        for node in ast.walk(ast.parse((SOURCES / "nvml.py").read_text()))
        if isinstance(node, ast.Attribute) and node.attr.lower().startswith("nvml")
    }
    stand_in = (PARTS / "pynvml.py").read_text()
    assert len(asked) >= 14
    for name in asked | {"nvmlDeviceGetCurrentClocksEventReasons"}:
        assert hasattr(genuine, name) and f"def {name}(" in stand_in, name
    assert genuine.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN == 1
    assert (genuine.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, genuine.NVML_VOLATILE_ECC) == (1, 0)
    assert genuine.NVML_ERROR_GPU_IS_LOST == 15
    assert genuine.nvmlClocksEventReasonHwThermalSlowdown == 0x40


# --- its end -------------------------------------------------------------------------------------------


def descendants(number: int) -> set[int]:
    found: set[int] = set()
    for path in Path(f"/proc/{number}/task").glob("*/children"):
        found |= {int(word) for word in path.read_text().split()}
    return found.union(*(descendants(one) for one in found))


def renew(number: int, enough: threading.Event) -> None:
    """A sign of life twice a second, as the service gives it."""
    while not enough.wait(0.5):
        os.write(number, b"\n")


@pytest.mark.parametrize("end", ["signal", "hang up", "silence", "kill"])
def test_however_it_ends_no_process_of_it_is_left(archive: Path, end: str) -> None:
    words = [*TINY, "--gpus", "2", "--level", "soak", "--seconds", "600", "--lease", "3"]
    argv = ["/usr/bin/python3", archive, "--python", PYTHON, *words]
    process = run.start(argv, stdin=run.PIPE, stdout=run.PIPE)
    assert process.stdin and process.stdout
    enough = threading.Event()
    lease = threading.Thread(target=renew, args=(process.stdin.fileno(), enough))
    lease.start()
    try:
        line = b""
        while b'"memory-pattern"' not in line and b'"matmul-fp32"' not in line:
            line = process.stdout.readline()
            assert line
        enough.set()
        lease.join()
        family = {number: os.pidfd_open(number) for number in descendants(process.pid)}
        assert len(family) == 2
        if end == "signal":
            process.terminate()
        elif end == "kill":
            os.kill(process.pid, signal.SIGKILL)
        elif end == "hang up":
            process.stdin.close()
        last = process.stdout.read().splitlines()[-1:]
        process.wait(20)
        for number, descriptor in family.items():
            assert wait_for(descriptor), f"{number} lives on"
    finally:
        enough.set()
        run.stop(process)
    if end != "kill":
        report = json.loads(last[0])
        said = {"signal": "SIGTERM came", "hang up": "the caller hung up", "silence": "the caller was silent"}
        assert report["state"] == "cancelled" and report["reason"].startswith(said[end])


def wait_for(descriptor: int) -> bool:
    ended = bool(select.select([descriptor], [], [], 10)[0])
    os.close(descriptor)
    return ended


# --- DCGM ----------------------------------------------------------------------------------------------


def with_dcgmi(folder: Path, text: str) -> dict[str, str]:
    (folder / "bin").mkdir()
    (folder / "bin/dcgmi").write_text(text)
    (folder / "bin/dcgmi").chmod(0o755)
    return {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}


def test_dcgm_runs_at_its_level_and_what_it_skips_is_skipped(archive: Path, tmp_path: Path) -> None:
    document = {
        "DCGM Diagnostic": {
            "test_categories": [
                {"category": "Deployment", "tests": [{"name": "software", "results": [{"status": "Pass"}]}]},
                {
                    "category": "Hardware",
                    "tests": [
                        {
                            "name": "memory",
                            "results": [{"status": "Pass"}, {"status": "Skip"}],
                            "test_summary": {"status": "Pass"},
                        }
                    ],
                },
            ]
        },
        "metadata": {"version": "4.2.3"},
    }
    (tmp_path / "said").write_text("WARNING: first words\n" + json.dumps(document))
    env = with_dcgmi(tmp_path, f'#!/bin/sh\necho "$@" > {tmp_path}/asked\ncat {tmp_path}/said\nexit 226\n')
    dcgm = burn(archive, env=env).report["dcgm"]
    assert (tmp_path / "asked").read_text() == "diag -r 1 -j\n"
    assert (dcgm["state"], dcgm["version"], dcgm["level"]) == ("ok", "4.2.3", 1)
    assert dcgm["tests"] == [
        {"name": "software", "status": "pass", "warnings": []},
        {"name": "memory", "status": "skipped", "warnings": []},
    ]
    assert dcgm["raw"] == (tmp_path / "said").read_text()


def test_a_dcgm_that_hangs_is_told_to_stop_and_is_an_error(archive: Path, tmp_path: Path) -> None:
    """It is asked to end, for only then does it tell its daemon."""
    script = f"#!/bin/sh\ntrap 'echo told > {tmp_path}/told; exit 1' TERM\nsleep 600 & wait\n"
    dcgm = burn(archive, env=with_dcgmi(tmp_path, script)).report["dcgm"]
    assert (dcgm["state"], dcgm["reason"]) == ("error", "it did not end within 5 s")
    assert (tmp_path / "told").read_text() == "told\n"


# --- make accept-gpu -----------------------------------------------------------------------------------


def test_what_is_tried_on_a_machine_with_a_gpu_is_kept_and_judged(tmp_path: Path) -> None:
    """Its own code, on a processor; that a real GPU passes it is not proven here."""
    argv = [sys.executable, "-m", "tests.rehearsal.accept_gpu", "--out", tmp_path, "--"]
    argv += [*TINY, "--gpus", "1", "--python", PYTHON]
    env = {"PYTHONPATH": str(PARTS), "FAULT": "wrong:float32"}
    done = run.run(argv, env=env, check=False, timeout=100)
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 1 and [line for line in lines if "WRONG" in line] == [
        "WRONG: 1 errors were counted"
    ]
    assert any(line.split()[:2] == ["load", "ok"] for line in lines)
    report, listed = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("burnin", "gpus"))
    assert report["exit_errors"] == 1 and "state" in listed
    assert json.loads((tmp_path / "progress.json").read_text())
    assert list(accept_gpu.faults(listed, {**report, "exit_errors": 0})) == []
    (fault,) = accept_gpu.faults(
        {"gpus": [{"uuid": "GPU-1"}]}, {**report, "exit_errors": 0, "device": "cuda"}
    )
    assert fault == "the collector lists ['GPU-1'], the burn-in ['CPU-0']"
