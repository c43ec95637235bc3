"""Sections of the settings that are about people and what is kept; the networks' are in `settings`."""

import re
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Section(BaseModel):
    """Part of the TOML file; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Access(Section):
    """By which ways people come in, beside `https_port` and the state folder's own socket."""

    socket: Path | None = Field(
        default=None,
        description="a Unix socket that every user of this machine may open: Linux says who it is",
    )
    names: tuple[str, ...] = Field(
        default=(), description="further names by which the API may be called; all others are refused"
    )

    @model_validator(mode="after")
    def _names_are_names(self) -> Self:
        for name in self.names:
            if not re.fullmatch(r"[a-z0-9.-]{1,253}", name):
                raise ValueError(f"names: {name!r} is no host name; lower case, without a port")
        if self.socket is not None and not self.socket.is_absolute():
            raise ValueError(f"socket: {self.socket} does not begin with /")
        return self


class Acceptance(Section):
    """How hosts are accepted, beside what their profiles say."""

    checks: Path = Field(
        default=Path("/etc/provisioner/checks"),
        description="the folder of the site's own checks; a profile approves each by its SHA-256",
    )


class Retention(Section):
    """For how many days what has ended is kept; orders and verdicts for ever, unless set."""

    logs_days: int = Field(
        default=90,
        ge=1,
        le=36500,
        description="logs, consoles and Ansible's files of deployments that have ended; BMC requests",
    )
    events_days: int = Field(
        default=365,
        ge=1,
        le=36500,
        description="their events that led to no other stage, and events of the network",
    )
    deployments_days: int = Field(default=0, ge=0, le=36500, description="deployments; 0 for ever")
