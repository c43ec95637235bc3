"""The settings of the service, as they are now."""

from provisioner.domain.person import Role
from provisioner.site import setting_list
from provisioner.web.pages.page import Page, Shown
from provisioner.web.request import the_site


def show() -> Shown:
    """Each with its value, whether that is the default, and what it means; no secret is among them."""
    groups = setting_list.groups(the_site().settings)
    only_changed = [line for group in groups for line in group.lines if not line.is_default]
    return Shown("settings.html", {"groups": groups, "changed": len(only_changed)})


PAGES = (Page("GET", "/admin/settings", show, Role.ADMIN),)
