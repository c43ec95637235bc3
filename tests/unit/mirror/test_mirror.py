"""The mirror's parts that need no program: the lock, the wheels' index, what may be read."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.errors import InputError
from provisioner.mirror import archive, layout, locks, verify, wheels
from provisioner.system import shipped

ROOT = Path(__file__).parents[3]
DIGEST = "ab" * 32


def package(name: str = "hello", **other: Any) -> dict[str, Any]:
    plain = {"name": name, "version": "1:1.10-3", "architecture": "amd64", "suite": "bookworm-security"}
    more = {"priority": "optional", "section": "net", "size": 5, "sha256": DIGEST}
    return {**plain, **more, "path": f"pool/main/h/{name}_1.10-3_amd64.deb", **other}


def wheel(name: str = "torch", version: str = "2.10", **other: Any) -> dict[str, Any]:
    file = f"{name}-{version}+cu12-cp312-cp312-manylinux_2_28_x86_64.whl"
    return {"name": name, "version": version, "file": file, "sha256": DIGEST, **other}


def collection(**other: Any) -> dict[str, Any]:
    file = "community-general-11.10.tar.gz"
    return {"name": "community.general", "version": "11.10", "file": file, "sha256": DIGEST, **other}


def body(**other: Any) -> dict[str, Any]:
    head = {"created": "2026-11-02T00:00:00Z", "suite": "bookworm", "python": "3.10", "glibc": "2.36"}
    rows = {"packages": [package()], "wheels": [wheel()], "collections": [collection()]}
    return {"format": "site-mirror/1", **head, **rows, **other}


def test_a_lock_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    lock = locks.check(body(), source="test")
    (tmp_path / "lock.yml").write_text(locks.dump(lock))
    assert locks.load(tmp_path / "lock.yml") == lock
    assert lock.python == "3.10" and lock.wheels[0].version == "2.10", "no number has lost its nought"


def test_a_locks_text_is_yaml_with_a_line_an_entry() -> None:
    lock = locks.check(body(packages=[package("a1"), package("b1")], collections=[]), source="test")
    text = locks.dump(lock)
    assert yaml.safe_load(text) == lock.model_dump(mode="json")
    assert len([line for line in text.splitlines() if line.startswith("- {name: ")]) == 3
    assert max(map(len, text.splitlines())) > 200, "an entry is one line, however long"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"format": "site-mirror/2"}, "format"),
        ({"more": "x"}, "more: is not a known key"),
        ({"created": "yesterday"}, "created"),
        ({"suite": "book worm"}, "suite"),
        ({"packages": [package(sha256="ab")]}, "packages.0.sha256"),
        ({"packages": [package(size=0)]}, "packages.0.size"),
        ({"packages": [package(priority="urgent")]}, "packages.0.priority"),
        ({"packages": [package(note="x")]}, "packages.0.note: is not a known key"),
        ({"packages": [package(path="pool/../../etc/x.deb")]}, "not a plain path"),
        ({"packages": [package(path="/pool/x.deb")]}, "not a plain path"),
        ({"packages": [package(path="pool/.hidden/x.deb")]}, "not a plain path"),
        ({"packages": [package(path="pool/a b.deb")]}, "letters that no archive uses"),
        ({"packages": [package(path="dists/x.deb")]}, "no package in a pool"),
        ({"packages": [package(), package()]}, "package hello:amd64 is named twice"),
        (
            {"packages": [package("a1", path="pool/x.deb"), package("b1", path="pool/x.deb")]},
            "the same place",
        ),
        ({"wheels": [wheel(file="../x.whl")]}, "not a file's name"),
        ({"wheels": [wheel()], "python": ""}, "wheels need python and glibc"),
        ({"collections": [collection(name="general")]}, "collections.0.name"),
        ({"packages": None}, "packages"),
    ],
)
def test_a_lock_that_cannot_be_used_is_refused_with_its_fault(
    tmp_path: Path, wrong: dict[str, Any], sentence: str
) -> None:
    (tmp_path / "lock.yml").write_text(yaml.safe_dump(body(**wrong)))
    with pytest.raises(InputError, match=re.escape(sentence)) as fault:
        locks.load(tmp_path / "lock.yml")
    assert fault.value.code == 650


@pytest.mark.parametrize("text", ["- [", "text", "", "\x00"])
def test_what_is_no_lock_is_no_lock(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock.yml").write_text(text)
    with pytest.raises(InputError) as fault:
        locks.load(tmp_path / "lock.yml")
    assert fault.value.code == 650


def test_the_committed_lock_holds_what_the_images_lists_ask_for() -> None:
    lock = locks.load(shipped.file("images", "locks/debian-12.yml"))
    names = {item.name for item in lock.packages}
    for path in ("base/packages", "locks/debian-12.packages"):
        lines = (line.split("#")[0].split() for line in shipped.file("images", path).read_text().splitlines())
        assert {word for line in lines for word in line} <= names, f"{path}: provision mirror lock again"
    pins = {f"{item.name}=={item.version}": item.sha256 for item in lock.wheels}
    for name in ("python_env/files/requirements.txt", "verification/files/verification.txt"):
        path = ROOT / "ansible/roles" / name
        text = path.read_text()
        for pin in re.findall(r"^[a-z0-9-]+==[\w.]+", text, re.MULTILINE):
            assert pins.get(pin, "not locked") in text, f"{pin}: provision mirror lock again"
    assert lock.suite == "bookworm" and "nvidia-ml-py" in {item.name for item in lock.wheels}


def test_the_locked_wheels_of_the_gpu_stack_are_for_ubuntus_python() -> None:
    lock = locks.load(shipped.file("images", "locks/ubuntu-24.04-wheels.yml"))
    assert {"torch", "tensorflow", "vllm"} <= {item.name for item in lock.wheels}
    assert (lock.suite, lock.python, lock.glibc) == ("noble", "3.12", "2.39")
    for item in lock.wheels:
        _, python, _, platform = item.file.removesuffix(".whl").rsplit("-", 3)
        assert python.startswith(("cp3", "py2", "py3")), item.file
        assert platform == "any" or "x86_64" in platform, item.file


def test_a_packages_paragraphs_are_read_and_written_the_same() -> None:
    text = "Package: a\nDescription: one\n two\n .\n three\nSize: 1\n\nPackage: b\nSize: 2\n\n"
    found = list(archive.read_stanzas(text))
    assert [stanza["Package"] for stanza in found] == ["a", "b"]
    assert "".join(map(archive.write_stanza, found)) == text


def test_the_wheels_index_links_each_file_with_its_hash_in_order() -> None:
    rows = (wheel("torch"), wheel("numpy"))
    page = wheels.index(locks.check(body(wheels=rows), source="test").wheels)
    links = re.findall(r'<a href="([^"]+)">([^<]+)</a>', page)
    assert links == [
        (f"{row['file'].replace('+', '%2B')}#sha256={DIGEST}", row["file"]) for row in (rows[1], rows[0])
    ]


def test_two_versions_of_a_wheel_are_fetched_one_after_the_other() -> None:
    rows = [wheel("torch", "2.1"), wheel("torch", "2.2"), wheel("numpy"), wheel("torch", "2.3")]
    found = locks.check(body(wheels=rows), source="test").wheels
    rounds = list(wheels._rounds(found))
    assert sorted(item.file for some in rounds for item in some) == sorted(item.file for item in found)
    for some in rounds:
        assert len({item.name for item in some}) == len(some)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "mirror"
    for place in ("apt/dists/x/Release", "apt/pool/main/a.deb", layout.INDEX, layout.SUMS, ".incoming/b.deb"):
        (made / place).parent.mkdir(parents=True, exist_ok=True)
        (made / place).write_text(place)
    (made / "wheels" / ".a.whl.partial").write_text("x")
    (made / "private.key").write_text("secret")
    (tmp_path / "secret").write_text("secret")
    (made / "apt" / "out").symlink_to(tmp_path / "secret")
    (made / "apt" / "up").symlink_to(tmp_path)
    return made


def test_the_mirrors_files_are_found(root: Path) -> None:
    for place in ("apt/dists/x/Release", "apt/pool/main/a.deb", layout.INDEX, layout.SUMS):
        found = layout.find(root, place)
        assert found and found.read_text() == place
    assert layout.find(root, "wheels/") == root / layout.INDEX


@pytest.mark.parametrize(
    "asked",
    [
        *(
            "",
            "/",
            ".",
            "apt",
            "apt/",
            "apt/dists/",
            "collections/",
            "wheels",
            "../secret",
            "apt/../../secret",
        ),
        *("apt/out", "apt/up/secret", "private.key", ".incoming/b.deb", "wheels/.a.whl.partial"),
        *(
            "apt//pool/main/a.deb",
            "/apt/pool/main/a.deb",
            "apt\\pool",
            "apt/\0",
            "apt/" + "x" * 300,
            "apt/pool/no",
        ),
    ],
)
def test_nothing_else_is(root: Path, asked: str) -> None:
    assert layout.find(root, asked) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from(["apt", "..", ".", "", "out", "up", "secret", "wheels", "pool", "%2e"]), max_size=6
    )
)
def test_no_path_leads_out(root: Path, parts: list[str]) -> None:
    found = layout.find(root, "/".join(parts))
    assert found is None or found.read_text() != "secret"


def test_what_is_no_mirror_says_what_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no mirror") as caught:
        verify.verify(tmp_path / "nope")
    assert caught.value.code == 656 and "provision mirror make" in caught.value.hint
