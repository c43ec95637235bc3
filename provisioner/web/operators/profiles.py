"""Profiles: list, show, learn one from a machine."""

import re

from provisioner.api.answer import Removal
from provisioner.api.profiles import ProfileAnswer, ProfileLearned, ProfileLesson, ProfileList, ProfileStatus
from provisioner.certificate import canonical
from provisioner.deployment import plan, removal
from provisioner.discovery import learn, learn_report, machines
from provisioner.domain.acceptance import AcceptanceReport
from provisioner.domain.hardware import HardwareFacts
from provisioner.domain.profile import Profile
from provisioner.errors import NotFoundError, RefusedError
from provisioner.site.site import Site
from provisioner.web.request import the_site


def list_all() -> ProfileList:
    """Every profile with the names of its hosts."""
    site = the_site()
    return ProfileList(profiles=tuple(_status(site, profile) for profile in site.database.profiles.all()))


def show(name: str) -> ProfileAnswer:
    """One profile with the names of its hosts."""
    site = the_site()
    return ProfileAnswer(profile=_status(site, site.database.profiles.get(name)))


def remove(name: str, body: Removal) -> ProfileAnswer:
    """Forget a profile that no host has; the answer has all that was known of it."""
    site = the_site()
    return ProfileAnswer(profile=_status(site, removal.remove_profile(site, name, dry_run=body.dry_run)))


def _status(site: Site, profile: Profile) -> ProfileStatus:
    hosts = tuple(host.name for host in site.database.hosts.all() if host.profile == profile.name)
    return ProfileStatus(**profile.model_dump(), hosts=hosts)


def learn_from(body: ProfileLesson) -> ProfileLearned:
    """The profile that a machine fits, as data and as YAML; stored with `apply`."""
    site, reports = the_site(), _Reports(the_site(), body.report)
    try:
        host = plan.find_host(site, body.machine)
        hardware, usual_name = site.database.hosts.hardware(host.name) or HardwareFacts(), host.profile
        reports.find(host.name)
    except NotFoundError as fault:
        if fault.code == 147 or body.report:
            raise
        machine = machines.find(site, body.machine)
        hardware, usual_name = machine.hardware, _product_name(f"{machine.maker} {machine.product}")
    name = body.name or usual_name
    before = {profile.name: profile for profile in site.database.profiles.all()}.get(name)
    if before and body.apply and not body.replace:
        raise RefusedError(
            f"there is a profile {name} already, it was not changed",
            hint="give --replace to change its hardware, or another --name",
            code=135,
        )
    profile = learn.profile(hardware, name, devices=body.devices, base=before)
    if reports.found:
        profile = learn_report.profile(reports.found, profile)
    if body.apply:
        site.database.put_inventory([], [profile], site.settings.hosts_range)
    return ProfileLearned(
        profile=profile,
        yaml=learn.as_yaml(profile),
        stored=body.apply,
        report=reports.found.report_id if reports.found else "",
        note=reports.note,
    )


class _Reports:
    """The report that a profile is learned from: the one that is asked for, else the host's newest.

    One that was asked for must have been accepted, which `learn_report` sees to. The newest is passed over
    where it was not, and `note` says so: then a profile is learned to mend the one that rejects the host.
    """

    def __init__(self, site: Site, wanted: str) -> None:
        self.found: AcceptanceReport | None = None
        self.note = ""
        self._site, self._wanted = site, wanted

    def find(self, host: str) -> None:
        """Look among those of a host. Raises NotFoundError (PV-147), CertificateError (PV-560)."""
        stored = self._site.database.acceptance_reports.of_host(host)
        if self._wanted:
            chosen = [one for one in stored if one.id == self._wanted]
            if not chosen:
                hint = f"provision certificate list {host}"
                words = f"{host} has no acceptance report {self._wanted!r}"
                raise NotFoundError(words, hint=hint, code=147)
            self.found = canonical.read(chosen[0].body.encode())
        elif stored and stored[0].verdict in learn_report.ACCEPTED:
            newest = canonical.read(stored[0].body.encode())
            self.found = newest if learn_report.teaches(newest) else None
        elif stored:
            verdict = stored[0].verdict.replace("_", " ")
            self.note = f"its newest report {stored[0].id} is {verdict}: nothing was learned from it"


def _product_name(text: str) -> str:
    """A maker's words as a profile's name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-") or "learned"
