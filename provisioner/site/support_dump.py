"""One file for whoever helps: what the service knows of itself and its last deployments, without secrets."""

import importlib.metadata
import io
import json
import os
import platform
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import BaseModel, JsonValue
from pydantic_core import to_json
from pysqlite3 import dbapi2 as sqlite3

from provisioner import __version__, run
from provisioner.domain.check_line import CheckLine
from provisioner.domain.deployment import Deployment, PublicDeployment
from provisioner.domain.host import Host
from provisioner.domain.stage import RESTING, Stage
from provisioner.errors import ProgramError, ProvisionError
from provisioner.site import checks, opened_secrets
from provisioner.site.site import Site
from provisioner.state import disk_usage, recording
from provisioner.state.known_secrets import GONE
from provisioner.state.scrubber import Scrubber, known_secrets

MOST_DEPLOYMENTS = 500  # whose rows are in it; logs and events are of those that were asked for
LARGEST = 2 << 20  # bytes of one log: its end
MOST_EVENTS = 20_000  # of one deployment
JOURNAL_LINES = 20_000
PROGRAMS: dict[str, Sequence[str]] = {
    "machine/addresses.txt": ("ip", "-details", "address"),
    "machine/routes.txt": ("ip", "route", "show", "table", "all"),
    "machine/neighbours.txt": ("ip", "neighbour"),
    "machine/sockets.txt": ("ss", "-lnptu"),
    "machine/disks.txt": ("df", "-h"),
    "machine/journal.txt": ("journalctl", "--no-pager", "-u", "provisioner*", "-n", str(JOURNAL_LINES)),
}
HEAD = """provision support-dump

Made by vaultcube-provisioner {version} on {node}, {time}.
Taken out, wherever it stood: what STATE/secrets holds (keys), {opened}, nonces, and
whatever looks like a password, token, private key or password hash; in its place stands {gone}.
Left in: names and serials of machines, MACs, addresses, the words of consoles and logs.
Look it through before you give it away.

What is in it:
"""


@dataclass(frozen=True)
class DumpedFile:
    """One file of the archive: its name, its size in bytes, what it is in words."""

    name: str
    size: int
    what: str


@dataclass(frozen=True)
class _Text:
    name: str
    what: str
    make: Callable[[], str]


def write(site: Site, settings_file: Path | None, deployments: int, out: Path) -> list[DumpedFile]:
    """Write a gzipped tar archive to `out` (mode 0600, never over another file); what is in it.

    What cannot be read is in it as the reason why. `deployments` is of how many logs and events are
    taken: those that move or failed, then the newest. Raises OSError.
    """
    state = site.settings.state
    rows = _rows(site)
    hashes = {value for row in rows for value in (row.nonce_hash, row.token_hash, row.phone_hash) if value}
    opened = _opened(site)
    known = [*known_secrets(state), *opened, *(row.nonce for row in rows if row.nonce)]
    scrubber = Scrubber(known, hashes)
    texts = _texts(site, settings_file, rows, deployments)
    descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as raw, tarfile.open(fileobj=raw, mode="w:gz") as archive:
            written = [_scrubbed(archive, text, scrubber) for text in texts]
            _add(archive, "README.txt", _readme(written, is_opened=bool(opened)).encode())
    except BaseException:
        out.unlink(missing_ok=True)
        raise
    return written


def _scrubbed(archive: tarfile.TarFile, text: _Text, scrubber: Scrubber) -> DumpedFile:
    data = scrubber.scrub(_made(text)).encode(errors="replace")
    _add(archive, text.name, data)
    return DumpedFile(text.name, len(data), text.what)


def _opened(site: Site) -> list[str]:
    """What is encrypted in the database, so that it is found elsewhere; nothing where there is no key."""
    try:
        return list(opened_secrets.words(site))
    except (ProvisionError, sqlite3.Error):
        return []


def _made(text: _Text) -> str:
    try:
        return text.make()
    except (ProvisionError, OSError, sqlite3.Error) as fault:
        return f"could not be read: {fault}\n"


def _readme(files: Iterable[DumpedFile], *, is_opened: bool) -> str:
    opened = "logins of BMCs and keys" if is_opened else "not the encrypted secrets (their key was not there)"
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    head = HEAD.format(version=__version__, node=platform.node(), time=when, gone=GONE, opened=opened)
    return head + "".join(f"{file.size:>10}  {file.name}  {file.what}\n" for file in files)


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(f"support-dump/{name}")
    entry.size, entry.mtime, entry.mode = len(data), int(time.time()), 0o600
    archive.addfile(entry, io.BytesIO(data))


def _rows(site: Site) -> list[Deployment]:
    try:
        return site.database.deployments.newest(MOST_DEPLOYMENTS)
    except ProvisionError:
        return []


def _texts(
    site: Site, settings_file: Path | None, rows: list[Deployment], deployments: int
) -> Iterator[_Text]:
    state, database = site.settings.state, site.database
    yield _Text("versions.json", "this release, its libraries, the system", _versions)
    yield _Text("checks.json", "what provision check says", lambda: _json(_checks(site)))
    yield _Text("settings.json", "the settings as they hold", lambda: site.settings.model_dump_json(indent=2))
    if settings_file and settings_file.exists():
        yield _Text("settings.toml", "their file", partial(_read, settings_file))
    yield _Text("state-folder.txt", "how large its parts are", lambda: _parts(state))
    yield _Text("hosts.json", "the inventory", lambda: _json(map(_host, database.hosts.all())))
    yield _Text("profiles.json", "the profiles", lambda: _json(database.profiles.all()))
    yield _Text("images.json", "the catalogue", lambda: _json(database.images.all()))
    yield _Text("sightings.json", "the MACs that asked", lambda: _json(database.sightings.all()))
    yield _Text("unreadable.txt", "rows that cannot be read", lambda: _unreadable(site))
    yield _Text("deployments.json", "the newest deployments", lambda: _json(map(_public, rows)))
    yield _Text("events/network.jsonl", "events of no host", lambda: _lines(database.events.notes(1000)))
    for row in _foremost(rows)[:deployments]:
        yield from _of_deployment(site, row)
    for name, argv in PROGRAMS.items():
        yield _Text(name, " ".join(argv), partial(_printed, argv))


def _foremost(rows: list[Deployment]) -> list[Deployment]:
    """Where help is wanted: what moves and who failed last first, then the others; of each the newest."""
    hosts = set[str]()
    foremost = []
    for row in rows:
        is_bad = row.stage in RESTING and row.stage not in (Stage.READY, Stage.CANCELLED)
        is_moving = row.stage not in RESTING and row.stage != Stage.QUEUED
        if row.host not in hosts and (is_bad or is_moving):
            foremost.append(row)
        hosts.add(row.host)
    chosen = {row.id for row in foremost}
    return [*foremost, *(row for row in rows if row.id not in chosen)]


def _host(host: Host) -> dict[str, JsonValue]:
    """With the name of its BMC's login as `login`: what is called a secret is taken out."""
    body: dict[str, JsonValue] = host.model_dump(mode="json")
    bmc = body["bmc"]
    if isinstance(bmc, dict):
        bmc["login"] = bmc.pop("secret", "")
    return body


def _of_deployment(site: Site, row: Deployment) -> Iterator[_Text]:
    what = f"{row.host}, {row.stage}"
    events = site.database.events
    yield _Text(f"events/{row.id}.jsonl", what, lambda: _lines(events.of(row.id, limit=MOST_EVENTS)))
    for path in sorted((site.settings.state / "logs").glob(f"{row.id}.*")):
        yield _Text(f"logs/{path.name}", what, partial(_tail, path))


def _public(row: Deployment) -> PublicDeployment:
    return PublicDeployment.model_validate(
        {name: getattr(row, name) for name in PublicDeployment.model_fields}
    )


def _checks(site: Site) -> list[CheckLine]:
    return [checks.of_database(site.settings.state), *checks.of_service(site)]


def _json(rows: Iterable[object]) -> str:
    """Models or dataclasses."""
    return to_json(list(rows), indent=2).decode() + "\n"


def _lines(models: Iterable[BaseModel]) -> str:
    return "".join(f"{model.model_dump_json()}\n" for model in models)


def _unreadable(site: Site) -> str:
    return "".join(f"{fault} (PV-{fault.code}): {fault.hint}\n" for fault in site.database.unreadable())


def _parts(state: Path) -> str:
    head = f"{disk_usage.room(state)} bytes are free\n"
    return head + "".join(f"{number:>14} {name}\n" for name, number in disk_usage.parts(state))


def _read(path: Path) -> str:
    return path.read_text(errors="replace")


def _tail(path: Path) -> str:
    """The end of a log, without what a terminal would obey, which could divide a secret."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LARGEST))
        return recording.plain(file.read())


def _printed(argv: Sequence[str]) -> str:
    try:
        done = run.run(argv, check=False, timeout=30)
    except ProgramError as fault:
        return f"{fault}\n"
    return (done.stdout + done.stderr).decode(errors="replace")


def _versions() -> str:
    packages = {dist.name: dist.version for dist in importlib.metadata.distributions()}
    release = Path("/etc/os-release")
    system = release.read_text().splitlines() if release.exists() else []
    found = {
        "provisioner": __version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "kernel": platform.release(),
        "machine": platform.machine(),
        "system": system,
        "packages": dict(sorted(packages.items())),
    }
    return json.dumps(found, indent=2) + "\n"
