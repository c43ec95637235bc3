"""Asks apt, in a state of its own that needs no root: what is needed, what there is, and to fetch it."""

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from provisioner import run
from provisioner.errors import InputError, ProgramError, UnreachableError
from provisioner.mirror.locks import DebianPackage

# what mmdebstrap's minbase is, in apt's patterns; the images begin with it
BASE = ("?essential", "?and(?priority(required),?not(?essential))", "apt")
UPDATE_LIMIT, ASK_LIMIT, FETCH_LIMIT = 600.0, 120.0, 3600.0  # seconds
AT_ONCE = 100  # packages of one download: what a stopped run has is kept
FIELDS = ("Version", "Architecture", "Priority", "Section", "Size", "SHA256")
Stanza = dict[str, str]


def read_stanzas(text: str) -> Iterator[Stanza]:
    """Paragraphs of a Packages file (deb822); a field's further lines keep their newline and space."""
    for paragraph in re.split(r"\n{2,}", text.strip("\n")):
        stanza: Stanza = {}
        name = ""
        for line in paragraph.splitlines():
            if line[:1].isspace() and name:
                stanza[name] += "\n" + line
            elif ":" in line:
                name, _, value = line.partition(":")
                stanza[name] = value.strip()
        if stanza:
            yield stanza


def write_stanza(stanza: Mapping[str, str]) -> str:
    """A deb822 paragraph, with the empty line that ends it."""
    return "".join(f"{name}: {value}\n" for name, value in stanza.items()) + "\n"


class Archive:
    """apt with lists, cache and status of its own, on the machine's sources and keyrings or on `sources`."""

    def __init__(self, folder: Path, suite: str, architecture: str, sources: Path | None) -> None:
        self._folder, self._suite = folder, suite
        for place in ("lists/partial", "cache/archives/partial", "sources"):
            (folder / place).mkdir(parents=True)
        self._status = folder / "status"
        self._status.write_text("")
        (folder / "preferences").write_text("" if sources else _only(suite))
        self._options = [
            *("-q", f"-oDir::State={folder}", f"-oDir::State::Lists={folder}/lists"),
            *(f"-oDir::State::status={self._status}", f"-oDir::Cache={folder}/cache"),
            *(f"-oDir::Etc::Preferences={folder}/preferences", "-oDir::Etc::PreferencesParts=/dev/null"),
            *(f"-oAPT::Architecture={architecture}", f"-oAPT::Architectures={architecture}"),
            *("-oAPT::Install-Recommends=false", "-oAPT::Install-Suggests=false"),
            *(
                "-oAPT::Sandbox::User=root",
                "-oAPT::Update::Post-Invoke-Success=",
                "-oAPT::Update::Post-Invoke=",
            ),
            *("-oAcquire::AllowInsecureRepositories=false", "-oAPT::Get::AllowUnauthenticated=false"),
            *(_from(sources, folder / "sources") if sources else ()),
        ]

    def update(self) -> Self:
        """Read what the sources have, signatures checked. Raises UnreachableError (PV-652)."""
        try:
            self._apt("get", "update", "--error-on=any", limit=UPDATE_LIMIT)
        except ProgramError as fault:
            raise UnreachableError(
                f"apt's sources cannot be read: {fault}",
                hint="apt-get update must work on this machine; --sources FILE names others",
                code=652,
            ) from fault
        return self

    def closure(self, steps: Sequence[Sequence[str]]) -> list[DebianPackage]:
        """The packages that an image ends up with when each step is installed over the ones before.

        The first is mmdebstrap's minbase. Raises InputError (PV-652) with apt's own words.
        """
        chosen: dict[str, DebianPackage] = {}
        installed: dict[str, Stanza] = {}
        for step in (BASE, *steps):
            names = self._would_install(step)
            stanzas = self._show(names)
            suites = self._suites(sorted({stanza["Package"] for stanza in stanzas}))
            for stanza in stanzas:
                name, version = stanza["Package"], stanza["Version"]
                chosen[name] = _package(stanza, suites[name, version])
                installed[name] = {**stanza, "Status": "install ok installed"}
            self._status.write_text("".join(map(write_stanza, installed.values())))
        return sorted(chosen.values(), key=lambda package: package.name)

    def gone(self, packages: Sequence[DebianPackage]) -> list[DebianPackage]:
        """Those of the packages that the sources no longer have with the locked SHA-256."""
        there = {stanza.get("SHA256", "") for stanza in self._known([package.name for package in packages])}
        return [package for package in packages if package.sha256 not in there]

    def fetch(self, packages: Sequence[DebianPackage], into: Path) -> Iterator[Sequence[DebianPackage]]:
        """Download into a folder, some at a time; apt names the files. Raises UnreachableError (PV-652)."""
        for first in range(0, len(packages), AT_ONCE):
            some = packages[first : first + AT_ONCE]
            try:
                names = (f"{package.name}={package.version}" for package in some)
                self._apt("get", "download", *names, limit=FETCH_LIMIT, cwd=into)
            except ProgramError as fault:
                raise UnreachableError(
                    f"packages cannot be fetched: {fault}", hint="try again: what came is kept", code=652
                ) from fault
            yield some

    def _would_install(self, wanted: Sequence[str]) -> list[str]:
        try:
            output = self._apt("get", "install", "-s", "-qq", "--no-remove", *wanted, limit=ASK_LIMIT)
        except ProgramError as fault:
            raise InputError(
                f"apt cannot install {', '.join(wanted[:5])}{' …' if len(wanted) > 5 else ''}: {fault}",
                hint="correct the list of packages; --suite and the sources must be the image's",
                code=652,
            ) from fault
        installs = re.findall(r"^Inst (\S+) (?:\[[^]]*\] )?\((\S+) ", output, re.MULTILINE)
        return [f"{name}={version}" for name, version in installs]

    def _show(self, names: Sequence[str]) -> list[Stanza]:
        if not names:
            return []
        output = self._apt("cache", "show", *names, limit=ASK_LIMIT)
        return [stanza for stanza in read_stanzas(output) if "Filename" in stanza]

    def _known(self, names: Sequence[str]) -> list[Stanza]:
        """Every version that there is of each; names that nothing is known of are no error."""
        output = self._apt("cache", "show", "--all-versions", *names, limit=ASK_LIMIT, check=False)
        return list(read_stanzas(output))

    def _suites(self, names: Sequence[str]) -> dict[tuple[str, str], str]:
        """(name, version) → the suite that has it, the first source's where several do."""
        output = self._apt("cache", "madison", *names, limit=ASK_LIMIT)
        suites: dict[tuple[str, str], str] = {}
        for line in output.splitlines():
            name, version, place = (part.strip() for part in line.split("|"))
            if place.endswith(" Packages"):
                suite = place.split()[1].split("/")[0]
                suites.setdefault((name, version), suite if re.match("[a-z0-9]", suite) else self._suite)
        return suites

    def _apt(
        self, program: str, *words: str, limit: float, cwd: Path | None = None, check: bool = True
    ) -> str:
        argv = [f"apt-{program}", *self._options, *words]
        done = run.run(argv, timeout=limit, cwd=cwd, check=check, env={"LC_ALL": "C.UTF-8"})
        return done.stdout.decode(errors="replace")


@contextmanager
def opened(suite: str, architecture: str, sources: Path | None) -> Iterator[Archive]:
    """An Archive that has read its sources, as long as the block lasts. Raises UnreachableError (PV-652)."""
    with tempfile.TemporaryDirectory(prefix="apt-") as folder:
        yield Archive(Path(folder), suite, architecture, sources).update()


def _only(suite: str) -> str:
    """Preferences: of the machine's sources, nothing but the suite, its updates and its security."""
    return (
        f"Package: *\nPin: release n=/^{re.escape(suite)}(-|$)/\nPin-Priority: 500\n\n"
        "Package: *\nPin: release n=*\nPin-Priority: -1\n"
    )


def _from(sources: Path, parts: Path) -> list[str]:
    """Options that make a file the only source; its ending says which format it has."""
    if not sources.is_file() or sources.suffix not in (".list", ".sources"):
        raise InputError(
            f"--sources: {sources} is no file that ends in .list or .sources", hint="see sources.list(5)"
        )
    (parts / f"mirror{sources.suffix}").write_bytes(sources.read_bytes())
    return ["-oDir::Etc::SourceList=/dev/null", f"-oDir::Etc::SourceParts={parts}"]


def _package(stanza: Stanza, suite: str) -> DebianPackage:
    fields = {"priority": "optional", "section": "misc"}  # what a vendor's repository may leave out
    fields |= {field.lower(): stanza[field] for field in FIELDS if field in stanza}
    return DebianPackage.model_validate(
        {"name": stanza["Package"], "suite": suite, "path": _pool(stanza["Filename"]), **fields}
    )


def _pool(filename: str) -> str:
    """Flat repositories, as some vendors have, are given a pool of their own."""
    plain = filename.removeprefix("./")
    return plain if plain.startswith("pool/") else f"pool/{plain}"
