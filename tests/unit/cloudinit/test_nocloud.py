"""The seed and its phone-home: what a host finds on its disk at the first boot."""

import json
from collections.abc import Callable

import pytest
import yaml

from provisioner.agent import facts
from provisioner.cloudinit import nocloud

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKeyKeyKey provisioner"


def build(hostname: str = "vc-0042") -> dict[str, str]:
    return nocloud.build(
        deployment="d-01JD8",
        hostname=hostname,
        deploy_mac="52:54:00:12:34:56",
        server="http://10.77.0.1",
        token="phone-token",
        public_key=KEY,
        domain="vaultcube.local",
    )


@pytest.mark.parametrize("name", ["meta-data", "user-data", "network-config"])
def test_every_seed_file_equals_its_golden(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"seed/{name}", build()[name])


def test_a_mac_of_digits_only_is_read_back_as_text() -> None:
    network = yaml.safe_load(build()["network-config"])
    assert network["ethernets"]["deploy"]["match"]["macaddress"] == "52:54:00:12:34:56"


@pytest.mark.parametrize(
    "name",
    ["0123", "1e3", "0x1f", "0o17", "1234567890", "2026-11-28", "on", "no", "y", "null", "true", "12-34"],
)
def test_a_host_s_name_stays_text_whatever_yaml_takes_it_for(name: str) -> None:
    files = build(name)
    assert yaml.safe_load(files["meta-data"])["local-hostname"] == name
    assert yaml.safe_load(files["user-data"])["hostname"] == name
    assert facts.hostname(files["meta-data"]) == name


def test_only_root_reads_the_phone_home_order() -> None:
    files = {item["path"]: item for item in yaml.safe_load(build()["user-data"])["write_files"]}
    assert files[nocloud.ORDER]["permissions"] == "0600"
    assert json.loads(files[nocloud.ORDER]["content"])["token"] == "phone-token"


def test_no_password_can_open_the_host() -> None:
    (user,) = yaml.safe_load(build()["user-data"])["users"]
    assert user["lock_passwd"] is True and user["ssh_authorized_keys"] == [KEY]
