"""The NoCloud seed that a freshly written host finds on its disk: name, network, our key, one phone-home."""

import json

from provisioner.cloudinit.cloud_config import (
    HEAD,
    HostConfig,
    MetaData,
    User,
    WriteFile,
    deploy_network,
    dump,
)
from provisioner.domain.values import Mac
from provisioner.system import shipped

USER = "provision"
FOLDER = "/var/lib/provisioner"
SCRIPT, ORDER = f"{FOLDER}/phone-home.py", f"{FOLDER}/phone-home.json"
PHONE_HOME = ("/usr/bin/python3", SCRIPT, ORDER)


def build(
    *,
    deployment: str,
    hostname: str,
    deploy_mac: Mac,
    server: str,
    token: str,
    public_key: str,
    domain: str = "",
) -> dict[str, str]:
    """File name in the file system CIDATA → text: `meta-data`, `user-data`, `network-config`.

    `server` is the service's URL, `token` the one-time phone-home token, `public_key` one OpenSSH line,
    `domain` the site's, empty for none.
    Source: cloud-init's documentation of the data source NoCloud. Raises ValueError of pydantic's.
    """
    user = User(
        name=USER,
        gecos="deployment, until the host is sealed",
        sudo="ALL=(ALL) NOPASSWD:ALL",
        ssh_authorized_keys=(public_key,),
    )
    config = HostConfig(
        hostname=hostname,
        users=(user,),
        write_files=phone_home(deployment, server, token),
        runcmd=(PHONE_HOME,),
    )
    return {
        "meta-data": dump(MetaData(instance_id=deployment, local_hostname=hostname)),
        "user-data": HEAD + dump(config),
        "network-config": dump(deploy_network(deploy_mac, domain)),
    }


def phone_home(deployment: str, server: str, token: str) -> tuple[WriteFile, WriteFile]:
    """The files that `PHONE_HOME` needs at the first boot: the script, and what it shall say to whom."""
    order = {"url": f"{server}/phone-home/v1", "deployment": deployment, "token": token}
    script = shipped.file("pxe", "phone-home.py").read_text()
    return (
        WriteFile(path=SCRIPT, permissions="0700", content=script),
        WriteFile(path=ORDER, permissions="0600", content=json.dumps(order)),
    )
