"""What can go wrong, said once: a sentence with evidence, what to do next, a PV code, an exit code."""

from collections.abc import Sequence
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the command line; documented in docs/cli.md."""

    DONE = 0
    INTERNAL = 1
    USAGE = 2
    FAILED = 3
    PARTLY = 4
    UNREACHABLE = 5
    REFUSED = 6
    RUNNING = 7
    REJECTED = 8
    GONE = 9
    DETACHED = 130


class ProvisionError(Exception):
    """A fault with a sentence for people.

    ``str(error)`` is what happened, with the evidence; ``hint`` is what to do next; ``code`` is the
    number behind ``PV-`` (1xx orders and input, 2xx power and netboot, 3xx agent and disk, 4xx first
    boot, 5xx verification, 6xx service and site); `also` are further faults, found at the same time.
    """

    code = 600
    exit = Exit.INTERNAL
    also: tuple["ProvisionError", ...] = ()

    def __init__(self, message: str, *, hint: str = "", code: int | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        if code is not None:
            self.code = code

    def as_json(self) -> dict[str, object]:
        """The error as the API carries it: ``{message, hint, code, exit}``."""
        return {"message": str(self), "hint": self.hint, "code": self.code, "exit": int(self.exit)}


class InputError(ProvisionError):
    """What was typed or written in a file cannot be used."""

    code = 100
    exit = Exit.USAGE


class FileError(InputError):
    """A file or folder of this machine cannot be read or written."""

    code = 150


class InventoryError(InputError):
    """Hosts or profiles contradict themselves or each other."""

    code = 110


class SettingsError(InputError):
    """The settings file or its values cannot be used."""

    code = 610


class NotFoundError(InputError):
    """Nothing is known by that name."""

    code = 120


class RefusedError(ProvisionError):
    """Safety, a signature or a missing confirmation forbids it."""

    code = 130
    exit = Exit.REFUSED


class TransitionError(ProvisionError):
    """An event that the deployment's stage does not expect; it left no trace but a log line."""

    code = 140
    exit = Exit.REFUSED


class PowerError(ProvisionError):
    """A BMC did not do, or did not confirm, what it was told."""

    code = 200
    exit = Exit.UNREACHABLE


class NotYetError(PowerError):
    """A BMC cannot do it now, or it is not known whether it did: ask again after `pause` seconds."""

    code = 211

    def __init__(self, message: str, *, hint: str = "", code: int | None = None, pause: float = 2.0) -> None:
        super().__init__(message, hint=hint, code=code)
        self.pause = pause


class UnreachableError(ProvisionError):
    """The service, or a machine, does not answer."""

    code = 620
    exit = Exit.UNREACHABLE


class PackError(ProvisionError):
    """An image or pack is damaged, unsigned or of the wrong kind."""

    code = 320
    exit = Exit.REFUSED


class SealedFileError(ProvisionError):
    """A backup or a bundle is none, is damaged, or is not signed by whom it should be."""

    code = 695
    exit = Exit.REFUSED


class CertificateError(ProvisionError):
    """A certificate is none, was changed, or is by a key that nobody knows here."""

    code = 560
    exit = Exit.REFUSED


class AuditError(ProvisionError):
    """The audit is not as it was written, or nobody vouches for it."""

    code = 690
    exit = Exit.REFUSED


class NotAcceptedError(ProvisionError):
    """A certificate is right, and what it says is that the host was not accepted."""

    code = 569
    exit = Exit.REJECTED


class DiskError(ProvisionError):
    """No disk, several disks, or a disk that cannot hold the image."""

    code = 310
    exit = Exit.FAILED


class DeploymentError(ProvisionError):
    """A deployment ended otherwise than ready."""

    code = 300
    exit = Exit.FAILED


class ServiceError(ProvisionError):
    """The service cannot start or go on."""

    code = 600
    exit = Exit.INTERNAL


class NotNowError(ServiceError):
    """It could not be written down now, and nothing was changed: it may be tried again."""


class DiskFullError(NotNowError):
    """There is no room on the disk of the state folder."""

    code = 609


class BusyError(NotNowError):
    """Another program, or a process of ours that hangs, holds the database."""

    code = 616


class UnreadableError(ServiceError):
    """A row of the database cannot be read: damaged, or of a release that this one does not know."""

    code = 612


class DamagedDatabaseError(RefusedError):
    """The database is damaged (PV-607) or gone (PV-608), so the service does not start on it."""

    code = 607


class NewerFolderError(RefusedError):
    """The state folder was written by a newer release, so this one does not touch it."""

    code = 611


class SecretKeyError(RefusedError):
    """The key that opens the site's secrets is missing, another one, or does not open one of them."""

    code = 695


class ProgramError(ProvisionError):
    """A program that we run is missing, failed, or took too long."""

    code = 630
    exit = Exit.INTERNAL


class NetworkError(ProvisionError):
    """The deployment LAN is not as deployments need it."""

    code = 671
    exit = Exit.FAILED


class WorkerError(UnreachableError):
    """The worker does nothing, so no BMC can be asked."""

    code = 674


class CheckError(ProvisionError):
    """`provision check` found something that is not as it has to be."""

    code = 673
    exit = Exit.FAILED


class GoneError(ProvisionError):
    """A file that a lock names is no longer where it came from."""

    code = 651
    exit = Exit.GONE


def raise_together(faults: Sequence[ProvisionError]) -> None:
    """Raise the first, with all others behind it (`also`); nothing where there is none."""
    if faults:
        faults[0].also = tuple(faults[1:])
        raise faults[0]


BY_EXIT: dict[int, type[ProvisionError]] = {
    Exit.USAGE: InputError,
    Exit.FAILED: DeploymentError,
    Exit.UNREACHABLE: UnreachableError,
    Exit.REFUSED: RefusedError,
}


def from_json(body: dict[str, object]) -> ProvisionError:
    """The error that ``as_json`` described; unknown kinds come back as ``ProvisionError``."""
    kind = BY_EXIT.get(int(str(body.get("exit", 1))), ProvisionError)
    return kind(
        str(body.get("message", "the service gave no reason")),
        hint=str(body.get("hint", "")),
        code=int(str(body.get("code", 600))),
    )
