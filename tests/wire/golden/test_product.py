"""What of the program is laid into an image: it runs alone, with the libraries that its role installs."""

import io
import json
import re
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from provisioner import run
from provisioner.golden import product
from provisioner.system import shipped

ROOT = Path(__file__).parents[3]
ROLE = ROOT / "ansible/roles/verification"
PROGRAM = Path(__file__).with_name("programs") / "cube_python.py"
MODULES = {"jinja2": "jinja2", "fonttools": "fontTools", "fpdf2": "fpdf", "pyyaml": "yaml", "pillow": "PIL"}
UNPACK = ROLE / "files/unpack.py"


def libraries() -> str:
    """The modules of the wheels that the role installs."""
    text = (ROLE / "files/verification.txt").read_text()
    names = re.findall(r"^([\w-]+)==", text, re.MULTILINE)
    return ",".join(MODULES.get(name, name.replace("-", "_")) for name in names)


class Cube:
    """A folder with the unpacked archive and a profile of which little is demanded."""

    def __init__(self, path: Path) -> None:
        self.path, self.program = path, path / "program"
        with zipfile.ZipFile(io.BytesIO(product.build())) as archive:
            archive.extractall(self.program)
        (path / "plain.yml").write_text("plain: {memory_min: 1M}\n")

    def provision(self, *words: str) -> tuple[int, str, str]:
        argv = [sys.executable, PROGRAM, self.program, libraries(), *words]
        done = run.run(argv, cwd=self.path, check=False, timeout=100)
        return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Cube:
    return Cube(tmp_path_factory.mktemp("cube"))


def test_the_same_tree_gives_the_same_bytes() -> None:
    assert product.build() == product.build()


def test_no_more_is_in_it_than_its_commands_need(cube: Cube) -> None:
    rooms = {path.name for path in (cube.program / "provisioner").iterdir() if path.is_dir()}
    assert not rooms & {"lab", "web", "worker", "services", "golden", "mirror", "deployment", "power", "site"}
    code, out, err = cube.provision("--help")
    assert code == 0, err
    listed = re.findall(r"^  ([a-z-]+)  ", out.partition("Commands:")[2], re.MULTILINE)
    assert listed == ["verify", "certificate", "explain"]
    code, _, err = cube.provision("deploy")
    assert code == 2 and "No such command 'deploy'" in err
    for words in (["vc-1"], ["vc-1", "--key", "k"], []):
        code, _, err = cube.provision("verify", *words)
        assert code == 2 and "has no service" in err and "--local --profile" in err, err


@pytest.mark.parametrize("kind", ["json", "pdf", "html"])
def test_a_machine_is_judged_by_it_and_its_report_signed_and_verified(cube: Cube, kind: str) -> None:
    if not (cube.path / "acme.key").exists():
        assert cube.provision("certificate", "keygen", "acme")[0] == 0
    key = ("--key", "acme.key", "--to", f"cube.{kind}")
    code, out, err = cube.provision("verify", "--local", "--profile", "plain.yml", *key)
    assert code == 0 and "Verdict   accepted" in out, err
    code, _, err = cube.provision("certificate", "verify", f"cube.{kind}", "--key", "acme.pub")
    assert code == 0 and "nothing was changed" in err, err


def test_gpus_are_asked_by_its_own_scripts(cube: Cube) -> None:
    """There are none here: the driver's check says so, by the scripts that are in the archive."""
    (cube.path / "cube.yml").write_text("cube: {gpu_driver: 580, gpus: [{id: '10de:2330', count: 8}]}\n")
    code, out, err = cube.provision("verify", "--local", "--profile", "cube.yml", "-o", "json")
    assert code == 8, err
    findings = json.loads(out)["verification"]["findings"]
    assert "gpu.driver" in [one["check"] for one in findings]


def test_what_needs_the_service_says_that_it_does_not_answer(cube: Cube) -> None:
    code, _, err = cube.provision("certificate", "list", "vc-1", "--state", "none")
    assert code == 5 and "PV-620" in err


def test_an_edited_script_is_the_one_that_is_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = shipped.file
    (tmp_path / "facts.py").write_text("print('edited')")
    monkeypatch.setattr(
        shipped, "file", lambda n, p: tmp_path / "facts.py" if p == "files/facts.py" else whole(n, p)
    )
    with zipfile.ZipFile(io.BytesIO(product.build())) as archive:
        assert archive.read("provisioner/share/ansible/files/facts.py") == b"print('edited')"


def test_it_is_unpacked_once_and_byte_code_names_no_times(tmp_path: Path) -> None:
    """As the role does: printed as base64, unpacked whole, and only where something differs."""
    printed = run.run([sys.executable, "-m", "provisioner.golden.product"], cwd=tmp_path).stdout
    argv = [sys.executable, UNPACK, tmp_path / "v", "program", sys.executable]
    (tmp_path / "v").mkdir()

    def unpack() -> str:
        return run.run(argv, stdin=printed, timeout=100).stdout.decode().strip()

    assert [unpack(), unpack()] == ["changed", "as before"]
    target = tmp_path / "v" / "program" / "provisioner"
    codes = list(target.rglob("*.pyc"))
    assert codes and {path.read_bytes()[4:8] for path in codes} == {b"\x01\0\0\0"}
    assert {path.stat().st_mode & 0o077 for path in target.rglob("*") if path.is_file()} == {0o044}
    (target / "run.py").write_text("changed")
    (target / "more.py").write_text("")
    assert [unpack(), unpack()] == ["changed", "as before"]
    assert (target / "run.py").read_text() != "changed" and not (target / "more.py").exists()
    shutil.rmtree(target / "cli")
    assert unpack() == "changed" and (target / "cli").is_dir()
