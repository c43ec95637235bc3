"""The script that reads firmware and versions: over a root of files, and the kernel's own network cards."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from provisioner import run
from provisioner.verify.evidence import FirmwarePart, FirmwareReport, read_evidence
from tests.wire import nvmllab

SCRIPT = nvmllab.ROOT / "ansible/files/firmware.py"
CPU = "model name\t: INTEL(R) XEON(R)  PLATINUM 8592+\nphysical id\t: {}\n\n"
FILES = {
    "sys/class/dmi/id/sys_vendor": "Supermicro\n",
    "sys/class/dmi/id/product_name": "SYS-821GE-TNHR\n",
    "sys/class/dmi/id/product_serial": "S1234\n",
    "sys/class/dmi/id/product_uuid": "00000000-0000-0000-0000-3cecef000001\n",
    "sys/class/dmi/id/board_vendor": "Supermicro\n",
    "sys/class/dmi/id/board_name": "X13DEG-OAD\n",
    "sys/class/dmi/id/board_serial": "OM245S000001\n",
    "sys/class/dmi/id/bios_vendor": "American Megatrends International, LLC.\n",
    "sys/class/dmi/id/bios_version": "2.4\n",
    "sys/class/dmi/id/bios_date": "10/05/2024\n",
    "sys/devices/platform/ipmi_bmc.7370.32/firmware_revision": "1.3\n",
    "sys/devices/platform/ipmi_bmc.7370.32/manufacturer_id": "0x002a7c\n",
    "sys/devices/platform/ipmi_bmc.7370.32/product_id": "0x1b0d\n",
    "sys/class/nvme/nvme0/serial": "S6CKNT0W700001      \n",
    "sys/class/nvme/nvme0/model": "SAMSUNG MZ1L23T8HBLA-00A07              \n",
    "sys/class/nvme/nvme0/firmware_rev": "GDC7502Q\n",
    "proc/cpuinfo": (CPU.format(0) * 64 + CPU.format(1) * 64),
}


def furnish(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def package(root: Path, environment: str, name: str, version: str) -> None:
    """A distribution as pip installs it; importing it would fail."""
    site = root / environment / "lib/python3.12/site-packages"
    metadata = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n"
    furnish(site, {f"{name.replace('-', '_')}-{version}.dist-info/METADATA": metadata})
    furnish(site, {f"{name.replace('-', '_')}/__init__.py": "raise SystemExit('imported')\n"})


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def ask(root: Path, programs: Path) -> FirmwareReport:
    done = run.run(
        ["/usr/bin/python3", "-", root], stdin=SCRIPT.read_bytes(), env={"PATH": f"{programs}:/usr/bin:/bin"}
    )
    said = read_evidence({"firmware": done.stdout.decode()}).firmware
    assert said is not None, done.stdout
    return said


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    (tmp_path / "programs").mkdir()
    return tmp_path / "programs"


def test_the_machine_and_its_firmware_are_read(tmp_path: Path, programs: Path) -> None:
    program(programs, "docker", 'echo "Docker version 26.1.3, build 26.1.3-0ubuntu1~24.04.1"')
    said = ask(furnish(tmp_path / "root", FILES), programs)
    assert said == FirmwareReport(
        product="Supermicro SYS-821GE-TNHR",
        serial="S1234",
        board="Supermicro X13DEG-OAD",
        board_serial="OM245S000001",
        uuid="00000000-0000-0000-0000-3cecef000001",
        cpu="2 × INTEL(R) XEON(R) PLATINUM 8592+",
        parts=(
            FirmwarePart(
                part="bios",
                place="American Megatrends International, LLC.",
                version="2.4",
                about="10/05/2024",
            ),
            FirmwarePart(
                part="bmc",
                place="ipmi_bmc.7370.32",
                version="1.3",
                about="manufacturer 0x002a7c, product 0x1b0d",
            ),
            FirmwarePart(
                part="nvme", place="S6CKNT0W700001", version="GDC7502Q", about="SAMSUNG MZ1L23T8HBLA-00A07"
            ),
        ),
        stack={"docker": "26.1.3"},
    )


# what the programs print, as their sources have it
VERSIONS = {
    "docker": ("docker", 'echo "Docker version 28.2.2, build e6534b4"', "28.2.2"),
    "container-toolkit": (
        "nvidia-ctk",
        'printf "NVIDIA Container Toolkit CLI version 1.17.8\\ncommit: f202b80a9b9d\\n"',
        "1.17.8",
    ),
    "dcgm": ("dcgmi", 'printf "\\ndcgmi  version: 4.2.3\\n\\n"', "4.2.3"),
}


@pytest.mark.parametrize(("name", "case"), VERSIONS.items(), ids=list(VERSIONS))
def test_programs_are_asked_for_their_version(
    name: str, case: tuple[str, str, str], tmp_path: Path, programs: Path
) -> None:
    argv, script, version = case
    program(programs, argv, f'[ "$*" = --version ] || exit 9\n{script}')
    assert ask(tmp_path, programs).stack[name] == version


@pytest.mark.parametrize("script", ["exit 1", "echo 1.2.3; exit 1", "echo of no number", "kill -9 $$"])
def test_a_program_that_does_not_say_it_has_no_version(script: str, tmp_path: Path, programs: Path) -> None:
    program(programs, "dcgmi", script)
    assert "dcgm" not in ask(tmp_path, programs).stack


def test_frameworks_are_named_without_being_imported(tmp_path: Path, programs: Path) -> None:
    root = tmp_path / "root"
    package(root, "opt/provisioner/python", "nvidia-ml-py", "13.615.71")
    package(root, "opt/ml/pytorch", "torch", "2.14.0")
    package(root, "opt/ml/vllm", "torch", "2.14.1")
    package(root, "opt/ml/vllm", "vllm", "0.33.0")
    package(root, "opt/ml/vllm", "numpy", "2.3.1")
    stack = ask(root, programs).stack
    assert {name: stack.get(name) for name in ("torch", "vllm", "nvidia-ml-py", "numpy")} == {
        "torch": "2.14.0 in pytorch, 2.14.1 in vllm",
        "vllm": "0.33.0",
        "nvidia-ml-py": "13.615.71",
        "numpy": None,
    }


def test_the_same_version_in_two_environments_is_told_once(tmp_path: Path, programs: Path) -> None:
    for environment in ("pytorch", "vllm"):
        package(tmp_path / "root", f"opt/ml/{environment}", "torch", "2.14.0")
    assert ask(tmp_path / "root", programs).stack["torch"] == "2.14.0"


def test_what_cannot_be_read_is_empty(tmp_path: Path, programs: Path) -> None:
    said = ask(tmp_path / "nothing", programs)
    assert (said.product, said.serial, said.cpu, said.parts) == ("", "", "", ())


def test_a_text_without_end_is_cut(tmp_path: Path, programs: Path) -> None:
    said = ask(furnish(tmp_path / "root", {**FILES, "sys/class/dmi/id/product_serial": "S" * 5000}), programs)
    assert said.serial == "S" * 120


# --- network cards, by the kernel's own ioctl -----------------------------------------------------------


def driver_info(interface: str, *before: Any) -> list[str]:
    program = Path(__file__).with_name("programs") / "driver_info.py"
    argv = ["/usr/bin/python3", program, SCRIPT, interface]
    told: list[str] = json.loads(run.text([*before, *argv]))
    return told


def test_the_kernel_names_a_cards_driver() -> None:
    namespace = ["unshare", "--user", "--map-root-user", "--net", "sh", "-euc"]
    said = driver_info("p0", *namespace, 'ip link add p0 type veth peer name p1; exec "$@"', "sh")
    assert said == ["veth", "", ""]


def test_the_kernel_names_the_place_of_this_machines_own_cards() -> None:
    """The whole structure is read in its right places: the driver's name in front, the PCI place behind."""
    cards = [card for card in Path("/sys/class/net").iterdir() if (card / "device/driver").exists()]
    if not cards:
        pytest.skip("this machine has no network card")
    for card in cards:
        driver, _, place = driver_info(card.name)
        assert driver == (card / "device/driver").resolve().name
        assert place in os.path.realpath(card / "device").split("/")
