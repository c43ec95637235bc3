"""What is wrong with data is said in plain words, and no secret is said with it."""

import importlib
import pkgutil
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from provisioner import domain
from provisioner.domain.host import Host
from provisioner.domain.profile import Profile
from provisioner.validation import FORMS, sentences

INTERFACE = "an IPv4 address with its prefix length, as 10.77.0.1/24,"


class Inner(BaseModel):
    word: str = ""


class Sample(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str = Field("a", min_length=1, max_length=3, pattern="^a")
    number: int = Field(5, ge=1, le=9)
    ratio: float = Field(0.5, gt=0, lt=1, allow_inf_nan=False)
    is_on: bool = False
    kind: Literal["one", "two"] = "one"
    words: Annotated[tuple[str, ...], Field(min_length=1, max_length=2)] = ("a",)
    inner: Inner = Inner()
    table: dict[str, int] = {}
    path: Path = Path("/")
    address: IPv4Address = IPv4Address("10.0.0.1")
    interface: IPv4Interface = IPv4Interface("10.0.0.1/24")

    @field_validator("kind")
    @classmethod
    def _check(cls, value: str) -> str:
        if value == "two":
            raise ValueError("two is taken")
        return value


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"text": 7}, "text: a text is expected, not 7"),
        ({"text": True}, "text: a text is expected, not true"),
        ({"text": None}, "text: a text is expected, and nothing stands there"),
        ({"text": ["a"]}, "text: a text is expected, not a list"),
        ({"text": {"a": 1}}, "text: a text is expected, not a mapping"),
        ({"text": ""}, "text: at least 1 character is needed"),
        ({"text": "aaaa"}, "text: at most 3 characters are allowed"),
        ({"text": "b"}, "text: is not of the form that is needed"),
        ({"number": "x"}, "number: a whole number is expected"),
        ({"number": 1.5}, "number: a whole number is expected"),
        ({"number": 0}, "number: must be at least 1"),
        ({"number": 10}, "number: must be at most 9"),
        ({"ratio": 0}, "ratio: must be more than 0.0"),
        ({"ratio": 1}, "ratio: must be less than 1.0"),
        ({"ratio": "x"}, "ratio: a number is expected"),
        ({"ratio": float("nan")}, "ratio: a finite number is expected"),
        ({"is_on": "maybe"}, "is_on: true or false is expected"),
        ({"kind": "three"}, "kind: 'three' is none of 'one' or 'two'"),
        ({"kind": "two"}, "kind: two is taken"),
        ({"words": "a"}, "words: a list is expected"),
        ({"words": []}, "words: at least 1 needed"),
        ({"words": ["a", "b", "c"]}, "words: at most 2 allowed"),
        ({"inner": []}, "inner: a mapping is expected"),
        ({"inner": {"word": 1}}, "inner.word: a text is expected, not 1"),
        ({"table": 1}, "table: a mapping is expected"),
        ({"path": 1}, "path: a path is expected"),
        ({"address": "x"}, "address: an IPv4 address is expected"),
        (
            {"interface": "x"},
            f"interface: {INTERFACE} is expected",
        ),
        ({"colour": 1}, "colour: is not a known key"),
    ],
)
def test_each_fault_is_said_in_plain_words(body: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Sample.model_validate(body)
    assert sentences(caught.value) == sentence


def test_several_are_one_line_and_a_long_value_is_cut() -> None:
    with pytest.raises(ValidationError) as caught:
        Sample.model_validate({"number": 0, "kind": "x" * 999})
    first, second = sentences(caught.value).split("; ")
    assert first == "number: must be at least 1" and len(second) < 120


def _models() -> Iterator[type[BaseModel]]:
    for module in pkgutil.walk_packages(domain.__path__, f"{domain.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, BaseModel) and value is not BaseModel:
                yield value


def _patterns(schema: object) -> Iterator[str]:
    inner = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    if isinstance(schema, dict) and isinstance(schema.get("pattern"), str):
        yield schema["pattern"]
    for one in inner:
        yield from _patterns(one)


def test_every_pattern_of_the_domain_is_said_in_words() -> None:
    found = {pattern for model in _models() for pattern in _patterns(model.model_json_schema())}
    assert len(found) > 9 and sorted(found - FORMS.keys()) == []


def test_no_regular_expression_reaches_a_person() -> None:
    for body, words in (
        ({"rack": "a\nb"}, "rack: is not of the form that is needed: one line, without control characters"),
        ({"profile": ""}, "profile: is not of the form that is needed: a to z, 0 to 9, and - within"),
    ):
        with pytest.raises(ValidationError) as caught:
            Host.model_validate({"name": "a", "macs": ["52:54:00:00:00:01"], "profile": "cube", **body})
        assert sentences(caught.value).startswith(words)
    with pytest.raises(ValidationError) as caught:
        Profile.model_validate({"name": "a", "deadlines": {"powring": 20}})
    assert "[key]" not in sentences(caught.value) and "'powring' is none of" in sentences(caught.value)
