"""Stand-ins for packages that only Ubuntu and NVIDIA have, and for wheels that are too large to fetch."""

import hashlib
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

from provisioner import run

BRANCH, DRIVER, KERNEL = "580", "580.95.05", "6.8.0-31-generic"
TOOLKIT = "1.18.0-1"
SCRIPT = "#!/bin/sh\necho stand-in\n"


def deb(
    folder: Path,
    name: str,
    version: str,
    depends: str = "",
    files: Mapping[str, bytes | str] | None = None,
    postinst: str = "",
) -> Path:
    """A package that dpkg installs like any other; `files` by absolute path, those in bin can be run."""
    work = folder / f"{name}.d"
    (work / "DEBIAN").mkdir(parents=True)
    fields = {
        "Package": name,
        "Version": version,
        "Architecture": "amd64",
        "Depends": depends,
        "Maintainer": "Tests <tests@example.invalid>",
        "Description": "Stand-in for the tests of the roles",
    }
    (work / "DEBIAN/control").write_text("".join(f"{k}: {v}\n" for k, v in fields.items() if v))
    if postinst:
        (work / "DEBIAN/postinst").write_text(f"#!/bin/sh\nset -e\n{postinst}\n")
        (work / "DEBIAN/postinst").chmod(0o755)
    for path, content in (files or {}).items():
        place = work / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        place.chmod(0o755 if "bin" in place.parts else 0o644)
    target = folder / f"{name}_{version}_amd64.deb"
    run.run(["dpkg-deb", "--build", "--root-owner-group", work, target])
    return target


def ubuntu(folder: Path, branch: str = BRANCH, driver: str = DRIVER) -> list[Path]:
    """Ubuntu's kernel, and the driver as Ubuntu and the toolkit as NVIDIA cut them into packages."""
    version = f"{driver}-0ubuntu0.24.04.1"
    module = f"/usr/lib/modules/{KERNEL}/kernel/nvidia-{branch}srv/nvidia.ko"
    unit = (
        "[Unit]\nDescription=NVIDIA Persistence Daemon\nStopWhenUnneeded=true\n[Service]\nType=forking\n"
        "ExecStart=/usr/bin/nvidia-persistenced --user nvidia-persistenced --no-persistence-mode --verbose\n"
    )
    index = {f"/usr/lib/modules/{KERNEL}/{name}": "" for name in ("modules.order", "modules.builtin")}
    links = f"ln -sf vmlinuz-{KERNEL} /boot/vmlinuz; depmod {KERNEL}"
    abi = f"linux-modules-nvidia-{branch}-server-{KERNEL}"
    source = "deb [trusted=yes] https://nvidia.github.io/libnvidia-container/stable/deb/amd64 /\n"
    return [
        deb(
            folder,
            f"linux-image-{KERNEL}",
            "6.8.0-31.31",
            files={f"/boot/vmlinuz-{KERNEL}": "kernel", **index},
            postinst=links,
        ),
        deb(folder, f"linux-modules-nvidia-{branch}-server-generic", "6.8.0-31.31+1", depends=abi),
        deb(
            folder,
            abi,
            "6.8.0-31.31+1",
            f"linux-image-{KERNEL}",
            {module: kernel_module(driver)},
            f"depmod {KERNEL}",
        ),
        deb(
            folder,
            f"nvidia-utils-{branch}-server",
            version,
            f"libnvidia-compute-{branch}-server",
            {"/usr/bin/nvidia-smi": SCRIPT},
        ),
        deb(
            folder,
            f"nvidia-compute-utils-{branch}-server",
            version,
            "",
            {
                "/usr/bin/nvidia-persistenced": SCRIPT,
                "/usr/lib/systemd/system/nvidia-persistenced.service": unit,
            },
        ),
        deb(folder, f"libnvidia-compute-{branch}-server", version),
        deb(
            folder,
            "nvidia-container-toolkit",
            TOOLKIT,
            "",
            {
                "/usr/bin/nvidia-ctk": SCRIPT,
                "/usr/bin/nvidia-container-runtime": SCRIPT,
                "/usr/share/keyrings/nvidia-container-toolkit-keyring.gpg": "key",
            },
            f"echo '{source.strip()}' > /etc/apt/sources.list.d/nvidia-container-toolkit.list",
        ),
        deb(folder, f"nvidia-dkms-{branch}-server", version),
    ]


def kernel_module(version: str) -> bytes:
    """The least ELF object in which modinfo finds a version (elf(5)): header, .modinfo, names, sections."""
    info = f"version={version}\0license=NVIDIA\0".encode()
    names = b"\0.modinfo\0.shstrtab\0"
    offset = 64 + len(info) + len(names)
    head = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 1, 62, 1, 0, 0, offset, 0, 64, 0, 0, 64, 3, 2
    )
    sections = [
        (0,) * 10,
        (1, 1, 2, 0, 64, len(info), 0, 0, 1, 0),
        (10, 3, 0, 0, 64 + len(info), len(names), 0, 0, 1, 0),
    ]
    return head + info + names + b"".join(struct.pack("<IIQQQQIIQQ", *fields) for fields in sections)


def wheel(folder: Path, name: str, version: str = "1.0") -> Path:
    """A wheel of one module that knows its version."""
    target = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f'__version__ = "{version}"\n',
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(target, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(path, text)
    return target


def pinned(*wheels: Path) -> str:
    """Requirements that take just these wheels."""
    lines = []
    for path in wheels:
        name, version = path.name.split("-")[:2]
        lines.append(f"{name}=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n")
    return "".join(lines)
