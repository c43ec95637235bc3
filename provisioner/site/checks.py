"""What the service's own machine has to have: looked at while it runs or not, each a line for people.

A check that cannot be made says so; none raises. What takes long, or needs packets, is the command's own.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from pysqlite3 import dbapi2 as sqlite3

from provisioner.domain.bootfiles import ARCHITECTURES, USUAL
from provisioner.domain.check_line import CheckLine
from provisioner.errors import DamagedDatabaseError, FileError, NewerFolderError, ProvisionError
from provisioner.site import interface, lan, ports
from provisioner.site.site import Site
from provisioner.state import boot_files, disk_usage, integrity, secret_keys, site_certificate
from provisioner.state.image_files import is_trusted, trusted_keys
from provisioner.state.secrets import secrets_folder
from provisioner.system import file_fault, sealed_box
from provisioner.system.units import duration, size

LITTLE, LEAST = 10e9, 1e9  # bytes of room: a warning, a fault
DRIFT = 2.0  # seconds between the service's clock and the machine's that mean nothing
PATIENCE = 120.0  # seconds within which the worker answers, and ends what is late
SHOWN = 4
Check = Callable[[Site], Iterator[CheckLine]]


def of_service(site: Site) -> tuple[CheckLine, ...]:
    """All that can be said of a service from its settings, its machine and its database; takes no second."""
    return tuple(line for subject, check in CHECKS.items() for line in _made(subject, check, site))


def of_database(state: Path) -> CheckLine:
    """The database read from end to end; takes a second for each 500 MB or so."""
    try:
        if not state.is_dir():
            missing = FileError(f"{state}: there is no such folder", hint="give the service's own: --state")
            return of_fault("database", missing)
        is_there = integrity.examine_in_use(state / "provisioner.db")
    except (DamagedDatabaseError, NewerFolderError) as fault:
        return of_fault("database", fault)
    except OSError as fault:
        sentence = str(file_fault.explained(fault))
        return CheckLine(subject="database", state="unknown", sentence=sentence, hint="ask as root")
    except ProvisionError as fault:
        return CheckLine(subject="database", state="unknown", sentence=str(fault), hint=fault.hint)
    said = "whole" if is_there else "nobody has used this folder yet"
    return CheckLine(subject="database", state="ok", sentence=f"{state / 'provisioner.db'}: {said}")


def of_fault(subject: str, fault: ProvisionError) -> CheckLine:
    """A red line in the words of an error."""
    return CheckLine(subject=subject, state="fault", sentence=str(fault), hint=fault.hint, code=fault.code)


def _made(subject: str, check: Check, site: Site) -> Iterator[CheckLine]:
    try:
        yield from check(site)
    except ProvisionError as fault:
        yield of_fault(subject, fault)
    except OSError as fault:
        sentence = f"cannot be looked at: {file_fault.explained(fault)}"
        yield CheckLine(subject=subject, state="unknown", sentence=sentence, hint="ask as root")
    except sqlite3.Error as fault:  # a database that this release has not seen yet
        hint = "start the service, which brings the database to this release"
        sentence = f"cannot be looked at: {fault}"
        yield CheckLine(subject=subject, state="unknown", sentence=sentence, hint=hint)


def _interface(site: Site) -> Iterator[CheckLine]:
    interface.check_interface(site.settings)
    for name in {site.settings.interface, *(network.interface for network in site.settings.networks)} - {""}:
        state = Path(f"/sys/class/net/{name}/operstate")
        if state.exists() and state.read_text().strip() in ("down", "lowerlayerdown"):
            hint = f"is its cable in, the switch on? ip link set {name} up"
            yield CheckLine(subject="interface", state="warning", sentence=f"{name} has no link", hint=hint)
            return
    yield _ok("interface", f"{site.settings.interface} has {site.settings.address}")


def _ports(site: Site) -> Iterator[CheckLine]:
    foreign = False
    found = ports.look(site.settings)
    for port in found:
        if port.holder and not port.is_ours:
            foreign = True
            yield CheckLine(
                subject="ports",
                state="warning",
                sentence=f"port {port} of {port.service} is held by {port.holder}",
                hint=f"end it, or leave {port.service} out of `services` in the settings",
            )
    if not foreign:
        ours = ", ".join(str(port) for port in found if port.is_ours)
        free = ", ".join(str(port) for port in found if not port.holder)
        words = [f"ours: {ours}" if ours else "", f"free: {free}" if free else ""]
        yield _ok("ports", "; ".join(filter(None, words)))


def _clock(site: Site) -> Iterator[CheckLine]:
    ahead = site.real_time() - site.clock()
    newest = site.database.events.newest_time()
    if newest > site.clock() + DRIFT:
        yield CheckLine(
            subject="clock",
            state="warning",
            sentence=f"the last event was written {duration(newest - site.clock())} from now",
            hint="this machine's clock is wrong, or it was then: date; timedatectl set-time, or chrony",
        )
    elif abs(ahead) > DRIFT:
        direction = "ahead of" if ahead > 0 else "behind"
        yield CheckLine(
            subject="clock",
            state="warning",
            sentence=f"this machine's clock is {duration(abs(ahead))} {direction} the service's own,"
            " which nobody sets",
            hint="somebody has set it; what the service times is right, and its dates are at the next start",
        )
    else:
        yield _ok("clock", "steady, and the machine's own agrees")


def _room(site: Site) -> Iterator[CheckLine]:
    state = site.settings.state
    free = disk_usage.room(state)
    if free >= LITTLE:
        yield _ok("free space", f"{size(free)} for {state}")
        return
    largest = ", ".join(f"{name} {size(taken)}" for name, taken in disk_usage.parts(state)[:SHOWN])
    yield CheckLine(
        subject="free space",
        state="fault" if free < LEAST else "warning",
        sentence=f"{size(free)} are left for {state}; it holds {largest}",
        hint="provision image gc; [retention] in the settings; images that no host needs",
        code=609 if free < LEAST else 0,
    )


def _rows(site: Site) -> Iterator[CheckLine]:
    """What the database holds and no list shows."""
    faults = site.database.unreadable()
    for fault in faults[:SHOWN]:
        yield of_fault("rows", fault)
    if not faults:
        yield _ok("rows", "each one can be read")


def _secrets(site: Site) -> Iterator[CheckLine]:
    """Tokens and keys: there, and nobody else's to read; what opens the secrets that are encrypted."""
    state = site.settings.state
    certificate = site_certificate.key_file(state)
    for path in (state, secrets_folder(state), certificate, secret_keys.public_file(state)):
        if not path.exists():
            hint = "the next start of the service makes it anew"
            yield CheckLine(subject="secrets", state="warning", sentence=f"{path} is missing", hint=hint)
        elif path.stat().st_mode & 0o077:
            yield CheckLine(
                subject="secrets",
                state="fault",
                sentence=f"others may look into {path}",
                hint=f"chmod go= {path}; then change what it holds",
                code=613,
            )
        else:
            continue
        return
    key = secret_keys.public_key(state)
    number, kept = sealed_box.key_id(key.raw), site.database.secrets.by_key()
    others = ", ".join(f"{count} by {name or 'none'}" for name, count in kept.items() if name != number)
    if others:
        sentence = f"secrets are encrypted by another key than {number}: {others}"
        hint = "give the older key on a line after the newer one, and start the service again"
        yield CheckLine(subject="secrets", state="fault", sentence=sentence, hint=hint, code=696)
        return
    yield _ok("secrets", f"{kept.get(number, 0)} are encrypted by the key {number}, from {key.source}")


def _certificates(site: Site) -> Iterator[CheckLine]:
    """Whose images are believed, and which BMCs have shown a certificate."""
    keys = {path.stem for path in trusted_keys(site.settings.state)}
    if not keys:
        hint = "provision image trust KEY.pub; then provision ramdisk build"
        yield CheckLine(subject="keys", state="warning", sentence="no key is trusted", hint=hint)
    else:
        yield _ok("keys", f"trusted: {', '.join(sorted(keys))}")
    for image in site.database.images.all():
        if not is_trusted(site.settings.state, image):
            yield CheckLine(
                subject="keys",
                state="fault",
                sentence=f"{image.id} is signed by {image.signed_by}, which is not trusted any more",
                hint=f"provision image trust {image.signed_by}.pub; or another image",
                code=326,
            )
    hosts = {host.name for host in site.database.hosts.all()}
    pins = {
        path.name.removesuffix(".bmc.sha256")
        for path in secrets_folder(site.settings.state).glob("*.bmc.sha256")
    }
    if pins - hosts:
        names = ", ".join(sorted(pins - hosts)[:SHOWN])
        folder = secrets_folder(site.settings.state)
        hint = f"remove {folder}/NAME.bmc.sha256 before a host of that name is added"
        sentence = f"a BMC's certificate is pinned for hosts that nobody knows: {names}"
        yield CheckLine(subject="certificates", state="warning", sentence=sentence, hint=hint)
    else:
        yield _ok("certificates", f"{len(pins)} BMCs have theirs pinned; provision bmc test HOST compares it")


def _bmc_logins(site: Site) -> Iterator[CheckLine]:
    """What tests of BMCs have found: logins that everybody knows."""
    known = {host.name for host in site.database.hosts.all()}
    weak = {name: words for name, words in site.database.values.weak_logins().items() if name in known}
    for name, words in sorted(weak.items())[:SHOWN]:
        sentence, _, hint = f"the BMC of {name}: {words[0]}".rpartition(": ")
        yield CheckLine(subject="BMC logins", state="warning", sentence=sentence, hint=hint)
    if len(weak) > SHOWN:
        others = ", ".join(sorted(weak)[SHOWN:])
        yield CheckLine(
            subject="BMC logins",
            state="warning",
            sentence=f"likewise: {others}",
            hint="provision bmc rotate HOST",
        )
    if not weak:
        yield _ok("BMC logins", "none that was tested is weak; provision bmc test --all tests them")


def _boot_files(site: Site) -> Iterator[CheckLine]:
    """What firmware of each architecture is given: a file that several need is missed once."""
    state, missing = site.settings.state, set[str]()
    for name in dict.fromkeys(boot.name for boot in ARCHITECTURES.values()):
        if not boot_files.boot_file(state, name):
            missing.add(name)
            is_usual = name in USUAL
            needing = [str(number) for number, boot in ARCHITECTURES.items() if boot.name == name]
            whose = f"architecture{'s' if len(needing) > 1 else ''} {', '.join(needing)}"
            yield CheckLine(
                subject="boot files",
                state="fault" if is_usual else "warning",
                sentence=f"{name} is missing ({whose}): such machines get an address only",
                hint="provision ramdisk build"
                if is_usual
                else f"put it into {state / 'ramdisk'} if you have such",
                code=672 if is_usual else 0,
            )
    for name in ("vmlinuz", "initrd.img", "local.efi"):
        if not boot_files.boot_file(state, name):
            missing.add(name)
            hint = "provision ramdisk build"
            sentence = f"{name} is missing"
            yield CheckLine(subject="ramdisk", state="fault", sentence=sentence, hint=hint, code=672)
    if not missing:
        yield _ok("boot files", "there for each architecture, and the ramdisk")


def _other_servers(site: Site) -> Iterator[CheckLine]:
    if "dhcp" not in site.settings.services:
        yield CheckLine(
            subject="DHCP", state="unknown", sentence="nobody listens: dhcp is not among the services"
        )
    elif deaf := site.database.values.deaf_interfaces():
        hint = "give the service CAP_NET_RAW, as provisioner-dhcp.service does"
        sentence = f"other servers cannot be heard on {', '.join(deaf)}"
        yield CheckLine(subject="DHCP", state="warning", sentence=sentence, hint=hint)
    elif servers := lan.rogue_servers(site):
        named = "; ".join(map(lan.describe_server, servers))
        is_wanted = lan.is_sole_server(site)
        hint = 'unplug it; or, if it belongs to the site, set dhcp.mode = "proxy" (docs/network.md)'
        if is_wanted:
            yield _ok("DHCP", f"beside the site's own server: {named}")
        else:
            sentence = f"another server answers, so deployments are refused: {named}"
            yield CheckLine(subject="DHCP", state="fault", sentence=sentence, hint=hint, code=670)
    else:
        yield _ok("DHCP", "no other server is heard")


def _worker(site: Site) -> Iterator[CheckLine]:
    """It is alive where nothing waits for it."""
    now, database = site.clock(), site.database
    asked = [request for request in database.requests.open() if now - request.created > PATIENCE]
    late = [
        row
        for row in database.deployments.under_way()
        if 0 < row.deadline < now - PATIENCE and not row.paused
    ]
    if asked or late:
        waiting = [f"a request to the BMC of {asked[0].host}"] if asked else []
        waiting += [f"the deadline of {late[0].id}"] if late else []
        hint = "is worker among the services? Its log says why; systemctl restart provisioner-worker"
        sentence = f"it does nothing: {' and '.join(waiting)} waits for more than {duration(PATIENCE)}"
        yield CheckLine(subject="worker", state="fault", sentence=sentence, hint=hint, code=674)
    else:
        yield _ok("worker", "nothing waits for it")


def _ok(subject: str, sentence: str) -> CheckLine:
    return CheckLine(subject=subject, state="ok", sentence=sentence)


CHECKS: dict[str, Check] = {
    "interface": _interface,
    "ports": _ports,
    "clock": _clock,
    "free space": _room,
    "rows": _rows,
    "secrets": _secrets,
    "keys": _certificates,
    "BMC logins": _bmc_logins,
    "boot files": _boot_files,
    "DHCP": _other_servers,
    "worker": _worker,
}
