"""One profile from a file, as the inventory has it and as a command prints it."""

import json
from pathlib import Path

import pytest

from provisioner.api.profiles import ProfileStatus
from provisioner.domain.profile import Profile
from provisioner.errors import FileError, InputError, InventoryError
from provisioner.state import profile_file

SHIPPED = Path(__file__).parents[3] / "inventory" / "profiles.yml"
TWO = "a: {memory_min: 1G}\nb:\n  memory_min: 2G\n  image:\n"


def test_the_shipped_profile_is_the_one_of_its_file() -> None:
    profile = profile_file.read(SHIPPED)
    assert (profile.name, profile.gpu_driver, profile.gpus[0].count) == ("vault-cube-h100", "580", 8)
    assert profile_file.read(SHIPPED, "vault-cube-h100") == profile


def test_of_several_the_one_that_is_named(tmp_path: Path) -> None:
    path = tmp_path / "profiles.yml"
    path.write_text(TWO)
    assert profile_file.read(path, "b") == Profile(name="b", memory_min=2 << 30)
    with pytest.raises(InputError, match="several profiles") as raised:
        profile_file.read(path)
    assert raised.value.hint == "--name, one of: a, b"
    with pytest.raises(InputError, match="no profile 'c'"):
        profile_file.read(path, "c")


def test_what_profile_show_prints_as_json_is_read_back_whole(tmp_path: Path) -> None:
    """With the names of its hosts, which belong to the service."""
    profile = profile_file.read(SHIPPED)
    status = ProfileStatus(**profile.model_dump(), hosts=("vc-1",))
    path = tmp_path / "cube.json"
    path.write_text(json.dumps({"schema_version": 1, "profile": status.model_dump(mode="json")}))
    read = profile_file.read(path)
    assert read == profile and read.sha256 == profile.sha256


WRONG = {
    "another document": ('{"hosts": []}', InputError, "has no profile in it"),
    "half a document": ('{"profile": {', InputError, "is no JSON"),
    "nothing": ("", InputError, "has no profile in it"),
    "a list": ("- a\n", InputError, "has no profile in it"),
    "no mapping": ("cube: 1\n", InputError, "is no mapping"),
    "an unknown key": ("cube: {gpu: 8}\n", InventoryError, "gpu: is not a known key"),
    "a level without GPUs": ("cube: {acceptance: {level: full}}\n", InventoryError, "need gpu_driver"),
}


@pytest.mark.parametrize(("text", "kind", "words"), WRONG.values(), ids=list(WRONG))
def test_what_is_no_profile_is_said_to_be_none(
    tmp_path: Path, text: str, kind: type[InputError], words: str
) -> None:
    path = tmp_path / "cube.yml"
    path.write_text(text)
    with pytest.raises(kind, match=words):
        profile_file.read(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"none\.yml"):
        profile_file.read(tmp_path / "none.yml")
