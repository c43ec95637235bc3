"""How the ramdisk is left for the disk: by kexec where that is ordered and sure, else by the firmware."""

from collections.abc import Callable

from provisioner.agent.kexec import DoubtError, Kexec, WrittenRoot
from provisioner.domain.restart import Restart

Tell = Callable[[Restart, str], None]  # how the disk is started, and what or why, as a sentence


def start_disk(
    how: Restart, root: WrittenRoot | None, *, tell: Tell, reboot: Callable[[], None], kexec: Kexec
) -> None:
    """Start what was written to `root`. Any doubt, and any error of our own, leaves it to the firmware.

    It is told before it is done: afterwards there is nobody to tell. Without kexec nothing is told.
    """
    if how == "kexec" and (sentence := _by_kexec(root, tell, kexec)):
        tell("firmware", sentence)
    reboot()


def _by_kexec(root: WrittenRoot | None, tell: Tell, kexec: Kexec) -> str:
    """Only returns where the firmware must start the disk: why."""
    if root is None:
        return "the firmware starts the disk, not kexec: where the root was written is not known"
    try:
        entry = kexec.prepare(root)
    except DoubtError as doubt:
        return f"the firmware starts the disk, not kexec: {doubt}"
    except Exception as fault:
        return f"the firmware starts the disk, not kexec: the agent met an error of its own: {fault!r:.200}"
    tell("kexec", f"kexec starts {': '.join(filter(None, (entry.title, entry.kernel)))}")
    kexec.execute()
    return "the firmware starts the disk: kexec failed after all"
