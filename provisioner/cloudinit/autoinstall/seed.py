"""The NoCloud seed of Ubuntu's live installer: what it installs where, and whom it asks before."""

import json
from dataclasses import dataclass
from typing import Literal

from provisioner.cloudinit import cloud_config, nocloud
from provisioner.cloudinit.autoinstall import model
from provisioner.cloudinit.cloud_config import MetaData, WriteFile, dump
from provisioner.domain.profile import Installer
from provisioner.domain.values import Mac
from provisioner.system import shipped

FILES = ("user-data", "meta-data", "vendor-data", "network-config")
FOLDER = "/run/provisioner"  # of the live installer
PYTHON = "/usr/bin/python3"
# A path that no disk has: an installer that did not ask, or was not answered, finds no disk and stops.
# pxe/installer.py replaces it by the disk that the service named.
NO_DISK = "/dev/no-disk-until-the-service-names-it"


@dataclass(frozen=True)
class Request:
    """What one host's seed depends on; `seed_url` holds the nonce, `token` is for the phone-home,
    `domain` is the site's."""

    deployment: str
    hostname: str
    mac: Mac
    server: str
    seed_url: str
    token: str
    public_key: str
    image: str
    installer: Installer
    domain: str = ""


def build(request: Request) -> dict[str, str]:
    """File name → text, the names as in `FILES` (cloud-init's NoCloud). Raises ValueError of pydantic's."""
    user_data = _stream(request) if request.installer.flavour == "stream" else _install(request)
    return {
        "meta-data": dump(MetaData(instance_id=request.deployment, local_hostname=request.hostname)),
        "user-data": cloud_config.HEAD + dump(user_data),
        "vendor-data": "",
        "network-config": dump(cloud_config.deploy_network(request.mac, request.domain)),
    }


def _install(request: Request) -> model.UserData:
    """Ubuntu's own installation. The service is asked first, and told last of all when it fails."""
    script, order = f"{FOLDER}/installer.py", f"{FOLDER}/order.json"
    message = {
        "gate": f"{request.seed_url}/gate",
        "events": f"{request.seed_url}/events",
        "mac": request.mac,
        "nonce": request.seed_url.rsplit("/", 1)[1],
        "no_disk": NO_DISK,
        "image": request.image,
        "user": nocloud.USER,
    }
    return model.UserData(
        write_files=(
            _script(script, "installer.py"),
            _file(order, "0600", json.dumps(message, indent=1) + "\n"),
        ),
        autoinstall=_answers(
            request,
            early=((PYTHON, script, "gate", order),),
            late=((PYTHON, script, "late", order),),
            error=((PYTHON, script, "error", order),),
        ),
    )


def _stream(request: Request) -> model.UserData:
    """Our ramdisk's agent on Ubuntu's kernel. It never comes back, and nothing is reported but by it."""
    script = f"{FOLDER}/stream.py"
    nonce = request.seed_url.rsplit("/", 1)[1]
    return model.UserData(
        write_files=(_script(script, "stream.py"),),
        autoinstall=_answers(request, early=((PYTHON, script, request.server, request.mac, nonce),)),
    )


def _answers(
    request: Request,
    *,
    early: tuple[tuple[str, ...], ...],
    late: tuple[tuple[str, ...], ...] = (),
    error: tuple[tuple[str, ...], ...] = (),
) -> model.AutoinstallSection:
    wanted = request.installer
    installs = wanted.flavour == "subiquity"
    mirrors = (
        model.MirrorSelection(primary=(model.PrimaryMirror(uri=wanted.mirror),)) if wanted.mirror else None
    )
    hook = model.Webhook(endpoint=f"{request.seed_url}/events")
    return model.AutoinstallSection(
        locale=wanted.locale,
        source=model.InstallSource(id=wanted.source or None),
        network=cloud_config.deploy_network(request.mac, request.domain),
        apt=model.AptSection(mirror_selection=mirrors),
        storage=model.StorageSection(layout=model.DirectLayout(match=model.DiskMatch(path=NO_DISK))),
        identity=model.IdentitySection(
            hostname=request.hostname, username=nocloud.USER, realname="deployment until the host is sealed"
        ),
        ssh=model.SshSection(authorized_keys=(request.public_key,)),
        packages=wanted.packages,
        reporting={"provisioner": hook} if installs else None,
        early_commands=early,
        late_commands=late,
        error_commands=error,
        user_data=_first_boot(request) if installs else None,
    )


def _first_boot(request: Request) -> model.FirstBootConfig:
    """The same phone-home as a written image finds in its seed."""
    files = nocloud.phone_home(request.deployment, request.server, request.token)
    return model.FirstBootConfig(write_files=files, runcmd=(nocloud.PHONE_HOME,))


def _script(path: str, name: str) -> WriteFile:
    return _file(path, "0700", shipped.file("pxe", name).read_text())


def _file(path: str, mode: Literal["0600", "0700"], content: str) -> WriteFile:
    return WriteFile(path=path, permissions=mode, content=content)
