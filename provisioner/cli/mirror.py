"""`provision mirror …`: what images are built from at a site without the internet."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioner.cli.options import output_option
from provisioner.cli.output import Column, info, print_rows
from provisioner.errors import Exit, InputError, RefusedError
from provisioner.setting_sections import Mirror
from provisioner.system import outputs
from provisioner.system.units import size

if TYPE_CHECKING:
    from provisioner.mirror.airgap import Account
    from provisioner.mirror.locks import Lock

FILE = click.Path(path_type=Path)
SUITES = {"bookworm": ("3.11", "2.36"), "noble": ("3.12", "2.39")}  # their Python and glibc


@dataclass(frozen=True)
class Finding:
    """What is wrong with one file: `missing`, `extra`, `changed` or `unsigned`."""

    kind: str
    file: str


COLUMNS: tuple[Column[Finding], ...] = (
    Column("FINDING", lambda finding: finding.kind),
    Column("FILE", lambda finding: finding.file),
)


@click.group()
def mirror() -> None:
    """The site mirror: lock, make, verify, and prove that a build asks nothing else."""


@mirror.command()
@click.option("--suite", required=True, help="The system's release, as bookworm or noble.")
@click.option(
    "--packages",
    multiple=True,
    type=FILE,
    help="A list of packages, over the minimal system; a further list is installed over these. Repeat it.",
)
@click.option(
    "--wheels",
    "lists",
    multiple=True,
    type=FILE,
    help="A requirements.txt for pip, an environment each. Repeat it.",
)
@click.option(
    "--collections",
    multiple=True,
    type=FILE,
    help="A requirements.yml of Ansible, or a collection's tarball. Repeat it.",
)
@click.option("-o", "out", required=True, type=FILE, help="The lock file, YAML; commit it.")
@click.option("--architecture", default="amd64", show_default=True)
@click.option("--python", default="", help="The system's Python, as 3.12; known for bookworm and noble.")
@click.option("--glibc", default="", help="The system's glibc, as 2.39; likewise.")
@click.option("--sources", type=FILE, help="apt sources (.list or .sources) instead of this machine's.")
@click.option("--created", default="", help="The time in the lock, RFC 3339 in UTC; now unless given.")
def lock(
    suite: str,
    packages: tuple[Path, ...],
    lists: tuple[Path, ...],
    collections: tuple[Path, ...],
    out: Path,
    architecture: str,
    python: str,
    glibc: str,
    sources: Path | None,
    created: str,
) -> None:
    """Resolve on a connected machine which files an image needs, and write them down by SHA-256.

    With packages comes the minimal system, so that the base image too can be built from the mirror. apt
    resolves in a state of its own: nothing is installed, and root is not needed. Where nothing has changed,
    the lock stays as it is.
    """
    from provisioner.mirror import archive, galaxy, locks, wheels

    if not (packages or lists or collections):
        raise InputError("nothing to lock", hint="--packages FILE, --wheels FILE, --collections FILE")
    steps = [_lines(path) for path in packages]
    known = SUITES.get(suite, ("", ""))
    python, glibc = python or known[0], glibc or known[1]
    if lists and not (python and glibc):
        raise InputError(f"which Python and glibc {suite} has is not known", hint="--python, --glibc")
    resolved: dict[str, object] = {"suite": suite, "architecture": architecture}
    if packages:
        info(f"asking apt for {suite}")
        with archive.opened(suite, architecture, sources) as opened:
            resolved["packages"] = opened.closure(steps)
    if lists:
        info(f"asking pip for Python {python}")
        rows = wheels.resolve(lists, python, glibc, architecture)
        resolved |= {"python": python, "glibc": glibc, "wheels": rows}
    made = locks.check(
        {
            **resolved,
            "created": created or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "collections": galaxy.resolve(collections) if collections else [],
        },
        source="the lock",
    )
    _write(out, made)


def _lines(path: Path) -> list[str]:
    try:
        lines = [line.split("#")[0].strip() for line in path.read_text().splitlines()]
    except OSError as fault:
        raise InputError(f"{path}: {fault.strerror}", hint="--packages FILE, a name a line") from fault
    return [word for line in lines for word in line.split()]


def _write(out: Path, made: "Lock") -> None:
    from provisioner.mirror import locks

    before = locks.load(out) if out.is_file() else None
    if before and before.model_copy(update={"created": made.created}) == made:
        info(f"{out} is up to date: {_counts(made)}")
        return
    outputs.write(out, locks.dump(made))
    info(f"{out}: {_counts(made)}")


def _counts(made: "Lock") -> str:
    total = size(sum(item.size for item in made.packages))
    return (
        f"packages: {len(made.packages)} ({total}), wheels: {len(made.wheels)},"
        f" collections: {len(made.collections)}"
    )


@mirror.command()
@click.argument("name")
@click.option("--dir", "folder", type=FILE, default=Path(), help="Where to.")
def keygen(name: str, folder: Path) -> None:
    """Make the key that signs mirrors: NAME.mirror-key, and NAME.gpg for those who read them.

    Keep NAME.mirror-key where mirrors are made. It has no password and signs nothing but mirrors.
    """
    from provisioner.mirror import signing

    secret, public = signing.keygen(folder, name)
    info(f"{secret} signs; keep it secret (it has no password)")
    info(f"{public} verifies; mirrors carry it as site-mirror.gpg")


@mirror.command()
@click.option("--lock", "lock_file", required=True, type=FILE, help="What provision mirror lock wrote.")
@click.option("--out", required=True, type=FILE, help="The mirror's folder: new, empty, or an older mirror.")
@click.option("--sign", "key", required=True, type=FILE, help="NAME.mirror-key of keygen.")
@click.option("--from", "other", multiple=True, type=FILE, help="A folder to look in first. Repeat it.")
@click.option("--sources", type=FILE, help="apt sources (.list or .sources) instead of this machine's.")
def make(lock_file: Path, out: Path, key: Path, other: tuple[Path, ...], sources: Path | None) -> None:
    """Fetch just the locked files, check each, and make a signed mirror: apt, wheels, collections.

    What is there and right is not fetched again; what is no longer locked is removed. The same lock and key
    give the same bytes. Exit code 9 (PV-651): a locked file has left its archive; lock again and commit.
    """
    from provisioner.mirror import make as makes

    done = makes.make(lock_file, out, key, sources=sources, other=other, report=info)
    info(
        f"{out}: {size(done.size)}; {done.present} files were there, {done.taken} came from other folders,"
        f" {done.fetched} were fetched ({done.seconds:.0f} s)"
    )


@mirror.command()
@click.argument("folder", metavar="DIR", type=FILE)
@click.option("--pubkey", type=FILE, help="NAME.gpg of keygen; without it the mirror's own is believed.")
@click.option("--lock", "lock_file", type=FILE, help="The lock that it must have been made from.")
@output_option
def verify(folder: Path, pubkey: Path | None, lock_file: Path | None, output: str) -> int:
    """Hold every file of a mirror against its lock and signature; name what is missing, extra or changed."""
    from provisioner.mirror import verify as verifies

    findings = verifies.verify(folder, public=pubkey, lock_file=lock_file)
    rows = [Finding(row["kind"], row["file"]) for row in findings.rows()]
    if rows or output != "table":
        print_rows(output, "findings", rows, COLUMNS, name=lambda finding: finding.file)
    if rows:
        raise RefusedError(
            f"{folder} is not what its lock and signature say: {len(rows)} findings",
            hint="provision mirror make completes it; unsigned or changed: find out who did it",
            code=654,
        )
    info(
        f"{folder}: {findings.count} files are right" + ("" if pubkey else " (by its own key; give --pubkey)")
    )
    return Exit.DONE


@mirror.command(context_settings={"ignore_unknown_options": True})
@click.option("--mirror", "folder", required=True, type=FILE, help="The folder that make made.")
@click.option("--name", default=Mirror().name, show_default=True, help="Its name: http://NAME/ inside.")
@click.option("--report", type=FILE, help="Write the account as JSON.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND…")
def airgap(folder: Path, name: str, report: Path | None, command: tuple[str, ...]) -> int:
    """Run a command where only the mirror answers, and count what it asks for elsewhere.

    Works as root and as an ordinary user. Any attempt (a name asked for by DNS, a packet to an address) is
    refused at once, named, and makes the end a 6 (PV-657). Without one, the code is the command's own.
    """
    from provisioner.mirror import airgap as gaps

    done = gaps.run_inside(command, mirror=folder, name=name)
    if report:
        outputs.write(report, done.dump())
    return judge(done, command[0], name)


def judge(done: "Account", what: str, name: str) -> int:
    """The code of a command that ran in the air gap. Raises RefusedError (PV-657) for any attempt."""
    if done.attempts:
        asked = "; ".join(map(str, done.attempts))
        raise RefusedError(
            f"{what} asked for something outside the mirror: {asked}",
            hint="lock what it needs, or configure it to do without"
            + (f"; it ended with {done.code}" if done.code else ""),
            code=657,
        )
    info(f"air gap: 0 attempts to reach anything but {name}")
    return done.code
