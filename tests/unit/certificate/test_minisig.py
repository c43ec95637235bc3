"""Numbers of keys, as minisign prints them."""

import base64
from pathlib import Path

import pytest

from provisioner.certificate import signing
from provisioner.certificate.minisig import Signature

NUMBERS = {
    "D0F5A6B276DE06C": bytes.fromhex("6ce06d276b5a0f0d"),  # minisign leaves leading zeros out
    "5FA61C3300000001": bytes.fromhex("01000000331ca65f"),
    "0": bytes(8),
}


@pytest.mark.parametrize("printed", NUMBERS)
def test_a_number_is_printed_as_minisign_does(printed: str, tmp_path: Path) -> None:
    number = NUMBERS[printed]
    assert Signature(b"ED" + number + bytes(64), "x", bytes(64)).key_id == printed
    encoded = base64.b64encode(b"Ed" + number + bytes(32)).decode()
    (tmp_path / "site.pub").write_text(f"untrusted comment: minisign public key {printed}\n{encoded}\n")
    assert signing.public_id(tmp_path / "site.pub") == printed
