"""The written kernel is handed over as GRUB would, or the firmware starts the disk."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.agent import kexec
from provisioner.agent.boot_files import RootFiles
from provisioner.agent.disk_start import start_disk
from provisioner.agent.grub_menu import BootEntry
from provisioner.agent.kexec import MARKER, DoubtError, Kexec, KexecCalls, WrittenRoot

UUID = "0e385462-f6cb-5fdc-96a3-a29f27f8783a"
WRITTEN = WrittenRoot("nvme0n1", 38 << 20, 640 << 20)
Loaded = list[tuple[bytes, bytes | None, str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root file system with a kernel behind a link, two initrds and a menu."""
    (tmp_path / "boot/grub").mkdir(parents=True)
    (tmp_path / "boot/vmlinuz-1").write_bytes(b"kernel")
    (tmp_path / "boot/initrd-1").write_bytes(b"initrd")
    (tmp_path / "boot/ucode").write_bytes(b"micro")
    (tmp_path / "vmlinuz").symlink_to("boot/vmlinuz-1")
    (tmp_path / "initrd.img").symlink_to("/boot/initrd-1")
    write_menu(tmp_path)
    return tmp_path


def write_menu(root: Path, initrd: str = "initrd /initrd.img", arguments: str = "ro quiet") -> None:
    text = f"search --fs-uuid --set=root {UUID}\nlinux /vmlinuz {arguments}\n{initrd}\nboot\n"
    (root / "boot/grub/grub.cfg").write_text(text)


def calls(loaded: Loaded, fault: OSError | None = None) -> KexecCalls:
    def load(kernel: Path, initrd: Path | None, line: str) -> None:
        if fault:
            raise fault
        loaded.append((kernel.read_bytes(), initrd.read_bytes() if initrd else None, line))

    return KexecCalls(load, lambda: None)


def test_kernel_initrd_and_command_line_are_handed_over_with_our_word(root: Path) -> None:
    loaded: Loaded = []
    seen = kexec.load(root, UUID, "efi", calls(loaded))
    assert loaded == [(b"kernel", b"initrd", f"BOOT_IMAGE=/vmlinuz ro quiet {MARKER}")]
    assert seen.kernel == "/vmlinuz"


def test_several_initrds_are_one_file_each_at_a_multiple_of_four(root: Path) -> None:
    write_menu(root, "initrd /boot/ucode /initrd.img")
    loaded: Loaded = []
    kexec.load(root, UUID, "efi", calls(loaded))
    assert loaded[0][1] == b"micro\0\0\0initrd"


def test_none_is_none(root: Path) -> None:
    write_menu(root, "")
    loaded: Loaded = []
    kexec.load(root, UUID, "efi", calls(loaded))
    assert loaded[0][1] is None


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOKEY, errno.EKEYREJECTED])
def test_a_kernel_that_is_locked_down_is_left_alone(root: Path, number: int) -> None:
    with pytest.raises(DoubtError, match="Is Secure Boot on"):
        kexec.load(root, UUID, "efi", calls([], OSError(number, os.strerror(number))))


def test_another_refusal_is_named_and_not_taken_for_secure_boot(root: Path) -> None:
    with pytest.raises(DoubtError, match="Exec format error") as doubt:
        kexec.load(root, UUID, "efi", calls([], OSError(errno.ENOEXEC, "Exec format error")))
    assert "Secure Boot" not in str(doubt.value)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda root: (root / "boot/vmlinuz-1").unlink(), "no file /vmlinuz"),
        (lambda root: (root / "boot/initrd-1").unlink(), "no file /initrd.img"),
        (lambda root: (root / "boot/grub/grub.cfg").unlink(), "GRUB's menu is not clear: there is no"),
        (lambda root: write_menu(root, arguments="x" * 2100), "command line has"),
        (lambda root: (root / "boot/grub/grub.cfg").write_text("chainloader /x"), "is not understood"),
        (lambda root: (root / "boot/grub/grub.cfg").write_bytes(bytes(2 << 20)), "2097152 bytes"),
    ],
)
def test_every_doubt_is_a_sentence_and_loads_nothing(
    root: Path, spoil: Callable[[Path], object], why: str
) -> None:
    spoil(root)
    loaded: Loaded = []
    with pytest.raises(DoubtError, match=r".") as doubt:
        kexec.load(root, UUID, "efi", calls(loaded))
    assert why in str(doubt.value) and not loaded


def test_the_menu_of_another_file_system_is_none_of_ours(root: Path) -> None:
    with pytest.raises(DoubtError, match=f"its kernel lies on UUID={UUID}"):
        kexec.load(root, "11111111-2222-3333-4444-555555555555", "efi", calls([]))


@pytest.mark.parametrize("path", ["/a/../../etc/passwd", "/up", "/round", "/folder", "/deep"])
def test_no_link_leads_out_of_the_root(tmp_path: Path, path: str) -> None:
    outside, root = tmp_path / "secret", tmp_path / "root"
    outside.write_text("no")
    (root / "folder").mkdir(parents=True)
    (root / "up").symlink_to("../secret")
    (root / "deep").symlink_to(outside)
    (root / "round").symlink_to("round")
    with pytest.raises(OSError, match=r"no file|round in links"):
        RootFiles(root).find(path)


def test_links_are_followed_as_their_own_system_does(tmp_path: Path) -> None:
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/file").write_text("yes")
    (tmp_path / "lib").symlink_to("/usr/lib")
    (tmp_path / "usr/other").symlink_to("../lib/../lib/file")
    assert RootFiles(tmp_path).text("/usr/other") == RootFiles(tmp_path).text("/lib/file") == "yes"
    assert RootFiles(tmp_path).text("/lib") is None


def partitions(sysfs: Path, disk: str, *rows: tuple[str, int, int]) -> None:
    for name, start, size in rows:
        place = sysfs / disk / name
        place.mkdir(parents=True)
        (place / "start").write_text(f"{start // 512}\n")
        (place / "size").write_text(f"{size // 512}\n")


def test_the_root_is_the_partition_that_begins_where_it_was_written(tmp_path: Path) -> None:
    rows = [("nvme0n1p3", 34 << 20, 4 << 20), ("nvme0n1p4", WRITTEN.offset, 900 << 20)]
    partitions(tmp_path, "nvme0n1", *rows)
    assert kexec.find_partition(WRITTEN, tmp_path) == Path("/dev/nvme0n1p4")


@pytest.mark.parametrize("size", [0, WRITTEN.length - 512])
def test_a_table_that_the_kernel_did_not_read_again_is_a_doubt(tmp_path: Path, size: int) -> None:
    partitions(tmp_path, "nvme0n1", ("nvme0n1p4", WRITTEN.offset, size))
    with pytest.raises(DoubtError, match="no partition of nvme0n1"):
        kexec.find_partition(WRITTEN, tmp_path)


def test_what_is_no_clean_ext4_is_a_doubt(tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.write_bytes(bytes(4096))
    with pytest.raises(DoubtError, match="no ext4"):
        kexec.clean_uuid(part)
    with pytest.raises(DoubtError, match="cannot be read"):
        kexec.clean_uuid(tmp_path / "none")


class Acts(Kexec):
    """Records what is done, in its order."""

    def __init__(self, doubt: Exception | None = None) -> None:
        super().__init__(KexecCalls(lambda *_: None, lambda: None))
        self.doubt, self.done = doubt, list[str]()

    def prepare(self, written: WrittenRoot) -> BootEntry:
        self.done.append(f"prepare {written.disk}")
        if self.doubt:
            raise self.doubt
        return BootEntry("Debian", "/vmlinuz", (), "")

    def execute(self) -> None:
        self.done.append("execute")

    def tell(self, how: str, sentence: str) -> None:
        self.done.append(f"tell {how}: {sentence}")

    def reboot(self) -> None:
        self.done.append("reboot")


def test_kexec_is_told_before_it_is_done_and_its_failure_after() -> None:
    acts = Acts()
    start_disk("kexec", WRITTEN, tell=acts.tell, reboot=acts.reboot, kexec=acts)
    assert acts.done == [
        "prepare nvme0n1",
        "tell kexec: kexec starts Debian: /vmlinuz",
        "execute",
        "tell firmware: the firmware starts the disk: kexec failed after all",
        "reboot",
    ]


@pytest.mark.parametrize("doubt", [DoubtError("no menu"), RuntimeError("a bug of ours"), MemoryError("all")])
def test_any_doubt_leaves_it_to_the_firmware(doubt: Exception) -> None:
    acts = Acts(doubt)
    start_disk("kexec", WRITTEN, tell=acts.tell, reboot=acts.reboot, kexec=acts)
    assert acts.done[-1] == "reboot" and "execute" not in acts.done
    assert acts.done[1].startswith("tell firmware: the firmware starts the disk, not kexec: ")
    assert str(doubt) in acts.done[1]


def test_without_the_order_nothing_is_tried_and_nothing_told() -> None:
    acts = Acts()
    start_disk("firmware", WRITTEN, tell=acts.tell, reboot=acts.reboot, kexec=acts)
    assert acts.done == ["reboot"]


def test_a_root_that_nobody_knows_is_a_doubt() -> None:
    acts = Acts()
    start_disk("kexec", None, tell=acts.tell, reboot=acts.reboot, kexec=acts)
    assert acts.done[1:] == ["reboot"] and "not known" in acts.done[0]
