"""The role nvidia_driver: refused on Debian; else on a tree that says it is Ubuntu, with stand-ins."""

import re

import pytest

from tests.roles import dummies
from tests.roles.conftest import Tree

pytestmark = [pytest.mark.roles, pytest.mark.timeout(500)]


def test_debian_is_refused_in_words(hardened: object, bare: Tree) -> None:
    outcome = bare.play("--tags", "nvidia_driver", gpu_stack=True)
    text = re.sub(r"\s+", " ", outcome.text)
    assert outcome.code and "exist for Ubuntu, and this is Debian 12" in text and "gpu_stack=false" in text


def test_a_second_run_of_everything_changes_nothing(ubuntu: Tree) -> None:
    assert ubuntu.done[1].changed == []


def test_the_branch_is_what_the_kernel_has(ubuntu: Tree) -> None:
    said = ubuntu.run("modinfo", "-k", dummies.KERNEL, "-F", "version", "nvidia").strip()
    assert said == dummies.DRIVER and said.startswith(f"{dummies.BRANCH}.")


def test_another_branch_than_the_mirrors_is_refused(ubuntu: Tree) -> None:
    # the branch's packages are there, by name, but the kernel's module is another's
    names = [f"nvidia-utils-{dummies.BRANCH}-server"]
    outcome = ubuntu.play("--tags", "nvidia_driver", nvidia_driver_packages=names, nvidia_driver_branch="550")
    assert outcome.code


def test_a_module_and_tools_that_differ_are_refused(ubuntu: Tree) -> None:
    place = ubuntu.path / f"usr/lib/modules/{dummies.KERNEL}/kernel/nvidia-{dummies.BRANCH}srv/nvidia.ko"
    whole = place.read_bytes()
    place.write_bytes(dummies.kernel_module("570.195.03"))
    begin = ["--start-at-task", "nvidia_driver : List packages"]
    outcome = ubuntu.play("--tags", "nvidia_driver", *begin)
    place.write_bytes(whole)
    text = re.sub(r"\s+", " ", outcome.text)
    assert (
        outcome.code
        and "has NVIDIA module 570.195.03" in text
        and f"branch {dummies.BRANCH} is wanted" in text
    )


def test_dkms_is_refused(ubuntu: Tree) -> None:
    outcome = ubuntu.play(
        "--tags", "nvidia_driver", nvidia_driver_extra_packages=[f"nvidia-dkms-{dummies.BRANCH}-server"]
    )
    ubuntu.run("dpkg", "--purge", f"nvidia-dkms-{dummies.BRANCH}-server")
    assert outcome.code and f"nvidia-dkms-{dummies.BRANCH}-server" in outcome.text


def test_the_persistence_daemon_starts_at_boot_and_keeps_gpus_awake(ubuntu: Tree) -> None:
    wanted = ubuntu.path / "etc/systemd/system/multi-user.target.wants/nvidia-persistenced.service"
    assert wanted.is_symlink()
    text = ubuntu.run("systemd-analyze", "cat-config", "systemd/system/nvidia-persistenced.service")
    assert text.rindex("--persistence-mode") > text.rindex("--no-persistence-mode")
    said = ubuntu.run("systemd-analyze", "verify", "nvidia-persistenced.service", check=False)
    assert "nvidia-persistenced" not in said


def test_without_a_gpu_the_daemon_is_skipped(ubuntu: Tree) -> None:
    text = ubuntu.host.file("/etc/systemd/system/nvidia-persistenced.service.d/60-site.conf").content_string
    found = re.search(r"^ExecCondition=/bin/sh -c '(.*)'$", text, re.MULTILINE)
    assert found
    # this tree sees no bus at all; with one that has a GPU the same condition holds
    assert ubuntu.run("sh", "-c", f"{found[1]} && echo yes || echo no").strip() == "no"
    (ubuntu.path / "tmp/bus/one").mkdir(parents=True)
    (ubuntu.path / "tmp/bus/one/vendor").write_text("0x10de\n")
    condition = found[1].replace("/sys/bus/pci/devices", "/tmp/bus")
    assert ubuntu.run("sh", "-c", f"{condition} && echo yes || echo no").strip() == "yes"


def test_the_initramfs_is_renewed_once(ubuntu: Tree) -> None:
    said = ubuntu.host.file("/var/tmp/handlers").content_string.split()
    assert sorted(said) == ["update-grub", "update-initramfs"]
