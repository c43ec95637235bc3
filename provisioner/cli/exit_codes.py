"""Which exit codes a command has beside those of every command; its help and docs/cli.md name them."""

from collections.abc import Mapping

from provisioner.errors import Exit

WORDS: Mapping[Exit, str] = {
    Exit.DONE: "done",
    Exit.USAGE: "usage",
    Exit.FAILED: "failed, or a fault was found",
    Exit.PARTLY: "some of several failed",
    Exit.UNREACHABLE: "unreachable",
    Exit.REFUSED: "refused",
    Exit.RUNNING: "still running at --timeout",
    Exit.REJECTED: "rejected by its verification",
    Exit.GONE: "a locked file is gone",
}
SERVICE = (Exit.UNREACHABLE, Exit.REFUSED)  # a service may be down, or refuse the token
DEPLOYS = (Exit.FAILED, Exit.PARTLY, *SERVICE, Exit.RUNNING, Exit.REJECTED)
# the words of a command → its codes beside 0, 2, and 1 and 130, which are explained at `provision --help`
EXITS: Mapping[str, tuple[Exit, ...]] = {
    **dict.fromkeys(("deploy", "retry", "watch"), DEPLOYS),
    **dict.fromkeys(("status", "pause", "resume", "cancel", "report"), SERVICE),
    **dict.fromkeys(("diagnose", "net check", "check"), (Exit.FAILED, *SERVICE)),
    **dict.fromkeys(
        (f"host {verb}" for verb in ("apply", "import", "move", "remove", "list", "show", "add", "rename")),
        SERVICE,
    ),
    **dict.fromkeys((f"host {verb}" for verb in ("lock", "unlock", "edit", "history")), SERVICE),
    **dict.fromkeys((f"profile {verb}" for verb in ("list", "show", "remove", "render", "learn")), SERVICE),
    **dict.fromkeys((f"image {verb}" for verb in ("list", "add", "verify", "remove", "gc")), SERVICE),
    "host prove-boot": (Exit.FAILED, Exit.PARTLY, *SERVICE),
    "image keygen": (Exit.REFUSED,),
    "image trust": (Exit.REFUSED,),
    "image untrust": (Exit.REFUSED,),
    "image build": (Exit.FAILED, *SERVICE),
    "image builds": (),
    "image diff": (Exit.FAILED,),
    "image pack": (Exit.REFUSED,),
    "image convert": (Exit.REFUSED,),
    "image write": (Exit.FAILED, *SERVICE),
    "mirror lock": (Exit.UNREACHABLE,),
    "mirror keygen": (Exit.REFUSED,),
    "mirror make": (*SERVICE, Exit.GONE),
    "mirror verify": (Exit.REFUSED,),
    "mirror airgap": (Exit.REFUSED,),
    "bmc test": (Exit.PARTLY, *SERVICE),
    **dict.fromkeys(
        (f"bmc {verb}" for verb in ("power", "boot", "identify", "sensors", "console", "rotate")), SERVICE
    ),
    **dict.fromkeys((f"bmc secret {verb}" for verb in ("put", "list", "remove")), SERVICE),
    **dict.fromkeys((f"net {verb}" for verb in ("watch", "leases", "print")), SERVICE),
    "ramdisk build": (),
    "rehearse": (Exit.FAILED,),
    "serve": (Exit.REFUSED,),
    "support-dump": (Exit.REFUSED,),
    "backup": (Exit.REFUSED,),
    "bundle make": SERVICE,
    "bundle verify": (Exit.REFUSED,),
    "bundle install": (Exit.REFUSED,),
    "restore": (Exit.REFUSED,),
    "verify": (Exit.FAILED, *SERVICE, Exit.RUNNING, Exit.REJECTED),
    **dict.fromkeys(("certificate get", "certificate list"), SERVICE),
    "certificate verify": (Exit.REFUSED, Exit.REJECTED),
    "certificate export": (Exit.REFUSED,),
    "certificate key": (),
    "certificate keygen": (Exit.REFUSED,),
    **dict.fromkeys((f"audit {verb}" for verb in ("list", "verify", "export", "key")), SERVICE),
    **dict.fromkeys(("login", "whoami"), SERVICE),
    "logout": (Exit.REFUSED,),
    **dict.fromkeys((f"user {verb}" for verb in ("add", "list", "role", "password", "remove")), SERVICE),
    **dict.fromkeys((f"token {verb}" for verb in ("create", "list", "revoke")), SERVICE),
    "explain": (),
    "completion": (),
}


def of(path: str) -> tuple[Exit, ...]:
    """The exit codes of a command, by its words, but 1 and 130."""
    return tuple(sorted((Exit.DONE, Exit.USAGE, *EXITS.get(path, ()))))


def sentence(path: str) -> str:
    """The last line of a command's help; empty for a group of commands."""
    if path not in EXITS:
        return ""
    return "Exit codes: " + ", ".join(f"{code.value} {WORDS[code]}" for code in of(path)) + "."
