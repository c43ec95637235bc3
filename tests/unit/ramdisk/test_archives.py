"""The archive of the ramdisk: same bytes for the same tree, in the order that the kernel needs."""

import stat

import pytest

from provisioner.ramdisk import initramfs
from provisioner.ramdisk.initramfs import Node

TREE = {
    "usr/bin/tool": initramfs.file(b"#!/bin/sh\n", program=True),
    "etc/odd name": initramfs.file(b"abc"),
    "bin": initramfs.link("usr/bin"),
    "dev/console": initramfs.device(5, 1),
}


def test_the_order_in_which_a_tree_was_gathered_leaves_no_trace() -> None:
    assert initramfs.segment(TREE) == initramfs.segment(dict(reversed(TREE.items())))


def test_every_folder_comes_before_what_it_holds() -> None:
    names = [name for name, _ in initramfs.entries(initramfs.archive(TREE))]
    assert names == ["bin", "dev", "dev/console", "etc", "etc/odd name", "usr", "usr/bin", "usr/bin/tool"]


def test_what_goes_into_an_archive_comes_out_unchanged() -> None:
    assert dict(initramfs.entries(initramfs.archive(TREE))) == initramfs.with_parents(TREE)


def test_joined_segments_are_read_one_after_the_other() -> None:
    first, second = {"a": initramfs.file(b"old")}, {"a": initramfs.file(b"new")}
    joined = initramfs.segment(first) + initramfs.segment(second) + initramfs.archive(TREE)
    read = list(initramfs.entries(joined))
    assert read[:2] == [("a", initramfs.file(b"old")), ("a", initramfs.file(b"new"))]
    assert len(read) == 2 + len(initramfs.with_parents(TREE))


def test_segments_end_where_the_next_may_begin() -> None:
    assert len(initramfs.segment(TREE)) % initramfs.ALIGNMENT == 0
    assert len(initramfs.archive({"a": initramfs.file(b"x")})) % initramfs.ALIGNMENT == 0


def test_an_entry_carries_no_time_and_no_owner() -> None:
    head = initramfs.archive({"a": initramfs.file(b"x")})
    uid, gid, mtime = (int(head[6 + 8 * i : 14 + 8 * i], 16) for i in (2, 3, 5))
    assert (uid, gid, mtime) == (0, 0, 0)


def test_permissions_of_the_building_machine_do_not_show(tmp_path) -> None:
    for name, mode in (("secretive", 0o600), ("program", 0o700)):
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(mode)
    (tmp_path / "link").symlink_to("program")
    tree = initramfs.read_tree(tmp_path, below="usr")
    assert {name: stat.S_IMODE(node.mode) for name, node in tree.items()} == {
        "usr/secretive": 0o644,
        "usr/program": 0o755,
        "usr/link": 0o777,
    }
    assert tree["usr/link"] == Node(stat.S_IFLNK | 0o777, b"program")


def test_garbage_between_segments_is_an_error() -> None:
    with pytest.raises(ValueError, match="no archive starts here"):
        list(initramfs.entries(initramfs.segment(TREE) + b"garbage"))
