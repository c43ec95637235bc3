"""An Ansible connection into a folder that holds a system, by chroot: the host's name is the folder."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = """
name: tree
short_description: runs in a folder by chroot
description: Needs root. The umask is that of a hardened system, so roles must say modes.
options: {}
"""


class Connection(ConnectionBase):
    """What Ansible asks of a connection: run, send, fetch."""

    transport = "tree"
    has_pipelining = True
    default_user = "root"

    def _connect(self) -> "Connection":
        self._connected = True
        return self

    def exec_command(
        self, cmd: str, in_data: bytes | None = None, sudoable: bool = True
    ) -> tuple[int, bytes, bytes]:
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        argv = ["chroot", self._play_context.remote_addr, "/bin/sh", "-c", f"umask 027; {cmd}"]
        done = subprocess.run(argv, input=in_data or b"", capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def put_file(self, in_path: str, out_path: str) -> None:
        shutil.copyfile(in_path, self._inside(out_path))

    def fetch_file(self, in_path: str, out_path: str) -> None:
        shutil.copyfile(self._inside(in_path), out_path)

    def _inside(self, path: Any) -> Path:
        return Path(self._play_context.remote_addr) / str(path).lstrip("/")

    def close(self) -> None:
        self._connected = False
