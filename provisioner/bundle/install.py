"""Puts a bundle's parts into their places on a site's machine, each held against its SHA-256."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from provisioner import run
from provisioner.bundle import contents
from provisioner.bundle.contents import Bundle
from provisioner.errors import FileError, ProgramError, RefusedError
from provisioner.state.folder import used_by_command
from provisioner.state.sealed_file import SealedPart
from provisioner.system import outputs

INSTALL_LIMIT = 1800.0  # seconds
Say = Callable[[str], None]


def check(bundle: Bundle) -> None:
    """Read all of a bundle. Raises SealedFileError (PV-686)."""
    for part in bundle.manifest.files:
        bundle.check(part)


def require_system(bundle: Bundle, release: Path = Path("/etc/os-release")) -> None:
    """Raises RefusedError (PV-688) where this is another system than the bundle was made for."""
    text = release.read_text() if release.exists() else ""
    named = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    here = named.get("VERSION_CODENAME", "unknown").strip('"')
    architecture = run.text(["dpkg", "--print-architecture"])
    wanted = bundle.manifest
    if (here, architecture) != (wanted.suite, wanted.architecture):
        raise RefusedError(
            f"{bundle.path} is for {wanted.suite} ({wanted.architecture}), this is {here} ({architecture})",
            hint="make one for this system: provision bundle make --suite",
            code=688,
        )


def extract(bundle: Bundle, place: str, target: Path) -> int:
    """Write what lies below `place` in the bundle into the folder `target`, all or nothing; how many files.

    Files of these names are replaced, folders are not. Raises FileError (PV-150, PV-151).
    """
    files = {part.name.removeprefix(f"{place}/"): part for part in _below(bundle, place)}
    tops = sorted({name.split("/")[0] for name in files})
    for top in tops:
        if (target / top).is_dir():
            raise FileError(f"{target / top} is there already", hint="give a new folder", code=150)
    with outputs.staging(target, *tops) as stage:
        for name, part in files.items():
            (stage / name).parent.mkdir(parents=True, exist_ok=True)
            bundle.extract(part, stage / name)
    return len(files)


def _below(bundle: Bundle, place: str) -> Iterator[SealedPart]:
    return (part for part in bundle.manifest.files if part.name.startswith(f"{place}/"))


def install_packages(bundle: Bundle, say: Say) -> None:
    """Install our package and what it needs by apt, from the bundle alone. Raises RefusedError (PV-688)."""
    require_system(bundle)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)  # for apt's own user
        extract(bundle, contents.PACKAGES, place)
        (place / "lists" / "partial").mkdir(parents=True)  # apt does not make it
        (place / "bundle.list").write_text(f"deb [trusted=yes] file:{place} ./\n")
        only = (
            f"-oDir::Etc::SourceList={place}/bundle.list",
            "-oDir::Etc::SourceParts=/dev/null",
            f"-oDir::State::Lists={place}/lists",
            # the site's own settings stay where the release has others, too: dpkg would ask, and end there
            "-oDpkg::Options::=--force-confdef",
            "-oDpkg::Options::=--force-confold",
        )
        env = {"DEBIAN_FRONTEND": "noninteractive"}
        for words in (
            ("update",),
            ("install", "-y", "--no-install-recommends", place / bundle.manifest.package),
        ):
            try:
                run.run(["apt-get", "-q", *only, *words], timeout=INSTALL_LIMIT, env=env)
            except ProgramError as fault:
                raise RefusedError(
                    f"apt cannot install {bundle.manifest.package}: {fault}",
                    hint="as root; apt-get -f install shows what else is wrong with this machine's packages",
                    code=688,
                ) from fault
    say(f"{bundle.manifest.package} is installed")


def install_ramdisk(bundle: Bundle, state: Path) -> int:
    """Put the ramdisk into the state folder, all of it or nothing; how many files."""
    with used_by_command(state):
        return extract(bundle, contents.RAMDISK, state / "ramdisk")


def install_keys(bundle: Bundle, state: Path) -> list[str]:
    """Trust the images of the bundle's keys that are not trusted yet; their names.

    Raises RefusedError (PV-130) where another key has that name here.
    """
    added = []
    with used_by_command(state), tempfile.TemporaryDirectory() as folder:
        extract(bundle, contents.KEYS, Path(folder))
        for path in sorted(Path(folder).glob("*.pub")):
            target = state / "keys" / path.name
            if not target.exists():
                outputs.write(target, path.read_bytes())
                added.append(path.stem)
            elif target.read_bytes() != path.read_bytes():
                raise RefusedError(
                    f"another key of the name {path.stem} is trusted already", hint=f"remove {target}"
                )
    return added
