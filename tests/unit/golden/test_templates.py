"""The checked-in Packer templates are what their one source gives."""

from pathlib import Path

import pytest

from provisioner.golden import templates
from provisioner.system import shipped


@pytest.mark.parametrize("builder", templates.BUILDERS)
def test_every_checked_in_template_is_what_the_source_gives(builder: str) -> None:
    checked_in = shipped.file("packer", templates.BUILDERS[builder].file).read_text()
    assert templates.render(builder) == checked_in, "python -m provisioner.golden.templates writes them"


def test_no_template_lies_there_that_has_no_builder() -> None:
    there = {path.name for path in shipped.folder("packer").glob("*.pkr.hcl")}
    assert there == {builder.file for builder in templates.BUILDERS.values()}


def test_all_are_written_into_a_folder(tmp_path: Path) -> None:
    written = templates.write(tmp_path)
    assert [path.name for path in written] == [builder.file for builder in templates.BUILDERS.values()]
    assert all(path.read_text().endswith("}\n") for path in written)
