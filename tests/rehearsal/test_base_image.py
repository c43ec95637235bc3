"""The base image: the same bytes from the same inputs."""

from pathlib import Path

import pytest

from provisioner.golden import base

pytestmark = pytest.mark.long


@pytest.mark.timeout(1200)
def test_two_builds_from_nothing_are_the_same_bytes(tmp_path: Path) -> None:
    sums = []
    for number in ("one", "two"):  # each with its own cache, so that packages are installed twice
        out = tmp_path / f"{number}.raw"
        built = base.build(out, name="test-os", version="1", cache=tmp_path / number)
        assert not built.cached
        sums.append(built.sha256)
        out.unlink()
    assert sums[0] == sums[1]
