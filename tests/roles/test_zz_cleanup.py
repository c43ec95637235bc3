"""The role cleanup, on the tree with everything; its file comes last, since nothing lives after it."""

import pytest

from tests.roles.archive import Mirror
from tests.roles.conftest import Outcome, Tree, never_ran

pytestmark = [pytest.mark.roles, pytest.mark.timeout(500)]
owners: dict[str, tuple[int, int, int]] = {}
TRACES = (
    "root/.bash_history",
    "root/.cache/pip/http/a",
    "home/builder/.ansible/tmp",
    "home/builder/.ssh/authorized_keys",
    "home/builder/.bash_history",
    "home/builder/.cache/pip/b",
    "etc/netplan/50-cloud-init.yaml",
    "etc/apt/apt.conf.d/90curtin-aptproxy",
    "var/lib/cloud/instances/i-1/user-data.txt",
    "var/log/journal/0123/system.journal",
    "var/log/installer/autoinstall-user-data",
    "var/lib/systemd/random-seed",
    "var/tmp/left",
    "swap.img",
)


@pytest.fixture(scope="module")
def cleaned(ubuntu: Tree) -> Tree:
    """The tree after cleanup ran twice."""
    ubuntu.run("useradd", "--create-home", "builder")
    ubuntu.run("ssh-keygen", "-A")
    for trace in TRACES:
        place = ubuntu.path / trace
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("trace\n")
    (ubuntu.path / "etc/fstab").write_text("UUID=1 / ext4 defaults 0 1\n/swap.img none swap sw 0 0\n")
    owners.update(folders(ubuntu))
    for _ in range(2):
        outcome = clean(ubuntu)
        assert outcome.code == 0, outcome.text[-3000:]
    return ubuntu


def folders(tree: Tree) -> dict[str, tuple[int, int, int]]:
    """Owner, group and mode of the folders of logs; those below the journal's bear a machine's number."""
    found = {}
    for path in (tree.path / "var/log").rglob("*"):
        if path.is_dir() and path.parent.name != "journal":
            about = path.stat()
            found[str(path)] = (about.st_uid, about.st_gid, about.st_mode)
    return found


def clean(tree: Tree) -> Outcome:
    return tree.play("--tags", "cleanup", "-v", cleanup_build_user="builder")


def test_cleaning_again_changes_nothing(cleaned: Tree) -> None:
    assert cleaned.done[-2].changed
    assert cleaned.done[-1].changed == [], cleaned.done[-1].text


@pytest.mark.parametrize("trace", TRACES)
def test_no_trace_of_the_build_is_left(cleaned: Tree, trace: str) -> None:
    assert not (cleaned.path / trace).exists()


def test_the_first_boot_makes_keys_and_number(cleaned: Tree) -> None:
    assert list((cleaned.path / "etc/ssh").glob("ssh_host_*")) == []
    assert (cleaned.path / "etc/machine-id").read_bytes() == b""
    assert not (cleaned.path / "var/lib/dbus/machine-id").exists()


def test_the_mirror_stays_the_source_and_loses_its_address(cleaned: Tree, mirror: Mirror) -> None:
    assert mirror.url in cleaned.host.file("/etc/apt/sources.list.d/site.sources").content_string
    assert cleaned.host.file("/etc/hosts").content_string == "127.0.0.1 localhost\n"
    assert list((cleaned.path / "var/lib/apt/lists").iterdir()) == []
    assert list((cleaned.path / "var/cache/apt").iterdir()) == []


def test_logs_are_gone_and_their_folders_keep_their_owners(cleaned: Tree) -> None:
    assert [path for path in (cleaned.path / "var/log").rglob("*") if not path.is_dir()] == []
    assert owners and folders(cleaned) == owners


def test_fstab_keeps_the_root_alone(cleaned: Tree) -> None:
    assert cleaned.host.file("/etc/fstab").content_string == "UUID=1 / ext4 defaults 0 1\n"


def test_firmware_and_documents_that_packages_own_stay(cleaned: Tree) -> None:
    said = cleaned.run("dpkg", "--verify", check=False)
    # changed and missing files that are no configuration: what another role wrote on purpose is not dpkg's
    lost = [line for line in said.splitlines() if line.startswith("missing")]
    assert [
        line
        for line in lost
        if " c " not in line and "/var/" not in line and "/usr/share/keyrings/nvidia" not in line
    ] == []


def test_nearly_every_task_of_every_role_has_run(cleaned: Tree) -> None:
    # the last test of all: what the whole suite has run
    assert never_ran() == []
