"""The GPU script as the target runs it: the genuine nvidia-ml-py over a library of ours, a bus of files."""

import ast
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provisioner import run
from provisioner.verify import Expected, GpuKind, TaskResult
from provisioner.verify.evidence import Container, GpuReport, NvLink, NvmlGpu, PcieReport, read_gpus
from provisioner.verify.judge import judge, tasks
from tests.healthy_gpus import PLACES, evidence
from tests.healthy_gpus import way as way_of
from tests.wire import nvmllab

SCRIPT = nvmllab.ROOT / "ansible/files/gpus.py"
CASES = sorted(path.stem for path in nvmllab.CASES.glob("*.json"))
H100 = GpuKind("10de:2330", 8, "H100 SXM", 80 << 30, 16, ecc=True)
WAYS = tuple(hop.model_copy(update={"slot": ""}) for number in range(8) for hop in way_of(number))
WANTED = Expected("vault-os", "1", "", 0, (), (), "580", (H100,))
GENUINE = Path(str(nvmllab.MODULE and nvmllab.MODULE.origin))


def shown(case: dict[str, Any], folder: Path, nvml: Path, *modules: Path) -> GpuReport:
    """What the script says of a case; `modules` are on Python's path in place of nvidia-ml-py."""
    folder.mkdir(exist_ok=True)
    (folder / "scenario").write_text(nvmllab.scenario(case))
    missing = case["nvmlInit"] == {"error": 12}
    seconds = "2" if "hangs" in (folder / "scenario").read_text() else "60"
    done = run.run(
        ["/usr/bin/python3", "-", nvmllab.furnish(case, folder / "sys"), seconds],
        stdin=SCRIPT.read_bytes(),
        env={
            "PYTHONPATH": ":".join(map(str, modules or (nvml,))),
            "LD_LIBRARY_PATH": str(folder if missing else nvml),
            "NVML_SCENARIO": str(folder / "scenario"),
        },
    )
    said = read_gpus(done.stdout.decode())
    assert said is not None, done.stdout
    return said


def seen(said: GpuReport, ways: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """What stands at each way into the report's GPUs, as JSON has it; the last word of a way is left out."""
    found = []
    for *way, _ in ways:
        place: Any = said.model_dump(mode="json")["gpus"]
        for step in way:
            place = place[step]
        found.append([*way, place])
    return found


def told(said: GpuReport, expected: Expected = WANTED) -> list[TaskResult]:
    """What is said of the GPUs of a host of which all else is as it must be."""
    uuids = tuple(gpu.uuid for gpu in said.gpus if gpu.uuid)
    shown = Container(state="ok", before=uuids, after=uuids)
    results = judge(evidence(said, pcie=PcieReport(gpus=PLACES, functions=WAYS), container=shown), expected)
    return [task for task in tasks(results) if task.name != "image"]


def deviations(said: GpuReport, expected: Expected = WANTED) -> list[str]:
    return [result.sentence for result in told(said, expected) if result.result == "deviation"]


@pytest.mark.parametrize("name", CASES)
def test_each_fault_of_a_gpu_is_shown_and_has_its_sentences(name: str, nvml: Path, tmp_path: Path) -> None:
    case = nvmllab.load(name)
    said = shown(case, tmp_path, nvml)
    assert deviations(said) == case["expect"]
    assert seen(said, case.get("shows", [])) == case.get("shows", [])


def test_healthy_gpus_pass_every_check_and_are_reported_whole(nvml: Path, tmp_path: Path) -> None:
    said = shown(nvmllab.load("healthy"), tmp_path, nvml)
    results = told(said)
    assert results[:2] == [
        TaskResult("gpu driver", "ok", "NVIDIA driver 580.95.05, the profile wants branch 580"),
        TaskResult("gpu count", "ok", "NVML shows 8 10de:2330 (H100 SXM)"),
    ]
    assert [result.name for result in results[2:]] == [
        *("gpu bus", "gpu values", "gpu uuid", "gpu memory", "gpu link", "gpu ecc"),
        *("gpu serial", "gpu ecc errors", "gpu ecc history", "gpu row remap", "gpu throttle"),
        *("gpu temperature at rest", "pcie path"),
        *("pcie errors", "pcie errors that are not fatal", "kernel log", "xid", "xid of a program", "sxid"),
        *("sxid that is not fatal", "container", "container reload"),
    ]
    assert {result.result for result in results} == {"ok"}
    assert said.gpus[0] == NvmlGpu(
        index=0,
        bus="0000:18:00.0",
        id="10de:2330",
        uuid="GPU-5ac1e001-7b1e-4d0a-9c55-0f3de2a1b418",
        serial="1652323010400",
        name="NVIDIA H100 80GB HBM3",
        vbios="96.00.89.00.01",
        memory=85520809984,
        width=16,
        width_max=16,
        generation=5,
        generation_max=5,
        ecc=True,
        ecc_pending=True,
        persistence=True,
        mig=False,
        ecc_volatile_corrected=0,
        ecc_volatile_uncorrected=0,
        ecc_aggregate_corrected=0,
        ecc_aggregate_uncorrected=0,
        remapped_corrected=0,
        remapped_uncorrected=0,
        remap_pending=False,
        remap_failed=False,
        power_limit=700,
        power_limit_default=700,
        power=69.48,
        temperature=32,
        temperature_slowdown=89,
        throttle=1,
        replays=0,
        nvlinks=tuple(
            NvLink(number=number, active=True, version=6, remote=f"0000:{bus}:00.0", errors=0)
            for number, bus in enumerate(["04"] * 5 + ["05"] * 4 + ["06"] * 4 + ["07"] * 5)
        ),
        errors=dict.fromkeys(("retired_pages", "retired_pending"), "Not Supported"),
    )
    assert said.cuda == "13.0"
    assert [one.bus for one in said.graphics] == [gpu.bus for gpu in said.gpus], "no switch, no BMC's screen"


def test_what_a_gpu_does_not_support_is_a_value_with_a_reason(nvml: Path, tmp_path: Path) -> None:
    said = shown(nvmllab.load("less-told"), tmp_path, nvml)
    assert said.gpus[0].serial is None and said.gpus[0].persistence is None
    always = ("retired_pages", "retired_pending")  # Hopper remaps rows instead
    assert said.gpus[0].errors == dict.fromkeys(("serial", "persistence", "vbios", *always), "Not Supported")
    assert set(said.gpus[1].errors) == set(always)


def test_ecc_that_differs_within_a_host_is_told_where_the_profile_names_no_mode(
    nvml: Path, tmp_path: Path
) -> None:
    free = replace(WANTED, gpus=(replace(H100, ecc=None),))
    assert deviations(shown(nvmllab.load("ecc-off"), tmp_path, nvml), free) == [
        "ECC is off on GPU 0000:18:00.0, GPU 0000:2a:00.0 and on on the others"
    ]


def test_what_could_not_be_read_of_every_gpu_is_not_said_to_be_good(nvml: Path, tmp_path: Path) -> None:
    said = shown(nvmllab.load("lost-values"), tmp_path, nvml)
    results = {result.name: result.result for result in told(said)}
    assert results == {"gpu driver": "ok", "gpu count": "ok", "gpu bus": "ok", "gpu values": "deviation"}
    said = shown(nvmllab.load("lost"), tmp_path / "lost", nvml)
    assert "gpu count" not in [result.name for result in told(said)], "NVML shows seven"


def test_what_the_profile_leaves_out_is_not_judged(nvml: Path, tmp_path: Path) -> None:
    free = replace(WANTED, gpus=(GpuKind("10de:2330", 8),))
    for name in ("memory", "narrow"):
        assert deviations(shown(nvmllab.load(f"{name}"), tmp_path / name, nvml), free) == []


@pytest.mark.parametrize(
    ("mebibytes", "gibibytes", "is_whole"),
    [(15109, 16, True), (22731, 24, True), (45634, 48, True), (81559, 80, True), (14900, 16, False)],
    ids=["T4 by 450", "A10 by 470", "A6000 by 470 with ECC", "H100", "too little"],
)
def test_memory_that_driver_and_ecc_keep_is_not_missing(
    mebibytes: int, gibibytes: int, is_whole: bool, nvml: Path, tmp_path: Path
) -> None:
    said = shown(nvmllab.load("healthy"), tmp_path, nvml)
    said = said.model_copy(
        update={"gpus": tuple(gpu.model_copy(update={"memory": mebibytes << 20}) for gpu in said.gpus)}
    )
    wanted = replace(WANTED, gpus=(replace(H100, memory_min=gibibytes << 30),))
    assert (deviations(said, wanted) == []) is is_whole


def test_an_image_without_nvidia_ml_py_is_told(nvml: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    said = shown(nvmllab.load("healthy"), tmp_path, nvml, tmp_path / "empty")
    assert deviations(said) == [
        "the image has no nvidia-ml-py (Python module pynvml), so NVML cannot be asked"
    ]


FOREIGN = {
    "another maker's": ("pynvml.py", "def version(): return 1\n", "has no NVMLError"),
    "for Python 2": ("pynvml.py", "print 'NVML'\n", "cannot be imported (SyntaxError)"),
    "without its library": (
        "pynvml.py",
        "import nowhere_to_be_found\n",
        "cannot be imported (ModuleNotFound",
    ),
    "that ends whoever asks": ("pynvml.py", "raise SystemExit(3)\n", "cannot be imported (SystemExit)"),
    "a package": ("pynvml/__init__.py", "from . import nvml\n", "cannot be imported (ImportError)"),
}


@pytest.fixture(params=FOREIGN.values(), ids=list(FOREIGN))
def foreign(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """A folder with a module that is called pynvml and is not NVIDIA's; what is said of it."""
    name, text, fault = request.param
    file = tmp_path / "foreign" / name
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return tmp_path / "foreign", f"{file} {fault}"


def test_another_module_called_pynvml_is_told_and_not_asked(
    foreign: tuple[Path, str], nvml: Path, tmp_path: Path
) -> None:
    folder, fault = foreign
    (sentence,) = deviations(shown(nvmllab.load("healthy"), tmp_path, nvml, folder))
    said = "the image has no nvidia-ml-py, so NVML cannot be asked; another Python module is called pynvml: "
    assert sentence.startswith(said + fault)


def test_another_module_called_pynvml_does_not_hide_ours(
    foreign: tuple[Path, str], nvml: Path, tmp_path: Path
) -> None:
    said = shown(nvmllab.load("healthy"), tmp_path, nvml, foreign[0], nvmllab.module(tmp_path / "ours"))
    assert deviations(said) == [] and len(said.gpus) == 8


def test_an_older_module_that_answers_in_bytes_is_understood(nvml: Path, tmp_path: Path) -> None:
    text = GENUINE.read_text().replace("@convertStrBytes\n", "")  # as nvidia-ml-py before 12
    older = nvmllab.module(tmp_path / "older", text)
    said = shown(nvmllab.load("healthy"), tmp_path, nvml, older)
    assert deviations(said) == [] and said.gpus[0].name == "NVIDIA H100 80GB HBM3"


NEW = (
    *("nvmlDeviceGetRemappedRows", "nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetTemperatureV"),
    *("nvmlDeviceGetMigMode", "nvmlDeviceGetFieldValues", "nvmlDeviceGetNvLinkErrorCounter"),
)


def test_an_older_module_that_lacks_names_is_asked_for_the_rest(nvml: Path, tmp_path: Path) -> None:
    text = GENUINE.read_text() + "".join(f"del {name}\n" for name in NEW)
    said = shown(nvmllab.load("healthy"), tmp_path, nvml, nvmllab.module(tmp_path / "older", text))
    assert deviations(said) == [] and said.state == "ok"
    expect_the_rest(said, "has no attribute 'nvmlDeviceGet")


def test_an_older_library_that_lacks_functions_is_asked_for_the_rest(tmp_path: Path) -> None:
    library = nvmllab.library(tmp_path / "library", *NEW)
    said = shown(nvmllab.load("healthy"), tmp_path, library)
    assert deviations(said) == [] and said.state == "ok"
    expect_the_rest(said, "Function Not Found")


def expect_the_rest(said: GpuReport, reason: str) -> None:
    """What has an older name is told by it, what has none is named with its reason."""
    gpu = said.gpus[0]
    assert (gpu.temperature, gpu.throttle, gpu.power_limit, gpu.ecc_volatile_uncorrected) == (32, 1, 700, 0)
    assert (gpu.mig, gpu.remap_pending) == (None, None)
    assert gpu.nvlinks and {(link.active, link.errors) for link in gpu.nvlinks} == {(True, None)}
    for name in ("mig", "remap_pending", "nvlink errors"):
        assert reason in gpu.errors[name]


def test_a_gpu_without_nvlinks_says_so_itself(nvml: Path, tmp_path: Path) -> None:
    gpu = shown(nvmllab.load("no-nvlink"), tmp_path, nvml).gpus[2]
    assert (gpu.nvlinks, gpu.why("nvlinks")) == (None, "Not Supported")
    older = nvmllab.library(tmp_path / "library", "nvmlDeviceGetNvLinkState")
    gpu = shown(nvmllab.load("healthy"), tmp_path / "older", older).gpus[2]
    assert (gpu.nvlinks, gpu.why("nvlinks")) == (None, "Function Not Found")


def test_links_whose_counters_are_in_fields_alone_are_counted_there(tmp_path: Path) -> None:
    newer = nvmllab.library(tmp_path / "library", "nvmlDeviceGetNvLinkErrorCounter")
    gpu = shown(nvmllab.load("nvlink-5"), tmp_path, newer).gpus[0]
    assert gpu.nvlinks and [link.errors for link in gpu.nvlinks] == [*[0] * 17, 6]


def test_what_counts_is_read_anew_each_time(nvml: Path, tmp_path: Path) -> None:
    case = nvmllab.load("replays")
    later = nvmllab.changed(case, case["later"])
    for name, one, wanted in (("before", case, "shows"), ("after", later, "later_shows")):
        assert seen(shown(one, tmp_path / name, nvml), case[wanted]) == case[wanted]


def test_a_gpu_that_is_lost_in_between_is_not_said_to_be_well(nvml: Path, tmp_path: Path) -> None:
    gpu = shown(nvmllab.load("lost-in-between"), tmp_path, nvml).gpus[4]
    unread = {name for name, reason in gpu.errors.items() if reason == "GPU is lost"}
    kept = {name for name, value in gpu.model_dump().items() if value is not None}
    assert unread > {"persistence", "ecc_volatile_uncorrected", "remap_failed", "throttle", "nvlinks"}
    assert not unread & kept


def test_a_hanging_driver_does_not_hold_the_connection(nvml: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    shown(nvmllab.load("hangs"), tmp_path, nvml)
    assert time.monotonic() - began < 20


def test_nvidia_s_own_module_without_a_driver_is_told(tmp_path: Path) -> None:
    if Path("/proc/driver/nvidia/version").exists():
        pytest.skip("this machine has a driver")
    bare = nvmllab.module(tmp_path / "bare")
    said = shown({**nvmllab.load("healthy"), "module": ""}, tmp_path, bare)
    assert deviations(said) == [
        "NVML's library (libnvidia-ml.so.1) is missing, the NVIDIA kernel module is not loaded either"
    ]


def functions(path: Path) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


def symbols(name: str, known: dict[str, ast.FunctionDef]) -> set[str]:
    """The functions of the library that a function of nvidia-ml-py looks up, itself or by others there."""
    found = set()
    for node in ast.walk(known[name]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == "_nvmlGetFunctionPointer" and isinstance(node.args[0], ast.Constant):
                found.add(str(node.args[0].value))
            elif node.func.id in known and node.func.id.startswith("nvml"):
                found |= symbols(node.func.id, known)
    return found


def test_the_library_has_every_function_that_the_script_leads_to(nvml: Path) -> None:
    asked = set(re.findall(r"\bnvml(?:Init|System|Device)\w+", SCRIPT.read_text()))
    known = functions(GENUINE)
    assert len(asked) > 30 and asked <= set(known), asked - set(known)
    wanted = {symbol for name in asked for symbol in symbols(name, known)}
    exported = set(run.text(["nm", "-D", "--defined-only", "-j", nvml / "libnvidia-ml.so.1"]).split())
    # nvidia-ml-py 13 asks for memory and temperature by these, and has newer ones that are not called
    assert wanted - exported <= {"nvmlDeviceGetMemoryInfo_v2"}


def test_without_a_scenario_the_library_says_that_there_is_no_driver(nvml: Path, tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(nvmllab.module(tmp_path)), "LD_LIBRARY_PATH": str(nvml)}
    said = run.run(["/usr/bin/python3", "-", tmp_path], stdin=SCRIPT.read_bytes(), env=environment)
    report = read_gpus(said.stdout.decode())
    assert report and (report.state, report.reason) == ("not loaded", "Driver Not Loaded")
