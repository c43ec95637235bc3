"""Sections of the settings about people, images and what is kept; the networks' are in `settings`."""

import re
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

MOST_WEBHOOKS = 8  # each has a thread of the worker's


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


class Secrets(Section):
    """What opens the site's secrets, where no credential of systemd does: a passphrase, else a file."""

    key_file: Path | None = Field(None, description="the key; none: secrets.key in STATE-keys beside STATE")
    passphrase_file: Path | None = Field(None, description="its first line is a passphrase")
    ask: bool = Field(False, description="ask for the passphrase on the terminal at each start")


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
    audit_days: int = Field(default=0, ge=0, le=36500, description="lines of the audit; 0 for ever")


class Rehearsals(Section):
    """Rehearsals that people keep, shown to whoever looks at the pages."""

    folder: Path | None = Field(
        default=None,
        description="what provision rehearse --archive writes into; none: rehearsals in the state folder",
    )


class Mirror(Section):
    """The site mirror, read by whoever is on the LAN: at the root of its own name, and below /mirror/."""

    name: str = Field(
        default="apt.vaultcube.local", pattern=r"^[a-z0-9.-]+$", description="the Host that means it"
    )
    path: Path | None = Field(default=None, description="the folder of provision mirror make; none: off")


class Images(Section):
    """How the bytes of images reach the hosts."""

    streams: int = Field(default=8, ge=1, le=64, description="hosts that fetch at one time; the others wait")
    url: str = Field(
        default="",
        pattern=r"^(http://[A-Za-z0-9.-]+(:\d{1,5})?)?$",
        description="where hosts fetch packs, where that is not this service",
    )
    accel: str = Field(
        default="",
        pattern=r"^(/[A-Za-z0-9_/-]*[A-Za-z0-9_-])?$",
        description="nginx's internal location of STATE/images: its sendfile gives the bytes",
    )
    swarm: bool = Field(default=True, description="hosts that write the same image give each other its bytes")
    host_mbit: int = Field(
        default=0, ge=0, le=1_000_000, description="Mbit/s that one host gives others; 0: all that it can"
    )
    switch_mbit: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="Mbit/s that all hosts at one switch give others; 0: all that they can",
    )


class Logs(Section):
    """How the service's processes say what they do, on standard error."""

    format: Literal["text", "json"] = Field(
        default="text", description="lines for people · one JSON object on each line"
    )


class Webhook(Section):
    """A program elsewhere that is told of events: by signed requests, again until it has taken them."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", description="of the receiver")
    url: str = Field(max_length=500)
    secret_file: Path = Field(description="what signs: whsec_ and base64, a line for each secret")
    stages: tuple[Literal["ready", "rejected", "failed", "cancelled"], ...] = Field(
        default=("ready", "rejected", "failed", "cancelled"),
        description="how deployments end that it is told of",
    )
    kinds: tuple[str, ...] = Field(
        default=(), max_length=64, description="further kinds of events: service.replaced, verify.*"
    )
    ca_file: Path | None = Field(default=None, description="whose certificates are believed")

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or not self.url.isprintable():
            raise ValueError(f"{self.name}: url: {self.url!r} is no https:// or http:// address")
        if parts.username is not None or parts.fragment or not self.url.isascii() or " " in self.url:
            raise ValueError(f"{self.name}: url: no user, fragment, blank or foreign letter may be in it")
        if not 0 < (parts.port or 1) < 65536:
            raise ValueError(f"{self.name}: url: {parts.port} is no port")
        if parts.scheme == "http" and not _is_private(parts.hostname):
            raise ValueError(f"{self.name}: url: by http only to an address of a private network; else https")
        for path in (self.secret_file, self.ca_file):
            if path is not None and not path.is_absolute():
                raise ValueError(f"{self.name}: {path} does not begin with /")
        for kind in self.kinds:
            if not re.fullmatch(r"[a-z*][a-z.*]{0,63}", kind):
                raise ValueError(f"{self.name}: kinds: {kind!r} is no kind of event")
        return self


def _is_private(host: str) -> bool:
    try:
        return IPv4Address(host).is_private
    except AddressValueError:
        return False
