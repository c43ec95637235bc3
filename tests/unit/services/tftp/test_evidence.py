"""What is kept of TFTP, and what is said of a machine that is stuck because of it."""

from typing import Any

import pytest

from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.diagnosis.overdue import overdue
from provisioner.domain.events.netboot import DhcpSeen
from provisioner.domain.events.order import SlotGiven
from provisioner.domain.events.power import PowerBegan, PowerOn
from provisioner.services.tftp import service
from provisioner.services.tftp.service import TransferRecorder
from provisioner.site.site import Site

ADDRESS = "10.77.0.64"


def netbooting(site: Site) -> Any:
    """A deployment that waits for the agent's hello; its host's address is ADDRESS."""
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    record(site, row.id, SlotGiven(), source="worker")
    record(site, row.id, PowerBegan(nonce="n"), source="worker")
    record(site, row.id, PowerOn(), source="worker")
    record(site, row.id, DhcpSeen(address=ADDRESS), source="dhcp")
    return site.database.deployments.get(row.id)


@pytest.mark.parametrize(
    ("heard", "sentence"),
    [
        (("snponly.efi", "done", 173_792), "its firmware fetched snponly.efi by TFTP, but iPXE never asked"),
        (
            ("pxelinux.0", "refused: file not found", 0),
            "its firmware asks by TFTP for 'pxelinux.0', which is not there",
        ),
        (
            ("snponly.efi", "lost: no answer after 512 bytes", 512),
            "TFTP of snponly.efi broke off after 512 bytes",
        ),
        (("snponly.efi", "aborted: error 8", 0), "it has an address but iPXE never asked for its script"),
        (None, "it has an address but iPXE never asked for its script"),
    ],
)
def test_what_tftp_saw_is_said_of_a_machine_that_is_stuck(
    site: Site, heard: tuple[str, str, int] | None, sentence: str
) -> None:
    row = netbooting(site)
    recorder = TransferRecorder(site)
    if heard:
        recorder.record(heard[0], ADDRESS, heard[1], heard[2])
    recorder.write()
    passed = overdue(site, row)
    said, hint = passed.sentence, passed.hint
    assert sentence in said and hint


def test_what_came_before_the_power_on_says_nothing(site: Site, clock: Any) -> None:
    recorder = TransferRecorder(site)
    recorder.record("snponly.efi", ADDRESS, "done", 173_792)
    recorder.write()
    clock.now += 10
    assert "iPXE never asked for its script" in overdue(site, netbooting(site)).sentence
    assert "fetched" not in overdue(site, site.database.deployments.last_of("vc-1")).sentence


def test_the_last_of_each_address_is_kept_and_counted(site: Site) -> None:
    recorder = TransferRecorder(site)
    for name in ("a", "b"):
        recorder.record(name, "10.0.0.9", "refused: file not found", 0)
    recorder.write()
    recorder.record("c", "10.0.0.9", "done", 7)
    recorder.write()
    recorder.write()
    row = site.database.transfers.get("10.0.0.9")
    assert row and (row.count, row.name, row.result, row.bytes) == (3, "c", "done", 7)
    assert site.database.transfers.get("10.0.0.8") is None


@pytest.mark.parametrize("is_written", [True, False])
def test_a_probe_that_is_given_up_hides_nothing_that_has_ended_since(
    site: Site, clock: Any, is_written: bool
) -> None:
    """Firmware asks for the size by one port and fetches by another: the first is given up after the end."""
    recorder = TransferRecorder(site)
    clock.now += 3
    recorder.record("snponly.efi", ADDRESS, "done", 173_792)
    if is_written:
        recorder.write()
    clock.now += 17
    recorder.record("snponly.efi", ADDRESS, "lost: no answer", 0, 20.0)
    recorder.write()
    row = site.database.transfers.get(ADDRESS)
    assert row and (row.result, row.time) == ("done", clock.now - 17)
    recorder.record("snponly.efi", ADDRESS, "lost: no answer", 0, 10.0)
    recorder.write()
    row = site.database.transfers.get(ADDRESS)
    assert row and (row.result, row.time) == ("lost: no answer", clock.now - 10)


def test_invented_addresses_fill_neither_memory_nor_disk(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MAX_PENDING", 20)
    monkeypatch.setattr(service, "MAX_ADDRESSES", 30)
    recorder = TransferRecorder(site)
    for turn in range(3):
        for number in range(100):
            recorder.record("x" * 5000, f"10.{turn}.0.{number}", "lost: " + "y" * 5000, 0)
        recorder.write()
    sizes = site.database.db.conn.execute("SELECT length(name) + length(result) FROM transfers").fetchall()
    assert [size for (size,) in sizes] == [300] * 30


def test_a_quiet_line_asks_nothing_of_the_database(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site.database.transfers, "put", lambda *_: pytest.fail("a commit for nothing"))
    TransferRecorder(site).write()
