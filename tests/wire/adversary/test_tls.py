"""People's door by TLS, as programs of others see it: what is spoken there, and what is not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provisioner.client.pinned import shown
from provisioner.state import site_certificate

if TYPE_CHECKING:
    from tests.wire.conftest import CommandResult, World

PLACE = "10.77.0.1:443"
HARMLESS = {"OK", "INFO", "LOW", "DEBUG"}
EXPLAINED = {
    "cert_chain_of_trust": "the certificate is known by its SHA-256, not by who signed it",
    "cert_validityPeriod": "twenty years: a new one is pinned anew by everybody",
    "cert_revocation": "nobody inside the air gap could ask whether it was revoked; it is replaced",
    "engine_problem": "of testssl.sh itself: this OpenSSL has no GOST",
}


def s_client(world: World, *options: str) -> CommandResult:
    return world.lan.run("openssl", "s_client", "-connect", PLACE, *options)


def test_nmap_finds_tls_1_3_and_nothing_weak(world: World) -> None:
    said = world.lan.run(
        "nmap", "-sT", "-Pn", "-n", "-p", "443", "--script", "ssl-enum-ciphers", "10.77.0.1"
    ).out
    assert re.findall(r"^\| +((?:SSL|TLS)v[\d.]+):", said, re.MULTILINE) == ["TLSv1.3"], said
    ciphers = re.findall(r"^\| +(TLS_\w+) \(\w+\) - ([A-F])", said, re.MULTILINE)
    assert {grade for _, grade in ciphers} == {"A"} and len(ciphers) == 3, said
    assert "least strength: A" in said and "warnings" not in said


@pytest.mark.long
@pytest.mark.timeout(900)
def test_testssl_finds_nothing_above_low_that_is_not_explained(world: World, tmp_path: Path) -> None:
    """What it finds, each by its id, with how grave it is: docs/security.md explains the rest."""
    found = tmp_path / "found.json"
    options = ("--quiet", "--color", "0", "--warnings", "off", "--jsonfile", found)
    said = world.lan.run("testssl", *options, PLACE)
    rows = json.loads(found.read_text())
    assert {row["id"]: row["severity"] for row in rows}.get("TLS1_3") == "OK", said.out[-3000:]
    grave = {row["id"]: row["finding"] for row in rows if row["severity"] not in HARMLESS}
    assert set(grave) <= set(EXPLAINED), grave
    assert "cert_chain_of_trust" in grave, "that it weighs what it sees"


@pytest.mark.parametrize("old", ["-tls1", "-tls1_1", "-tls1_2"])
def test_openssl_is_told_that_its_version_is_too_old(world: World, old: str) -> None:
    said = s_client(world, old, "-cipher", "ALL:@SECLEVEL=0")
    assert said.code == 1 and "alert protocol version" in said.err, said.err


def test_openssl_verifies_the_certificate_by_its_file(world: World) -> None:
    crt = str(site_certificate.certificate_file(world.state))
    said = s_client(world, "-CAfile", crt, "-verify_return_error", "-verify_ip", "10.77.0.1")
    assert said.code == 0 and "New, TLSv1.3" in said.out and "Verify return code: 0 (ok)" in said.out
    other = s_client(world, "-CAfile", crt, "-verify_return_error", "-verify_ip", "10.77.0.2")
    assert other.code == 1 and "mismatch" in other.out + other.err


def test_the_fingerprint_is_the_one_that_openssl_prints(world: World) -> None:
    crt = str(site_certificate.certificate_file(world.state))
    said = world.lan.run("openssl", "x509", "-noout", "-sha256", "-fingerprint", "-in", crt).out
    assert said.strip().endswith("=" + shown(site_certificate.fingerprint(world.state)))


def test_no_session_is_kept_that_could_be_taken_up(world: World) -> None:
    said = s_client(world, "-tls1_3")
    assert "New, TLSv1.3" in said.out and "TLS session ticket" not in said.out


def test_what_is_no_tls_gets_not_a_byte(world: World) -> None:
    argv = ["curl", "-sS", "-o", "-", "--http0.9", "--max-time", "10", f"http://{PLACE}/api/v1/hosts"]
    said = world.lan.run(*argv)
    assert said.code in (52, 56) and said.out == "", said
