"""What Ubuntu's installer is told: goldens, upstream's schema, and a model that refuses everything else."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from provisioner.cloudinit import autoinstall
from provisioner.cloudinit.autoinstall import model
from provisioner.cloudinit.autoinstall.seed import NO_DISK
from provisioner.domain.profile import Installer
from provisioner.errors import InventoryError
from provisioner.state.inventory import make_profile

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKeyKeyKey provisioner"
SCHEMA = "AUTOINSTALL_SCHEMA"
INSTALL = autoinstall.Request(
    deployment="d-01JD8",
    hostname="vc-0042",
    mac="52:54:00:12:34:56",
    server="http://10.77.0.1",
    seed_url="http://10.77.0.1/autoinstall/52-54-00-12-34-56/n0nce",
    token="phone-token",
    public_key=KEY,
    domain="vaultcube.local",
    image="ubuntu@24.04.1",
    installer=Installer(mirror="http://10.77.0.1:8080/ubuntu", packages=("chrony",), source="ubuntu-server"),
)
STREAM = autoinstall.Request(
    deployment="d-01JD9",
    hostname="vc-0043",
    mac="52:54:00:12:34:57",
    server="http://10.77.0.1:8080",
    seed_url="http://10.77.0.1:8080/autoinstall/52-54-00-12-34-57/0ther",
    token="phone-token",
    public_key=KEY,
    domain="vaultcube.local",
    image="vault-os@1",
    installer=Installer(flavour="stream", iso="ubuntu"),
)
REQUESTS = {"install": INSTALL, "stream": STREAM}


def section(request: autoinstall.Request) -> dict[str, Any]:
    body: dict[str, Any] = yaml.safe_load(autoinstall.build(request)["user-data"])
    return dict(body["autoinstall"])


@pytest.mark.parametrize("name", autoinstall.FILES)
@pytest.mark.parametrize("host", REQUESTS)
def test_every_seed_file_equals_its_golden(host: str, name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"autoinstall/{host}/{name}", autoinstall.build(REQUESTS[host])[name])


@pytest.mark.parametrize("host", REQUESTS)
def test_the_answers_fit_upstreams_schema(host: str) -> None:
    if SCHEMA not in os.environ:
        pytest.skip(f"{SCHEMA} does not name subiquity's autoinstall-schema.json")
    import jsonschema

    schema = json.loads(Path(os.environ[SCHEMA]).read_text())
    jsonschema.validate(section(REQUESTS[host]), schema)
    # upstream lets unknown keys pass at the top: a word of ours that it does not know would do nothing
    assert set(section(REQUESTS[host])) <= set(schema["properties"])


@pytest.mark.parametrize("host", REQUESTS)
def test_no_disk_fits_the_answers_until_the_service_has_named_one(host: str) -> None:
    text = autoinstall.build(REQUESTS[host])["user-data"]
    assert section(REQUESTS[host])["storage"]["layout"]["match"]["path"] == NO_DISK
    assert text.count(f"path: {NO_DISK}\n") == 1, "on one line, where the script replaces it"


@pytest.mark.parametrize("host", REQUESTS)
def test_nothing_in_the_answers_opens_the_host_but_our_key(host: str) -> None:
    answers = section(REQUESTS[host])
    assert answers["identity"]["password"] == "!"
    assert answers["ssh"] == {"install-server": True, "allow-pw": False, "authorized-keys": [KEY]}
    assert "interactive-sections" not in answers


def test_the_installer_is_told_a_path_and_nothing_that_could_contradict_it() -> None:
    assert section(INSTALL)["storage"]["layout"]["match"] == {"path": NO_DISK}


def test_the_installed_system_phones_home_with_the_token_and_only_root_reads_it() -> None:
    files = {item["path"]: item for item in section(INSTALL)["user-data"]["write_files"]}
    order = files["/var/lib/provisioner/phone-home.json"]
    assert order["permissions"] == "0600" and json.loads(order["content"])["token"] == "phone-token"


def test_the_streaming_flavour_installs_nothing_and_reports_nothing() -> None:
    answers = section(STREAM)
    assert "reporting" not in answers and "user-data" not in answers
    assert answers["late-commands"] == answers["error-commands"] == []
    [command] = answers["early-commands"]
    assert command[-3:] == ["http://10.77.0.1:8080", "52:54:00:12:34:57", "0ther"]


RIGHT: dict[str, Any] = {
    "network": {"ethernets": {"deploy": {"match": {"macaddress": "52:54:00:12:34:56"}}}},
    "storage": {"layout": {"match": {"path": "/dev/none"}}},
    "identity": {"hostname": "vc-1", "username": "provision"},
    "ssh": {"authorized-keys": (KEY,)},
    "early-commands": (("true",),),
}


def changed(place: str, value: Any) -> dict[str, Any]:
    body = json.loads(json.dumps(RIGHT), object_hook=dict)
    body["ssh"]["authorized-keys"] = tuple(body["ssh"]["authorized-keys"])
    body["early-commands"] = RIGHT["early-commands"]
    inner = body
    *above, last = place.split(".")
    for key in above:
        inner = inner.setdefault(key, {})
    inner[last] = value
    return body


def test_the_right_answers_are_taken() -> None:
    assert model.AutoinstallSection.model_validate(RIGHT).shutdown == "reboot"


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("interactive-sections", ("storage",)),
        ("version", 2),
        ("version", "1"),
        ("colour", "red"),
        ("shutdown", "poweroff"),
        ("updates", "all"),
        ("refresh-installer.update", True),
        ("locale", "de; rm -rf /"),
        ("identity.password", "$6$salt$hash"),
        ("identity.hostname", "not_a_label"),
        ("identity.hostname", "a\nb"),
        ("identity.username", "root:0"),
        ("identity.realname", "a:b"),
        ("ssh.allow-pw", True),
        ("ssh.install-server", False),
        ("ssh.authorized-keys", ()),
        ("ssh.authorized-keys", ("not a key",)),
        ("ssh.authorized-keys", (KEY + "\nssh-rsa AAAA other",)),
        ("storage.layout.name", "lvm"),
        ("storage.layout.match.path", "/etc/passwd"),
        ("storage.layout.match.path", "/dev/../etc"),
        ("storage.layout.match.serial", "a\nb"),
        ("storage.layout.match.ssd", "yes"),
        ("storage.layout.match.size", "largest please"),
        ("storage.layout.match.wwn", "0x5"),
        ("storage.config", ()),
        ("apt.fallback", "abort"),
        ("apt.geoip", True),
        ("apt.mirror-selection", {"primary": ()}),
        ("apt.mirror-selection", {"primary": ({"uri": "https://example.com/$(id)"},)}),
        ("packages", ("-o", "chrony")),
        ("packages", ("Chrony",)),
        ("reporting", {"provisioner": {"endpoint": "ftp://x/"}}),
        ("reporting", {"provisioner": {"type": "log", "endpoint": "http://10.77.0.1/"}}),
        ("reporting", {"other": {"endpoint": "http://10.77.0.1/"}}),
        ("early-commands", ()),
        ("early-commands", ("reboot",)),
        ("early-commands", ((),)),
        ("late-commands", (("sh", "-c", "a\nb"),)),
        ("error-commands", "true"),
        ("network.ethernets", {}),
        ("network.ethernets", {"eth0": {"match": {"macaddress": "52:54:00:12:34:56"}}}),
        ("network.ethernets.deploy.match.macaddress", "garbage"),
        ("network.ethernets.deploy.dhcp4", False),
        ("user-data", {"runcmd": (("true",),)}),
        ("user-data.users", ()),
        ("keyboard.layout", "de"),
        ("source.id", "Ubuntu Server"),
    ],
)
def test_wrong_answers_are_refused_by_name(place: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        model.AutoinstallSection.model_validate(changed(place, value))
    places = {".".join(map(str, fault["loc"])) for fault in caught.value.errors()}
    assert any(found.startswith(place) or place.startswith(found) for found in places), places


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"method": "netinstall"}, "method"),
        ({"autoinstall": {"packages": ["chrony"]}}, "is for `method: autoinstall` only"),
        ({"method": "autoinstall", "autoinstall": {"flavour": "stream"}}, r"autoinstall\.iso: is missing"),
        ({"method": "autoinstall", "autoinstall": {"flavour": "debian"}}, r"autoinstall\.flavour"),
        ({"method": "autoinstall", "autoinstall": {"mirror": "file:///"}}, r"autoinstall\.mirror"),
        ({"method": "autoinstall", "autoinstall": {"packages": ["a b"]}}, r"autoinstall\.packages\.0"),
        ({"method": "autoinstall", "autoinstall": {"late": "x"}}, r"autoinstall\.late: is not a known key"),
    ],
)
def test_a_profile_that_no_installer_understands_is_named(body: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InventoryError, match=sentence):
        make_profile({"name": "cube", **body})
