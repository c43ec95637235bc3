"""What would end a deployment as things are known to be, and is known without asking anybody."""

from collections.abc import Iterable

from provisioner.domain.host import Host
from provisioner.domain.profile import Profile
from provisioner.domain.refusal import Refusal
from provisioner.errors import DiskError
from provisioner.power import registry
from provisioner.site.site import Site
from provisioner.state.sealed_secrets import BMC_LOGIN
from provisioner.state.secrets import missing_login


def missing_logins(site: Site, host: Host) -> tuple[Refusal, ...]:
    """PV-205 where the login of the host's BMC was never given."""
    has_bmc = registry.find(host.bmc.driver, host.name).has_bmc
    if not has_bmc or site.database.secrets.has(BMC_LOGIN, host.bmc.secret):
        return ()
    fault = missing_login(host.bmc.secret, host.name)
    return (Refusal(code=fault.code, sentence=f"{host.name}: {fault}", hint=fault.hint),)


def unfit_disk(host: Host, fault: DiskError | None) -> tuple[Refusal, ...]:
    """Why none of the disks that were seen can take the image, as far as `target_disk.preview` says so."""
    if fault is None:
        return ()
    hint = f"{fault.hint}; provision host show {host.name} lists its disks"
    return (Refusal(code=fault.code, sentence=f"{host.name}: {fault}", hint=hint),)


def unknown_images(site: Site, profiles: Iterable[Profile]) -> tuple[str, ...]:
    """A sentence for each image that profiles name and the catalogue does not have: it may come later."""
    known = {text for image in site.database.images.all() for text in (image.id, image.name)}
    named = ((profile.name, text) for profile in profiles for text in (profile.image, profile.installer.iso))
    return tuple(
        f"profile {name}: no image is called {text!r} yet; until provision image add has added it, "
        f"its hosts are refused (PV-125)"
        for name, text in dict.fromkeys(named)
        if text and text not in known
    )
