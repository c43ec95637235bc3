"""Builds the Debian package from this checkout: `make deb`. The same commit gives the same bytes.

A tree as it will lie on the machine, then dpkg-deb. Python's packages come as wheels from requirements.lock,
each by its SHA-256, into /usr/lib/provisioner, which is a virtual environment of Debian's own Python.
"""

import argparse
import gzip
import os
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from provisioner import __version__, run
from provisioner.cli.completion import SHELLS
from provisioner.system.checksum import sha256_text

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
HOME = Path("usr/lib/provisioner")  # the virtual environment
PYTHON = ("3.11", "3.12")  # Debian 12's, and the first that is another
SYSTEM_PYTHON = Path("/usr/bin/python3.11")
CACHE = Path("~/.cache/provisioner").expanduser()
COMPLETIONS = {
    "bash": "usr/share/bash-completion/completions/provision",
    "zsh": "usr/share/zsh/vendor-completions/_provision",
    "fish": "usr/share/fish/vendor_completions.d/provision.fish",
}
DOCS = ("README.md", "ARCHITECTURE.md", "SECURITY.md")
SCRIPTS = ("preinst", "postinst", "prerm", "postrm")
UNNEEDED = ("ansible_test", "**/*.c", "**/*.pyx")  # in site-packages
REPAIRED = "PIL"  # its libraries were patched for its wheel (auditwheel), and strip would break that
CONFFILE = "etc/provisioner/provisioner.toml"


def main(argv: Sequence[str] | None = None) -> None:
    """`python debian/build.py --out DIR [--wheels DIR] [--epoch SECONDS] [--level LEVEL]`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--wheels", type=Path, help="a folder with the locked wheels; else they are fetched")
    parser.add_argument(
        "--epoch", type=int, default=0, help="the time of every file; else that of the commit"
    )
    parser.add_argument("--level", type=int, default=6, help="of xz: 0 is large and quick (default: 6)")
    options = parser.parse_args(argv)
    epoch = options.epoch or int(os.environ.get("SOURCE_DATE_EPOCH", "0")) or _time_of_commit()
    wheels = options.wheels or fetch_wheels(CACHE)
    options.out.mkdir(parents=True, exist_ok=True)
    print(build(options.out, wheels, epoch, options.level))


def build(out: Path, wheels: Path, epoch: int, level: int) -> Path:
    """The package `provisioner_VERSION_amd64.deb` in `out`; every file in it is as old as `epoch`."""
    os.environ["SOURCE_DATE_EPOCH"] = str(epoch)  # hatchling, gzip and dpkg-deb heed it
    target = out / f"provisioner_{__version__}_amd64.deb"
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        for part in (_environment, _system, _documents):
            part(tree, wheels, epoch)
        _control(tree)
        _settle(tree, epoch)
        how = ("--root-owner-group", "-Zxz", f"-z{level}")
        run.run(["dpkg-deb", *how, "--build", tree, target], timeout=1200)
    return target


def _time_of_commit() -> int:
    return int(run.text(["git", "-C", ROOT, "log", "-1", "--format=%ct"]))


def fetch_wheels(cache: Path) -> Path:
    """The wheels of requirements.lock, each by its SHA-256, in a folder of the lock's own sum."""
    lock = (ROOT / "requirements.lock").read_text()
    folder = cache / f"deb-wheels-{sha256_text(lock)[:20]}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as made:
            download = ("download", "--quiet", "--require-hashes", "--no-deps", "--only-binary", ":all:")
            run.run([*_pip(), *download, "--dest", made, "-r", ROOT / "requirements.lock"], timeout=1800)
            Path(made).chmod(0o755)
            shutil.copytree(made, folder)
    return folder


def _pip() -> list[str]:
    return [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def _environment(tree: Path, wheels: Path, epoch: int) -> None:
    """The virtual environment, with our own wheel and those of the lock, compiled."""
    home = tree / HOME
    with tempfile.TemporaryDirectory() as folder:
        build_wheel = ("-m", "build", "--wheel", "--no-isolation", "--outdir", folder, str(ROOT))
        run.run([sys.executable, *build_wheel], timeout=300)
        [ours] = Path(folder).glob("*.whl")
        install = (
            "install",
            "--quiet",
            "--no-index",
            "--no-deps",
            "--no-compile",
            "--no-warn-script-location",
        )
        locked = ("--require-hashes", "--find-links", wheels, "-r", ROOT / "requirements.lock")
        run.run([*_pip(), *install, "--ignore-installed", "--prefix", home, *locked], timeout=600)
        run.run([*_pip(), *install, "--ignore-installed", "--prefix", home, ours], timeout=300)
    site = home / "lib" / f"python{PYTHON[0]}" / "site-packages"
    _slim(site)
    for path in (*site.glob("*.dist-info/direct_url.json"), *site.glob("*.dist-info/REQUESTED")):
        path.unlink()  # they say where it was built
    (home / "bin" / "python3").symlink_to(Path("../../../..") / SYSTEM_PYTHON.relative_to("/"))
    config = f"home = {SYSTEM_PYTHON.parent}\ninclude-system-site-packages = false\nversion = {PYTHON[0]}\n"
    (home / "pyvenv.cfg").write_text(config)
    _point_scripts(home, site)
    compile_all = (
        "-m",
        "compileall",
        "-q",
        "-s",
        str(tree),
        "-p",
        "/",
        "--invalidation-mode",
        "unchecked-hash",
    )
    env = {"PYTHONHASHSEED": "0"}  # the order of sets
    run.run([SYSTEM_PYTHON, "-P", "-s", *compile_all, site], timeout=900, env=env)
    (tree / "usr" / "bin").mkdir(parents=True)
    (tree / "usr" / "bin" / "provision").symlink_to("../lib/provisioner/bin/provision")


def _slim(site: Path) -> None:
    """Take away what nothing here reads: tests and sources of others, debugging symbols."""
    for path in [path for pattern in UNNEEDED for path in site.glob(pattern)]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (site / "../../../bin/ansible-test").resolve().unlink(missing_ok=True)
    libraries = [path for path in sorted(site.rglob("*.so")) if path.relative_to(site).parts[0] != REPAIRED]
    run.run([run.find("strip", "binutils"), "--strip-debug", "--enable-deterministic-archives", *libraries])


def _point_scripts(home: Path, site: Path) -> None:
    """Scripts name the Python by which they were installed: they get ours, and RECORD loses their sums."""
    changed = set[str]()
    for path in sorted((home / "bin").iterdir()):
        if path.is_symlink():
            continue
        head, _, rest = path.read_bytes().partition(b"\n")
        if b"python" in head:
            path.write_bytes(f"#!/{HOME}/bin/python3\n".encode() + rest)
            changed.add(path.name)
    for record in site.glob("*.dist-info/RECORD"):
        lines = [_unsummed(line, changed) for line in record.read_text().splitlines()]
        kept = [line for line in lines if "direct_url.json" not in line and "/REQUESTED," not in line]
        record.write_text("\n".join(kept) + "\n")


def _unsummed(line: str, names: set[str]) -> str:
    path, _, _ = line.partition(",")
    return f"{path},," if "/bin/" in path and Path(path).name in names else line


def _system(tree: Path, wheels: Path, epoch: int) -> None:
    """What systemd, the shells and the operator find where they look for it."""
    systemd = ROOT / "systemd"
    shutil.copytree(systemd / "units", tree / "usr/lib/systemd/system")
    files = {
        "provisioner-generator": "usr/lib/systemd/system-generators/provisioner-generator",
        "provisioner.sysusers": "usr/lib/sysusers.d/provisioner.conf",
        "provisioner.tmpfiles": "usr/lib/tmpfiles.d/provisioner.conf",
        "provisioner.toml": CONFFILE,
    }
    for name, place in files.items():
        (tree / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(systemd / name, tree / place)
    (tree / files["provisioner-generator"]).chmod(0o755)
    for shell in SHELLS:
        script = tree / COMPLETIONS[shell]
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(_provision("completion", shell))


def _provision(*words: str) -> str:
    return run.text([sys.executable, "-m", "provisioner", *words], cwd=ROOT) + "\n"


def _documents(tree: Path, wheels: Path, epoch: int) -> None:
    """The manual page; below /usr/share/doc what people read, and what Debian's policy wants (12.5, 12.7)."""
    page = run.run([sys.executable, HERE / "man_page.py", str(epoch)], cwd=ROOT).stdout
    _compress(tree / "usr/share/man/man1/provision.1.gz", page)
    place = tree / "usr/share/doc/provisioner"
    shutil.copytree(ROOT / "docs", place / "docs", ignore=shutil.ignore_patterns("*.svg"))
    for name in DOCS:
        shutil.copyfile(ROOT / name, place / name)
    _compress(place / "changelog.gz", (ROOT / "CHANGELOG.md").read_bytes())
    entry = f"provisioner ({__version__}) stable; urgency=medium\n\n  * See changelog.gz.\n\n"
    signed = f" -- {_field('Maintainer')}  {_rfc2822(epoch)}\n"
    _compress(place / "changelog.Debian.gz", (entry + signed).encode())
    (place / "copyright").write_text((HERE / "copyright").read_text() + "".join(_licences(wheels)))
    shutil.copyfile(ROOT / "requirements.lock", place / "requirements.lock")
    (tree / "usr/share/lintian/overrides").mkdir(parents=True)
    shutil.copyfile(HERE / "lintian-overrides", tree / "usr/share/lintian/overrides/provisioner")


def _compress(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, 9, mtime=0))


def _rfc2822(epoch: int) -> str:
    return run.text(["date", "--utc", "--rfc-email", f"--date=@{epoch}"])


def _field(name: str) -> str:
    lines = (HERE / "control").read_text().splitlines()
    return next(line.removeprefix(f"{name}: ") for line in lines if line.startswith(f"{name}: "))


def _licences(wheels: Path) -> Iterator[str]:
    """What each locked package says of its licence, as copyright's further paragraphs."""
    for path in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(path) as wheel:
            [metadata] = [
                name for name in wheel.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)
            ]
            text = wheel.read(metadata).decode()
        known = re.search(r"^License-Expression: (.+)$", text, re.MULTILINE) or re.search(
            r"^License: (.+)$", text, re.MULTILINE
        )
        name = path.name.split("-")[0].lower()
        licence = known[1].strip() if known else "see its METADATA"
        yield f"\nFiles: {HOME}/lib/python*/site-packages/{name}*\nComment: licence: {licence}\n"


def _control(tree: Path) -> None:
    """DEBIAN/: what dpkg is told."""
    control = tree / "DEBIAN"
    control.mkdir()
    size = sum(path.lstat().st_size for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    text = (HERE / "control").read_text()
    fields = {"VERSION": __version__, "SIZE": str(size // 1024), "FROM": PYTHON[0], "BELOW": PYTHON[1]}
    for name, value in fields.items():
        text = text.replace(f"@{name}@", value)
    (control / "control").write_text(text)
    (control / "conffiles").write_text(f"/{CONFFILE}\n")
    for name in SCRIPTS:
        if (HERE / "maintainer" / name).exists():
            shutil.copyfile(HERE / "maintainer" / name, control / name)
            (control / name).chmod(0o755)
    sums = [run.text(["md5sum", path.relative_to(tree)], cwd=tree) for path in _files(tree)]
    (control / "md5sums").write_text("".join(f"{line}\n" for line in sums))


def _files(tree: Path) -> list[Path]:
    """What dpkg puts on the machine, but for conffiles, of which it keeps sums itself."""
    found = (path for path in sorted(tree.rglob("*")) if path.is_file() and not path.is_symlink())
    return [path for path in found if "DEBIAN" not in path.parts and not str(path).endswith(CONFFILE)]


def _settle(tree: Path, epoch: int) -> None:
    """Permissions and times that do not depend on who builds, and when."""
    for path in sorted(tree.rglob("*")):
        if not path.is_symlink():
            is_library = re.search(r"\.so(\.[0-9.]+)?$", path.name) is not None
            is_program = path.is_dir() or bool(path.stat().st_mode & 0o100 and not is_library)
            path.chmod(0o755 if is_program else 0o644)
        os.utime(path, (epoch, epoch), follow_symlinks=False)
    tree.chmod(0o755)
    os.utime(tree, (epoch, epoch))


if __name__ == "__main__":
    main()
