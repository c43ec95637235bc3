"""No secret is written down, however deep it lies."""

import json

from hypothesis import given
from hypothesis import strategies as st

from provisioner.state.redaction import SECRET_KEYS, redact

SECRET = "swordfish-never-written"
PLAIN = st.none() | st.booleans() | st.integers() | st.text("abc", max_size=5)
KEYS = st.text("xyz", min_size=1, max_size=3)


def containers(inside: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return (
        st.lists(inside, max_size=3)
        | st.lists(inside, max_size=3).map(tuple)
        | st.dictionaries(KEYS, inside, max_size=3)
    )


HIDDEN = st.sampled_from(sorted(SECRET_KEYS)).map(lambda key: {key: SECRET})
WITH_SECRETS = st.recursive(PLAIN | HIDDEN, containers, max_leaves=20)
WITHOUT = st.recursive(PLAIN, containers, max_leaves=20)


@given(WITH_SECRETS)
def test_no_secret_is_left_at_any_depth(value: object) -> None:
    assert SECRET not in json.dumps(redact({"outer": value}))


@given(WITHOUT)
def test_what_is_no_secret_stays_as_it_is(value: object) -> None:
    assert redact({"outer": value}) == json.loads(json.dumps({"outer": value}))


def test_a_secret_in_a_list_of_mappings_is_taken_out() -> None:
    data = {"hosts": [{"bmc": ({"user": "ann", "password": SECRET},)}], "seed": {"user-data": SECRET}}
    redacted = redact(data)
    assert SECRET not in json.dumps(redacted)
    [host] = json.loads(json.dumps(redacted))["hosts"]
    assert host["bmc"][0]["user"] == "ann" and host["bmc"][0]["password"].startswith("sha256:")


def test_two_secrets_can_be_told_apart_by_what_is_left() -> None:
    first, same, other = (redact({"nonce": text}) for text in ("a", "a", "b"))
    assert first == same != other


def test_every_key_that_holds_a_secret_is_known() -> None:
    """Said here once more: a key that goes from the list must not go unnoticed."""
    keys = ("nonce", "token", "password", "seed", "phone_token", "private_key")
    assert SECRET not in json.dumps(redact(dict.fromkeys(keys, SECRET)))
