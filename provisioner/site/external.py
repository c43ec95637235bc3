"""Configuration for the site's own servers, ready to be copied: dnsmasq, Kea, ISC dhcpd, and chrony."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

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
# what Kea's own format is: a client class with its test and options (Kea ARM, "Client Classification")
KeaOption = dict[str, str | int | bool]
KeaClass = dict[str, str | list[KeaOption]]


@dataclass(frozen=True)
class FirmwareFile:
    """The boot file of an architecture (option 93, RFC 4578); `http` where its firmware fetches by HTTP."""

    arch: int
    name: str
    http: bool

    @property
    def vendor_class(self) -> str:
        """How option 60 of such firmware begins (PXE 2.1, 2.2.1; UEFI 2.10, 24.7)."""
        return f"{'HTTP' if self.http else 'PXE'}Client:Arch:{self.arch:05}"


@dataclass(frozen=True)
class Addresses:
    """What the configuration is made of: this service's addresses and URLs, its files, the BMCs' MACs."""

    server: str
    addresses: tuple[str, ...]
    networks: tuple[str, ...]
    url: str
    script: str
    files: tuple[FirmwareFile, ...]
    bmcs: tuple[str, ...]


def firmware_files(site: Site) -> tuple[FirmwareFile, ...]:
    """The boot file of each architecture that can be booted here."""
    state = site.settings.state
    present = USUAL | {name for name in boot_files.BOOT_FILES if boot_files.boot_file(state, name)}
    known = ((arch, boot) for arch, boot in ARCHITECTURES.items() if boot.name in present)
    return tuple(FirmwareFile(arch, boot.name, boot.http) for arch, boot in known)


def render(site: Site, kind: str) -> str:
    """The configuration for one of KINDS, as text. Raises NotFoundError for another."""
    if kind not in KINDS:
        raise NotFoundError(f"nothing is known of {kind!r}", hint=f"one of: {', '.join(KINDS)}")
    values = _addresses(site)
    return _kea(values) if kind == "kea" else site.templates.render(f"servers/{kind}.conf.j2", **vars(values))


def _addresses(site: Site) -> Addresses:
    settings = site.settings
    networks = (settings.address.network, *(network.net for network in settings.networks))
    return Addresses(
        server=str(settings.address.ip),
        addresses=tuple(str(address) for address in settings.addresses),
        networks=tuple(str(network) for network in networks),
        url=settings.url,
        script=SCRIPT.format(url=settings.url),
        files=firmware_files(site),
        bmcs=tuple(sorted(row.mac for row in site.database.macs.all() if row.role == "bmc")),
    )


def _kea(values: Addresses) -> str:
    """Kea's is data, so it is dumped; the classes belong below `Dhcp4` of the site's own file."""
    is_ipxe = "substring(option[77].hex, 0, 4) == 'iPXE' or substring(option[77].hex, 1, 4) == 'iPXE'"
    classes: list[KeaClass] = [
        {"name": "provision-bmc", "test": " or ".join(map(_is_mac, values.bmcs)) or "1 == 0"},
        {
            "name": "provision-ipxe",
            "test": f"not member('provision-bmc') and ({is_ipxe})",
            "option-data": [
                {"name": "boot-file-name", "data": values.script, "always-send": True},
                {"code": 175, "csv-format": False, "data": "B00101", "always-send": True},
            ],
        },
        *_kea_classes(values),
    ]
    return json.dumps({"Dhcp4": {"client-classes": classes}}, indent=2) + "\n"


def _is_mac(mac: str) -> str:
    return f"pkt4.mac == 0x{mac.replace(':', '')}"


def _kea_classes(values: Addresses) -> Iterable[KeaClass]:
    for file in values.files:
        vendor = "HTTPClient" if file.http else "PXEClient:"
        said = f"substring(option[60].hex, 0, {len(file.vendor_class)}) == '{file.vendor_class}'"
        test = (
            "not member('provision-bmc') and not member('provision-ipxe')"
            f" and substring(option[60].hex, 0, 10) == '{vendor}'"
            f" and (substring(option[93].hex, 0, 2) == 0x{file.arch:04x}"
            f" or (not option[93].exists and {said}))"
        )
        head: KeaClass = {"name": f"provision-{file.arch}", "test": test}
        if file.http:
            url = f"{values.url}/boot/files/{file.name}"
            options = {"vendor-class-identifier": "HTTPClient", "boot-file-name": url}
            data: list[KeaOption] = [
                {"name": name, "data": text, "always-send": True} for name, text in options.items()
            ]
            yield {**head, "option-data": data}
        else:
            yield {**head, "next-server": values.server, "boot-file-name": file.name}
