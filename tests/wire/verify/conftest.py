"""What the tests of the verification share."""

from pathlib import Path

import pytest

from tests.wire import nvmllab


@pytest.fixture(scope="session")
def nvml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where libnvidia-ml.so.1 and nvidia-ml-py are."""
    return nvmllab.library(tmp_path_factory.mktemp("nvml"))
