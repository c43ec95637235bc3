"""What the inventory says of one host, as a form; nobody's edit of the meantime is written over."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from flask import Response, request

from provisioner.api.hosts import InventoryUpdate
from provisioner.domain.host import Host
from provisioner.domain.person import Role
from provisioner.errors import InputError, ProvisionError
from provisioner.power import registry
from provisioner.state import inventory
from provisioner.web.operators import hosts, profiles, secrets
from provisioner.web.pages import notices, submitted
from provisioner.web.pages.host import path_of
from provisioner.web.pages.page import Page, Shown, go

TEXTS = ("serial", "uuid", "rack", "profile")
BMC_TEXTS = ("address", "mac", "port", "secret", "system", "console", "fingerprint")


class EditField(NamedTuple):
    """One field of the form: its key, its label, a sentence about it, and whether it is set as code."""

    key: str
    label: str
    told: str = ""
    is_code: bool = False


MACHINE_FIELDS = (
    EditField("serial", "Serial", "as on its label; empty: none", True),
    EditField("uuid", "System UUID", "as SMBIOS says it; empty: none", True),
    EditField("rack", "Rack", "rack and place, as B3/U12"),
)
BMC_FIELDS = (
    EditField("address", "Address", "IPv4; or its MAC alone, and it gets an address", True),
    EditField("mac", "MAC", "", True),
    EditField("port", "Port", "empty: the usual one", True),
    EditField("system", "System", "where the BMC has several (Redfish)", True),
    EditField("fingerprint", "Certificate", "SHA-256; empty: what the first login sees", True),
    EditField("console", "Console", "another driver with a serial console; none: not recorded"),
)


def ask(name: str) -> Shown | Response:
    """The form as things are."""
    host = hosts.show(name).host
    if host.name != name:
        return go(path_of(host.name, "edit"))
    return _form(host.as_host(), _filled(host), None)


def edit(name: str) -> Shown | Response:
    """Take it, unless somebody else has changed the host since the form was shown."""
    form = request.form.to_dict()

    def act() -> None:
        shown = submitted.from_json(Host, form.get("shown", ""))
        if shown.name != name:
            raise InputError(f"the form is that of {shown.name}", hint="open the page again")
        after = inventory.make_host(_body(shown, form), registry.DRIVERS)
        hosts.apply(InventoryUpdate(hosts=(after,), shown=(shown,)))

    _, fault = submitted.attempt(act)
    if fault is None:
        return notices.after(path_of(name), "edited")
    known = hosts.show(name).host.as_host()
    shown, _ = submitted.attempt(lambda: submitted.from_json(Host, form.get("shown", "")))
    return _form(shown if shown and shown.name == name else known, form, fault)


def _body(shown: Host, form: Mapping[str, str]) -> dict[str, object]:
    """The host as the form says it; what the form does not have, such as its disk, stays."""
    body: dict[str, object] = shown.model_dump(mode="json", exclude_defaults=True)
    kept = {key: value for key, value in body.items() if key not in (*TEXTS, "macs", "bmc")}
    said = {key: form[key].strip() for key in TEXTS if form.get(key, "").strip()}
    return kept | said | {"macs": re.split(r"[\s,;]+", form.get("macs", "").strip()), "bmc": dict(_bmc(form))}


def _bmc(form: Mapping[str, str]) -> Iterator[tuple[str, object]]:
    """Nothing more of a host that is powered by hand."""
    driver = form.get("bmc.driver", "manual")
    yield "driver", driver
    if driver == "manual":
        return
    for key in BMC_TEXTS:
        if text := form.get(f"bmc.{key}", "").strip():
            yield key, submitted.number(form, "bmc.port") if key == "port" else text
    if "bmc.verify" not in form:
        yield "verify", False


def _filled(host: Host) -> dict[str, str]:
    """The form's fields as the host has them."""
    bmc = {f"bmc.{key}": str(getattr(host.bmc, key) or "") for key in (*BMC_TEXTS, "driver")}
    texts = {key: getattr(host, key) for key in TEXTS}
    return texts | bmc | {"macs": "\n".join(host.macs)} | ({"bmc.verify": "on"} if host.bmc.verify else {})


def _form(shown: Host, form: Mapping[str, str], fault: ProvisionError | None) -> Shown:
    values = {
        "host": shown,
        "form": form,
        "shown": shown.model_dump_json(),
        "fault": fault,
        "machine_fields": MACHINE_FIELDS,
        "bmc_fields": BMC_FIELDS,
        "profiles": [profile.name for profile in profiles.list_all().profiles],
        "drivers": [(key, driver.title or key) for key, driver in sorted(registry.DRIVERS.items())],
        "logins": [login.secret for login in secrets.list_logins().secrets],
    }
    return Shown("host_edit.html", values, submitted.status_with(fault))


PAGES = (
    Page("GET", "/hosts/<name>/edit", ask, Role.OPERATOR),
    Page("POST", "/hosts/<name>/edit", edit, Role.OPERATOR),
)
