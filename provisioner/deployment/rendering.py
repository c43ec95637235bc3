"""What a host is served, as texts: its boot script and its seed, now and as they were the last time.

Whoever serves them and whoever only looks build them here, so that both are the same. Where they are looked
at or kept, what only the machine may know has a placeholder: nonce, token, key, and the deployment's id.
"""

import logging
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from provisioner.cloudinit import autoinstall, nocloud
from provisioner.deployment import boot, plan, ssh_keys
from provisioner.domain.boot_plan import Autoinstall, Firmware
from provisioner.domain.deployment import Deployment
from provisioner.domain.host import Host
from provisioner.domain.stage import Stage
from provisioner.errors import ProvisionError
from provisioner.site.site import Site
from provisioner.state.sealed_secrets import SSH_KEY
from provisioner.system import outputs

NONCE, TOKEN, DEPLOYMENT = "NONCE-OF-THE-ORDER", "TOKEN-OF-THE-HOST", "d-DEPLOYMENT"  # plain in YAML
PUBLIC_KEY = "ssh-ed25519 KEY/OF/THE/DEPLOYMENT"
SCRIPT = "boot.ipxe"
FOLDER = "served"  # of the state folder: a folder for each host, a file for each text
BIOS = 0  # the firmware's architecture in DHCP, RFC 4578, 2.1
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RenderedFile:
    """A text as it would be served now, and as it was the last time, `served` in seconds since 1970.

    `last` is None where it was never served.
    """

    name: str
    text: str
    last: str | None = None
    served: float = 0.0


def seed(site: Site, row: Deployment, *, server: str, token: str) -> dict[str, str]:
    """The NoCloud seed that the agent writes beside the image; `server` is our URL as the host finds it."""
    return nocloud.build(
        deployment=row.id,
        hostname=row.host,
        deploy_mac=row.mac,
        server=server,
        token=token,
        public_key=_public_key(site, row),
        domain=site.settings.dhcp.domain,
    )


def installer_seed(
    site: Site, row: Deployment, planned: Autoinstall, *, server: str, token: str
) -> dict[str, str]:
    """The seed of Ubuntu's installer."""
    profile = site.database.profiles.get(site.database.hosts.get(row.host).profile)
    request = autoinstall.Request(
        deployment=row.id,
        hostname=row.host,
        mac=row.mac,
        server=server,
        seed_url=planned.seed_url,
        token=token,
        public_key=_public_key(site, row),
        image=row.image,
        installer=profile.installer,
        domain=site.settings.dhcp.domain,
    )
    return autoinstall.build(request)


def _public_key(site: Site, row: Deployment) -> str:
    """Of a deployment that is only pretended there is none yet."""
    return PUBLIC_KEY if row.id == DEPLOYMENT else ssh_keys.public(site, row)


def of_host(site: Site, host: Host) -> tuple[RenderedFile, ...]:
    """All that the host would be served if it were ordered now with the image of its profile.

    Raises NotFoundError, InputError (PV-126, PV-127) where no image or installer can be named.
    """
    image = plan.choose_image(site, host, "")
    row = Deployment(
        id=DEPLOYMENT,
        host=host.name,
        mac=host.macs[0],
        image=image.id,
        stage=Stage.QUEUED,
        stage_since=0,
        deadline=0,
        created=0,
        expires=0,
        iso=plan.choose_iso(site, host, image),
        nonce=NONCE,
    )
    known = site.database.macs.get(row.mac)
    server = site.settings.url_for(known.address if known else "")
    planned = boot.ordered(server, row)
    script = boot.render(site, planned, reason="", firmware=_firmware(site, row.mac), url=server)
    texts = {SCRIPT: script}
    if isinstance(planned, Autoinstall):
        found = installer_seed(site, row, planned, server=server, token=TOKEN)
        texts |= {f"autoinstall/{name}": text for name, text in found.items() if text}
    if not row.is_installed:
        texts |= {f"seed/{name}": text for name, text in seed(site, row, server=server, token=TOKEN).items()}
    return tuple(_beside_last(site, host.name, name, text) for name, text in texts.items())


def _firmware(site: Site, mac: str) -> Firmware:
    seen = site.database.sightings.get(mac)
    return Firmware.BIOS if seen and seen.data.arch == BIOS else Firmware.UEFI


def _beside_last(site: Site, host: str, name: str, text: str) -> RenderedFile:
    path = site.settings.state / FOLDER / host / name
    try:
        return RenderedFile(name, text, path.read_text(), path.stat().st_mtime)
    except OSError:
        return RenderedFile(name, text)


def keep(site: Site, row: Deployment, texts: Mapping[str, str], *, secrets: Mapping[str, str]) -> None:
    """Remember what a host was served; `secrets` (each with its placeholder) are taken out before.

    It is evidence: where it cannot be written, that hinders nothing.
    """
    folder = site.settings.state / FOLDER / row.host
    public = site.database.secrets.public(SSH_KEY, row.id)
    taken = {**secrets, public: PUBLIC_KEY, row.nonce: NONCE, row.id: DEPLOYMENT}
    for name, text in texts.items():
        for secret, placeholder in taken.items():
            text = text.replace(secret, placeholder) if secret else text  # noqa: PLW2901
        try:
            _put(folder / name, text)
        except (ProvisionError, OSError) as fault:
            log.warning("what %s was served is not kept: %s", row.host, fault)
            return


def forget(state: Path, host: str) -> None:
    """What a host that is no more was served."""
    shutil.rmtree(state / FOLDER / host, ignore_errors=True)


def rename(state: Path, before: str, host: str) -> None:
    """What a host was served is told under its new name; another's of that name is gone."""
    forget(state, host)
    with suppress(FileNotFoundError):
        (state / FOLDER / before).rename(state / FOLDER / host)


def _put(path: Path, text: str) -> None:
    """Where it is the same as before, only its time is new: a rack that boots makes the disk no work."""
    if path.is_file() and path.read_text() == text:
        os.utime(path)
    else:
        outputs.write(path, text, mode=0o600)
