"""The burn-in's parts that need neither torch nor a GPU: its archive, its levels, its watch, DCGM's JSON."""

import hashlib
import importlib
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from provisioner.domain.acceptance import Level
from provisioner.verify import burnin, burnin_archive

FILES = Path(__file__).parents[3] / "ansible/files"


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Imports a module of the program, as it does itself."""
    monkeypatch.syspath_prepend(str(FILES))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # the folder is shipped as it lies there
    yield lambda name: importlib.import_module(f"burnin.{name}")
    for name in [name for name in sys.modules if name.partition(".")[0] == "burnin"]:
        del sys.modules[name]


def test_the_archive_is_the_same_bytes_each_time_and_has_every_module() -> None:
    one, two = burnin_archive.build(), burnin_archive.build()
    assert hashlib.sha256(one).digest() == hashlib.sha256(two).digest()
    with zipfile.ZipFile(BytesIO(one)) as archive:
        names = archive.namelist()
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert names == sorted(["__main__.py", *(f"burnin/{path.name}" for path in FILES.glob("burnin/*.py"))])


def test_modules_of_the_program_are_small_and_need_nothing_but_python_and_torch() -> None:
    for path in FILES.glob("burnin/*.py"):
        text = path.read_text()
        assert len(text.splitlines()) <= 350, path.name
        named = re.findall(r"^ *(?:from|import) (\w+)", text, flags=re.MULTILINE)
        assert set(named) <= {*sys.stdlib_module_names, "burnin", "torch"}, path.name


def test_nvidia_ml_py_is_looked_for_where_the_collector_looks(part: Any) -> None:
    assert f'PRIVATE = "{part("nvml").PRIVATE}"' in (FILES / "gpus.py").read_text()


def test_torch_is_looked_for_where_the_image_has_it(part: Any) -> None:
    defaults = (FILES.parent / "roles/ml_frameworks/defaults/main.yml").read_text()
    (path,) = re.findall(r"^ml_frameworks_path: (\S+)$", defaults, flags=re.MULTILINE)
    for python in part("burn").PYTHONS[:-1]:
        name = python.removeprefix(f"{path}/").removesuffix("/bin/python")
        assert f"{{name: {name}, " in defaults, python


def test_levels_are_those_of_the_report_and_end_before_their_limits(part: Any) -> None:
    levels = part("levels")
    assert set(levels.LEVELS) == {level.value for level in Level} == {level.value for level in burnin.LIMITS}
    for name, most in (("quick", 60), ("standard", 6 * 60), ("full", 45 * 60)):
        assert levels.LEVELS[name].usual(8) <= most, name
        assert levels.LEVELS[name].usual(8) < burnin.LIMITS[Level(name)]
        assert levels.LEVELS[name].dcgm_seconds < burnin.LIMITS[Level(name)]


def test_a_soak_lasts_as_long_as_was_asked_for(part: Any) -> None:
    levels = part("levels")
    level = levels.chosen("soak", 7200, "full")
    assert sum(level.seconds(test) for test in levels.TOGETHER) == pytest.approx(7200)


def test_a_generation_counts_only_under_load(part: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module = part("watch")
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    watch = module.Watch("0000:18:00.0")

    def look(generation: int, after: float, *, works: bool) -> None:
        now[0] += after
        if works:
            watch.work()
        watch.take({"sample": {"generation": generation, "width": 16}})

    look(1, 0, works=False)
    look(1, 0, works=True)  # the link is on its way up
    assert watch.as_data()["pcie_generation_min_under_load"] is None
    look(5, module.RAMP + 0.1, works=True)
    look(4, 0.5, works=True)
    look(5, 0.5, works=True)
    look(1, module.FRESH + 0.1, works=False)  # it idles again
    assert watch.as_data()["pcie_generation_min_under_load"] == 4


def test_without_a_threshold_the_hardware_s_own_slowdown_stops_the_run(part: Any) -> None:
    watch = part("watch").Watch("0000:18:00.0")
    assert watch.take({"threshold": None}) == ""
    assert watch.take({"sample": {"temperature": 95, "throttle": 0x20}}) == ""
    assert "so hot" in watch.take({"sample": {"temperature": 95, "throttle": 0x40}})
    told = part("watch").Watch("0000:18:00.0")
    told.take({"threshold": 90})
    assert told.take({"sample": {"temperature": 60, "throttle": 0x40}}) == "", "the threshold decides"


# --- DCGM ----------------------------------------------------------------------------------------------


def dcgm_3(*results: dict[str, Any]) -> str:
    """As DCGM 3 nests it; `null`s between tests have been seen, too."""
    tests = [{"name": "PCIe", "results": list(results)}, None]
    category = {"category": "Integration", "tests": tests}
    return json.dumps({"DCGM GPU Diagnostic": {"test_categories": [category], "version": "3.3.5"}})


STATUSES = {
    "all pass": (["PASS", "Pass"], "pass"),
    "one skipped": (["Pass", "Skip"], "skipped"),
    "skipped": (["SKIPPED"], "skipped"),
    "a warning": (["Pass", "Warn"], "warn"),
    "one fails": (["Skip", "Fail", "Pass"], "fail"),
    "not run": (["Not Run"], "error"),
    "another word": (["Pass", "Passed with notes"], "error"),
    "none": ([], "error"),
}


@pytest.mark.parametrize(("words", "status"), STATUSES.values(), ids=list(STATUSES))
def test_dcgm_s_words_are_pass_only_where_every_gpu_passed(part: Any, words: list[str], status: str) -> None:
    found = part("dcgm").read(dcgm_3(*({"gpu_ids": "0", "status": word} for word in words)), "")
    assert (found["state"], found["version"]) == ("ok", "3.3.5")
    assert found["tests"] == [{"name": "PCIe", "status": status, "warnings": []}]


def test_dcgm_s_warnings_are_kept_in_either_shape(part: Any) -> None:
    old = {"status": "Fail", "warnings": ["Error: bandwidth 3.1 GB/s is below 8"]}
    new = {"status": "Fail", "entity_id": 1, "warnings": [{"error_id": 29, "warning": "Persistence mode"}]}
    (test,) = part("dcgm").read(dcgm_3(old, old, new), "")["tests"]
    assert test["warnings"] == ["Error: bandwidth 3.1 GB/s is below 8", "Persistence mode"]


BROKEN = {
    "nothing": ("", "error", "dcgmi printed nothing"),
    "no json": ("Error: unable to connect to host engine", "error", "unable to connect to host engine"),
    "no tests": ('{"DCGM GPU Diagnostic": {"version": "4.2.3"}}', "error", "4.2.3"),
    "unsupported": ("Error: Unable to run diagnostic on unsupported GPU 0.\n{}", "unsupported", "{}"),
    "fault": ('{"DCGM Diagnostic": {"runtime_error": "nvvs died"}}', "error", "nvvs died"),
    "half": (dcgm_3({"status": "Pass"})[:60], "error", "DCGM GPU"),
}


@pytest.mark.parametrize(("output", "state", "reason"), BROKEN.values(), ids=list(BROKEN))
def test_what_is_no_result_of_dcgm_is_never_ok(part: Any, output: str, state: str, reason: str) -> None:
    found = part("dcgm").read(output, "")
    assert (found["state"], found["tests"], found["raw"]) == (state, [], output)
    assert reason in found["reason"]


def test_what_passed_before_dcgm_was_cut_short_says_nothing_of_the_rest(part: Any) -> None:
    found = part("dcgm").read(dcgm_3({"status": "Pass"}), "it did not end within 60 s")
    assert (found["state"], found["reason"]) == ("error", "it did not end within 60 s")


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("NVIDIA H100 80GB HBM3", 3),
        ("NVIDIA A100-SXM4-80GB", 3),
        ("NVIDIA GeForce RTX 4090", 1),
        ("NVIDIA RTX 6000 Ada Generation", 1),
    ],
)
def test_few_gpus_take_only_dcgm_s_first_level(part: Any, name: str, level: int) -> None:
    got, why = part("dcgm").level_for(["NVIDIA H100 80GB HBM3", name], 3)
    assert got == level and (name in why) is (level == 1)
