"""What ARCHITECTURE.md says of layers and of where things lie, proved."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "provisioner"


def rows() -> list[list[str]]:
    """The rows of ARCHITECTURE.md's layer table, the top one first."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    block = text.split("```layers\n")[1].split("```")[0]
    return [[name.strip() for name in line.split(",")] for line in block.strip().splitlines()]


def unit_of(module: str) -> str:
    return module.split(".")[1] if "." in module else module


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            raise AssertionError(f"{path}: relative import")
    return found


def units() -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).with_suffix("").parts[0]
        if "share" not in path.parts:
            found.setdefault(name, []).append(path)
    return found


def test_every_module_has_its_row() -> None:
    listed = {name for row in rows() for name in row}
    assert set(units()) - {"__init__", "__main__"} == listed


def test_imports_point_down_only() -> None:
    level = {name: number for number, row in enumerate(rows()) for name in row}
    wrong = []
    for unit, paths in units().items():
        for path in paths:
            for name in imports(path):
                if not name.startswith("provisioner."):
                    continue
                other = unit_of(name)
                if other in level and unit in level and other != unit and level[other] <= level[unit]:
                    wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == []


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name; a package's is that of its `__init__`."""
    paths = [path for found in units().values() for path in found]
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in paths
    }


def arrows() -> dict[str, set[str]]:
    """Which modules each imports, in functions too: what is deferred is a cycle all the same."""
    known = modules()
    found = {}
    for name, path in known.items():
        wanted = imports(path)
        found[name] = {
            target
            for item in wanted
            if (target := item if item in known else item.rpartition(".")[0]) in known and target != name
        }
    return found


def test_no_modules_import_each_other() -> None:
    graph = arrows()
    assert len(graph) > 200
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the modules


def test_no_class_name_means_two_things_within_a_layer() -> None:
    wrong = []
    for row in rows():
        places: dict[str, list[str]] = {}
        for unit in row:
            for path in units()[unit]:
                for node in ast.walk(ast.parse(path.read_text())):
                    if isinstance(node, ast.ClassDef):
                        places.setdefault(node.name, []).append(f"{path.relative_to(ROOT)}:{node.lineno}")
        wrong += [f"{name}: {', '.join(found)}" for name, found in places.items() if len(found) > 1]
    assert wrong == []


def test_only_run_imports_subprocess() -> None:
    found = {
        p.relative_to(PACKAGE).as_posix() for ps in units().values() for p in ps if "subprocess" in imports(p)
    }
    assert found == {"run.py"}


def test_the_ramdisk_gets_only_the_standard_library_and_two_packages_of_debian() -> None:
    import sys

    from provisioner.ramdisk import AGENT_SOURCES

    allowed = {"xxhash", "zstandard", "provisioner", *sys.stdlib_module_names}
    sources = {path for pattern in AGENT_SOURCES for path in PACKAGE.glob(pattern)}
    inside = {name for name, path in modules().items() if path in sources} - {"provisioner"}
    assert {"provisioner.agent.job", "provisioner.imaging.gpt", "provisioner.run"} < inside
    for path in sources:
        for name in imports(path):
            assert name.split(".")[0] in allowed, f"{path} imports {name}"
            if name.startswith("provisioner.") and name != "provisioner.__version__":
                place = name if name in modules() else name.rpartition(".")[0]  # else a name in a module
                assert place in inside, f"{path} imports {name}"


def test_nothing_that_deploys_knows_qemu() -> None:
    for unit, paths in units().items():
        for path in paths:
            if unit not in {"lab", "cli", "golden"}:  # golden builds images in a machine of its own
                assert "qemu" not in path.read_text().lower(), path
