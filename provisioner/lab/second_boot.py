"""After `ready`: the host boots from the network once more, and must come up from its own disk, unchanged."""

import re
import socket
import time
from collections.abc import Iterable
from contextlib import suppress

from provisioner import run
from provisioner.domain.events.agent import AgentWritten
from provisioner.domain.events.installer import InstallerDisk
from provisioner.domain.events.payload import Payload
from provisioner.domain.events.system import OsPhoned
from provisioner.domain.events.verification import VerifyTask
from provisioner.lab import evidence
from provisioner.lab.rehearsal import MAC, NAME, Rehearsal

SHUTDOWN_LIMIT = 120.0  # seconds for a clean shutdown
BOOT_LIMIT = 400.0  # seconds for firmware, iPXE and the disk's kernel
SLACK = 2 << 20  # bytes that growing may leave: alignment and the backup table
LOGIN_LIMIT = 120.0  # seconds from the iPXE script to the login prompt, as promised
IN_SENTENCE = re.compile(r"\bserial (\S+)")  # before the WWN, where the disk has one
SCRIPT = re.compile(rf"{MAC} \(\S+\) is answered (\w+)")


def rehearse(lab: Rehearsal) -> None:
    """Press the power button, power on by BMC, watch it come up, and compare the disk before and after."""
    host = lab.host
    shut_down(lab)
    before = evidence.identity(lab.disk)
    _check_size(lab)
    lab.check(
        "the order's id is the instance-id", before.instance_id == lab.deployment.id, before.instance_id
    )
    offset, answers = host.console_offset(), len(_answers(lab))
    lab.provision("bmc", "power", NAME, "on")
    offset = host.wait_console("Linux version", since=offset, timeout=BOOT_LIMIT)
    writes = sum(host.block_writes())
    lab.check("writes before its own kernel speaks", writes == 0, f"{writes} write operations")
    served = _answers(lab)[answers:]
    lab.check("the boot script", served == ["Local"], f"answered {', '.join(served) or 'nothing'}")
    host.wait_console(r"login: ", since=offset, timeout=BOOT_LIMIT)
    seconds = time.time() - _script_time(lab)
    lab.check("login prompt after the iPXE script", seconds <= LOGIN_LIMIT, f"{seconds:.0f} s")
    if lab.options.image:  # the lab's own image is not hardened
        check_listeners(lab)
    shut_down(lab)
    _compare(lab, before)


def check_listeners(lab: Rehearsal) -> None:
    """What a program that we did not write finds open from outside: SSH, and nothing else."""
    address = str(lab.deployment.address)
    banner = _await_ssh(address)
    lab.check("SSH answers", banner.startswith("SSH-"), banner or "never")
    report = run.text(
        ["nmap", "-n", "-Pn", "-sS", "-p-", "--open", "--min-rate", "2000", "-oG", "-", address]
    )
    tcp = sorted(re.findall(r"(\d+)/open/tcp", report), key=int)
    lab.check("open TCP ports, by nmap", tcp == ["22"], ", ".join(tcp) or "none")
    # a service that answers nothing cannot be told from a packet that was lost: those that answer count
    report = run.text(
        ["nmap", "-n", "-Pn", "-sU", "--top-ports", "50", "--max-retries", "1", "-oG", "-", address]
    )
    udp = sorted(re.findall(r"(\d+)/open/udp", report), key=int)
    lab.check("UDP ports that answer, by nmap", not udp, ", ".join(udp) or "none of 50")


def rehearse_installed(lab: Rehearsal) -> None:
    """The same of a system that an installer made: its kernel need not speak on the serial line, so SSH
    is the sign that it came up, and nothing is known of how it lies on the disk but its table.
    """
    shut_down(lab)
    before, answers = evidence.identity(lab.disk), len(_answers(lab))
    lab.provision("bmc", "power", NAME, "on")
    banner = _await_ssh(str(lab.deployment.address))
    served = _answers(lab)[answers:]
    lab.check("the boot script", served == ["Local"], f"answered {', '.join(served) or 'nothing'}")
    lab.check("it came up again", banner.startswith("SSH-"), banner or "SSH never answered")
    shut_down(lab)
    _compare(lab, before)


def _await_ssh(address: str) -> str:
    """The first line of the host's SSH; empty where it never answers."""
    until = time.monotonic() + BOOT_LIMIT
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection((address, 22), 5) as line:
            line.settimeout(10)
            return line.recv(100).decode(errors="replace").strip()
        time.sleep(1)  # another machine's port opens without an event here
    return ""


def _compare(lab: Rehearsal, before: evidence.Identity) -> None:
    after = evidence.identity(lab.disk)
    for name in ("esp", "machine_id", "instance_id", "host_key"):
        old, new = getattr(before, name), getattr(after, name)
        lab.check(f"{name} unchanged", old == new, f"{old[:16]}" if old == new else f"{old} → {new}")


def _check_size(lab: Rehearsal) -> None:
    """The disk is larger than the image: table and root file system must have grown to its end."""
    manifest = lab.supplies.manifest
    fault = evidence.table_fault(lab.disk)
    lab.check(
        "the partition table, by sgdisk", not fault, fault or "no problems, its backup at the disk's end"
    )
    was, now = manifest.partition("root").length, evidence.root_size(lab.disk, manifest)
    most = lab.disk.stat().st_size - manifest.partition("root").offset
    lab.check("the root file system has grown", now > was and now > most - SLACK, f"{was} → {now} bytes")


def check_serials(lab: Rehearsal) -> None:
    """Who wrote, phone-home and verification each read the serial themselves, and the machine's is known."""
    wanted = lab.host.spec.disks[lab.scenario.written - 1].serial
    seen = serials_seen(event.data for event in lab.service.client.events(lab.deployment.id).events)
    serials = ", ".join(f"{who} {serial}" for who, serial in seen.items())
    lab.check("the disk's serial", set(seen.values()) == {wanted}, serials)


def serials_seen(told: Iterable[Payload]) -> dict[str, str]:
    """Who has read which serial of the disk, by the events of a deployment."""
    seen = {"verification": "never looked"}
    for data in told:
        if isinstance(data, InstallerDisk | AgentWritten):
            seen[data.kind.partition(".")[0]] = data.disk.serial
        elif isinstance(data, OsPhoned):
            seen["phone-home"] = data.root_disk.serial
        elif isinstance(data, VerifyTask) and data.task == "root disk":
            named = IN_SENTENCE.search(data.sentence)
            seen["verification"] = named[1] if named else data.sentence
    return seen


def shut_down(lab: Rehearsal) -> None:
    """Press the power button and wait until it is off. Raises ServiceError."""
    lab.host.press("shutdown")
    lab.host.wait_state("off", SHUTDOWN_LIMIT)


def _lines(lab: Rehearsal) -> list[str]:
    return lab.service.log.read_text(errors="replace").splitlines()


def _answers(lab: Rehearsal) -> list[str]:
    return [match[1] for line in _lines(lab) if (match := SCRIPT.search(line))]


def _script_time(lab: Rehearsal) -> float:
    """When the last script was served, by the service's log."""
    line = [line for line in _lines(lab) if SCRIPT.search(line)][-1]
    stamp = line.partition(",")[0]
    return time.mktime(time.strptime(stamp, "%Y-%m-%d %H:%M:%S"))
