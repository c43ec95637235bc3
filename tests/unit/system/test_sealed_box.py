"""A box opens with its key, in its place, unchanged; and otherwise never."""

import os
import random

import pytest

from provisioner.system import sealed_box
from provisioner.system.sealed_box import BoxError, Opener, Place

HERE = Place("secrets", "bmc.login/lab", "body")
PLACES = [
    Place("other", "bmc.login/lab", "body"),
    Place("secrets", "bmc.login/spare", "body"),
    Place("secrets", "bmc.login/lab", "public"),
    Place("secrets", "bmc.login", "lab/body"),
]


@pytest.fixture
def opener() -> Opener:
    return Opener([os.urandom(32)])


@pytest.mark.parametrize("text", ["", "x", "pässwörd", "line\nline\n", "x" * 100_000])
def test_what_was_sealed_is_opened(opener: Opener, text: str) -> None:
    assert opener.open(sealed_box.seal(text, opener.public, HERE), HERE) == text


def test_two_boxes_of_one_text_have_nothing_in_common(opener: Opener) -> None:
    boxes = [sealed_box.seal("secret", opener.public, HERE) for _ in range(50)]
    bodies = [box.rpartition(".")[2] for box in boxes]
    assert len({body[at : at + 12] for body in bodies for at in range(0, 60, 12)}) == 50 * 5
    assert not any("secret" in box for box in boxes)


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_a_box_that_was_moved_does_not_open(opener: Opener, place: Place) -> None:
    with pytest.raises(BoxError, match="belongs to another place"):
        opener.open(sealed_box.seal("secret", opener.public, HERE), place)


def test_a_box_of_which_one_bit_was_changed_does_not_open(opener: Opener) -> None:
    draw, box = random.Random(1), sealed_box.seal("secret", opener.public, HERE)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for at in range(len(box)):
        other = draw.choice([letter for letter in letters if letter != box[at]])
        changed = box[:at] + other + box[at + 1 :]
        with pytest.raises(BoxError):
            opener.open(changed, HERE)


@pytest.mark.parametrize("box", ["", "pv1", "pv1..", "pv2.x.y", "pv1.0000000000000000.AAAA", "hunter2"])
def test_what_is_no_box_is_refused(opener: Opener, box: str) -> None:
    with pytest.raises(BoxError):
        opener.open(box, HERE)
    ours = box.replace("0" * 16, opener.key_id)
    with pytest.raises(BoxError):
        opener.open(ours, HERE)


def test_an_older_key_opens_and_the_first_seals() -> None:
    old, new = os.urandom(32), os.urandom(32)
    box = sealed_box.seal("secret", Opener([old]).public, HERE)
    both = Opener([new, old])
    assert both.open(box, HERE) == "secret" and both.key_id == Opener([new]).key_id
    with pytest.raises(BoxError, match="not here"):
        Opener([new]).open(box, HERE)


def test_the_keys_are_handed_over_as_text_and_never_shown(opener: Opener) -> None:
    text = opener.to_text()
    assert Opener.from_text(text).key_id == opener.key_id
    assert text.strip() not in repr(opener) + str(vars(Opener))
