"""What the role tests need from Debian and the package index, fetched before the network is cut."""

import hashlib
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from provisioner import run

HERE = Path(__file__).parent
ROLES = HERE.parents[1] / "ansible/roles"
REQUIREMENTS = (
    ROLES / "python_env/files/requirements.txt",
    ROLES / "verification/files/verification.txt",
)
SUITE = "bookworm"
LIMIT = 600.0  # seconds for each of mmdebstrap and pip


@dataclass(frozen=True)
class Supplies:
    """A tar of the system, the packages that the roles install, and the real wheels."""

    tree: Path
    debs: Path
    wheels: Path


def places(cache: Path) -> Supplies:
    """Where they lie, there or not; the names change with the lists."""
    base, mirror = _lines("packages-tree"), _lines("packages-mirror")
    system = _digest([SUITE, *base, "", *mirror])
    wheels = _digest([path.read_text() for path in REQUIREMENTS])
    return Supplies(
        cache / f"roles-tree-{system}.tar", cache / f"roles-debs-{system}", cache / f"roles-wheels-{wheels}"
    )


def fetch(cache: Path) -> Supplies:
    """Fetch what is missing. Raises ProgramError without network and cache."""
    cache.mkdir(parents=True, exist_ok=True)
    supplies = places(cache)
    if not (supplies.tree.exists() and supplies.debs.exists()):
        _fetch_system(supplies)
    if not supplies.wheels.exists():
        _fetch_wheels(supplies.wheels)
    return supplies


def _lines(name: str) -> list[str]:
    lines = [line.split("#")[0].strip() for line in (HERE / name).read_text().splitlines()]
    return [line for line in lines if line]


def _digest(inputs: list[str]) -> str:
    return hashlib.sha256("\0".join(inputs).encode()).hexdigest()[:20]


def _fetch_system(supplies: Supplies) -> None:
    """The tree by mmdebstrap, whose apt also fetches, and does not install, what the roles will ask for."""
    with tempfile.TemporaryDirectory(dir=supplies.tree.parent) as folder:
        work = Path(folder)
        work.chmod(0o755)
        debs, tree = work / "debs", work / "tree.tar"
        debs.mkdir(mode=0o777)
        debs.chmod(0o777)  # an ordinary user's mmdebstrap copies out as another user id
        fetch = "apt-get -qy --download-only --no-install-recommends install " + " ".join(
            _lines("packages-mirror")
        )
        argv = [
            *("mmdebstrap", "--variant=minbase", "--format=tar", "--aptopt=APT::Install-Recommends false"),
            "--include=" + ",".join(_lines("packages-tree")),
            f'--customize-hook=APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" {fetch}',
            f'--customize-hook=cp "$1"/var/cache/apt/archives/*.deb {debs}/',
            *(SUITE, str(tree)),
        ]
        place = {"TMPDIR": folder} if os.geteuid() == 0 else {}
        run.run(argv, timeout=LIMIT, env=place)
        debs.rename(supplies.debs)
        tree.rename(supplies.tree)


def _fetch_wheels(target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        wheels = Path(folder) / "wheels"
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        lists = [word for path in REQUIREMENTS for word in ("-r", path)]
        run.run([*pip, "--require-hashes", *lists, "--dest", wheels], timeout=LIMIT)
        wheels.rename(target)


if __name__ == "__main__":
    print(fetch(Path(sys.argv[1]).expanduser()))
