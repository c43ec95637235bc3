"""The SHA-256 of files and texts: one of each."""

import ast
from pathlib import Path

import pytest

from provisioner.system.checksum import sha256, sha256_text

PACKAGE = Path(__file__).parents[3] / "provisioner"
# their sources are inputs of what they build: an edit there makes every image another one
HASHED = ("golden", "ramdisk")


# FIPS 180-2's examples, and one beyond ASCII (printf ü | sha256sum)
@pytest.mark.parametrize(
    ("text", "digest"),
    [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("ü", "607474ca475a9724d7360aba71a56d5df77e61350e3f724cfa1f46e857e2d85f"),
    ],
)
def test_a_text_has_the_sum_of_a_file_of_that_content(tmp_path: Path, text: str, digest: str) -> None:
    (tmp_path / "file").write_text(text, encoding="utf-8")
    assert sha256_text(text) == sha256(tmp_path / "file") == digest


def is_copy(node: ast.AST) -> bool:
    """Whether it is `hashlib.sha256(TEXT.encode()).hexdigest()`."""
    match node:
        case ast.Call(
            func=ast.Attribute(
                value=ast.Call(
                    func=ast.Attribute(attr="sha256"), args=[ast.Call(func=ast.Attribute(attr="encode"))]
                ),
                attr="hexdigest",
            )
        ):
            return True
    return False


def test_nothing_else_makes_the_sum_of_a_text() -> None:
    assert is_copy(ast.parse('hashlib.sha256(word.encode("utf-8")).hexdigest()').body[0].value)  # type: ignore[attr-defined]
    paths = [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in HASHED]
    found = [path.name for path in paths if any(map(is_copy, ast.walk(ast.parse(path.read_text()))))]
    assert found == ["checksum.py"]
