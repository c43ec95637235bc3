"""The agent's messages: every one survives JSON, whatever else comes is a ProtocolError."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.agent import protocol
from provisioner.agent.protocol import KernelArguments, ProtocolError

KINDS = [
    protocol.Hello,
    protocol.HelloAnswer,
    protocol.Progress,
    protocol.Log,
    protocol.Written,
    protocol.Failed,
    protocol.Inventory,
    protocol.Order,
    protocol.DiskHints,
]
text = st.text(max_size=20)
number = st.integers(-(1 << 63), 1 << 63)
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
ARGUMENTS = "pv.server=http://10.77.0.1:8080 pv.mac=52:54:00:00:00:01 pv.nonce=Ab-_9"


@pytest.mark.parametrize("kind", KINDS)
def test_every_message_survives_json(kind: type[Any]) -> None:
    @settings(deadline=None, max_examples=40)
    @given(st.from_type(kind))
    def survives(message: Any) -> None:
        assert protocol.load(kind, json.loads(json.dumps(protocol.dump(message)))) == message

    survives()


@pytest.mark.parametrize("kind", KINDS)
def test_any_value_in_any_field_is_taken_or_refused_by_a_protocol_error(kind: type[Any]) -> None:
    @settings(deadline=None, max_examples=80)
    @given(st.from_type(kind), st.data())
    def refuses(message: Any, data: st.DataObject) -> None:
        body = protocol.dump(message)
        key = data.draw(st.sampled_from(sorted(body)))
        body[key] = data.draw(JSON | st.integers(10**300, 10**310))
        try:
            found = protocol.load(kind, body)
        except ProtocolError as fault:
            assert len(str(fault)) < 200
        else:
            json.dumps(protocol.dump(found), allow_nan=False)

    refuses()


def progress(**changes: object) -> dict[str, Any]:
    whole = protocol.Progress("d1", 1, 2, "writing", 3, 4, 5.0)
    return protocol.dump(whole) | changes


def test_unknown_keys_are_dropped_and_defaults_filled_in() -> None:
    body = progress(colour="red", nested={"a": [1]})
    del body["note"], body["disk"]
    assert protocol.load(protocol.Progress, body) == protocol.Progress(
        "d1", 1, 2, "writing", 3, 4, 5.0, "", ""
    )


def test_a_whole_number_is_taken_where_a_fraction_is_meant() -> None:
    assert protocol.load(protocol.Progress, progress(rate=7)).rate == 7.0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("deployment", 1), ("deployment", None), ("attempt", "1"), ("attempt", True), ("attempt", 1.0),
        ("phase", "sleeping"), ("phase", []), ("rate", "5"), ("rate", True), ("rate", float("nan")),
        ("rate", float("inf")), ("rate", 10**400), ("note", ["x"]),
    ],
)  # fmt: skip
def test_an_ill_typed_field_is_refused_and_named(field: str, value: object) -> None:
    with pytest.raises(ProtocolError, match=rf"Progress\.{field}: .* is not of the right kind"):
        protocol.load(protocol.Progress, progress(**{field: value}))


def test_a_missing_field_is_refused_and_named() -> None:
    body = progress()
    del body["phase"]
    with pytest.raises(ProtocolError, match=r"Progress: .*'phase'"):
        protocol.load(protocol.Progress, body)


@pytest.mark.parametrize("body", [None, [], "x", 1, True])
def test_what_is_no_object_is_refused(body: object) -> None:
    with pytest.raises(ProtocolError, match="not an object"):
        protocol.load(protocol.Hello, body)


@pytest.mark.parametrize(
    "disks", [{}, "x", [1], [None], [{"name": "vda"}], [{"name": "vda", "size": "1", "logical_sector": 512}]]
)
def test_ill_typed_parts_of_a_message_are_refused(disks: object) -> None:
    hello = protocol.dump(protocol.Hello("n", "b", "m", ["m"], "", "", 1, "0"))
    assert protocol.load(protocol.Hello, hello).disks == []
    with pytest.raises(ProtocolError):
        protocol.load(protocol.Hello, hello | {"disks": disks})
    with pytest.raises(ProtocolError):
        protocol.load(protocol.Hello, hello | {"macs": [1]})


def test_kernel_arguments_are_read_from_a_whole_command_line() -> None:
    line = f"BOOT_IMAGE=vmlinuz quiet console=ttyS0,115200 {ARGUMENTS} panic=10\n"
    found = KernelArguments.parse(line)
    assert found == KernelArguments("http://10.77.0.1:8080", "52:54:00:00:00:01", "Ab-_9")
    assert str(found) == ARGUMENTS


@pytest.mark.parametrize("server", ["http://10.77.0.1", "http://[fd00::1]:80", "http://pv.example:8080"])
def test_servers_that_can_be_asked_are_taken(server: str) -> None:
    assert KernelArguments.parse(f"{ARGUMENTS} pv.server={server}").server == server


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("pv.server=https://10.77.0.1", "server"), ("pv.server=http://", "server"), ("pv.server=", "server"),
        ("pv.server=http://10.77.0.1/x", "server"), ("pv.server=http://10.77.0.1:99999", "server"),
        ("pv.server=http://[fd00::1", "server"), ("pv.server=http://:80", "server"),
        ("pv.server=http://10.77.0.1:0", "server"), ("pv.server=http://10.77.0.1:x", "server"),
        ("pv.mac=52:54:00:00:00", "mac"), ("pv.mac=52:54:00:00:00:0G", "mac"),
        ("pv.mac=52-54-00-00-00-01", "mac"), ("pv.nonce=", "nonce"), ("pv.nonce=a/b", "nonce"),
        ("pv.nonce=ä", "nonce"),
    ],
)  # fmt: skip
def test_a_malformed_kernel_argument_is_refused_and_named(word: str, name: str) -> None:
    with pytest.raises(ProtocolError, match=rf"pv\.{name} is missing or malformed"):
        KernelArguments.parse(f"{ARGUMENTS} {word}")


def test_a_missing_kernel_argument_is_refused() -> None:
    for word in ARGUMENTS.split():
        with pytest.raises(ProtocolError, match=r"is missing or malformed"):
            KernelArguments.parse(ARGUMENTS.replace(word, ""))


@given(st.text())
def test_no_command_line_raises_another_error(line: str) -> None:
    with pytest.raises(ProtocolError):
        KernelArguments.parse(line)
