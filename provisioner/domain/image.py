"""An image of the catalogue, and how versions are ordered."""

import re
from typing import Annotated, Literal

from pydantic import Field

from provisioner.domain.values import FrozenModel, Name


class Image(FrozenModel):
    """One version of an image in the catalogue; sizes in bytes. An `iso` is Ubuntu's installer.

    A pack is known by its `root_hash`, empty for one that an older release added; an ISO, and a pack where it
    says so, by `raw_sha256`.
    """

    name: Name
    version: Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z._+-]{0,63}$")]
    raw_size: int
    raw_sha256: str
    pack_size: int
    signed_by: str
    added: float
    kind: Literal["pack", "iso"] = "pack"
    root_hash: str = ""

    @property
    def id(self) -> str:
        """As people type it: `vault-os@2026.11.2`."""
        return f"{self.name}@{self.version}"


def version_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Orders versions as people read them: 1.9 < 1.10rc1 < 1.10 < 1.10.1."""
    parts: list[tuple[int, int, str]] = []
    for word in re.findall(r"[0-9]+|[A-Za-z]+", text):
        parts.append((2, int(word), "") if word.isdigit() else (0, 0, word.lower()))
    return (*parts, (1, 0, ""))
