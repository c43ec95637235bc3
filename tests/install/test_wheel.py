"""The wheel carries the program and the data folders, and works in an environment of its own."""

import sys
import venv
import zipfile
from pathlib import Path

import pytest

from provisioner import run

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    run.run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT], timeout=100)
    (found,) = out.glob("*.whl")
    return found


def test_the_data_folders_travel_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (
        *(
            "pxe/local.ipxe.j2",
            "pxe/phone-home.py",
            "ansible/verify.yml",
            "ansible/roles/base/tasks/main.yml",
            "inventory/hosts.yml",
        ),
        *("images/ramdisk/init", "images/base/packages", "systemd/provisioner.toml", "packer/README.md"),
    ):
        assert f"provisioner/share/{path}" in names


def test_the_wheel_holds_no_tests_and_no_state(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert not [
        name for name in names if name.startswith(("tests/", "docs/", ".ci/")) or "__pycache__" in name
    ]


def test_an_installed_program_finds_its_data(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    site = next((tmp_path / "env" / "lib").glob("python*/site-packages"))
    zipfile.ZipFile(wheel).extractall(site)
    # the locked dependencies are already here; only our own package is what is under test
    (site / "here.pth").write_text(next(p for p in sys.path if p.endswith("site-packages")) + "\n")
    script = "from provisioner.system import shipped; print(shipped.file('pxe', 'local.ipxe.j2'))"
    said = run.text([tmp_path / "env" / "bin" / "python", "-c", script], cwd=tmp_path)
    assert said == str(site / "provisioner" / "share" / "pxe" / "local.ipxe.j2")
    help_text = run.text([tmp_path / "env" / "bin" / "python", "-m", "provisioner", "--help"], cwd=tmp_path)
    assert "deploy" in help_text
