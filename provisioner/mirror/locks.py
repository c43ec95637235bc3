"""The lock: which files, by version and SHA-256, an image may be built from. YAML, kept in Git."""

import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from provisioner.errors import InputError
from provisioner.validation import sentences

FORMAT: Literal["site-mirror/1"] = "site-mirror/1"
HEAD = "# Written by `provision mirror lock`; read by `provision mirror make`. Do not edit: lock again.\n"
NAME = r"^[a-z0-9][a-z0-9+.-]+$"  # Debian policy 5.6.1
VERSION = r"^[A-Za-z0-9.+~:-]+$"
WORD = r"^[a-z0-9][a-z0-9.-]*$"


def _plain(path: str) -> str:
    """A file's place below a folder: no way out of it, nothing hidden."""
    parts = PurePosixPath(path).parts
    if path.startswith("/") or "/".join(parts) != path or any(part.startswith(".") for part in parts):
        raise ValueError(f"{path[:60]!r} is not a plain path")
    if not re.fullmatch(r"[\w.+~/:%@-]+", path):
        raise ValueError(f"{path[:60]!r} has letters that no archive uses")
    return path


def _flat(name: str) -> str:
    if "/" in name:
        raise ValueError(f"{name[:60]!r} is not a file's name")
    return _plain(name)


Place = Annotated[str, AfterValidator(_plain)]
FileName = Annotated[str, AfterValidator(_flat)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class DebianPackage(_Data):
    """One Debian package; `suite` is where the archive had it, `path` its place in the pool; size in bytes.

    Priority and section are the archive's word, which may differ from the package's own, and decide what is
    in a minimal system.
    """

    name: str = Field(pattern=NAME)
    version: str = Field(pattern=VERSION)
    architecture: str = Field(pattern=WORD)
    suite: str = Field(pattern=WORD)
    priority: Literal["required", "important", "standard", "optional", "extra"]
    section: str = Field(pattern=r"^[a-z0-9/-]+$")
    size: int = Field(ge=1)
    sha256: Digest
    path: Place

    @model_validator(mode="after")
    def _lies_in_the_pool(self) -> Self:
        if not (self.path.startswith("pool/") and self.path.endswith(".deb")):
            raise ValueError(f"{self.name}: {self.path!r} is no package in a pool")
        return self


class Wheel(_Data):
    """A Python wheel; `name` as PEP 503 normalises it, `file` as PEP 427 names it."""

    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")  # normalised
    version: str = Field(pattern=r"^[A-Za-z0-9.+!_-]+$")
    file: FileName
    sha256: Digest


class Collection(_Data):
    """One Ansible collection as its tarball; `name` is NAMESPACE.NAME."""

    name: str = Field(pattern=r"^[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*$")
    version: str = Field(pattern=r"^[A-Za-z0-9.+-]+$")
    file: FileName
    sha256: Digest


class Lock(_Data):
    """All of it; `python` and `glibc` (as 2.36) say for which interpreter and system the wheels are."""

    format: Literal["site-mirror/1"] = FORMAT
    created: str = Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
    suite: str = Field(pattern=WORD)
    architecture: str = Field(default="amd64", pattern=WORD)
    python: str = Field(default="", pattern=r"^(3\.\d+)?$")
    glibc: str = Field(default="", pattern=r"^(2\.\d+)?$")
    packages: tuple[DebianPackage, ...] = ()
    wheels: tuple[Wheel, ...] = ()
    collections: tuple[Collection, ...] = ()

    @model_validator(mode="after")
    def _names_each_file_once(self) -> Self:
        for kind, keys in (
            ("package", [f"{item.name}:{item.architecture}" for item in self.packages]),
            ("file", list(self.files())),
        ):
            twice = sorted({key for key in keys if keys.count(key) > 1})
            if twice:
                raise ValueError(f"{kind} {', '.join(twice)} is named twice")
        if len(self.files()) != len(self.packages) + len(self.wheels) + len(self.collections):
            raise ValueError("two entries lie at the same place")
        if self.wheels and not (self.python and self.glibc):
            raise ValueError("wheels need python and glibc")
        return self

    def files(self) -> dict[str, str]:
        """Path in the mirror → SHA-256 (hexadecimal), of every locked file."""
        return (
            {f"apt/{item.path}": item.sha256 for item in self.packages}
            | {f"wheels/{item.file}": item.sha256 for item in self.wheels}
            | {f"collections/{item.file}": item.sha256 for item in self.collections}
        )


def load(path: Path) -> Lock:
    """The lock in a file. Raises InputError (PV-650) that names every fault."""
    try:
        # every scalar is a string, or a version 1.10 would be read as the number 1.1
        body: object = yaml.load(path.read_text(), Loader=yaml.CBaseLoader)  # noqa: S506  the loader makes strings only
    except OSError as fault:
        raise InputError(
            f"{path}: {fault.strerror}", hint="provision mirror lock -o FILE", code=650
        ) from fault
    except (yaml.YAMLError, UnicodeDecodeError) as fault:
        raise InputError(f"{path}: not YAML: {fault}", code=650) from fault
    return check(body, source=str(path))


def check(body: object, *, source: str) -> Lock:
    """A lock from plain data. Raises InputError (PV-650) that names every fault."""
    try:
        return Lock.model_validate(body)
    except ValidationError as fault:
        raise InputError(
            f"{source}: {sentences(fault)}", hint="provision mirror lock writes it anew", code=650
        ) from fault


def dump(lock: Lock) -> str:
    """The lock as text: the same text for the same lock, a line an entry, so that a diff can be read."""
    body = lock.model_dump(mode="json")
    lists = {name: body.pop(name) for name in ("packages", "wheels", "collections")}
    text = HEAD + yaml.safe_dump(body, sort_keys=False)
    for name, rows in lists.items():
        text += f"{name}:{'' if rows else ' []'}\n"
        for row in rows:
            flow = yaml.safe_dump(row, sort_keys=False, default_flow_style=True, width=10**6)
            text += f"- {flow}"
    return text
