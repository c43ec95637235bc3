"""Namespaces of our own: how they are entered, with and without root; what is said where it is forbidden."""

import os
from collections.abc import Sequence

from provisioner import run
from provisioner.errors import ProgramError, ServiceError

# one user id inside, which is root there: enough for networks and mounts
UNSHARE = ["unshare", "--user", "--map-root-user", "--net", "--mount"]
# many user ids, as package managers need; by newuidmap and /etc/subuid
UNSHARE_MANY = [*UNSHARE, "--map-auto"]
# processes of its own too: whatever was started inside, a virtual machine say, ends with it
OWN_PROCESSES = ["--pid", "--fork", "--kill-child", "--mount-proc"]


def with_network() -> list[str]:
    """The words before a command that shall run as root of its own network, mounts and processes.

    Root stays what he is. An ordinary user gets many ids where this machine grants them, else one.
    Raises ServiceError (PV-642).
    """
    if os.geteuid() == 0:
        return ["unshare", "--net", "--mount", *OWN_PROCESSES]
    many_ids, one_id = [*UNSHARE_MANY, *OWN_PROCESSES], [*UNSHARE, *OWN_PROCESSES]
    try:
        run.run([*many_ids, "true"], timeout=10)
    except ProgramError:
        check(one_id)
        return one_id
    return many_ids


def check(command: Sequence[str]) -> None:
    """Whether this machine lets us in. Raises ServiceError (PV-642)."""
    try:
        run.run([*command, "true"], timeout=10)
    except ProgramError as fault:
        raise ServiceError(
            f"this machine forbids user namespaces, which are needed here: {fault}",
            hint="as root: sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000"
            " kernel.apparmor_restrict_unprivileged_userns=0 (those that exist), or run it as root",
            code=642,
        ) from fault
