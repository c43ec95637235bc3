"""The seeds of the image build: data, checked strictly, compared whole."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from provisioner.cloudinit.autoinstall.storage_layout import ImageAnswers
from provisioner.cloudinit.cloud_config import dump
from provisioner.errors import InputError
from provisioner.golden import seeds

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExample image-build"


def answers() -> dict[str, Any]:
    return seeds.ubuntu(KEY).autoinstall.model_dump(mode="json", by_alias=True, exclude_none=True)


def test_the_installers_answers_are_the_golden_ones(golden: Callable[[str, str], None]) -> None:
    golden("packer/ubuntu/user-data", "#cloud-config\n" + dump(seeds.ubuntu(KEY)))


def test_the_base_images_seed_is_the_golden_one(golden: Callable[[str, str], None]) -> None:
    golden("packer/debian/user-data", "#cloud-config\n" + dump(seeds.debian(KEY)))


def test_the_answers_fit_upstreams_schema() -> None:
    place = os.environ.get("AUTOINSTALL_SCHEMA")
    if not place:
        pytest.skip("AUTOINSTALL_SCHEMA names no schema")
    import jsonschema

    jsonschema.validate(answers(), json.loads(Path(place).read_text()))


def test_what_is_printed_is_read_back_as_the_same_data() -> None:
    assert yaml.safe_load(dump(answers())) == answers()


def test_partitions_come_in_the_order_of_every_image() -> None:
    steps = answers()["storage"]["config"]
    assert [step["id"] for step in steps if step["type"] == "partition"] == ["bios", "esp", "cidata", "root"]


def swap_partitions(body: dict[str, Any]) -> None:
    steps = body["storage"]["config"]
    steps[3], steps[4] = steps[4], steps[3]


def shrink_root(body: dict[str, Any]) -> None:
    body["storage"]["config"][4]["size"] = "10G"


def let_ssh_run(body: dict[str, Any]) -> None:
    body["early-commands"] = [["systemctl", "stop", "ssh.service"]]


@pytest.mark.parametrize(
    "spoil",
    [
        swap_partitions,
        shrink_root,
        let_ssh_run,
        lambda body: body.update({"interactive-sections": ["storage"]}),
        lambda body: body["identity"].update(password="$6$x$y"),
        lambda body: body["apt"].update(geoip=True),
        lambda body: body["storage"]["swap"].update(size=1),
        lambda body: body["ssh"].update({"allow-pw": True}),
        lambda body: body.update({"snaps": [{"name": "lxd"}]}),
    ],
)
def test_wrong_answers_are_refused(spoil: Callable[[dict[str, Any]], None]) -> None:
    body = answers()
    ImageAnswers.model_validate(seeds.frozen(body))
    spoil(body)
    with pytest.raises(ValidationError):
        ImageAnswers.model_validate(seeds.frozen(body))


def test_a_wrong_answer_in_the_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wrong = tmp_path / "ubuntu.yml"
    wrong.write_text("version: 1\nupdates: all\n")
    monkeypatch.setattr(seeds.shipped, "file", lambda *_: wrong)
    with pytest.raises(InputError, match=r"packer/http/ubuntu\.yml: ") as caught:
        seeds.ubuntu(KEY)
    assert caught.value.code == 665
