"""Changes what is known: hosts, profiles, images, logins; what something still needs is not taken away."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from provisioner.deployment import logins, plan, rendering
from provisioner.domain import inventory_diff
from provisioner.domain.audit import Kind, Origin
from provisioner.domain.event import Event
from provisioner.domain.events.inventory import (
    HostLocked,
    HostMoved,
    HostRemoved,
    HostRenamed,
    HostUnlocked,
)
from provisioner.domain.host import Host
from provisioner.domain.image import Image
from provisioner.domain.profile import Profile
from provisioner.domain.stage import RESTING
from provisioner.errors import InputError, RefusedError
from provisioner.site.site import Site
from provisioner.state import audit, complaints, image_folders, secrets
from provisioner.system.units import named

MACHINE = ("macs", "serial", "uuid", "bmc")  # what a host says of its machine, and not of its place


class _DryRun(Exception):
    """Rolls back what was only tried."""


@contextmanager
def writing(site: Site, *, dry_run: bool) -> Iterator[None]:
    """One transaction; of a `dry_run` nothing stays."""
    with suppress(_DryRun), site.database.writing():
        yield
        if dry_run:
            raise _DryRun


def set_lock(site: Site, text: str, *, locked: bool, by: str) -> Host:
    """Lock a host, or open it; as it is now. Raises NotFoundError."""
    with site.database.writing():
        host = plan.find_host(site, text)
        if host.locked == locked:
            return host
        event = HostLocked(by=by) if locked else HostUnlocked(by=by)
        site.database.events.add(Event.of_host(host.name, event, source=by, now=site.clock()))
        return site.database.hosts.set_lock(host.name, locked=locked)


def remove_host(site: Site, text: str, *, by: str, dry_run: bool = False) -> Host:
    """Forget a host; what it did stays in the log. With `dry_run` only what is refused is refused.

    Raises NotFoundError; RefusedError: PV-131 while it is locked, PV-132 while it is deployed, or while
    nobody can read whether it is.
    """
    with writing(site, dry_run=dry_run):
        host = forget_host(site, plan.find_host(site, text), by)
    if not dry_run:
        forget_files(site, host.name)
    return host


def forget_files(site: Site, name: str) -> None:
    """What the state folder has of a host beside the database."""
    secrets.forget_certificate(site.settings.state, name)
    rendering.forget(site.settings.state, name)


def forget_host(site: Site, host: Host, by: str) -> Host:
    """Inside the caller's transaction."""
    _require_unlocked(host, "it cannot be removed")
    require_rest(site, host, "it cannot be removed")
    site.database.hosts.remove(host.name)
    site.database.rotations.forget(host.name)
    site.database.secrets.remove_ssh_keys_of(host.name)
    removed = HostRemoved(by=by, host=host)
    site.database.events.add(Event.of_host(host.name, removed, source=by, now=site.clock()))
    return host


def move_host(
    site: Site, text: str, to: str, *, by: str, shown: tuple[Host, Host] | None = None, dry_run: bool = False
) -> Host:
    """Let the host `to` be the machine of another host, which is no more: its board sits there now.

    Cards, serial, UUID, BMC and hardware are the machine's; name, rack, profile and disk are the host's
    that stays. What both did stays under their names. `shown` are both as they were when it was confirmed.

    Raises NotFoundError; InputError where both are one; RefusedError: PV-133, one is not as it was shown;
    PV-131 and PV-132 as `remove_host`, for either.
    """
    state = site.settings.state
    with writing(site, dry_run=dry_run):
        source, target = plan.find_host(site, text), plan.find_host(site, to)
        if source.name == target.name:
            raise InputError(f"{text} and {to} are one host", hint="provision host list")
        _require_shown((source, target), shown)
        facts, at = site.database.hosts.hardware(source.name), site.database.hosts.hardware_at(source.name)
        _require_unlocked(target, "it cannot be another machine")
        require_rest(site, target, "it cannot be another machine")
        site.database.rotations.rename(source.name, target.name)
        forget_host(site, source, by)
        machine = {key: getattr(source, key) for key in MACHINE}
        moved = target.model_copy(update=machine)
        site.database.write_inventory([moved], [], site.settings.hosts_range)
        site.database.hosts.replace_hardware(moved.name, facts, at)
        event = HostMoved(by=by, before=source.name, machine=target)
        site.database.events.add(Event.of_host(moved.name, event, source=by, now=site.clock()))
    if not dry_run:
        secrets.rename_certificate(state, source.name, moved.name)
        rendering.forget(state, source.name)
    return moved


def _require_shown(hosts: tuple[Host, Host], shown: tuple[Host, Host] | None) -> None:
    """Raises RefusedError (PV-133), which names what is otherwise than it was when it was confirmed."""
    for change in inventory_diff.between((shown or hosts, []), (hosts, [])):
        fields = ", ".join(field.field for field in change.fields) or "the host itself"
        raise RefusedError(
            f"{change.name} is not what was confirmed: since it was shown, {fields} was changed; "
            "nothing was moved",
            hint=f"look again: provision host move {hosts[0].name} {hosts[1].name}",
            code=133,
        )


def rename_host(site: Site, text: str, name: str, *, by: str) -> Host:
    """Call a host otherwise; its hardware, fixed addresses and history go with it.

    The machine calls itself by its old name until it is deployed again.

    Raises NotFoundError; InventoryError (PV-110) for a name that is another's serial, MAC or UUID, or ours;
    RefusedError: PV-144, another host has that name; PV-132 as `remove_host`.
    """
    with site.database.writing():
        host = plan.find_host(site, text)
        if name == host.name:
            return host
        if name in {other.name for other in site.database.hosts.all()}:
            raise RefusedError(f"another host is called {name}", hint="provision host list", code=144)
        require_rest(site, host, "it cannot be renamed")
        renamed = host.model_copy(update={"name": name})
        others = [other for other in site.database.hosts.all() if other.name != host.name]
        for complaint in complaints.of_names([*others, renamed], {name}):
            raise complaint.error()
        site.database.hosts.rename(host.name, renamed)
        site.database.rotations.rename(host.name, name)
        event = HostRenamed(by=by, before=host.name)
        site.database.events.add(Event.of_host(name, event, source=by, now=site.clock()))
    secrets.rename_certificate(site.settings.state, host.name, name)
    rendering.rename(site.settings.state, host.name, name)
    return renamed


def _require_unlocked(host: Host, consequence: str) -> None:
    """A lock would be lost with the host, and nobody be told."""
    if host.locked:
        raise RefusedError(
            f"{host.name} is locked, so {consequence}",
            hint=f"who did it: provision host history {host.name}; then provision host unlock {host.name}",
            code=131,
        )


def require_rest(site: Site, host: Host, consequence: str) -> None:
    """What is signed of a host must be of it as it was when it was asked for.

    Raises RefusedError: PV-132, it is deployed or verified by the ramdisk; PV-570, over SSH; or nobody can
    read whether it is deployed.
    """
    for fault in site.database.deployments.unreadable_orders(host.name):
        raise RefusedError(f"{host.name}: {fault}", hint=fault.hint, code=fault.code)
    last = site.database.deployments.last_readable_order(host.name)
    if last and last.stage not in RESTING:
        raise RefusedError(
            f"{host.name} is being {last.act} ({last.id}, {last.stage}), so {consequence}",
            hint=f"provision watch {host.name}, or provision cancel {host.name}",
            code=132,
        )
    if row := site.database.verifications.open_of(host.name):
        raise RefusedError(
            f"{host.name} is being verified over SSH ({row.id}), so {consequence}",
            hint=f"wait for it, or provision cancel {host.name}",
            code=570,
        )


def remove_profile(site: Site, name: str, *, dry_run: bool = False) -> Profile:
    """Forget a profile. Raises NotFoundError; RefusedError (PV-144) while a host has it."""
    with writing(site, dry_run=dry_run):
        profile = forget_profile(site, name)
    return profile


def forget_profile(site: Site, name: str) -> Profile:
    """Inside the caller's transaction."""
    profile = site.database.profiles.get(name)
    hosts = [host.name for host in site.database.hosts.all() if host.profile == name]
    _require_unneeded(f"the profile {name}", hosts, "give them another profile: provision host apply")
    site.database.profiles.remove(name)
    return profile


def remove_image(site: Site, text: str, origin: Origin, *, dry_run: bool = False) -> tuple[Image, int]:
    """Take one image out of the catalogue, with its files; how many bytes are free now.

    `text` is its id, or its name where there is only one version of it.

    Raises NotFoundError; RefusedError: PV-144, a deployment or a profile needs it, or it is not said which
    version is meant; PV-130, files of the catalogue are being added.
    """
    state = site.settings.state
    with image_folders.changing(state, alone=True):
        with writing(site, dry_run=dry_run):
            image = plan.find_image(site, text)
            versions = [other for other in site.database.images.all() if other.name == image.name]
            if text != image.id and len(versions) > 1:
                known = ", ".join(other.id for other in versions)
                raise RefusedError(f"{text} has several versions", hint=f"name one: {known}", code=144)
            _require_unneeded(image.id, _orders_of(site, image), "wait, or provision cancel HOST")
            profiles = _profiles_of(site, image, is_last=len(versions) == 1)
            _require_unneeded(image.id, profiles, "name another image there: provision host apply")
            site.database.images.remove(image.id)
            gone = origin.entry(Kind.IMAGE, site.clock(), what="removed", sentence=image.id)
            audit.record(site.database, gone)
        return image, 0 if dry_run else image_folders.remove_folder(state, image.id)


def _orders_of(site: Site, image: Image) -> list[str]:
    under_way = site.database.deployments.under_way()
    return [f"{row.id} of {row.host}" for row in under_way if image.id in (row.image, row.iso)]


def _profiles_of(site: Site, image: Image, *, is_last: bool) -> Iterable[str]:
    """Those that name this version, or any version of it where it is the last one."""
    names = {image.id, image.name} if is_last else {image.id}
    for profile in site.database.profiles.all():
        if profile.image in names or profile.installer.iso in names:
            yield f"the profile {profile.name}"


def remove_login(site: Site, name: str, origin: Origin, *, dry_run: bool = False) -> None:
    """Forget a BMC's login. Raises NotFoundError; RefusedError (PV-144) while a host's BMC needs it."""
    logins.require(site, name)
    hosts = [host.name for host in site.database.hosts.all() if name and host.bmc.secret == name]
    _require_unneeded(f"the login {name}", hosts, "name another login in the inventory: bmc: {secret: NAME}")
    if not dry_run:
        logins.forget(site, name, origin)


def _require_unneeded(what: str, needs: Iterable[str], hint: str) -> None:
    if names := named(needs):
        raise RefusedError(f"{what} is needed by {names}; nothing was removed", hint=hint, code=144)
