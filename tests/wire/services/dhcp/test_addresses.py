"""The service answers TFTP and DNS on every address that the settings name, of IPv4 and IPv6."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provisioner import run

if TYPE_CHECKING:
    from tests.wire.conftest import Inside, Namespace

OTHERS = ("10.79.0.1", "fd00:77::1")
SETTINGS = f"[tftp]\nalso = {list(OTHERS)}\n[dns]\nalso = {list(OTHERS)}\n"
CONTENT = b"iPXE" * 5000


@pytest.fixture(scope="module")
def service(
    lan: Namespace, inside: type[Inside], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Inside]:
    for address, length in zip(OTHERS, ("/24", "/64"), strict=True):
        run.run(
            lan.argv(
                "ip",
                "address",
                "add",
                f"{address}{length}",
                "dev",
                "lo",
                "nodad" if ":" in address else "noprefixroute",
            )
        )
    with inside(lan, tmp_path_factory.mktemp("addresses"), SETTINGS) as made:
        (made.state / "ramdisk" / "snponly.efi").write_bytes(CONTENT)
        yield made


@pytest.mark.parametrize("address", ["10.77.0.1", *OTHERS])
def test_every_address_lends_ipxe_and_has_the_names(
    service: Inside, lan: Namespace, tmp_path: Path, address: str
) -> None:
    host = f"[{address}]" if ":" in address else address
    said = lan.run(
        "curl", "-sS", "-g", "--max-time", "20", "-o", tmp_path / "got", f"tftp://{host}/snponly.efi"
    )
    assert (tmp_path / "got").read_bytes() == CONTENT, said.err
    for words in ((), ("+tcp",)):
        found = lan.run("dig", f"@{address}", "+short", "provision.vaultcube.local", *words).out.split()
        assert set(found) == {"10.77.0.1", "10.79.0.1"}
        assert lan.run("dig", f"@{address}", "+short", "apt.vaultcube.local", "AAAA", *words).out.split() == [
            "fd00:77::1"
        ]
    assert (
        lan.run("dig", f"@{address}", "+short", "-x", "fd00:77::1").out.strip()
        == "provision.vaultcube.local."
    )
