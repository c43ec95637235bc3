"""The agent's messages: every one survives JSON, whatever else comes is a ProtocolError."""

import dataclasses
import json
import re
from typing import Annotated, Any, get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.agent import fields, protocol
from provisioner.agent.arguments import KernelArguments
from provisioner.agent.protocol import ProtocolError
from provisioner.system.text import LONGEST, clean, is_identifier
from tests.hostile_words import ANY, LOOKALIKE, WORDS, faults, texts

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
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text | ANY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
MAC = "52:54:00:00:00:01"
ARGUMENTS = "pv.server=http://10.77.0.1:8080 pv.mac=52:54:00:00:00:01 pv.nonce=Ab-_9"


def values(wanted: Any) -> st.SearchStrategy[Any]:
    """What may stand in a field of this type."""
    kind, rule = get_args(wanted) if get_origin(wanted) is Annotated else (wanted, None)
    if dataclasses.is_dataclass(kind):
        return messages(kind)
    if get_origin(kind) is list:
        return st.lists(values(get_args(kind)[0]), max_size=3)
    if isinstance(rule, fields.Syntax):
        return st.from_regex(re.compile(rule.expression, re.ASCII), fullmatch=True)
    if kind is str:
        return text.map(clean).filter(is_identifier)
    if kind is int:
        return st.integers(0, fields.LIMIT - 1)
    return st.floats(0, 1e18) if kind is float else st.from_type(kind)


def messages(kind: Any) -> st.SearchStrategy[Any]:
    """Messages as an agent or a service means them."""
    return st.builds(kind, **{field.name: values(field.type) for field in dataclasses.fields(kind)})


@pytest.mark.parametrize("kind", KINDS)
def test_every_message_survives_json(kind: type[Any]) -> None:
    @settings(deadline=None, max_examples=40)
    @given(messages(kind))
    def survives(message: Any) -> None:
        assert protocol.load(kind, json.loads(json.dumps(protocol.dump(message)))) == message

    survives()


@pytest.mark.parametrize("kind", KINDS)
def test_any_value_in_any_field_is_taken_or_refused_by_a_protocol_error(kind: type[Any]) -> None:
    @settings(deadline=None, max_examples=80)
    @given(messages(kind), st.data())
    def refuses(message: Any, data: st.DataObject) -> None:
        body = protocol.dump(message)
        key = data.draw(st.sampled_from(sorted(body)))
        body[key] = data.draw(JSON | st.integers(10**300, 10**310))
        try:
            found = protocol.load(kind, body)
        except ProtocolError as fault:
            assert len(str(fault)) < 200 and faults(str(fault)) == []
        else:
            json.dumps(protocol.dump(found), allow_nan=False)
            assert text_faults(found) == []

    refuses()


def text_faults(message: Any) -> list[str]:
    """Of every text in it but the files of a seed, which the service writes and nobody prints."""
    body = protocol.dump(message)
    for order in (body, body.get("order", {})):
        order.pop("seed", None)
    return [fault for word in texts(body) for fault in faults(word)]


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
        ("rate", -1.0), ("rate", 1e400), ("rate", 1e19), ("attempt", -1), ("seq", -1), ("done", 2**63),
        ("total", 2**64), ("done", {"a": {"a": []}}), ("rate", 2**63),
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
    hello = protocol.dump(protocol.Hello("n", "b", MAC, [MAC], "", "", 1, "0"))
    assert protocol.load(protocol.Hello, hello).disks == []
    with pytest.raises(ProtocolError):
        protocol.load(protocol.Hello, hello | {"disks": disks})
    with pytest.raises(ProtocolError):
        protocol.load(protocol.Hello, hello | {"macs": [1]})


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS.keys())
def test_what_is_said_for_people_is_taken_and_made_readable(words: str) -> None:
    disk = {"name": "vda", "size": 1, "logical_sector": 512, "model": words, "content": words, "owner": words}
    body = greeting(maker=words, product=words, cpu=words, version=words, disks=[disk])
    found = protocol.load(protocol.Hello, json.loads(json.dumps(body)))
    assert found.maker == found.disks[0].content == clean(words)
    assert text_faults(found) == []


def greeting(**changes: object) -> dict[str, Any]:
    return protocol.dump(protocol.Hello("n", "b", MAC, [MAC], "S1", "", 1, "0")) | changes


IDENTITIES = ("nonce", "boot_id", "mac", "serial", "uuid")
OF_DISKS = ("disk.name", "disk.serial", "disk.wwn", "disk.by_path", "disk.sas_address")
UNREADABLE = {name: words for name, words in WORDS.items() if not is_identifier(words)}


@pytest.mark.parametrize("name", [*IDENTITIES, *OF_DISKS, "macs"])
@pytest.mark.parametrize("words", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_decides_something_is_refused_and_never_made_equal_to_another(name: str, words: str) -> None:
    disk = {"name": "vda", "size": 1, "logical_sector": 512, "serial": "D1"}
    if name in IDENTITIES:
        body = greeting(**{name: words})
    elif name == "macs":
        body = greeting(macs=[MAC, words])
    else:
        body = greeting(disks=[disk | {name.removeprefix("disk."): words}])
    with pytest.raises(ProtocolError, match="to the letter") as refused:
        protocol.load(protocol.Hello, body)
    assert faults(str(refused.value)) == [] and name.removeprefix("disk.") in str(refused.value)


def test_a_serial_is_taken_as_its_maker_wrote_it() -> None:
    for serial in ("", "SN/7  b", "S1\\x07", LOOKALIKE, "x" * LONGEST):
        assert protocol.load(protocol.Hello, greeting(serial=serial)).serial == serial
    with pytest.raises(ProtocolError, match=r"Hello\.serial"):
        protocol.load(protocol.Hello, greeting(serial="x" * (LONGEST + 1)))


@pytest.mark.parametrize(
    ("name", "entry", "most"),
    [
        ("disks", {"name": "vda", "size": 1, "logical_sector": 512}, 512),
        ("nics", {"name": "eth0", "mac": MAC}, 512),
        ("macs", MAC, 512),
        ("devices", {"id": "10de:2330", "kind": "030200"}, 4096),
    ],
)
def test_more_than_any_machine_has_cannot_be_meant(name: str, entry: object, most: int) -> None:
    assert len(getattr(protocol.load(protocol.Hello, greeting(**{name: [entry] * most})), name)) == most
    for count in (most + 1, 100_000):
        with pytest.raises(ProtocolError, match=rf"Hello\.{name}: a list of {count} entries cannot be meant"):
            protocol.load(protocol.Hello, greeting(**{name: [entry] * count}))


def test_a_log_is_evidence_so_what_is_too_much_is_left_out() -> None:
    lines = ["[    1.5] usb 1-1: \x1b[31mnew\x1b[0m\ndevice", "x" * 3000, *["y"] * 9000]
    found = protocol.load(protocol.Log, {"deployment": "d1", "attempt": 1, "seq": 1, "lines": lines})
    assert found.lines[0] == "[ 1.5] usb 1-1: \\x1b[31mnew\\x1b[0m device"
    assert (len(found.lines), len(found.lines[1]), found.lines[1][-1]) == (5000, 2000, "…")


INFINIBAND = "80:00:02:08:fe:80:00:00:00:00:00:00:f4:52:14:03:00:7b:cb:a1"
FIREWIRE = "00:11:22:33:44:55:66:77"


@pytest.mark.parametrize("address", ["", MAC, INFINIBAND, FIREWIRE])
def test_the_addresses_of_all_kinds_of_interfaces_are_taken(address: str) -> None:
    nic = {"name": "ib0", "mac": address}
    assert protocol.load(protocol.Hello, greeting(macs=[address], nics=[nic])).nics[0].mac == address


def test_a_number_too_long_to_be_written_is_named_all_the_same() -> None:
    with pytest.raises(ProtocolError, match=r"Progress\.total: a number of 16610 bits is not of the right"):
        protocol.load(protocol.Progress, progress(total=10**5000))


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
