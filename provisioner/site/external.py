"""Configuration for the site's own servers, ready to be copied: dnsmasq, Kea, ISC dhcpd, and chrony."""

import json
from typing import Any

from provisioner.domain.bootfiles import ARCHITECTURES, USUAL
from provisioner.errors import NotFoundError
from provisioner.site.site import Site
from provisioner.state import boot_files

KINDS = ("dnsmasq", "kea", "isc", "chrony")
# iPXE itself puts in what ${…} says; netX is the card by which it was booted
SCRIPT = (
    "{url}/boot/${{netX/mac:hexhyp}}/boot.ipxe?uuid=${{uuid}}&arch=${{buildarch}}&platform=${{platform}}"
    "&serial=${{serial:uristring}}"
)


def files(site: Site) -> list[dict[str, Any]]:
    """`arch`, `name`, `http` of each architecture that can be booted."""
    state = site.settings.state
    have = USUAL | {name for name in boot_files.BOOT_FILES if boot_files.boot_file(state, name)}
    known = ((arch, boot) for arch, boot in ARCHITECTURES.items() if boot.name in have)
    return [{"arch": arch, "name": boot.name, "http": boot.http} for arch, boot in known]


def render(site: Site, kind: str) -> str:
    """The configuration for one of KINDS. Raises NotFoundError for another."""
    if kind not in KINDS:
        raise NotFoundError(f"nothing is known of {kind!r}", hint=f"one of: {', '.join(KINDS)}")
    settings = site.settings
    values = {
        "server": str(settings.address.ip),
        "addresses": [str(address) for address in settings.addresses],
        "networks": [str(settings.address.network), *(str(one.net) for one in settings.networks)],
        "url": settings.url,
        "script": SCRIPT.format(url=settings.url),
        "files": files(site),
        "bmcs": sorted(row["mac"] for row in site.database.macs.all() if row["role"] == "bmc"),
    }
    return _kea(values) if kind == "kea" else site.templates.render(f"servers/{kind}.conf.j2", **values)


def _kea(values: dict[str, Any]) -> str:
    """Kea's is data, so it is dumped; the classes belong below `Dhcp4` of the site's own file."""
    is_ipxe = "substring(option[77].hex, 0, 4) == 'iPXE' or substring(option[77].hex, 1, 4) == 'iPXE'"
    classes: list[dict[str, Any]] = [
        {"name": "provision-bmc", "test": " or ".join(map(_is_mac, values["bmcs"])) or "1 == 0"},
        {
            "name": "provision-ipxe",
            "test": f"not member('provision-bmc') and ({is_ipxe})",
            "option-data": [
                {"name": "boot-file-name", "data": values["script"], "always-send": True},
                {"code": 175, "csv-format": False, "data": "B00101", "always-send": True},
            ],
        },
        *(_kea_class(file, values) for file in values["files"]),
    ]
    return json.dumps({"Dhcp4": {"client-classes": classes}}, indent=2) + "\n"


def _is_mac(mac: str) -> str:
    return f"pkt4.mac == 0x{mac.replace(':', '')}"


def _kea_class(file: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    wanted = "HTTPClient" if file["http"] else "PXEClient:"
    test = (
        "not member('provision-bmc') and not member('provision-ipxe')"
        f" and option[93].hex == 0x{file['arch']:04x} and substring(option[60].hex, 0, 10) == '{wanted}'"
    )
    found: dict[str, Any] = {"name": f"provision-{file['arch']}", "test": test}
    if file["http"]:
        url = f"{values['url']}/boot/files/{file['name']}"
        said = {"vendor-class-identifier": "HTTPClient", "boot-file-name": url}
        data = [{"name": name, "data": text, "always-send": True} for name, text in said.items()]
        return found | {"option-data": data}
    return found | {"next-server": values["server"], "boot-file-name": file["name"]}
