"""The pages for people: that what they name is there, and that they can be read in a terminal."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "provisioner"
DECISIONS = ROOT / "docs" / "decisions"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DATA = ("ansible", "bench", "debian", "docs", "images", "inventory", "packer", "pxe", "systemd", "tests")
WIDTH = 100


def prose(path: Path) -> list[tuple[int, str]]:
    """Numbered lines that can be broken: no tables, and no transcripts, which say what a program prints.

    A transcript is a code block with a line that begins with `$`; docs/cli.md is printed as a whole.
    """
    found, block, inside = [], list[tuple[int, str]](), False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.lstrip().startswith("```"):
            if inside and not any(text.lstrip().startswith("$ ") for _, text in block):
                found += block
            inside, block = not inside, []
        elif inside:
            block.append((number, line))
        elif not line.startswith("|"):
            found.append((number, line))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_line_is_wider_than_a_terminal(page: Path) -> None:
    if page.name != "cli.md":
        assert [number for number, line in prose(page) if len(line) > WIDTH] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_merge_was_left_half_done(page: Path) -> None:
    assert re.findall(r"^\s*(?:<{7}|={7}|>{7})(?:\s|$).*", page.read_text(), flags=re.MULTILINE) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    assert [to for to in targets if "://" not in to and not (page.parent / to).exists()] == []


def section(name: str) -> str:
    return (ROOT / "ARCHITECTURE.md").read_text().split(f"\n## {name}\n")[1].split("\n## ")[0]


def places() -> set[str]:
    """The paths that the table of what to change where names."""
    return {
        name
        for name in re.findall(r"`([^`\s]+)`", section("Where to change what"))
        if "/" in name[1:] or name.endswith((".py", ".md", ".yml")) or name == "Makefile"
    } - {"provisioner/"}


def test_what_the_table_names_is_there() -> None:
    """Below the package, or at the top of the tree; a star stands for some."""
    wrong = []
    for name in places():
        if not any(list(base.glob(name.rstrip("/"))) for base in (PACKAGE, ROOT)):
            wrong.append(name)
    assert wrong == []


def test_what_the_table_says_is_in_a_file_is_in_it() -> None:
    """As `MOST` in `state/surveys.py`, or `settings.py` (`lease_seconds`, …)."""
    rows = section("Where to change what")
    pairs = [(path, name) for name, path in re.findall(r"`(\w+)` in `([\w/]+\.py)`", rows)]
    pairs += re.findall(r"`([\w/]+\.py)` \(`(\w+)`", rows)
    assert len(pairs) >= 9
    assert [(path, name) for path, name in pairs if name not in (PACKAGE / path).read_text()] == []


def test_every_room_and_folder_has_its_row() -> None:
    sources = [path for path in PACKAGE.rglob("*.py") if "share" not in path.parts]
    rooms = {path.parent.relative_to(PACKAGE).as_posix() for path in sources} - {"."}
    units = {path.name for path in PACKAGE.glob("*.py") if not path.name.startswith("__")}
    named = places()
    # `api` and whatever else is a word of its own there
    words = set(re.findall(r"`(\w+)`", section("Where to change what")))

    def has_row(room: str) -> bool:
        inside = any(name.startswith(f"{room}/") for name in named)
        return room in named or inside or room in words

    missing = [room for room in sorted({*rooms, *DATA}) if not has_row(room)]
    assert missing == []
    assert units <= named | {"errors.py"} and "errors.py" in named


def test_every_folder_at_the_top_is_known() -> None:
    from provisioner import run

    tracked = run.text(["git", "-C", ROOT, "ls-files"]).splitlines()
    folders = {name.split("/")[0] for name in tracked if "/" in name}
    assert {name for name in folders if not name.startswith(".")} == {*DATA, "provisioner"}


def test_the_glossary_is_short() -> None:
    rows = [line for line in section("Glossary").splitlines() if line.startswith("| ")]
    assert 18 <= len(rows) - 1 <= 25


def test_architecture_is_one_page() -> None:
    """Tables are looked up; what is read is short."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    assert len([line for line in text.splitlines() if line and not line.startswith("|")]) <= 100
    layers = text.split("```layers\n")[1].split("```")[0].strip().splitlines()
    assert len(layers) <= 12


@pytest.mark.parametrize("page", sorted(DECISIONS.glob("2*.md")), ids=lambda page: page.stem)
def test_a_decision_says_what_why_what_was_measured_and_what_else_there_was(page: Path) -> None:
    text = page.read_text()
    title = text.splitlines()[0].removeprefix("# ")
    headings = re.findall(r"^## (.*)$", text, flags=re.MULTILINE)
    assert headings == ["Decision", "Why", "What was measured", "Alternatives"]
    assert f"Decided on {page.name[:10]}." in text
    index = (DECISIONS / "README.md").read_text()
    assert f"| {page.name[:10]} | [{title}]({page.name}) |" in index


def test_the_changelog_has_its_sections() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    for release in text.split("\n## ")[1:]:
        sections = re.findall(r"^### (.*)$", release, flags=re.MULTILINE)
        assert set(sections) <= {"Action required", "Added", "Changed", "Removed", "Fixed", "Security"}
        assert sections, release.splitlines()[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_modules_and_commands_that_are_named_exist(page: Path) -> None:
    text = page.read_text()
    modules = re.findall(r"`([a-z_]+(?:/[a-z_]+)+\.py)`", text)
    if page.parent != DECISIONS:  # which say how it was on a day
        assert [name for name in modules if not any((base / name).exists() for base in (PACKAGE, ROOT))] == []
    known = set(
        re.findall(r"^## provision (.+)$", (ROOT / "docs" / "cli.md").read_text(), flags=re.MULTILINE)
    )
    groups = {name.split()[0] for name in known if " " in name}
    named = re.findall(
        r"(?:^|`|\$ |bin/|► )provision ([a-z][a-z-]*)(?: ([a-z-]+)(?=[\s`]))?", text, flags=re.MULTILINE
    )
    wrong = [
        f"{first} {second}".strip()
        for first, second in named
        if (first not in known or (first in groups and second and f"{first} {second}" not in known))
    ]
    assert wrong == []


def test_each_promise_names_a_test_that_there_is() -> None:
    rows = [line for line in (ROOT / "docs" / "security.md").read_text().splitlines() if line[:2] == "| "]
    promises = [row for row in rows if "`test" in row]
    assert len(promises) >= 20
    defined = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        defined |= set(re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE))
    for name in re.findall(r"`(tests?[/_][\w/.]+)`", "\n".join(promises)):
        assert name in defined or (ROOT / name).is_file(), name
