"""The ramdisk's own Python, run on the machine that builds: compiles for it and proves that nothing lacks."""

from pathlib import Path

from provisioner.errors import InputError, ProgramError
from provisioner.run import run, text

VERSION = "python3.11"
LIBRARIES = ("usr/lib/x86_64-linux-gnu",)
LOADER = "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
MAGIC = b"\x7fELF"


def _loader(root: Path) -> list[str | Path]:
    paths = ":".join(str(root / folder) for folder in LIBRARIES)
    return [root / LOADER, "--inhibit-cache", "--library-path", paths]


def _python(root: Path, arguments: list[str | Path], *, path: Path | None = None) -> None:
    """Run `root`'s Python with nothing of this machine's. The hash seed makes compiled sets reproducible."""
    environment = {
        "PYTHONHOME": str(root / "usr"),
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": ":".join(str(p) for p in (path, root / "usr/lib/python3/dist-packages") if p),
    }
    run(
        [*_loader(root), root / "usr/bin" / VERSION, "-s", "-S", "-B", *arguments],
        env=environment,
        timeout=300,
    )


def compile_in(root: Path, folder: Path, *, base: Path, beside: bool) -> None:
    """Compile `folder`, which the ramdisk will see without `base` in front.

    `beside` puts `x.pyc` where `x.py` was and drops the source; else it goes to `__pycache__`. Unchecked
    hashes: the ramdisk never compares times, and the bytes depend on the source alone.
    """
    where = ["-b"] if beside else []
    _python(
        root,
        [
            *("-m", "compileall", "-q", *where, "--invalidation-mode", "unchecked-hash"),
            *("-s", base, "-p", "/", folder),
        ],
    )
    for source in sorted(folder.rglob("*.py")) if beside else ():
        if source.with_suffix(".pyc").exists():
            source.unlink()


def check_imports(root: Path, modules: list[str], *, path: Path) -> None:
    """Import each in the ramdisk's Python, `path` in front.

    Raises:
        ProgramError: one cannot be imported; names it and carries Python's reason.
    """
    statement = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    try:
        _python(root, ["-c", statement, *modules], path=path)
    except ProgramError as error:
        raise ProgramError(
            f"the agent does not load in the ramdisk: {error}",
            hint="the agent may use the standard library, xxhash, zstandard and its own packages only",
        ) from error


def check_libraries(root: Path) -> None:
    """Every program and library finds all libraries that it needs inside `root`.

    Raises:
        InputError: names the file and what it lacks.
    """
    for path in sorted(root.glob("usr/**/*")):
        if path.is_symlink() or not path.is_file() or path.suffix == ".ko" or not _is_dynamic(path):
            continue
        for line in text([*_loader(root), "--list", path]).splitlines():
            _check_line(line, path, root)


def _is_dynamic(path: Path) -> bool:
    data = path.read_bytes()
    return data.startswith(MAGIC) and b".dynamic\0" in data and path.name != Path(LOADER).name


def _check_line(line: str, path: Path, root: Path) -> None:
    name, arrow, library = line.strip().partition(" => ")
    if arrow and not library.startswith(str(root)):
        raise InputError(
            f"{path.relative_to(root)} needs {name}, which the ramdisk does not hold",
            hint="add its package to images/ramdisk/packages",
        )
