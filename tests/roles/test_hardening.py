"""The role hardening, on the tree that base left."""

import re
from types import SimpleNamespace

import pytest
import yaml

from tests.roles.conftest import ANSIBLE, Tree

pytestmark = [pytest.mark.roles, pytest.mark.timeout(500)]
RULES = yaml.safe_load((ANSIBLE / "roles/hardening/defaults/main.yml").read_text())["hardening_rules"]


@pytest.fixture
def tree(hardened: SimpleNamespace) -> Tree:
    return hardened.tree


def test_lynis_finds_the_system_harder_than_before(hardened: SimpleNamespace) -> None:
    assert hardened.after >= hardened.before + 5


def test_sshd_starts_with_it_and_means_it(tree: Tree) -> None:
    tree.run("ssh-keygen", "-A")
    tree.run("mkdir", "-p", "/run/sshd")
    said = tree.run("/usr/sbin/sshd", "-T")
    for line in (
        "permitrootlogin no",
        "passwordauthentication no",
        "x11forwarding no",
        "maxauthtries 4",
        "allowtcpforwarding yes",
        "loglevel VERBOSE",
        "banner /etc/issue.net",
    ):
        assert f"\n{line}\n" in said


def test_a_drop_in_that_sshd_refuses_is_never_installed(tree: Tree) -> None:
    before = tree.host.file("/etc/ssh/sshd_config.d/00-hardening.conf").content_string
    bad = [{"id": "site.9", "title": "Nonsense", "sshd": ["PermitRootLogin perhaps"]}]
    begin = ["--start-at-task", "hardening : Configure sshd"]
    outcome = tree.play("--tags", "hardening", *begin, hardening_rules=[*RULES, *bad])
    assert outcome.code and "perhaps" in outcome.text
    assert tree.host.file("/etc/ssh/sshd_config.d/00-hardening.conf").content_string == before


def test_docker_may_forward_packets(tree: Tree) -> None:
    text = tree.host.file("/etc/sysctl.d/60-hardening.conf").content_string
    assert "forward" not in text
    assert "net.ipv4.conf.all.accept_redirects = 0\n" in text and "kernel.kptr_restrict = 2\n" in text


def test_a_module_of_the_list_does_not_load(tree: Tree) -> None:
    said = tree.run(
        "sh", "-c", "modprobe --showconfig | grep -E '^(install|blacklist) (dccp|usb_storage|overlay)'"
    )
    assert said.split("\n")[:2] == ["blacklist dccp", "install dccp /bin/false"]
    assert "overlay" not in said and "usb" not in said


def test_permissions_are_set(tree: Tree) -> None:
    assert tree.host.file("/etc/ssh/sshd_config").mode == 0o600
    assert tree.host.file("/etc/shadow").mode == 0o640 and tree.host.file("/etc/shadow").group == "shadow"
    assert tree.host.file("/etc/cron.daily").mode == 0o700


def test_sudo_accepts_its_rules(tree: Tree) -> None:
    assert "60-hardening: parsed OK" in tree.run("visudo", "-c")


def test_pam_refuses_a_short_password(tree: Tree) -> None:
    tree.run("useradd", "somebody")
    said = tree.run("sh", "-c", r"printf 'Short1!\nShort1!\n' | passwd somebody", check=False)
    assert "BAD PASSWORD" in said
    tree.run("userdel", "somebody")


def test_new_users_files_are_their_own(tree: Tree) -> None:
    assert re.search(r"^UMASK\s+027$", tree.host.file("/etc/login.defs").content_string, re.MULTILINE)
    assert tree.run("sh", "-lc", "umask").strip() == "0027"


def test_nobody_is_locked_out_by_a_calendar(tree: Tree) -> None:
    assert not re.search(
        r"^PASS_MAX_DAYS\s+365", tree.host.file("/etc/login.defs").content_string, re.MULTILINE
    )


def test_each_rule_can_be_switched_and_only_a_known_one(tree: Tree) -> None:
    # the last test of this file: the tree stays as it is then
    outcome = tree.play("--tags", "hardening", hardening_off=["3.2.1", "5.1.16"], hardening_on=["5.1.8"])
    assert outcome.code == 0, outcome.text
    assert "dccp" not in tree.host.file("/etc/modprobe.d/60-hardening.conf").content_string
    text = tree.host.file("/etc/ssh/sshd_config.d/00-hardening.conf").content_string
    assert "MaxAuthTries" not in text and "DisableForwarding yes" in text
    unknown = tree.play("--tags", "hardening", hardening_off=["9.9.9"])
    assert unknown.code and "No such rule: 9.9.9" in unknown.text
