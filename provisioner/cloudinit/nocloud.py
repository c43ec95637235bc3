"""The NoCloud seed that a freshly written host finds on its disk: name, network, our key, one phone-home."""

import json
from typing import Any

import yaml

from provisioner.system import shipped

USER = "provision"
FOLDER = "/var/lib/provisioner"
SCRIPT, ORDER = f"{FOLDER}/phone-home.py", f"{FOLDER}/phone-home.json"
PHONE_HOME = ("/usr/bin/python3", SCRIPT, ORDER)


def build(
    *, deployment: str, hostname: str, deploy_mac: str, server: str, token: str, public_key: str
) -> dict[str, str]:
    """File name in CIDATA → text: `meta-data`, `user-data`, `network-config` (cloud-init's NoCloud).

    `server` is the service's URL, `token` the one-time phone-home token, `public_key` one OpenSSH line.
    """
    return {
        "meta-data": dump({"instance-id": deployment, "local-hostname": hostname}),
        "user-data": "#cloud-config\n" + dump(_user_data(deployment, hostname, server, token, public_key)),
        "network-config": dump(_network(deploy_mac)),
    }


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, so that people can read what a host was given."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def dump(data: dict[str, Any]) -> str:
    """Plain data as YAML, in its own order."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=1000)


def _network(deploy_mac: str) -> dict[str, Any]:
    """The deployment LAN's card by its MAC; the DHCP client says the same id as its firmware did."""
    card = {"match": {"macaddress": deploy_mac}, "dhcp4": True, "dhcp-identifier": "mac"}
    return {"version": 2, "ethernets": {"deploy": card}}


def _user_data(deployment: str, hostname: str, server: str, token: str, public_key: str) -> dict[str, Any]:
    return {
        "hostname": hostname,
        "users": [
            {
                "name": USER,
                "gecos": "deployment, until the host is sealed",
                "shell": "/bin/sh",
                "lock_passwd": True,
                "sudo": "ALL=(ALL) NOPASSWD:ALL",
                "ssh_authorized_keys": [public_key],
            }
        ],
        "ssh_deletekeys": True,
        "ssh_genkeytypes": ["ed25519"],
        "write_files": phone_home(deployment, server, token),
        "runcmd": [list(PHONE_HOME)],
    }


def phone_home(deployment: str, server: str, token: str) -> list[dict[str, str]]:
    """The files, for cloud-init's write_files, that `PHONE_HOME` needs at the first boot."""
    order = {"url": f"{server}/phone-home/v1", "deployment": deployment, "token": token}
    return [
        _file(SCRIPT, "0700", (shipped.folder("pxe") / "phone-home.py").read_text()),
        _file(ORDER, "0600", json.dumps(order)),
    ]


def _file(path: str, mode: str, content: str) -> dict[str, str]:
    return {"path": path, "permissions": mode, "content": content}
