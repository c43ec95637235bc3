"""The ramdisk's lists of packages and modules, its keys and its list of files."""

import base64
import json

import pytest

from provisioner import ramdisk
from provisioner.errors import FileError, InputError
from provisioner.ramdisk import kernel, packages
from provisioner.system import shipped
from tests.file_limit import room_for

DEPENDENCIES = kernel.parse_dependencies(
    "kernel/nvme.ko: kernel/nvme-core.ko\n"
    "kernel/nvme-core.ko:\n"
    "kernel/net/mlx5_core.ko.xz: kernel/tls.ko kernel/psample.ko\n"
    "kernel/tls.ko:\nkernel/psample.ko:\nkernel/sound.ko:\n"
)


def closed(table: str) -> list[str]:
    return kernel.close(kernel.parse_modules(table), DEPENDENCIES, ["kernel/rtc-cmos.ko"])


def test_a_module_brings_all_that_it_needs_and_nothing_else() -> None:
    assert closed("nvme\nmlx5_core") == [
        "kernel/net/mlx5_core.ko.xz",
        "kernel/nvme-core.ko",
        "kernel/nvme.ko",
        "kernel/psample.ko",
        "kernel/tls.ko",
    ]


def test_a_module_that_the_kernel_lacks_is_named() -> None:
    with pytest.raises(InputError, match="no module nosuch or neither, other"):
        closed("nvme\nnosuch neither\nother")


@pytest.mark.parametrize("line", ["rtc_cmos", "rtc-cmos", "ionic -", "old_name nvme_core"])
def test_built_in_optional_and_renamed_modules_are_no_error(line: str) -> None:
    closed(line)


def test_a_plus_marks_modules_that_every_boot_loads() -> None:
    (wanted,) = kernel.parse_modules("+sd_mod other  # for SCSI\n\n# nothing\n")
    assert wanted == kernel.ModuleChoice(("sd_mod", "other"), optional=False, always=True)


def test_the_last_pattern_that_matches_decides() -> None:
    (choice,) = packages.parse_choices("python\n    usr/lib/*.py\n    !*/test/*\n    *test/support.py\n")
    kept = [name for name in ("usr/lib/os.py", "usr/lib/test/a.py", "usr/lib/test/support.py", "etc/x")]
    assert [choice.keeps(name) for name in kept] == [True, False, True, False]


def test_a_path_before_any_package_is_an_error() -> None:
    with pytest.raises(InputError, match="line 2"):
        packages.parse_choices("# list\n    usr/bin/x\n")


def test_the_shipped_lists_can_be_read() -> None:
    wanted = kernel.parse_modules(shipped.file("images", "ramdisk/modules").read_text())
    names = {name for line in wanted for name in line.names}
    assert {"nvme", "megaraid_sas", "mpt3sas", "mlx5_core", "bnxt_en", "ice", "virtio_net"} <= names
    choices = packages.parse_choices(shipped.file("images", "ramdisk/packages").read_text())
    assert all(choice.patterns for choice in choices)
    assert {"busybox-static", "python3-zstandard", "minisign", "mtools"} <= {c.package for c in choices}


def public_key(path, raw: bytes):
    path.write_text(f"untrusted comment: minisign public key\n{base64.b64encode(raw).decode()}\n")
    return path


def test_a_key_lies_in_the_ramdisk_under_its_files_name(tmp_path) -> None:
    key = public_key(tmp_path / "site.pub", b"Ed" + bytes(40))
    assert ramdisk.trust([key])["etc/provisioner/keys/site.pub"].data == key.read_bytes()


def test_a_secret_key_is_not_packed_by_mistake(tmp_path) -> None:
    with pytest.raises(InputError, match="no minisign public key"):
        ramdisk.trust([public_key(tmp_path / "site.key", b"EdScB2" + bytes(152))])


@pytest.mark.parametrize("content", ["", "one line", "comment\nnot base64!\n"])
def test_a_file_that_is_no_key_is_refused(tmp_path, content: str) -> None:
    (tmp_path / "site.pub").write_text(content)
    with pytest.raises(InputError, match="no minisign public key"):
        ramdisk.trust([tmp_path / "site.pub"])


@pytest.mark.parametrize("content", [b"", b"\x80\xff\x00" * 30, b"\xff\n\xfe\xff", b"one"])
def test_what_is_no_key_is_said_without_pythons_words(tmp_path, content: bytes) -> None:
    (tmp_path / "site.pub").write_bytes(content)
    with pytest.raises(InputError) as caught:
        ramdisk.trust([tmp_path / "site.pub"])
    assert str(caught.value) == f"{tmp_path / 'site.pub'} is no minisign public key"
    assert "minisign -G" in caught.value.hint


@pytest.mark.parametrize("name", ["missing.pub", ""])
def test_a_key_that_cannot_be_read_is_said_as_that(tmp_path, name: str) -> None:
    with pytest.raises(FileError) as caught:
        ramdisk.trust([tmp_path / name])
    assert caught.value.code == 150 and "Errno" not in str(caught.value) and caught.value.hint


def test_two_keys_of_one_name_are_refused(tmp_path) -> None:
    (tmp_path / "a").mkdir()
    keys = [public_key(tmp_path / name, b"Ed" + bytes(40)) for name in ("site.pub", "a/site.pub")]
    with pytest.raises(InputError, match="two keys"):
        ramdisk.trust(keys)


def listed(folder) -> None:
    for name in ramdisk.FILES:
        (folder / name).write_bytes(b"abc")
    files = {name: {"size": 3, "sha256": "0" * 64} for name in ramdisk.FILES}
    content = {"format": ramdisk.FORMAT, "kernel": "6.1.0-56-amd64", "files": files}
    (folder / ramdisk.LIST).write_text(json.dumps(content))


def test_a_built_ramdisk_is_read_by_its_list(tmp_path) -> None:
    listed(tmp_path)
    found = ramdisk.read(tmp_path)
    assert (found.kernel, found.path("vmlinuz"), found.files["vmlinuz"][0]) == (
        "6.1.0-56-amd64",
        tmp_path / "vmlinuz",
        3,
    )


def test_a_file_of_another_size_is_not_served(tmp_path) -> None:
    listed(tmp_path)
    (tmp_path / "initrd.img").write_bytes(b"abcd")
    with pytest.raises(InputError, match=r"initrd\.img is not the file"):
        ramdisk.read(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "ramdisk/1", "kernel": "x", "files": {}}'])
def test_a_folder_without_a_whole_list_holds_no_ramdisk(tmp_path, content: str) -> None:
    (tmp_path / ramdisk.LIST).write_text(content)
    with pytest.raises(InputError):
        ramdisk.read(tmp_path)


def test_a_ramdisk_is_replaced_whole_or_stays_the_one_that_it_was(tmp_path) -> None:
    """A vmlinuz of today beside a list of yesterday would boot no host."""
    work, out = tmp_path / "work", tmp_path / "out"
    work.mkdir()

    def publish(size: int) -> None:
        for name in ramdisk.FILES:
            (work / name).write_bytes(name.encode() * size)
        ramdisk._publish(work, out, f"6.{size}")

    publish(2)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    for limit in (0, 20, 100, 300):  # of the files or, last, of the list alone
        for name in ramdisk.FILES:
            (work / name).write_bytes(name.encode() * 20)
        with room_for(limit), pytest.raises(FileError) as caught:
            ramdisk._publish(work, out, "6.20")
        assert caught.value.code == 151
        assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    publish(20)
    assert ramdisk.read(out).kernel == "6.20"
