"""YAML files are read as Ansible reads them, or refused by line."""

import time
from pathlib import Path

import pytest

from provisioner.errors import InventoryError
from provisioner.state import yaml_file, yaml_limits

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30)
)
MERGED = "a0: &a0 {k0: x}\n" + "".join(
    f"a{n}: &a{n} {{k{n}: x, <<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 30)
)


def load(folder: Path, text: str | bytes) -> object:
    path = folder / "hosts.yml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return yaml_file.load(path)


def refusal(folder: Path, text: str | bytes) -> InventoryError:
    with pytest.raises(InventoryError) as caught:
        load(folder, text)
    assert caught.value.code == 110
    return caught.value


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("? [a, b]\n: c\n", "line 1: a list is used as a key"),
        ("a:\n  ? {b: c}\n  : d\n", "line 2: a mapping is used as a key"),
        ("a: {{ b }}\n", "line 1: a mapping is used as a key"),
        ("a: 1\nb: 2\na: 3\n", "line 3: 'a' is there twice, first in line 1"),
        ("a: {b: 1, b: 2}\n", "line 1: 'b' is there twice, first in line 1"),
        ("c: &c {}\na:\n  <<: *c\n  <<: *c\n", "line 4: '<<' is there twice, first in line 3"),
        ("a:\n  <<: {b: 1, b: 2}\n", "line 2: 'b' is there twice, first in line 2"),
        ("a:\n\tb: c\n", "line 2: not YAML: a tab where blanks are expected"),
        ("a:\n  b: c\n\td: e\n", "line 3: not YAML: a tab where blanks are expected"),
        ("a:\n  b: c\n d: e\n", "line 3: not YAML: "),
        ("a: [b\n", "line 2: not YAML: "),
        ("a: *b\n", "line 1: not YAML: the alias *b means nothing"),
        ("a: 1\n---\nb: 2\n", "line 2: not YAML: "),
        ("a: b\nc: \x07\n", "line 2: not YAML: a control character"),
        (b"a: b\nc: \xff\n", "line 2: this is no UTF-8 text"),
        ("a: b".encode("utf-16"), "line 1: this is no UTF-8 text"),
        ("a: &a [*a]\n", "line 1: the alias *a refers to itself"),
        ("a: &a\n  b:\n    c: {<<: *a}\n", "line 3: the alias *a refers to itself"),
        ("a: 52:54:00:12:34:56\n", "line 1: 52:54:00:12:34:56 is a number to YAML: 41135085296"),
        ("a: 0123\n", "line 1: 0123 is a number to YAML: 83"),
        ("a: 1_000\n", "line 1: 1_000 is a number to YAML: 1000"),
        ("a: 2026.10\n", "line 1: 2026.10 is a number to YAML: 2026.1"),
        ("a: 2026-11-28T10:00:00\n", "line 1: 2026-11-28T10:00:00 is a date to YAML: 2026-11-28 10:00:00"),
        ("a: 2026-13-45\n", "line 1: 2026-13-45 is a date to YAML: one that does not exist"),
        ("a:\n  0123: b\n", "line 2: the key 0123 is a number to YAML, and no text"),
        ("on: b\n", "line 1: the key on is true or false to YAML, and no text"),
        ("~: b\n", "line 1: the key ~ is nothing to YAML, and no text"),
        ("a: !!python/object:os.system {}\n", "line 1: the tag !!python/object:os.system is not understood"),
        ("a: !!binary aGVsbG8=\n", "line 1: the tag !!binary is not understood"),
        ("a: !include b.yml\n", "line 1: the tag !include is not understood"),
        ("a: {<<: b}\n", "line 1: << merges mappings, and this is none"),
        ("b: &b [1]\na: {<<: [*b]}\n", "line 2: << merges mappings, and this is none"),
        ("a: !!bool maybe\n", "line 1: maybe is neither true nor false"),
        ("a: !!int ''\n", "line 1:  is a number to YAML: one that does not exist"),
        ("a: !!timestamp soon\n", "line 1: soon is a date to YAML: one that does not exist"),
        ("a: !!float x\n", "line 1: x is a number to YAML: one that does not exist"),
        ("a: !!map [b]\n", "line 1: the tag !!map is not understood"),
        ("a: !!map b\n", "line 1: the tag !!map is not understood"),
        ("a: !!seq {b: c}\n", "line 1: the tag !!seq is not understood"),
        ("a: !!str [b]\n", "line 1: the tag !!str is not understood"),
        ("a: !!null {}\n", "line 1: the tag !!null is not understood"),
        ("a: !vault [b]\n", "line 1: the tag !vault is not understood"),
        ("a: !!set {b}\n", "line 1: the tag !!set is not understood"),
        ("a: =\n", "line 1: the tag !!value is not understood"),
        ("=: a\n", "line 1: the key = is of the kind value to YAML"),
        ("!!map [a]\n", "line 1: the tag !!map is not understood"),
        ("a: !unsafe 0123\n", "line 1: 0123 is a number to YAML: 83"),
        ("a: !unsafe {b: !!int x}\n", "line 1: x is a number to YAML"),
        ("# \u00e4\u00f6\u00fc\n" * 40 + "c: \x07\n", "line 41: not YAML: a control character"),
        (f"a: 0x{'f' * 5000}\n", "line 1: 0x"),
        (f"a: {'9' * 5000}\n", "line 1: 9"),
        ("$ANSIBLE_VAULT;1.1;AES256\n6131\n", "encrypted by ansible-vault"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_file_and_line(
    tmp_path: Path, text: str | bytes, sentence: str
) -> None:
    assert str(refusal(tmp_path, text)).startswith(f"hosts.yml: {sentence}")


def test_a_tab_has_its_hint_and_a_number_how_to_write_it(tmp_path: Path) -> None:
    assert refusal(tmp_path, "a:\n\tb: c\n").hint == "indent with blanks, never with a tab"
    assert refusal(tmp_path, "a: 0123\n").hint == 'write "0123"'


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (LAUGHS, 5),
        (MERGED, 6),
        ("[" * 100_000, 1),
        ("{a: " * 50_000, 1),
        ("a:\n" + "".join(f"{'  ' * n}a:\n" for n in range(1, 60)), 41),
    ],
    ids=("aliases", "merge keys", "lists", "mappings", "indented"),
)
def test_what_swells_or_is_too_deep_is_refused_at_once(tmp_path: Path, text: str, line: int) -> None:
    began = time.process_time()
    assert str(refusal(tmp_path, text)).startswith(f"hosts.yml: line {line}: ")
    assert time.process_time() - began < 2


def test_a_common_part_may_be_used_by_many(tmp_path: Path) -> None:
    text = "common: &common {profile: cube, bmc: &bmc {driver: ipmi, secret: b3}}\n"
    text += "".join(f"h{n}: {{<<: *common, bmc: *bmc}}\n" for n in range(5000))
    loaded = load(tmp_path, text)
    assert isinstance(loaded, dict)
    assert loaded["h4999"] == {"profile": "cube", "bmc": {"driver": "ipmi", "secret": "b3"}}


def test_numbers_and_dates_stay_the_text_that_they_are(tmp_path: Path) -> None:
    text = 'a: [12, -7, 1.5, 2026-11-28, "0123", !!str 0123, 1e3, 12e45678, yes, off, ~, !unsafe "{{ x }}"]\n'
    assert load(tmp_path, text) == {
        "a": [
            "12",
            "-7",
            "1.5",
            "2026-11-28",
            "0123",
            "0123",
            "1e3",
            "12e45678",
            True,
            False,
            None,
            "{{ x }}",
        ]
    }


def test_the_first_of_merged_mappings_wins_and_the_own_key_over_both(tmp_path: Path) -> None:
    text = "x: &x {k: 1, m: 1}\ny: &y {k: 2, l: 2, m: 2}\nz: {m: 3, <<: [*x, *y]}\n"
    loaded = load(tmp_path, text)
    assert isinstance(loaded, dict)
    assert loaded["z"] == {"k": "1", "l": "2", "m": "3"}


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "---\n...\n"])
def test_an_empty_file_is_nothing(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text) is None


def test_a_byte_order_mark_and_dos_lines_are_no_matter(tmp_path: Path) -> None:
    loaded = load(
        tmp_path, "\ufeffa:\r\n  b: c\r\n  d: !vault |\r\n    $ANSIBLE_VAULT;1.1;AES256\r\n    61\r\n"
    )
    assert loaded == {"a": {"b": "c", "d": yaml_file.Encrypted(file="hosts.yml", line=3)}}


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match="Is a directory"):
        yaml_file.load(tmp_path)
    (tmp_path / "hosts.yml").write_bytes(b"#" * (yaml_file.LARGEST + 1))
    with pytest.raises(InventoryError, match=r"hosts.yml: larger than 16 MiB"):
        yaml_file.load(tmp_path / "hosts.yml")


def all_refusals(folder: Path, text: str, keys: frozenset[str] | None = None) -> list[str]:
    (folder / "hosts.yml").write_text(text)
    with pytest.raises(InventoryError) as caught:
        yaml_file.load(folder / "hosts.yml", keys=keys)
    return [str(fault) for fault in (caught.value, *caught.value.also)]


def test_all_that_is_wrong_is_told(tmp_path: Path) -> None:
    text = "a: 0123\nb:\n  c: 1\n  c: 2\n  0x1: d\n? [e]\n: f\ng: !!bool h\ni: [1.10, !x y]\n"
    assert [found.split(": ")[1] for found in all_refusals(tmp_path, text)] == [
        *("line 1", "line 4", "line 5", "line 6", "line 8", "line 9", "line 9")
    ]


def test_a_slip_of_syntax_has_its_column(tmp_path: Path) -> None:
    sentence = str(refusal(tmp_path, "a: [b, c]\nd: [e}\n"))
    assert sentence.startswith("hosts.yml: line 2: not YAML: ") and sentence.endswith("(column 6)")


DEEP_BY_ALIASES = {
    "lists": "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 400)),
    "mappings": "a0: &a0 {k: x}\n" + "".join(f"a{n}: &a{n} {{k: *a{n - 1}}}\n" for n in range(1, 400)),
    "merges": "a0: &a0 {k: x}\n" + "".join(f"a{n}: &a{n} {{<<: *a{n - 1}}}\n" for n in range(1, 400)),
}


@pytest.mark.parametrize("text", DEEP_BY_ALIASES.values(), ids=list(DEEP_BY_ALIASES))
@pytest.mark.parametrize("keys", [None, frozenset({"a399"})], ids=("all keys", "the last alone"))
def test_aliases_make_nothing_deeper_than_may_be_written(
    tmp_path: Path, text: str, keys: frozenset[str] | None
) -> None:
    (found,) = all_refusals(tmp_path, text, keys)
    assert found == (
        "hosts.yml: line 40: more than 40 lists and mappings within each other, by the alias *a38"
    )


def test_a_file_has_so_many_keys_and_values_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_limits, "MOST_ENTRIES", 9)
    assert load(tmp_path, "a: [b, c]\nd: {e: f}\n") == {"a": ["b", "c"], "d": {"e": "f"}}
    assert str(refusal(tmp_path, "a: [b, c]\nd: {e: f}\ng: h\n")) == (
        "hosts.yml: line 3: more than 9 keys and values"
    )


def test_keys_and_items_know_their_places(tmp_path: Path) -> None:
    text = "x: &x\n  k: 1\ny:\n  <<: *x\n  m:\n    - 1\n    - n: 2\nz:\n  <<: *x\n  k: 2\n"
    loaded = load(tmp_path, text)
    assert isinstance(loaded, dict)

    def lines(mapping: object) -> dict[str, int]:
        assert isinstance(mapping, dict)
        return {str(key): key.place.line for key in mapping}

    assert lines(loaded) == {"x": 1, "y": 3, "z": 8}
    assert (lines(loaded["y"]), lines(loaded["z"])) == ({"k": 2, "m": 5}, {"k": 10})
    assert [str(place) for place in loaded["y"]["m"].places] == ["hosts.yml: line 6", "hosts.yml: line 7"]


def test_of_a_file_for_playbooks_only_the_keys_that_are_asked_for_are_judged(tmp_path: Path) -> None:
    text = (
        "mode: 0644\ncommon: &c {rack: B3, mode: 0644, 0x1: y, ? [z] : !!python/none x}\n"
        "<<: *c\nbmc: {port: 623}\nmode: 0755\n"
    )
    (tmp_path / "g.yml").write_text(text)
    keys = frozenset({"rack", "bmc"})
    assert yaml_file.load(tmp_path / "g.yml", keys=keys) == {"rack": "B3", "bmc": {"port": "623"}}
    found = all_refusals(
        tmp_path, text.replace("port: 623", "port: 0623, port: 1") + "rack: 1_0\nrack: a\n", keys
    )
    assert [sentence.split(": ")[1] for sentence in found] == ["line 4", "line 4", "line 6", "line 7"]


def test_every_line_that_is_no_utf_8_is_told(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_bytes("a: \xf6\nb: \u20ac\nc: \xfc\n".encode("cp1252"))
    with pytest.raises(InventoryError) as caught:
        yaml_file.load(tmp_path / "hosts.yml")
    said = [str(fault) for fault in (caught.value, *caught.value.also)]
    assert said == [f"hosts.yml: line {line}: this is no UTF-8 text" for line in (1, 2, 3)]
