"""The GPU script as the target runs it, against a stand-in for NVML and a bus of files; its judgement."""

import ast
import importlib.util
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from provisioner import run
from provisioner.verify import Expected, GpuKind, TaskResult, gpus
from provisioner.verify.evidence import GpuReport, NvmlGpu, read_gpus

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "ansible/files/gpus.py"
STAND_IN = Path(__file__).parents[1] / "nvml"
CASES = sorted((ROOT / "tests/golden/nvml").glob("*.json"))
H100 = GpuKind("10de:2330", 8, "H100 SXM", 80 << 30, 16, ecc=True)
WANTED = Expected("vault-os", "1", "", 0, (), (), "580", (H100,))


def load(path: Path) -> dict[str, Any]:
    """A case; `change` is a list of ways into the case that it is like, each with the new value at its end.

    None takes an entry of a list away (all changes are made before that); one past the end adds an entry.
    """
    case: dict[str, Any] = json.loads(path.read_text())
    if "like" not in case:
        return case
    whole = load(path.with_name(case["like"]))
    for *way, last, value in case["change"]:
        place = whole
        for step in way:
            place = place[step]
        if isinstance(place, list) and last == len(place):
            place.append(value)
        else:
            place[last] = value
    for name in ("bus", "gpus"):
        if isinstance(whole[name], list):
            whole[name] = [entry for entry in whole[name] if entry is not None]
    return {**whole, "expect": case["expect"]}


def furnish(case: dict[str, Any], folder: Path) -> Path:
    """A /sys with what the script reads of it."""
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


def shown(case: dict[str, Any], folder: Path, *modules: Path) -> GpuReport:
    folder.mkdir(exist_ok=True)
    (folder / "answers.json").write_text(json.dumps(case))
    done = run.run(
        ["/usr/bin/python3", "-", furnish(case, folder / "sys"), "2"],
        stdin=SCRIPT.read_bytes(),
        env={
            "PYTHONPATH": ":".join(map(str, modules or (STAND_IN,))),
            "FAKE_NVML": str(folder / "answers.json"),
        },
    )
    said = read_gpus(done.stdout.decode())
    assert said is not None, done.stdout
    return said


def deviations(said: GpuReport, expected: Expected = WANTED) -> list[str]:
    return [result.sentence for result in gpus.compare(said, expected) if result.result == "deviation"]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_each_fault_of_a_gpu_has_its_sentences(path: Path, tmp_path: Path) -> None:
    case = load(path)
    assert deviations(shown(case, tmp_path)) == case["expect"]


def test_healthy_gpus_pass_every_check_and_are_reported_whole(tmp_path: Path) -> None:
    said = shown(load(CASES[0].with_name("healthy.json")), tmp_path)
    results = list(gpus.compare(said, WANTED))
    assert results[:2] == [
        TaskResult("gpu driver", "ok", "NVIDIA driver 580.95.05, the profile wants branch 580"),
        TaskResult("gpu count", "ok", "NVML shows 8 10de:2330 (H100 SXM)"),
    ]
    assert [result.name for result in results[2:]] == [
        *("gpu bus", "gpu values", "gpu uuid", "gpu memory", "gpu link", "gpu ecc")
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
    )
    assert [one.bus for one in said.graphics] == [gpu.bus for gpu in said.gpus], "no switch, no BMC's screen"


def test_what_a_gpu_does_not_support_is_a_value_with_a_reason(tmp_path: Path) -> None:
    said = shown(load(CASES[0].with_name("less-told.json")), tmp_path)
    assert said.gpus[0].serial is None and said.gpus[0].persistence is None
    assert said.gpus[0].errors == dict.fromkeys(("serial", "persistence", "vbios"), "Not Supported")


def test_ecc_that_differs_within_a_host_is_told_where_the_profile_names_no_mode(tmp_path: Path) -> None:
    free = replace(WANTED, gpus=(replace(H100, ecc=None),))
    assert deviations(shown(load(CASES[0].with_name("ecc-off.json")), tmp_path), free) == [
        "ECC is off on GPU 0000:18:00.0, GPU 0000:2a:00.0 and on on the others"
    ]


def test_what_could_not_be_read_of_every_gpu_is_not_said_to_be_good(tmp_path: Path) -> None:
    said = shown(load(CASES[0].with_name("lost-values.json")), tmp_path)
    results = {result.name: result.result for result in gpus.compare(said, WANTED)}
    assert results == {"gpu driver": "ok", "gpu count": "ok", "gpu bus": "ok", "gpu values": "deviation"}
    said = shown(load(CASES[0].with_name("lost.json")), tmp_path / "lost")
    assert "gpu count" not in [result.name for result in gpus.compare(said, WANTED)], "NVML shows seven"


def test_what_the_profile_leaves_out_is_not_judged(tmp_path: Path) -> None:
    free = replace(WANTED, gpus=(GpuKind("10de:2330", 8),))
    for name in ("memory", "narrow"):
        assert deviations(shown(load(CASES[0].with_name(f"{name}.json")), tmp_path / name), free) == []


@pytest.mark.parametrize(
    ("mebibytes", "gibibytes", "is_whole"),
    [(15109, 16, True), (22731, 24, True), (45634, 48, True), (81559, 80, True), (14900, 16, False)],
    ids=["T4 by 450", "A10 by 470", "A6000 by 470 with ECC", "H100", "too little"],
)
def test_memory_that_driver_and_ecc_keep_is_not_missing(
    mebibytes: int, gibibytes: int, is_whole: bool, tmp_path: Path
) -> None:
    said = shown(load(CASES[0].with_name("healthy.json")), tmp_path)
    said = said.model_copy(
        update={"gpus": tuple(gpu.model_copy(update={"memory": mebibytes << 20}) for gpu in said.gpus)}
    )
    wanted = replace(WANTED, gpus=(replace(H100, memory_min=gibibytes << 30),))
    assert (deviations(said, wanted) == []) is is_whole


def test_an_image_without_nvidia_ml_py_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    said = shown(load(CASES[0].with_name("healthy.json")), tmp_path, tmp_path / "empty")
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
    foreign: tuple[Path, str], tmp_path: Path
) -> None:
    folder, fault = foreign
    (sentence,) = deviations(shown(load(CASES[0].with_name("healthy.json")), tmp_path, folder))
    said = "the image has no nvidia-ml-py, so NVML cannot be asked; another Python module is called pynvml: "
    assert sentence.startswith(said + fault)


def test_another_module_called_pynvml_does_not_hide_ours(foreign: tuple[Path, str], tmp_path: Path) -> None:
    said = shown(load(CASES[0].with_name("healthy.json")), tmp_path, foreign[0], STAND_IN)
    assert deviations(said) == [] and len(said.gpus) == 8


def test_an_older_module_that_answers_in_bytes_is_understood(tmp_path: Path) -> None:
    text = (STAND_IN / "pynvml.py").read_text()
    for name in ("UUID", "Name", "Serial"):
        text = text.replace(
            f'str(answered(handle["nvmlDeviceGet{name}"]))',
            f'answered(handle["nvmlDeviceGet{name}"]).encode()',
        )
    (tmp_path / "older").mkdir()
    (tmp_path / "older/pynvml.py").write_text(text)
    said = shown(load(CASES[0].with_name("healthy.json")), tmp_path, tmp_path / "older")
    assert deviations(said) == [] and said.gpus[0].name == "NVIDIA H100 80GB HBM3"


def test_a_hanging_driver_does_not_hold_the_connection(tmp_path: Path) -> None:
    began = time.monotonic()
    shown(load(CASES[0].with_name("hangs.json")), tmp_path)
    assert time.monotonic() - began < 20


@pytest.fixture
def genuine() -> ModuleType:
    """nvidia-ml-py itself, which needs no GPU to be looked at."""
    assert str(STAND_IN) not in sys.path
    return importlib.import_module("pynvml")


def test_nvidia_s_own_module_without_a_driver_is_told(genuine: ModuleType, tmp_path: Path) -> None:
    if Path("/proc/driver/nvidia/version").exists():
        pytest.skip("this machine has a driver")
    healthy = load(CASES[0].with_name("healthy.json"))
    place = tmp_path / "module"
    place.mkdir()
    (place / "pynvml.py").symlink_to(str(genuine.__file__))
    assert deviations(shown({**healthy, "module": ""}, tmp_path, place)) == [
        "NVML's library (libnvidia-ml.so.1) is missing, the NVIDIA kernel module is not loaded either"
    ]


def test_the_stand_in_has_the_shapes_of_nvidia_s_own_module(
    genuine: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_NVML", str(CASES[0].with_name("healthy.json")))
    spec = importlib.util.spec_from_file_location("stand_in", STAND_IN / "pynvml.py")
    assert spec and spec.loader
    stand_in = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stand_in)
    asked = {
        node.attr
        for node in ast.walk(ast.parse(SCRIPT.read_text()))
        if isinstance(node, ast.Attribute) and node.attr.lower().startswith("nvml")
    }
    assert len(asked) > 15
    for name in asked:
        assert hasattr(genuine, name) and hasattr(stand_in, name), name
    for name in ("nvmlPciInfo_t", "c_nvmlMemory_t"):
        assert list(getattr(stand_in, name)._fields_) == list(getattr(genuine, name)._fields_)
    for code, words in stand_in.TEXTS.items():
        fault = genuine.NVMLError(code)
        assert (fault.value, str(fault)) == (code, words)
