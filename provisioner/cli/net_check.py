"""`provision net check` and `net print`: is the LAN as deployments need it, and what to tell its servers."""

import socket
from typing import TYPE_CHECKING

import click

from provisioner.cli.options import output_option, with_client
from provisioner.cli.output import info, print_field, print_record, write
from provisioner.errors import InputError, NetworkError, RefusedError
from provisioner.system import units

if TYPE_CHECKING:
    from provisioner.api.net import NetworkCheck, NetworkStatus, ProbedClient, TftpFetch
    from provisioner.client import Client
    from provisioner.services.dhcp.lan_probe import ProbeResult

TIME_LIMIT = 2.0  # seconds


@click.command()
@click.option("--interface", default="", help="Ask on this interface; else on the service's own.")
@output_option
@with_client
def check(client: "Client", interface: str, output: str) -> None:
    """Say which DHCP servers answer on the deployment LAN, and whether machines would boot by what they say.

    The service has listened all the time. Besides, where it is not the DHCP server itself, a DISCOVER is sent
    as each kind of machine, and the answers are judged: as root, on a machine of that LAN, up to a minute.
    Then each boot file is fetched by TFTP as firmware does, and compared with the one that the service has.

    Exit code 6 (PV-670): another server answers although this service should be the only one, so deployments
    are refused. 3 (PV-671, PV-672): machines would not boot by what is answered, or by what TFTP gives them.
    """
    from provisioner.api.net import NetworkCheck

    if interface and interface not in (names := [name for _, name in socket.if_nameindex()]):
        raise InputError(
            f"there is no interface {interface}; this machine has {', '.join(names)}",
            hint="ip link shows the names",
            code=605,
        )
    status = client.net()
    asked, not_asked = _ask(status, interface)
    servers = client.net().servers if asked else status.servers  # the service has heard the answers, too
    fetched, not_fetched = fetch(status)
    result = NetworkCheck(
        **status.model_dump(exclude={"servers"}),
        servers=servers,
        asked=asked,
        fetched=fetched,
        note="; ".join(filter(None, (not_asked, not_fetched))),
        time_fault=_time_fault(status.time_server) if status.time_server else "",
    )
    print_record(output, "net", result, lambda: _show(result), name=result.mode)
    _judge(result)


def _judge(result: "NetworkCheck") -> None:
    """Raises RefusedError (PV-670) for another server, else NetworkError (PV-671, PV-672) for any fault."""
    if not result.alone:
        servers = ", ".join(server.address for server in result.servers)
        raise RefusedError(
            f"another DHCP server answers, so deployments are refused: {servers}",
            hint='unplug it; or, if it belongs to the site, set dhcp.mode = "proxy" (docs/network.md)',
            code=670,
        )
    if result.time_fault:
        raise NetworkError(
            f"{result.time_server} is told to hosts as their time server: {result.time_fault}",
            hint="provision net print --for chrony; or take dhcp.time_server out of the settings",
            code=671,
        )
    faults = [client for client in result.asked if client.fault]
    if faults:
        more = f" ({rest})" if (rest := units.and_more(len(faults), 1)) else ""
        raise NetworkError(
            f"{faults[0].machine} ({faults[0].architecture}): {faults[0].fault}{more}",
            hint="provision net print --for dnsmasq, kea or isc shows what the site's server must be told",
            code=671,
        )
    if broken := next((file for file in result.fetched if file.fault), None):
        raise NetworkError(f"{broken.file} by TFTP: {broken.fault}", hint=broken.hint, code=672)


def _ask(status: "NetworkStatus", interface: str) -> "tuple[list[ProbedClient], str]":
    """What each kind of machine is answered; or why nobody was asked from here."""
    if status.mode == "authoritative" and _is_here(status.address):
        return [], "the service itself answers on this LAN; from another machine this command asks it"
    from provisioner.services.dhcp import lan_probe
    from provisioner.services.dhcp.frames import DhcpPacketSocket

    name = interface or status.interface
    try:
        packet_socket = DhcpPacketSocket(name)
    except OSError as fault:
        why = "be root" if isinstance(fault, PermissionError) else f"{name}: {fault.strerror}; --interface"
        return [], f"nobody was asked from here: {why}"
    try:
        kinds = lan_probe.client_kinds(file.model_dump() for file in status.files)
        results = lan_probe.probe(packet_socket, kinds)
    except OSError as fault:
        return [], f"nobody was asked from here: {name}: {fault.strerror}"
    finally:
        packet_socket.close()
    if status.mode == "proxy" and _is_here(status.address):
        note = "this service's own answers are not heard on its own machine"
        return [_judged_beside(result) for result in results], note
    expected = lan_probe.ExpectedServer(status.address, status.url, status.network)
    return [_probed(result, lan_probe.boot_fault(result, expected)) for result in results], ""


def fetch(status: "NetworkStatus") -> "tuple[list[TftpFetch], str]":
    """How each boot file is fetched by TFTP from the service's LAN address; or why nothing was from here."""
    from provisioner.api.net import TftpFetch
    from provisioner.services.tftp.probe import probe

    try:
        fetched = [probe(status.address, file) for file in status.tftp_files]
    except OSError as fault:
        return [], f"nothing was fetched by TFTP from here: {fault.strerror or fault}"
    return [TftpFetch.model_validate(file) for file in fetched], ""


def _time_fault(server: str) -> str:
    """Why nobody would learn the time there; one question of SNTP (RFC 4330, 5)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(TIME_LIMIT)
        try:
            asking.connect((server, 123))
            asking.send(bytes([0o43]) + bytes(47))  # version 4, client
            reply = asking.recv(512)
        except OSError as fault:
            return f"no answer by NTP ({fault.strerror or 'nothing came'})"
    is_answer = len(reply) >= 48 and reply[0] & 7 == 4
    return "" if is_answer and 0 < reply[1] < 16 else "it answers, but does not know the time itself"


def _is_here(address: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
        return True


def _judged_beside(result: "ProbeResult") -> "ProbedClient":
    """In proxy mode others give the addresses, and nothing to boot."""
    fault = "" if result.addresses else "no server offers it an address"
    if result.boots:
        fault = f"{', '.join(result.boots)} tells it what to boot, too"
    return _probed(result, fault)


def _probed(result: "ProbeResult", fault: str) -> "ProbedClient":
    from provisioner.api.net import BootAnswer, ProbedClient

    return ProbedClient(
        machine=result.kind.name,
        architecture=result.kind.number,
        addresses=result.addresses,
        boots=tuple(
            BootAnswer(server=name, place=target.server, what=target.file)
            for name, target in result.boots.items()
        ),
        fault=fault,
    )


def _show(result: "NetworkCheck") -> None:
    from provisioner.api.net import MODES

    print_field("Mode", f"{result.mode}: {MODES[result.mode]}")
    print_field("Service", f"{result.address} on {result.interface}, {result.url}")
    _show_servers(result)
    for client in result.asked:
        _show_client(client)
    for file in result.fetched:
        outcome = file.fault or f"{units.size(file.size)} in {file.seconds:.2f} s, as the service has it"
        print_field("TFTP", f"{'✗' if file.fault else '✓'} {file.file}: {outcome}")
    if result.time_server:
        print_field("Time", f"{'✗' if result.time_fault else '✓'} {result.time_server}")
    if result.note:
        info(result.note)


def _show_servers(result: "NetworkCheck") -> None:
    from provisioner.site import lan
    from provisioner.state.values import RogueServer

    if not result.watched:
        print_field("Servers", "nobody listens: dhcp is not among the services")
    elif result.deaf:
        print_field("Servers", f"cannot be heard on {', '.join(result.deaf)}: CAP_NET_RAW is missing")
    elif not result.servers:
        print_field("Servers", "no other DHCP server is heard")
    for server in result.servers:
        print_field("Server", lan.describe_server(RogueServer(**server.model_dump())))


def _show_client(client: "ProbedClient") -> None:
    gets = ", ".join(client.addresses.values()) or "no address"
    boots = ", ".join(boot.what.partition("?")[0] for boot in client.boots) or "nothing to boot"
    mark = "✗" if client.fault else "✓"
    print_field("Asked as", f"{mark} {client.machine} ({client.architecture}): {gets}, {boots}")
    if client.fault:
        print_field("", f"    {client.fault}")


@click.command("print")
@click.option(
    "--for",
    "kind",
    type=click.Choice(["dnsmasq", "kea", "isc", "chrony"]),
    required=True,
    help="Whose configuration.",
)
@output_option
@with_client
def print_(client: "Client", kind: str, output: str) -> None:
    """Print what the site's own DHCP server must be told (mode external), or chrony on this machine.

    It names the boot files, the service's address and the MACs of BMCs, which must be told nothing.
    """
    made = client.net_print(kind)
    print_record(output, "configuration", made, lambda: write(made.text), name=kind)
