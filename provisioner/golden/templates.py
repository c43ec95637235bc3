"""Writes the Packer templates, one a builder, from the one source that they have in common.

Packer 1.6.6 wants each template valid alone and knows no include: hence files that are generated, and a test
that compares them with what this module renders.
"""

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from provisioner.system import shipped

SOURCE = "image.pkr.hcl.j2"


@dataclass(frozen=True)
class Builder:
    """One of Packer's builders: the template's file name, its source block's type, the disk it leaves.

    `format` is qemu-img's name of the disk's format; `product` and `requires` are for people.
    """

    file: str
    source: str
    disk: str
    format: str
    product: str
    requires: str


BUILDERS: Mapping[str, Builder] = {
    "qemu": Builder("ubuntu-24.04-demo-box.pkr.hcl", "qemu", "disk.raw", "raw", "QEMU", "QEMU"),
    "virtualbox": Builder(
        "virtualbox.pkr.hcl", "virtualbox-iso", "disk-disk001.vmdk", "vmdk", "VirtualBox", "VirtualBox"
    ),
    "vmware": Builder(
        "vmware.pkr.hcl", "vmware-iso", "disk.vmdk", "vmdk", "VMware", "VMware Workstation or Fusion"
    ),
}


def render(name: str) -> str:
    """The template (HCL2) of the builder `name` of BUILDERS. Raises KeyError for another name."""
    import jinja2

    environment = jinja2.Environment(
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701  this is no HTML
    )
    source = environment.from_string(shipped.file("packer", SOURCE).read_text())
    return source.render(builder=name, **asdict(BUILDERS[name]))


def write(folder: Path) -> list[Path]:
    """Write the template of every builder into `folder`; their paths, in the order of BUILDERS."""
    written = []
    for name, builder in BUILDERS.items():
        path = folder / builder.file
        path.write_text(render(name))
        written.append(path)
    return written


if __name__ == "__main__":
    for template in write(Path(sys.argv[1]) if sys.argv[1:] else shipped.folder("packer")):
        print(template)
