"""Deployed hosts for the worker to verify and to seal: folders as their roots, one SSH server for all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner import run
from tests.wire.verify.test_verify import PARTS, furnish, make_key

if TYPE_CHECKING:
    from tests.wire.conftest import Namespace

USER = "provision"
# it runs as a user of its own in a namespace of its own: there are no privileges to separate
CONFIGURATION = """\
ListenAddress 0.0.0.0:22
HostKey {folder}/host
AuthorizedKeysFile none
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100
"""
# what a verification and a sealing ask in the middle of their work; each waits while a file says so
ASKED = {"verifying": "findmnt", "sealing": "lsblk"}
WAIT = """\
#!/bin/sh
while [ -e /fake/{stage} ]; do sleep 0.1; done
exec /fake/{program}.now "$@"
"""
MATCH = """\
Match LocalAddress {address}
  AuthorizedKeysFile {cube}/root/home/provision/.ssh/authorized_keys
  ForceCommand {cube}/enter.sh
"""


class Cubes:
    """The systems on the disks of hosts, by the hosts' addresses."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.host_key = folder, " ".join(make_key(folder / "host").split()[:2])
        self._logins: dict[str, str] = {}

    def boot(self, address: str, mac: str, image: str, serial: str, login: str) -> None:
        """A fresh system, as the image's first boot leaves it; what was there before is put aside.

        `login` is the public key that the deployment brings along.
        In the middle of its verification, and of its sealing, it waits for `release`.
        """
        root = self._place(address) / "root"
        if root.exists():
            root.rename(root.with_name(f"root.{len(list(root.parent.iterdir()))}"))
        self._logins[address] = login
        furnish(root, login)
        name, _, version = image.partition("@")
        files = {
            "etc/os-release": f"IMAGE_ID={name}\nIMAGE_VERSION={version}\n",
            "etc/passwd": f"root:x:0:0::/root:/bin/sh\n{USER}:x:0:0::/home/provision:/bin/sh\n",
            "sys/class/net/eth0/address": f"{mac}\n",
            "sys/devices/sdx/serial": f"{serial}\n",
            "sys/devices/sdx/sdx4/partition": "4\n",
        }
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        for stage, program in ASKED.items():
            (root / "fake" / program).rename(root / "fake" / f"{program}.now")
            (root / "fake" / program).write_text(WAIT.format(stage=stage, program=program))
            (root / "fake" / program).chmod(0o755)
            (root / "fake" / stage).touch()
        (root / "sys/class/block").mkdir()
        (root / "sys/class/block/sdx4").symlink_to("../../devices/sdx/sdx4")

    def release(self, address: str, stage: str) -> None:
        """Let its verification or its sealing go on."""
        (self._place(address) / "root" / "fake" / stage).unlink()

    def is_sealed(self, address: str) -> bool:
        """Whether nothing of ours opens it any more, and its seed is erased."""
        root = self._place(address) / "root"
        keys = (root / "home/provision/.ssh/authorized_keys").read_text()
        return self._logins[address].split()[1] not in keys and not any((root / "cidata.img").read_bytes())

    def _place(self, address: str) -> Path:
        return self.folder / address

    @contextmanager
    def reachable(self, lan: Namespace, addresses: list[str]) -> Iterator[None]:
        """By SSH on port 22 of each address, in the namespace of the service."""
        for address in addresses:
            self._place(address).mkdir()
            shutil.copy(PARTS / "enter.sh", self._place(address))
            lan.add_address(f"{address}/24")
        places = [MATCH.format(address=address, cube=self._place(address)) for address in addresses]
        (self.folder / "sshd_config").write_text(CONFIGURATION.format(folder=self.folder) + "".join(places))
        users = f"root:x:0:0::/root:/bin/sh\n{USER}:x:1000:1000::/:/bin/sh\n"
        (self.folder / "passwd").write_text(users)
        for words in (
            ("mount", "--bind", self.folder / "passwd", "/etc/passwd"),
            ("sysctl", "-qw", "net.ipv4.ip_unprivileged_port_start=0"),
        ):
            done = lan.run(*words)
            assert done.code == 0, done.err
        program = run.find("sshd", "openssh-server")
        alone = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
        argv = lan.argv(*alone, program, "-D", "-e", "-f", self.folder / "sshd_config")
        with run.running(argv, log=self.folder / "sshd.log"):
            yield
