"""The wheel carries the program and the data folders, and works in an environment of its own."""

import sys
import venv
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

from provisioner import run

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    run.run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT], timeout=100)
    (path,) = out.glob("*.whl")
    return path


def test_the_distribution_has_a_name_of_its_own_and_says_that_it_is_typed(wheel: Path) -> None:
    assert wheel.name.startswith("vaultcube_provisioner-")
    archive = zipfile.ZipFile(wheel)
    info = wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"
    metadata = HeaderParser().parsestr(archive.read(f"{info}/METADATA").decode())
    assert metadata["Name"] == "vaultcube-provisioner"
    assert "provision = provisioner.cli:main" in archive.read(f"{info}/entry_points.txt").decode()
    assert "provisioner/py.typed" in archive.namelist()


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
        *(
            "images/ramdisk/init",
            "images/base/packages",
            "systemd/provisioner.toml",
            "packer/image.pkr.hcl.j2",
        ),
    ):
        assert f"provisioner/share/{path}" in names
    for path in ("page.html.j2", "font/OpenSans-Regular.ttf", "font/LICENSE.OpenSans", "font/LICENSE.DejaVu"):
        assert f"provisioner/certificate/{path}" in names


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
    place = run.text([tmp_path / "env" / "bin" / "python", "-c", script], cwd=tmp_path)
    assert place == str(site / "provisioner" / "share" / "pxe" / "local.ipxe.j2")
    help_text = run.text([tmp_path / "env" / "bin" / "python", "-m", "provisioner", "--help"], cwd=tmp_path)
    assert "deploy" in help_text
