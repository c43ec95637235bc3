"""What the agent tells and does from the order to reboot to the end of the ramdisk, with kexec ordered."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioner import run
from provisioner.agent import kexec
from provisioner.agent.block_device import BlockDevice
from provisioner.agent.grub_menu import BootEntry
from provisioner.agent.kexec import DoubtError, Kexec, KexecCalls, WrittenRoot
from tests.wire.agentlab import ROOT, Service, Supply, assert_whole, deploy, disk, service, supply

__all__ = ["deploy", "disk", "service", "supply"]


class Recorded(Kexec):
    """Both acts, and what the service had been told by then."""

    def __init__(self, service: Service, disk: Path, doubt: Exception | None = None) -> None:
        super().__init__(KexecCalls(lambda *_: None, lambda: None))
        self.service, self.disk, self.doubt = service, disk, doubt
        self.prepared: list[WrittenRoot] = []
        self.told: list[str] = []

    def prepare(self, written: WrittenRoot) -> BootEntry:
        assert self.service.paths()[-1] == "written", "only after the service has said: reboot"
        with BlockDevice(self.disk):  # as a mount of its root needs it: nobody else has it open
            self.prepared.append(written)
        if self.doubt:
            raise self.doubt
        return BootEntry("Debian", "/boot/vmlinuz-1", (), "")

    def execute(self) -> None:
        self.told = self.service.paths()


def test_kexec_starts_what_was_written_after_it_was_told(
    deploy: Any, service: Service, supply: Supply, disk: Path
) -> None:
    acts = Recorded(service, disk)
    deploy(kexec=acts, restart="kexec")
    assert_whole(disk, supply)
    root = supply.manifest.partition("root")
    assert acts.prepared == [WrittenRoot("vda", ROOT, root.length)]
    assert acts.told[-1] == "restarting"
    told = [message for path, message in service.messages if path == "restarting"]
    assert (told[0].how, told[0].sentence) == ("kexec", "kexec starts Debian: /boot/vmlinuz-1")


def test_a_doubt_is_told_and_the_firmware_starts_the_disk(deploy: Any, service: Service, disk: Path) -> None:
    acts = Recorded(service, disk, DoubtError("GRUB's menu is not clear: line 3"))
    rebooted, said = deploy(kexec=acts, restart="kexec")
    told = service.last("restarting")
    assert rebooted and told.how == "firmware" and told.sentence.endswith("line 3")
    assert told.sentence in said and not acts.told


@pytest.mark.parametrize("answers", [(404, {}), (503, {}), (200, {"do": "stop"})])
def test_whatever_the_service_answers_it_goes_on(
    deploy: Any, service: Service, disk: Path, answers: tuple[int, dict[str, str]]
) -> None:
    service.answers["restarting"] = [answers]
    acts = Recorded(service, disk)
    deploy(kexec=acts, restart="kexec")
    assert acts.told.count("restarting") == 1


def test_an_order_of_an_older_service_knows_nothing_of_it(deploy: Any, service: Service, disk: Path) -> None:
    acts = Recorded(service, disk)
    rebooted, _ = deploy(kexec=acts)
    assert rebooted and not acts.prepared and "restarting" not in service.paths()


@pytest.fixture
def partition(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "root.ext4"
    path.write_bytes(bytes(8 << 20))
    run.run(["mke2fs", "-q", "-t", "ext4", "-U", "0e385462-f6cb-5fdc-96a3-a29f27f8783a", path])
    yield path


def test_the_uuid_is_that_of_the_file_system(partition: Path) -> None:
    assert kexec.clean_uuid(partition) == "0e385462-f6cb-5fdc-96a3-a29f27f8783a"
    assert kexec.clean_uuid(partition) in run.text(["dumpe2fs", "-h", partition])


def test_one_that_was_not_unmounted_is_a_doubt(partition: Path) -> None:
    run.run(["debugfs", "-w", "-R", "set_super_value state 0", partition])
    with pytest.raises(DoubtError, match="not unmounted cleanly"):
        kexec.clean_uuid(partition)
