"""Packs the burn-in as one file that runs alone, the same bytes each time."""

import io
import zipfile

from provisioner.system import shipped

NAME = "burnin.pyz"
MODULES = (
    *("__init__.py", "__main__.py", "burn.py", "children.py", "collective.py", "dcgm.py", "levels.py"),
    *("matmul.py", "memory.py", "nvml.py", "transfer.py", "watch.py", "worker.py"),
)
_START = b"from burnin.__main__ import main\n\nmain()\n"
_WHEN = (1980, 1, 1, 0, 0, 0)  # the first that a zip file can tell


def build() -> bytes:
    """A zip file for `python3 burnin.pyz`, of the modules one by one, so that an edited copy of one works.

    Nothing is compressed: another zlib would give other bytes. Raises ServiceError: a module is missing.
    """
    files = {
        f"burnin/{name}": shipped.file("ansible", f"files/burnin/{name}").read_bytes() for name in MODULES
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in sorted({**files, "__main__.py": _START}.items()):
            entry = zipfile.ZipInfo(name, _WHEN)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16  # 3: Unix
            archive.writestr(entry, data)
    return packed.getvalue()
