"""What may be ordered: one list of rules for the plan, for runs, and for the order itself."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from provisioner.agent import disks
from provisioner.deployment import host_names, target_disk
from provisioner.domain.deployment import Terms
from provisioner.domain.host import Host
from provisioner.domain.image import Image, version_key
from provisioner.domain.refusal import Refusal
from provisioner.domain.stage import RESTING
from provisioner.errors import InputError, ProvisionError, RefusedError
from provisioner.site import lan
from provisioner.site.site import Site
from provisioner.state import image_files

KINDS = {"pack": "a packed image", "iso": "an installer's ISO"}
WRONG_KIND = 127


@dataclass(frozen=True)
class _Request:
    """What the rules look at: site, host, image and terms of one order."""

    site: Site
    host: Host
    image: Image | None
    terms: Terms


def refusals(site: Site, host: Host, image: Image | None, terms: Terms) -> list[Refusal]:
    """Every reason why `image` may not be ordered for `host` now; empty where nothing is against it.

    Without an image what stands against any. Only reads.
    Inside `database.writing()` it holds until the commit.
    """
    request = _Request(site, host, image, terms)
    return [refusal for rule in RULES if (refusal := rule(request))]


def refusals_of_verification(site: Site, host: Host) -> list[Refusal]:
    """Every reason why the host may not be restarted into the ramdisk now, whose order writes nothing."""
    request = _Request(site, host, None, Terms())
    return [refusal for rule in LOOKING if (refusal := rule(request))]


def check(site: Site, host: Host, image: Image, terms: Terms) -> None:
    """Raises the first refusal: RefusedError, or InputError for an image of the wrong kind (PV-127)."""
    raise_first(refusals(site, host, image, terms))


def raise_first(reasons: Iterable[Refusal]) -> None:
    """Raises the first of them with its code, sentence and hint; none is no error."""
    for refusal in reasons:
        raise error(refusal)


def error(refusal: Refusal) -> ProvisionError:
    """The refusal as what is raised for it."""
    kind = InputError if refusal.code == WRONG_KIND else RefusedError
    return kind(refusal.sentence, hint=refusal.hint, code=refusal.code)


def other_servers(site: Site) -> Refusal | None:
    """PV-670 where we should be the only DHCP server, and are not.

    A host that takes another server's answer boots something else, and nobody would know what.
    """
    if lan.is_sole_server(site):
        return None
    others = "; ".join(map(lan.describe_server, lan.rogue_servers(site)))
    return Refusal(
        code=670,
        sentence=f"another DHCP server answers on the deployment LAN: {others}",
        hint='unplug it, or switch it off; if it belongs to the site, set dhcp.mode = "proxy"'
        " (docs/network.md); provision net check says when it is gone",
    )


def wrong_kind(image: Image, kind: str, who: str) -> Refusal | None:
    """PV-127 where `who` (a profile, in words) wants another kind of image."""
    if image.kind == kind:
        return None
    return Refusal(
        code=127,
        sentence=f"{image.id} is {KINDS[image.kind]}, {who} wants {KINDS[kind]}",
        hint="provision image list shows the kinds; see method and autoinstall in profiles.yml",
    )


def _untrusted(request: _Request) -> Refusal | None:
    """The ramdisk may know the key yet; whoever ended the trust in it wants nothing of it on a disk."""
    image = request.image
    if image is None or image_files.is_trusted(request.site.settings.state, image):
        return None
    return Refusal(
        code=326,
        sentence=f"{image.id} is signed by {image.signed_by}, which is trusted no more",
        hint=f"provision image trust {image.signed_by}.pub; or order another image",
    )


def _wrong_image(request: _Request) -> Refusal | None:
    if request.image is None:
        return None
    profile = request.site.database.profiles.get(request.host.profile)
    installs = profile.method == "autoinstall" and profile.installer.flavour == "subiquity"
    return wrong_kind(request.image, "iso" if installs else "pack", f"the profile {profile.name}")


def _locked(request: _Request) -> Refusal | None:
    name = request.host.name
    if not request.site.database.hosts.get(name).locked:
        return None
    return Refusal(code=131, sentence=f"{name} is locked", hint=f"provision host unlock {name}")


def _unreadable_order(request: _Request) -> Refusal | None:
    """Nobody knows whether a deployment that cannot be read is under way for this host."""
    for fault in request.site.database.deployments.unreadable_orders(request.host.name):
        return Refusal(code=fault.code, sentence=f"{request.host.name}: {fault}", hint=fault.hint)
    return None


def _under_way(request: _Request) -> Refusal | None:
    name = request.host.name
    last = request.site.database.deployments.last_readable_order(name)
    if last is None or last.stage in RESTING:
        return None
    return Refusal(
        code=132,
        sentence=f"{name} is being {last.act} already ({last.id}, {last.stage})",
        hint=f"provision watch {name}, or provision cancel {name}",
    )


def _verified_by_key(request: _Request) -> Refusal | None:
    """A restart would end its burn-in, and nobody could say why the host was gone."""
    name = request.host.name
    row = request.site.database.verifications.open_of(name)
    if row is None:
        return None
    return Refusal(
        code=570,
        sentence=f"{name} is being verified over SSH ({row.id})",
        hint=f"wait for it, or provision cancel {name}",
    )


def _older_version(request: _Request) -> Refusal | None:
    """The disk itself does not say its version before it has booted; what was written last is known here."""
    last = request.site.database.deployments.last_written(request.host.name)
    if last is None or request.image is None or request.terms.allow_downgrade:
        return None
    name, _, version = last.image.partition("@")
    image = request.image
    if name != image.name or version_key(image.version) >= version_key(version):
        return None
    return Refusal(
        code=141,
        sentence=f"{request.host.name} has {last.image} ({last.id}): {image.id} is older",
        hint="an older version may have known holes; if it is meant: --allow-downgrade",
    )


def _foreign_data(request: _Request) -> Refusal | None:
    disk = target_disk.find(request.site, request.host)
    owner = disks.foreign_content(disk, host_names.of(request.site, request.host)) if disk else ""
    if disk is None or not owner or request.terms.erase_foreign:
        return None
    return Refusal(
        code=139,
        sentence=f"{request.host.name}: {disk.name} holds what is not ours to erase: {owner}",
        hint="is it the right disk? Then order with --erase-foreign",
    )


# In this order they are told, and the first is what an order raises. The ramdisk's verification only looks.
LOOKING: tuple[Callable[[_Request], Refusal | None], ...] = (
    _locked,
    lambda request: other_servers(request.site),
    _unreadable_order,
    _under_way,
    _verified_by_key,
)
RULES = (_wrong_image, _untrusted, *LOOKING, _older_version, _foreign_data)
