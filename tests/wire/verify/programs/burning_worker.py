"""A worker whose host has its SSH at a port of the test's, is burned in by a processor, and is never sealed.

burning_worker STATE PORT SCRIPTS: the folder SCRIPTS has what stands for a cube's own scripts.
"""

import getpass
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from unittest import mock

from provisioner import settings
from provisioner.site.site import Site
from provisioner.state import secret_keys
from provisioner.state.database import Database
from provisioner.system import shipped
from provisioner.system.pulse import Pulse
from provisioner.verify import SshTarget, Verdict, run
from provisioner.worker import loop, verification, verifications


def work(state: Path, port: int, scripts: Path) -> None:
    whole = shipped.file

    def find(name: str, path: str) -> Path:
        own = scripts / Path(path).name
        return own if name == "ansible" and own.exists() else whole(name, path)

    def reach(name: str, address: str, user: str, key: Path, host_keys: tuple[str, ...]) -> SshTarget:
        return SshTarget(name, address, getpass.getuser(), key, host_keys, port)

    burn = partial(run, options=("--size", "tiny"))
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(shipped, "file", find))
        for module in (verification, verifications):
            stack.enter_context(mock.patch.object(module, "SshTarget", reach))
            stack.enter_context(mock.patch.object(module, "run_verification", burn))
        sealed = mock.patch.object(verification, "run_sealing", lambda *_, **__: Verdict("passed"))
        stack.enter_context(sealed)
        plain = {"state": state, "interface": "lan0", "address": "10.77.0.1/24"}
        found = settings.check(plain, source="test")
        loop.serve(Site(found, Database(state), opener=secret_keys.look(found)), Pulse())


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
