"""Where each image of the catalogue is used: hosts that run it, profiles and orders that name it."""

from dataclasses import dataclass

from provisioner.domain.deployment import Deployment
from provisioner.domain.image import Image
from provisioner.site.site import Site


@dataclass(frozen=True)
class ImageUses:
    """Names of `hosts` whose disk holds it and of `profiles` that deploy it; `orders` that are under way."""

    hosts: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    orders: tuple[Deployment, ...] = ()


def of_all(site: Site) -> dict[str, ImageUses]:
    """By id, of those that the catalogue has.

    A profile that names no version deploys the one that was added last, and so uses that one.
    """
    images, on_disks = site.database.images.all(), site.database.deployments.images_on_disks()
    known = site.database.hosts.known(on_disks)
    under_way = site.database.deployments.under_way()
    by_profile = _by_profile(site, images)
    return {
        image.id: ImageUses(
            hosts=tuple(sorted(name for name in known if on_disks[name] == image.id)),
            profiles=tuple(by_profile.get(image.id, ())),
            orders=tuple(row for row in under_way if image.id in (row.image, row.iso)),
        )
        for image in images
    }


def _by_profile(site: Site, images: list[Image]) -> dict[str, list[str]]:
    """The names of profiles, by the id of what they deploy or boot."""
    newest = {image.name: image.id for image in sorted(images, key=lambda image: image.added)}
    found: dict[str, list[str]] = {}
    for profile in site.database.profiles.all():
        for named in dict.fromkeys((profile.image, profile.installer.iso)):
            if named:
                found.setdefault(newest.get(named, named), []).append(profile.name)
    return found
