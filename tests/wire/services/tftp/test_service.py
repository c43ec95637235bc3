"""The TFTP service as hosts see it: what it lends, what it says to those who try other names."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.wire.conftest import CommandResult, World

NOWHERE = [
    "../secrets/seed.key",
    "..\\..\\secrets\\seed.key",
    "/etc/passwd",
    "//../../../etc/shadow",
    "snponly.efi/../../secrets/seed.key",
    "./snponly.efi",
    "vmlinuz",
    "initrd.img",
    "nul",
    "con.efi",
    "/dev/zero",
    "%2e%2e/secrets",
    "snponly.efi.bak",
    "n" * 400,
]


@pytest.fixture(scope="module")
def lending(world: World) -> World:
    """The service with iPXE in its place."""
    for name in ("snponly.efi", "undionly.kpxe"):
        (world.state / "ramdisk" / name).write_bytes(name.encode() * 40_000)
    return world


def fetch(world: World, name: str, target: Path) -> str:
    """curl's words, empty where it has the file."""
    argv = ("curl", "-sS", "--path-as-is", "--max-time", "20", "-o", target, f"tftp://10.77.0.1/{name}")
    return world.lan.run(*argv).err


def words(said: CommandResult) -> str:
    """All that a program said."""
    return said.out + said.err


@pytest.mark.parametrize("asked", ["snponly.efi", "/SnpOnly.EFI", "%5CSNPONLY.EFI", "undionly.kpxe"])
def test_ipxe_is_lent_however_firmware_spells_it(lending: World, tmp_path: Path, asked: str) -> None:
    assert fetch(lending, asked, tmp_path / "got") == ""
    name = "undionly.kpxe" if "undi" in asked else "snponly.efi"
    assert (tmp_path / "got").read_bytes() == name.encode() * 40_000


@pytest.mark.parametrize("name", NOWHERE)
def test_nothing_else_is_lent(lending: World, tmp_path: Path, name: str) -> None:
    asked = ("tftp", "-m", "binary", "10.77.0.1", "-c", "get", name, tmp_path / "got")
    assert "not found" in words(lending.lan.run(*asked)).lower()
    assert not (tmp_path / "got").exists() or (tmp_path / "got").read_bytes() == b""


def test_a_link_in_the_folder_leads_nowhere(lending: World, tmp_path: Path) -> None:
    place = lending.state / "ramdisk" / "undionly.kpxe"
    content = place.read_bytes()
    place.unlink()
    place.symlink_to(lending.state / "secrets" / "seed.key")
    try:
        asked = ("tftp", "-m", "binary", "10.77.0.1", "-c", "get", "undionly.kpxe", tmp_path / "got")
        assert "symbolic links" in words(lending.lan.run(*asked))
        assert (tmp_path / "got").read_bytes() == b""
    finally:
        place.unlink()
        place.write_bytes(content)


def test_an_upload_is_refused(lending: World, tmp_path: Path) -> None:
    before = (lending.state / "ramdisk" / "snponly.efi").read_bytes()
    (tmp_path / "mine").write_bytes(b"#!ipxe\n")
    for name in ("snponly.efi", "new.efi"):
        asked = ("tftp", "-m", "binary", "10.77.0.1", "-c", "put", tmp_path / "mine", name)
        assert "takes none" in words(lending.lan.run(*asked))
    assert (lending.state / "ramdisk" / "snponly.efi").read_bytes() == before
    assert not list(lending.state.rglob("new.efi"))


def test_who_tries_many_names_is_logged_once(lending: World, tmp_path: Path) -> None:
    """nmap's tftp-enum finds at most what everybody may have.

    It closes its port and opens it again, and waits for seconds where our answer came in between.
    """
    log = lending.folder / "service.log"
    offset = log.stat().st_size
    names = Path("/usr/share/nmap/nselib/data/tftplist.txt").read_text().split()[:8]
    (tmp_path / "names").write_text("\n".join([*names, "snponly.efi", "undionly.kpxe"]) + "\n")
    argv = ("nmap", "-n", "-Pn", "-sU", "-p", "69", "--script", "tftp-enum")
    said = lending.lan.run(*argv, "--script-args", f"tftp-enum.filelist={tmp_path / 'names'}", "10.77.0.1")
    assert "69/udp" in said.out, said
    found = [line.strip("|_ ") for line in said.out.splitlines() if line.startswith("|")]
    assert set(found) <= {"tftp-enum:", "snponly.efi", "undionly.kpxe"}, said.out
    for name in names:
        fetch(lending, name, tmp_path / "got")
    text = log.read_bytes()[offset:].decode()
    assert len(re.findall("file not found", text)) <= 1, "once for each address in a minute"


def test_refusals_are_seen_in_the_metrics(lending: World, tmp_path: Path) -> None:
    fetch(lending, "no-such-name", tmp_path / "got")
    until = time.monotonic() + 20
    while True:
        reply = lending.lan.http("/metrics", "--unix-socket", str(lending.state / "api.sock"))
        found = re.search(r'refusals_total\{service="tftp",reason="name"\} (\d+)', reply.body.decode())
        if found and int(found[1]) >= 1:
            return
        assert time.monotonic() < until
        time.sleep(0.2)  # the numbers are written every few seconds
