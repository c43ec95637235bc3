"""The role base, on a Debian 12 tree."""

import re

import pytest

from tests.roles.conftest import Tree

pytestmark = [pytest.mark.roles, pytest.mark.timeout(500)]


def test_a_second_run_changes_nothing(based: Tree) -> None:
    assert based.done[1].changed == []


def test_the_mirror_is_the_only_source_and_is_never_trusted_blindly(based: Tree) -> None:
    found = [
        path.name for path in (based.path / "etc/apt").rglob("*") if path.suffix in (".list", ".sources")
    ]
    assert found == ["site.sources"]
    text = based.host.file("/etc/apt/sources.list.d/site.sources").content_string
    assert "Suites: bookworm\n" in text and "Signed-By: /etc/apt/keyrings/site-mirror.gpg\n" in text
    assert "rusted" not in text


def test_apt_believes_the_mirror_by_its_signature_only(based: Tree) -> None:
    assert "Reading package lists" in based.run("apt-get", "update")
    keyring = based.path / "etc/apt/keyrings/site-mirror.gpg"
    whole = keyring.read_bytes()
    keyring.write_bytes(b"")
    try:
        said = based.run("apt-get", "update", check=False)
    finally:
        keyring.write_bytes(whole)
    assert "not signed" in said or "NO_PUBKEY" in said


def test_a_mirror_without_a_key_is_refused(based: Tree) -> None:
    outcome = based.play("--tags", "base", site_mirror_key="")
    assert outcome.code and "never trusted without" in re.sub(r"\s+", " ", outcome.text)


def test_packages_come_from_the_mirror(based: Tree) -> None:
    assert based.host.package("chrony").is_installed
    assert based.host.package("python3-apt").is_installed


def test_chrony_asks_the_site_alone_and_opens_no_port(based: Tree) -> None:
    text = based.host.file("/etc/chrony/chrony.conf").content_string
    assert "server 10.77.0.1 iburst" in text and "pool " not in re.sub(r"#.*", "", text)
    assert "\nport 0\n" in text
    assert "chronyd" in based.run("chronyd", "-v")
    assert based.run("chronyd", "-p", "-f", "/etc/chrony/chrony.conf").count("10.77.0.1") == 1


@pytest.mark.parametrize("unit", ["chrony.service", "site-swap.service"])
def test_units_start_at_boot(based: Tree, unit: str) -> None:
    assert based.run("systemctl", "is-enabled", unit, check=False).strip() == "enabled"


def test_systemd_accepts_the_unit(based: Tree) -> None:
    said = based.run("systemd-analyze", "verify", "/etc/systemd/system/site-swap.service", check=False)
    assert "site-swap" not in said


FREE = "$(df --output=avail --block-size=1M / | tail -n 1)"  # MiB


@pytest.mark.parametrize(("free", "size"), [(1 << 20, 8 << 30), (400, 100 << 20)])
def test_swap_is_made_by_the_first_boot_and_no_earlier(based: Tree, free: int, size: int) -> None:
    assert not based.host.file("/swap.img").exists
    script = (based.path / "usr/local/sbin/site-swap").read_text()
    assert FREE in script
    told = script.replace(FREE, str(free)).replace("swapon", "echo swapon")
    told = told.replace("fallocate --length", "truncate --size")  # this machine need not have the room
    for _ in range(2):  # the second boot takes what is there
        assert based.run("/bin/sh", "-c", told).strip() == "swapon /swap.img"
    swap = based.path / "swap.img"
    assert swap.stat().st_size == size and swap.stat().st_mode & 0o777 == 0o600
    with swap.open("rb") as file:
        assert b"SWAPSPACE2" in file.read(4096)
    swap.unlink()


@pytest.mark.parametrize(("free", "ends"), [(100, 0), (1 << 20, 1)])
def test_no_swap_fills_a_disk(based: Tree, free: int, ends: int) -> None:
    """Neither where a quarter of what is free is next to nothing, nor where it cannot be had after all."""
    script = (based.path / "usr/local/sbin/site-swap").read_text().replace(FREE, str(free))
    done = based.host.run(script.replace("8G", "128M").replace("chmod 0600", "false"))
    assert done.rc == ends, done.stderr
    assert not (based.path / "swap.img.new").exists() and not (based.path / "swap.img").exists()


def test_cloud_init_has_the_last_word_on_sources_and_host_keys(based: Tree) -> None:
    code = (
        "from cloudinit import util; import json; c = util.read_conf_with_confd('/etc/cloud/cloud.cfg');"
        "print(json.dumps([c['datasource_list'], c['ssh_deletekeys'], c['ssh_genkeytypes']]))"
    )
    assert based.run("python3", "-c", code).strip() == '[["NoCloud", "None"], true, ["ed25519"]]'


def test_grub_talks_to_the_serial_console(based: Tree) -> None:
    said = based.run("sh", "-c", ". /etc/default/grub.d/60-site.cfg; echo $GRUB_CMDLINE_LINUX")
    assert said.split() == ["console=tty0", "console=ttyS0,115200"]


def test_what_asks_the_internet_is_masked(based: Tree) -> None:
    assert based.run("systemctl", "is-enabled", "apt-daily.timer", check=False).strip() == "masked"


def test_the_journal_has_limits(based: Tree) -> None:
    said = based.run("systemd-analyze", "cat-config", "systemd/journald.conf")
    assert "SystemMaxUse=1G" in said and "MaxRetentionSec=30day" in said
