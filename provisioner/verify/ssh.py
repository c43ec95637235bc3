"""SSH as verification uses it: the pinned host key, the options, the inventory, ssh's complaints in words."""

import logging
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Literal

from provisioner import run
from provisioner.errors import InputError, ProgramError, ServiceError
from provisioner.system.text import clean
from provisioner.verify.model import SshTarget

log = logging.getLogger(__name__)
CONNECT_SECONDS = 10
SSH_SECONDS = 60.0  # of one connection that does next to nothing
PYTHON = "/usr/bin/python3"
UNSENT = "Data could not be sent to remote host"  # Ansible's words where ssh ended first; ssh's own are lost
_KEY = re.compile(r"((?:ssh|sk-ssh|ecdsa|sk-ecdsa)-[a-z0-9@.-]+) ([A-Za-z0-9+/]+={0,2})(?: .*)?")


# Ansible's own format: {"all": {"hosts": {NAME: {VARIABLE: value}}}}
Inventory = dict[str, dict[str, dict[str, dict[str, str | int | bool]]]]


@dataclass(frozen=True)
class Route:
    """The way to one host for the length of one run: files that ssh reads, and where connections wait."""

    target: SshTarget
    known_hosts: Path
    control: Path

    def options(self) -> list[str]:
        """ssh's options, without those about shared connections."""
        pairs = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self.known_hosts),
            "GlobalKnownHostsFile": "/dev/null",
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "ConnectTimeout": str(CONNECT_SECONDS),
            "ServerAliveInterval": "15",  # a host that dies under us is noticed after a minute
            "ServerAliveCountMax": "4",
        }
        # no configuration file of the user's: it may send the connection elsewhere
        return ["-F", "none", *(part for key, value in pairs.items() for part in ("-o", f"{key}={value}"))]


@contextmanager
def route(target: SshTarget, folder: Path) -> Iterator[Route]:
    """Pin the host's keys in `folder`; shared connections end with the block.

    Raises:
        ServiceError: PV-503, the host has told no key that is one.
    """
    known_hosts = folder / "known_hosts"
    known_hosts.write_text(known_hosts_text(target))
    with tempfile.TemporaryDirectory(prefix="ssh-") as place:  # a socket's path has at most 107 bytes
        pinned = Route(target, known_hosts, Path(place) / "c")
        try:
            yield pinned
        finally:
            if pinned.control.exists():
                _close_connection(pinned)


def _close_connection(route: Route) -> None:
    run.run(["ssh", "-F", "none", "-o", f"ControlPath={route.control}", "-O", "exit", "x"], check=False)


def known_hosts_text(target: SshTarget) -> str:
    """The text of a known_hosts file: well-formed keys only, without their comments. Raises ServiceError."""
    place = target.address if target.port == 22 else f"[{target.address}]:{target.port}"
    keys = [_KEY.fullmatch(line.strip()) for line in target.host_keys]
    lines = [f"{place} {key[1]} {key[2]}\n" for key in keys if key]
    if not lines:
        raise ServiceError(
            f"{target.name} told no SSH host key when it phoned home",
            hint=f"provision retry {target.name}",
            code=503,
        )
    return "".join(lines)


def inventory(route: Route) -> Inventory:
    """Ansible's inventory with this one host."""
    target = route.target
    shared = f"-o ControlMaster=auto -o ControlPersist=60s -o ControlPath={route.control}"
    variables: dict[str, str | int | bool] = {
        "ansible_host": target.address,
        "ansible_port": target.port,
        "ansible_user": target.user,
        "ansible_ssh_private_key_file": str(target.key),
        "ansible_python_interpreter": PYTHON,
        "ansible_ssh_args": f"{' '.join(_quoted(route.options()))} {shared}",
        "ansible_ssh_pipelining": True,
    }
    return {"all": {"hosts": {target.name: variables}}}


def _quoted(words: list[str]) -> list[str]:
    """Ansible splits this text as a shell would."""
    return [f"'{word}'" if " " in word else word for word in words]


def login(route: Route) -> list[str]:
    """The arguments of ssh for a connection of its own; what follows them is the command."""
    target = route.target
    return [
        *route.options(),
        "-i",
        str(target.key),
        "-p",
        str(target.port),
        "-l",
        target.user,
        target.address,
    ]


def connect_once(arguments: list[str]) -> CompletedProcess[bytes] | None:
    """ssh with these arguments, to its end; None where it did not end within SSH_SECONDS."""
    try:
        return run.run(["ssh", *arguments], check=False, timeout=SSH_SECONDS)
    except ProgramError as fault:
        log.info("%s", fault)
        return None


def probe_login(route: Route) -> Literal["accepted", "denied", "silent"]:
    """Log in on a connection of its own and leave; `silent` is anything but a yes or no to our key."""
    done = connect_once([*login(route), "true"])
    if done is None:
        return "silent"
    if done.returncode != 255:  # the remote command's own code
        return "accepted"
    return "denied" if b"Permission denied" in done.stderr else "silent"


def public_key(target: SshTarget) -> str:
    """The base64 part of our public key, by which its line is found on the host."""
    return run.text(["ssh-keygen", "-y", "-f", target.key]).split()[1]


def require_usable(key: Path) -> None:
    """Raises InputError (PV-571): this is no private SSH key, or one that has a passphrase."""
    done = run.run(["ssh-keygen", "-y", "-P", "", "-f", key], check=False)
    if done.returncode == 0:
        return
    if b"passphrase" in done.stderr:
        raise InputError(
            "the SSH key has a passphrase, and nobody is there to type it",
            hint="a copy without one: cp KEY COPY; ssh-keygen -p -N '' -f COPY; remove the copy afterwards",
            code=571,
        )
    raise InputError(
        "this is no private SSH key that can be used here",
        hint="give the private half, as ssh-keygen wrote it; NAME.pub is the public one",
        code=571,
    )


def explain_failure(route: Route, message: str) -> str:
    """Likewise; where Ansible has lost what ssh said, ssh is asked once more."""
    if UNSENT in message:
        done = connect_once([*login(route), "true"])
        if done and done.returncode == 255:
            message = done.stderr.decode(errors="replace")
    return explain_unreachable(route.target, message)


def explain_unreachable(target: SshTarget, message: str) -> str:
    """What Ansible says of an unreachable host, as one sentence."""
    text = " ".join(message.split())
    if "IDENTIFICATION HAS CHANGED" in text or "Host key verification failed" in text:
        return f"{target.address} shows another SSH host key than {target.name} phoned home with"
    text = re.split(r"(?:via|over) ssh: ", text)[-1].removeprefix("ssh: ").rstrip(".")
    return f"{target.name} cannot be reached: {clean(text, 300) or 'ssh gave no reason'}"
