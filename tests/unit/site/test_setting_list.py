"""The list of settings: each with value, default and meaning, and nothing that is a secret."""

from pathlib import Path

from provisioner.domain.host import Bmc
from provisioner.setting_sections import Webhook
from provisioner.settings import FIXED
from provisioner.site import setting_list
from provisioner.site.setting_list import HIDDEN, SettingLine, words
from provisioner.site.site import Site


def hook(name: str) -> Webhook:
    url = f"https://hooks.example/T0/{name}-token?key=abc"
    return Webhook(name=name, url=url, secret_file=Path("/etc/provision/hook"))


def found(site: Site) -> dict[tuple[str, str], SettingLine]:
    groups = setting_list.groups(site.settings)
    return {(group.name, line.name): line for group in groups for line in group.lines}


def test_what_the_address_of_a_receiver_says_is_hidden(site: Site) -> None:
    hooks = (hook("one"), hook("two"))
    site.settings = site.settings.model_copy(update={"webhooks": hooks})
    groups = setting_list.groups(site.settings)
    assert [group.name for group in groups].count("[webhooks]") == 2
    assert found(site)["[webhooks]", "url"].value == f"https://hooks.example/{HIDDEN}"
    assert not any(secret in repr(groups) for secret in ("T0", "one-token", "two-token", "abc"))


def test_each_tells_whether_it_is_as_it_comes(site: Site) -> None:
    lines = found(site)
    state, domain = lines["", "state"], lines["dhcp", "domain"]
    assert state.value == str(site.settings.state)
    assert domain.is_default and domain.value == domain.default == site.settings.dhcp.domain
    changed = site.settings.dhcp.model_copy(update={"domain": "elsewhere"})
    site.settings = site.settings.model_copy(update={"dhcp": changed})
    line = found(site)["dhcp", "domain"]
    assert not line.is_default and (line.value, line.default) == ("elsewhere", domain.default)


def test_what_holds_from_the_next_start_on_is_marked(site: Site) -> None:
    groups = {group.name: group for group in setting_list.groups(site.settings)}
    assert groups[""].at_start
    assert {name for name, group in groups.items() if name and group.at_start} == set(FIXED) & set(groups)
    assert all(group.about and group.lines for group in groups.values())


def test_values_are_told_as_the_file_has_them() -> None:
    assert [words(value) for value in (None, "", (), True, 3, ("a", "b"))] == [
        "none",
        "none",
        "none",
        "true",
        "3",
        "a, b",
    ]
    assert words({"a": 1, "b": False}) == "a = 1, b = false"
    assert words(Bmc(driver="manual")).startswith("driver = manual")
