"""`provision net check` and `net print`: is the LAN as deployments need it, and what to tell its servers."""

import socket
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from provisioner.cli.common import asks_service, emit_one, prints_data, say
from provisioner.client import Client
from provisioner.domain.bootfiles import TftpFile
from provisioner.errors import NetworkError, RefusedError
from provisioner.site import lan
from provisioner.state.values import RogueServer
from provisioner.system import units

if TYPE_CHECKING:
    from provisioner.services.dhcp.lan_probe import ProbeResult

Row = dict[str, Any]
TIME_LIMIT = 2.0  # seconds
MODES = {
    "authoritative": "this service gives the addresses",
    "proxy": "another server gives the addresses, this service the boot files",
    "external": "another server gives addresses and boot files",
}


@click.command()
@click.option("--interface", default="", help="Ask on this interface; else on the service's own.")
@prints_data
@asks_service
def check(client: Client, interface: str, form: str) -> None:
    """Say which DHCP servers answer on the deployment LAN, and whether machines would boot by what they say.

    The service has listened all the time. Besides, where it is not the DHCP server itself, a DISCOVER is sent
    as each kind of machine, and the answers are judged: as root, on a machine of that LAN, up to a minute.
    Then each boot file is fetched by TFTP as firmware does, and compared with the one that the service has.

    Exit code 6 (PV-670): another server answers although this service should be the only one, so deployments
    are refused. 3 (PV-671, PV-672): machines would not boot by what is answered, or by what TFTP gives them.
    """
    found = client.net()
    found["asked"], found["note"] = _ask(found, interface)
    if found["asked"]:  # the service has heard the answers, too
        found["servers"] = client.net()["servers"]
    found["time_fault"] = _time_fault(found["time_server"]) if found["time_server"] else ""
    found["fetched"], unreachable = _fetch(found)
    found["note"] = "; ".join(filter(None, (found["note"], unreachable)))
    emit_one(form, "net", found, lambda: _show(found), key="mode")
    if not found["alone"]:
        servers = ", ".join(server["address"] for server in found["servers"])
        raise RefusedError(
            f"another DHCP server answers, so deployments are refused: {servers}",
            hint='unplug it; or, if it belongs to the site, set dhcp.mode = "proxy" (docs/network.md)',
            code=670,
        )
    if found["time_fault"]:
        raise NetworkError(
            f"{found['time_server']} is told to hosts as their time server: {found['time_fault']}",
            hint="provision net print --for chrony; or take dhcp.time_server out of the settings",
            code=671,
        )
    faults = [row for row in found["asked"] if row["fault"]]
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise NetworkError(
            f"{faults[0]['machine']} ({faults[0]['architecture']}): {faults[0]['fault']}{more}",
            hint="provision net print --for dnsmasq, kea or isc shows what the site's server must be told",
            code=671,
        )
    broken = [row for row in found["fetched"] if row["fault"]]
    if broken:
        raise NetworkError(
            f"{broken[0]['file']} by TFTP: {broken[0]['fault']}", hint=broken[0]["hint"], code=672
        )


def _ask(found: Row, interface: str) -> tuple[list[Row], str]:
    """What each kind of machine is answered; or why nobody was asked from here."""
    if found["mode"] == "authoritative" and _is_here(found["address"]):
        return [], "the service itself answers on this LAN; from another machine this command asks it"
    from provisioner.services.dhcp import lan_probe
    from provisioner.services.dhcp.frames import DhcpPacketSocket

    name = interface or found["interface"]
    try:
        packet_socket = DhcpPacketSocket(name)
    except OSError as fault:
        why = "be root" if isinstance(fault, PermissionError) else f"{name}: {fault.strerror}; --interface"
        return [], f"nobody was asked from here: {why}"
    try:
        results = lan_probe.probe(packet_socket, lan_probe.client_kinds(found["files"]))
    except OSError as fault:
        return [], f"nobody was asked from here: {name}: {fault.strerror}"
    finally:
        packet_socket.close()
    if found["mode"] == "proxy" and _is_here(found["address"]):
        return [
            _beside(result) for result in results
        ], "this service's own answers are not heard on its own machine"
    expected = lan_probe.ExpectedServer(found["address"], found["url"], found["network"])
    return [_row(result, lan_probe.boot_fault(result, expected)) for result in results], ""


def _fetch(found: Row) -> tuple[list[Row], str]:
    """How each boot file is fetched by TFTP from the service's LAN address; or why nothing was from here."""
    from provisioner.services.tftp.probe import probe

    try:
        return [asdict(probe(found["address"], TftpFile(**row))) for row in found["tftp_files"]], ""
    except OSError as fault:
        return [], f"nothing was fetched by TFTP from here: {fault.strerror or fault}"


def _time_fault(server: str) -> str:
    """Why nobody would learn the time there; one question of SNTP (RFC 4330, 5)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(TIME_LIMIT)
        try:
            asking.connect((server, 123))
            asking.send(bytes([0o43]) + bytes(47))  # version 4, client
            answer = asking.recv(512)
        except OSError as fault:
            return f"no answer by NTP ({fault.strerror or 'nothing came'})"
    is_answer = len(answer) >= 48 and answer[0] & 7 == 4
    return "" if is_answer and 0 < answer[1] < 16 else "it answers, but does not know the time itself"


def _is_here(address: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
        return True


def _beside(result: "ProbeResult") -> Row:
    """In proxy mode others give the addresses, and nothing to boot."""
    fault = "" if result.addresses else "no server offers it an address"
    if result.boots:
        fault = f"{', '.join(result.boots)} tells it what to boot, too"
    return _row(result, fault)


def _row(result: "ProbeResult", fault: str) -> Row:
    boots = [
        {"server": name, "from": target.server, "what": target.file} for name, target in result.boots.items()
    ]
    return {
        "machine": result.kind.name,
        "architecture": result.kind.number,
        "addresses": result.addresses,
        "boots": boots,
        "fault": fault,
    }


def _show(found: Row) -> None:
    click.echo(f"{'Mode':<10}{found['mode']}: {MODES[found['mode']]}")
    click.echo(f"{'Service':<10}{found['address']} on {found['interface']}, {found['url']}")
    if not found["watched"]:
        click.echo(f"{'Servers':<10}nobody listens: dhcp is not among the services")
    elif found["deaf"]:
        click.echo(f"{'Servers':<10}cannot be heard on {', '.join(found['deaf'])}: CAP_NET_RAW is missing")
    elif not found["servers"]:
        click.echo(f"{'Servers':<10}no other DHCP server is heard")
    for server in found["servers"]:
        click.echo(f"{'Server':<10}{lan.describe_server(RogueServer(**server))}")
    for row in found["asked"]:
        gets = ", ".join(row["addresses"].values()) or "no address"
        boots = ", ".join(boot["what"].partition("?")[0] for boot in row["boots"]) or "nothing to boot"
        mark = "✗" if row["fault"] else "✓"
        click.echo(f"{'Asked as':<10}{mark} {row['machine']} ({row['architecture']}): {gets}, {boots}")
        if row["fault"]:
            click.echo(f"{'':<10}    {row['fault']}")
    for row in found["fetched"]:
        result = row["fault"] or f"{units.size(row['size'])} in {row['seconds']:.2f} s, as the service has it"
        click.echo(f"{'TFTP':<10}{'✗' if row['fault'] else '✓'} {row['file']}: {result}")
    if found["time_server"]:
        click.echo(f"{'Time':<10}{'✗' if found['time_fault'] else '✓'} {found['time_server']}")
    if found["note"]:
        say(found["note"])


@click.command("print")
@click.option(
    "--for",
    "kind",
    type=click.Choice(["dnsmasq", "kea", "isc", "chrony"]),
    required=True,
    help="Whose configuration.",
)
@asks_service
def print_(client: Client, kind: str) -> None:
    """Print what the site's own DHCP server must be told (mode external), or chrony on this machine.

    It names the boot files, the service's address and the MACs of BMCs, which must be told nothing.
    """
    click.echo(client.net_print(kind), nl=False)
