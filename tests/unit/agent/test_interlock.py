"""Without a nonce the agent cannot write: shown by what it imports, and by what its arguments can become."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.agent import start
from provisioner.agent.arguments import (
    ExaminationArguments,
    KernelArguments,
    SurveyArguments,
    is_survey,
)
from provisioner.agent.protocol import ProtocolError

ROOT = Path(__file__).parents[3]
WRITES = {f"provisioner.agent.{name}" for name in ("job", "writer", "block_device", "stream")}
ORDER = "pv.server=http://10.77.0.1 pv.mac=52:54:00:00:00:01 pv.nonce=n0nce"
SURVEY = "pv.server=http://10.77.0.1 pv.mac=52:54:00:00:00:01 pv.inventory=1"
EXAMINATION = f"{SURVEY} pv.examination=n0nce"
READERS = ("provisioner.agent.survey", "provisioner.agent.examination")


def source(module: str) -> Path | None:
    path = ROOT / Path(*module.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


def imported(module: str) -> Iterator[str]:
    """Every module of ours that a module imports, wherever in its text."""
    path = source(module)
    for node in ast.walk(ast.parse(path.read_text())) if path else ():
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def closure(module: str) -> set[str]:
    """The module and all of ours that it can reach."""
    found, open_ends = set(), [module]
    while open_ends:
        name = open_ends.pop()
        if name not in found and name.startswith("provisioner") and source(name):
            found.add(name)
            open_ends += imported(name)
    return found


@pytest.mark.parametrize("reader", READERS)
def test_nothing_that_survey_or_examination_can_reach_writes_to_a_disk(reader: str) -> None:
    reached = closure(reader)
    assert "provisioner.agent.facts" in reached
    assert reached & WRITES == set()
    assert closure("provisioner.agent.job") >= WRITES, "the same search finds what the order reaches"


@pytest.mark.parametrize("reader", READERS)
def test_nothing_that_they_can_reach_opens_a_file_for_writing(reader: str) -> None:
    for module in closure(reader) - {"provisioner.run"}:
        path = source(module)
        text = path.read_text() if path else ""
        for word in ("O_RDWR", "O_WRONLY", "pwrite", "ioctl", '"wb"', '"r+b"', "write_bytes", "write_text"):
            assert word not in text, f"{module}: {word}"


@pytest.mark.parametrize("nonce", ["", " ", "a b", "ä"])
def test_orders_arguments_cannot_even_be_made_without_a_nonce(nonce: str) -> None:
    with pytest.raises(ProtocolError, match="nonce"):
        KernelArguments("http://10.77.0.1", "52:54:00:00:00:01", nonce)
    assert not hasattr(SurveyArguments("http://10.77.0.1", "52:54:00:00:00:01"), "nonce")


@given(
    st.sampled_from(["", "=", "=1", "=0", "=no", "=off", "=1=2"]), st.permutations(ORDER.split()), st.data()
)
def test_a_line_that_mentions_the_inventory_is_never_an_order(
    value: str, words: list[str], data: st.DataObject
) -> None:
    words.insert(data.draw(st.integers(0, 3)), f"pv.inventory{value}")
    line = " ".join(words)
    assert is_survey(line)
    with pytest.raises(ProtocolError):
        KernelArguments.parse(line)
    assert str(SurveyArguments.parse(line)) == SURVEY


def test_the_arguments_of_an_examination_are_never_an_order() -> None:
    arguments = ExaminationArguments("http://10.77.0.1", "52:54:00:00:00:01", "n0nce")
    assert str(arguments) == EXAMINATION and ExaminationArguments.parse(EXAMINATION) == arguments
    with pytest.raises(ProtocolError, match="forbids every order"):
        KernelArguments.parse(EXAMINATION)
    assert str(SurveyArguments.parse(EXAMINATION)) == SURVEY, "an older agent takes an inventory"
    with pytest.raises(ProtocolError):
        ExaminationArguments.parse(EXAMINATION.replace(" pv.inventory=1", ""))


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (ORDER, ["order"]),
        (SURVEY, ["survey"]),
        (f"{ORDER} pv.inventory=0", ["survey"]),
        (EXAMINATION, ["examination"]),
        (f"{ORDER} pv.inventory=1 pv.examination=n0nce", ["examination"]),
        (f"{ORDER} pv.examination=n0nce", []),
        (f"{SURVEY} pv.examination=", []),
        (f"pv.inventory {ORDER}", ["survey"]),
        (SURVEY.replace("pv.mac=", "pv.card="), []),
        (ORDER.replace("pv.nonce=n0nce", ""), []),
        ("", []),
    ],
)
def test_the_agent_starts_what_the_kernels_arguments_allow(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str, wanted: list[str]
) -> None:
    done: list[str] = []
    monkeypatch.setattr(start, "_survey", lambda arguments: done.append("survey"))
    monkeypatch.setattr(start, "_examine", lambda arguments: done.append("examination"))
    monkeypatch.setattr(start, "_work", lambda arguments: done.append("order"))
    monkeypatch.setattr(start.threading.Event, "wait", lambda self: None)
    (tmp_path / "cmdline").write_text(f"console=ttyS0 {line}\n")
    assert start.main(tmp_path / "cmdline") == (0 if wanted else 2)
    assert done == wanted
