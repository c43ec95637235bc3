"""Commands write files by one module, which leaves all or nothing."""

import ast
from collections.abc import Iterator
from pathlib import Path

CLI = Path(__file__).parents[3] / "provisioner" / "cli"
WRITERS = {"write_text", "write_bytes", "copyfile", "copy", "copy2", "copytree", "touch", "rename", "replace"}
# what is written into temporary folders, and what is rescued from one
TEMPORARY = {("image_write", "write_bytes"), ("rehearse", "copyfile"), ("image_results", "rename")}


def calls() -> Iterator[tuple[str, str]]:
    """Module and method of each call that may write a file."""
    for path in sorted(CLI.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            name = node.func.attr
            is_text = name == "replace" and len(node.args) == 2  # of a string
            if (name in WRITERS and not is_text) or (name == "open" and _writes(node)):
                yield path.stem, name


def _writes(node: ast.Call) -> bool:
    words = [*node.args, *(keyword.value for keyword in node.keywords)]
    return any(isinstance(word, ast.Constant) and set(str(word.value)) & set("wax+") for word in words)


def test_commands_write_files_by_outputs_alone() -> None:
    assert set(calls()) == TEMPORARY


def test_the_search_finds_a_file_that_is_opened_for_writing() -> None:
    tree = ast.parse('path.open("wb")').body[0]
    assert isinstance(tree, ast.Expr) and isinstance(tree.value, ast.Call) and _writes(tree.value)
