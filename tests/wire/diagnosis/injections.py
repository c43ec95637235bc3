"""Causes, each with how it is put into a deployment that waits; the codes are those of the operator's table.

Each function plays until the evidence is there, and returns when that was, by the service's clock. Where only
silence is evidence, that is when a healthy machine would have been heard at the latest.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address
from typing import Any

from provisioner.deployment.record import record
from provisioner.diagnosis import dhcp, first_boot, netboot, power, verification
from provisioner.domain.events.power import PowerAsked, PowerBegan
from provisioner.domain.hardware import HardwareFacts, NeighbourInfo
from provisioner.domain.lifecycle import verification_seconds
from provisioner.domain.profile import Gpu, Profile
from provisioner.domain.progress import Progress
from provisioner.services.dhcp.frames import UdpDatagram
from provisioner.services.dhcp.packet import Message, Packet
from provisioner.services.dhcp.rogue_servers import RogueServers
from provisioner.verify import ansible, ssh
from tests.unit.conftest import put_installer
from tests.wire.diagnosis.lab import (
    ADDRESS,
    BIOS,
    MAC,
    PXE_WAITS,
    SERVER,
    TOTAL,
    UUID,
    Lab,
    facts,
    gpu,
    gpus,
    small_disk,
)

OTHER, STRANGER = "52:54:00:00:00:02", "52:54:00:aa:00:07"
ROGUE = IPv4Address("10.77.0.9")
Inject = Callable[[Lab], float]


@dataclass(frozen=True)
class Injection:
    """A cause, by what it is injected, and which code names it."""

    name: str
    code: int
    how: str
    inject: Inject


# the BMC


def bmc(dialect: str, login: tuple[str, str] = ("provision", "lab-secret")) -> Inject:
    def inject(lab: Lab) -> float:
        lab.ident = lab.powers(dialect, login).id
        return lab.row.last_event_at

    return inject


def boot_device_refused(lab: Lab) -> float:
    bmc("NoBootOptions")(lab)
    return lab.clock.now


def own_system(lab: Lab) -> float:
    lab.start()
    lab.wait(200)
    lab.dhcp(Message.REQUEST, arch=None, options={12: b"old-system"})
    return lab.clock.now


def button(lab: Lab) -> float:
    lab.arm()
    lab.slot()
    record(lab.site, lab.ident, PowerBegan(nonce="n"), source="worker")
    record(lab.site, lab.ident, PowerAsked(note="press the power button of vc-1"), source="bmc")
    return lab.clock.now + power.SLOWEST_START


def power_lost(lab: Lab) -> float:
    lab.reach_writing()
    for number in range(2):
        lab.wait(30)
        lab.tell("progress")
        lab.dhcp(Message.DISCOVER)  # its firmware, in the middle of writing
        lab.power()
        if number == 0:
            lab.wait(100)
            lab.get_address()
            lab.script()
            lab.files()
            lab.wait(60)
            assert lab.hello().status_code == 200
    return lab.clock.now


# DHCP


def rogue(lab: Lab) -> float:
    lab.start()
    lab.wait(60)
    servers = RogueServers(frozenset({SERVER}), lambda kind, server: None)
    offer = Packet(
        op=2, xid=1, chaddr=bytes(6), yiaddr=IPv4Address("10.77.0.99"), options={53: b"\2", 54: ROGUE.packed}
    )
    frame = UdpDatagram("52:54:00:00:00:09", ROGUE, 67, IPv4Address("255.255.255.255"), 68, offer.build())
    servers.receive(frame, "lan0", "52:54:00:77:00:01", lab.clock.now)
    lab.site.database.values.put_rogue_servers(servers.dump())
    return lab.clock.now


def other_offer(lab: Lab) -> float:
    lab.start()
    lab.wait(120)
    lab.dhcp(Message.DISCOVER)
    lab.wait(2)
    lab.dhcp(Message.REQUEST, options={50: IPv4Address("10.77.0.99").packed, 54: ROGUE.packed})
    return lab.clock.now


def no_boot_file(lab: Lab) -> float:
    lab.start()
    lab.wait(120)
    lab.dhcp(Message.DISCOVER, arch=6)
    # one packet is no evidence: firmware asks as IA32 or for HTTP before it boots as x64
    return lab.clock.now + dhcp.ARCH_GIVEN_UP


def asks_by(mac: str, *, options: dict[int, bytes] | None = None, **host: Any) -> Inject:
    """Another card asks as PXE does, and the host's own does not."""

    def inject(lab: Lab) -> float:
        lab.start(**host)
        lab.wait(150)
        lab.ask_as_pxe(mac=mac, options=options)
        # that the other port asks is no evidence before the firmware has gone on, by IPv6, to the next one
        return lab.clock.now - PXE_WAITS[-1] + dhcp.PORT_GIVEN_UP

    return inject


def by_near_mac(lab: Lab) -> float:
    """Only its MAC speaks for it: a neighbour's may be as near, so the slowest start must be over."""
    asks_by(OTHER)(lab)
    return lab.row.power_on + power.SLOWEST_START


def by_known_uuid(lab: Lab) -> float:
    """Its UUID is known; the MAC is of another maker's card."""
    uuid = bytes([0]) + bytes.fromhex("33221100554477668899aabbccddee01")
    return asks_by(STRANGER, options={97: uuid}, uuid=UUID)(lab)


def by_switch_port(lab: Lab) -> float:
    """LLDP named the switch port of the host's own card, and option 82 names it now for another."""
    heard = NeighbourInfo(nic="eth0", system="sw3", port="Eth1/17")
    lab.site.database.hosts.put_hardware(
        "vc-1", HardwareFacts(mac=MAC, macs=(MAC,), neighbours=(heard,)), lab.clock.now
    )
    relay = b"\1\7Eth1/17\2\3sw3"
    return asks_by(STRANGER, options={82: relay})(lab)


def unheard(lab: Lab) -> float:
    lab.start()
    return lab.row.power_on + power.SLOWEST_START


def offers_ignored(lab: Lab) -> float:
    lab.start()
    lab.wait(120)
    lab.ask_as_pxe()
    return lab.clock.now


# TFTP, iPXE, ramdisk


def has_address(lab: Lab) -> None:
    lab.start()
    lab.wait(120)
    lab.get_address()


def nothing_fetched(lab: Lab) -> float:
    has_address(lab)
    return lab.clock.now + netboot.FIRST_FETCH


def fetches(name: str, packets: int, limit: float, *, ends: str) -> Inject:
    def inject(lab: Lab) -> float:
        has_address(lab)
        assert lab.fetch(name, packets=packets).startswith(ends)
        return lab.clock.now + limit

    return inject


def size_asked_only(lab: Lab) -> float:
    has_address(lab)
    asked = lab.clock.now
    given_up = lab.probe_size("snponly.efi")
    lab.wait(20)
    assert given_up().startswith("lost")
    return asked + netboot.IPXE_STARTS


def script_denied(lab: Lab) -> float:
    lab.start(serial="S1")
    lab.wait(120)
    lab.get_address()
    lab.fetch("snponly.efi")
    lab.wait(5)
    assert "pv.nonce" not in lab.script("?arch=x86_64&serial=S2")
    return lab.clock.now


def loops(lab: Lab) -> float:
    lab.reach_script()
    for _ in range(2):
        lab.wait(90)
        lab.get_address()
        lab.script()
    return lab.clock.now


def kernel_missing(lab: Lab) -> float:
    lab.reach_script()
    return lab.clock.now + netboot.KERNEL_FETCHED


def ramdisk_missing(lab: Lab) -> float:
    lab.reach_script()
    lab.files("vmlinuz")
    return lab.clock.now + netboot.RAMDISK_FETCHED


def agent_silent(lab: Lab) -> float:
    lab.reach_script()
    lab.files()
    return lab.clock.now + netboot.RAMDISK_STARTS


def installer(lab: Lab) -> None:
    lab.image = put_installer(lab.site)
    has_address(lab)
    lab.fetch("snponly.efi")
    lab.wait(10)
    assert "autoinstall" in lab.script()


def seed_unread(lab: Lab) -> float:
    installer(lab)
    return lab.clock.now + netboot.SEED_READ


def read_seed(lab: Lab) -> None:
    installer(lab)
    lab.wait(200)
    seed = f"/autoinstall/{MAC.replace(':', '-')}/{lab.nonce}"
    assert lab.get(f"{seed}/user-data").status_code == 200


def installer_silent(lab: Lab) -> float:
    read_seed(lab)
    return lab.clock.now + netboot.INSTALLER_BEGINS


def installer_says(lab: Lab, event: str, name: str, result: str = "") -> None:
    seed = f"/autoinstall/{MAC.replace(':', '-')}/{lab.nonce}"
    body = {"name": name, "description": name, "event_type": event, "origin": "subiquity", "result": result}
    assert lab.post(f"{seed}/events", body).status_code == 200


def installer_unwinds(lab: Lab) -> float:
    read_seed(lab)
    lab.wait(60)
    installer_says(lab, "start", "subiquity/Install/install/curtin_install")
    lab.wait(60)
    installer_says(lab, "finish", "subiquity/Install/install/curtin_install", "FAIL")
    return lab.clock.now + 30


# writing


def agent_fails(code: int, sentence: str) -> Inject:
    def inject(lab: Lab) -> float:
        lab.reach_writing()
        lab.wait(2)
        lab.tell("failed", code=code, sentence=sentence, hint="correct the hints of host or profile")
        return lab.clock.now

    return inject


def agent_quiet(lab: Lab) -> float:
    lab.reach_writing()
    lab.wait(30)
    lab.tell("progress")
    return lab.clock.now


def stands_still(lab: Lab) -> float:
    lab.reach_writing()
    for _ in range(35):
        lab.wait(2)
        lab.tell("progress", rate=0.0, done=1 << 30)
    return lab.clock.now


def slow(lab: Lab) -> float:
    """Four others of the profile write at 400 MB/s, this one at 10 MB/s."""
    lab.reach_writing()
    for number in range(4):
        other = lab.site.database.hosts.get("vc-1").model_copy(
            update={"name": f"vc-{number + 2}", "macs": (f"52:54:00:00:01:{number:02x}",)}
        )
        lab.site.database.put_inventory([other], [], lab.site.settings.hosts_range)
        peer = lab.row.model_copy(
            update={
                "id": f"d-peer{number}",
                "host": other.name,
                "mac": other.macs[0],
                "nonce_hash": f"{number}",
                "token_hash": f"{number}",
            }
        )
        peer = peer.changed(progress=Progress(phase="writing", rate=4e8, speed=4e8 + number, total=TOTAL))
        with lab.site.database.writing():
            lab.site.database.deployments.put(peer)
    for number in range(40):
        lab.wait(2)
        lab.tell("progress", rate=1e7, done=int(2e7 * (number + 1)))
    return lab.clock.now


# the first boot


def boots_network_again(lab: Lab) -> float:
    lab.reach_reboot()
    for _ in range(3):
        lab.wait(90)
        lab.get_address()
        lab.script()
    return lab.clock.now


def disk_not_chosen(lab: Lab) -> float:
    lab.reach_reboot("the BMC did not set the boot device to disk: read-only")
    return lab.clock.now + first_boot.FIRST_START


def system_asks(name: bytes) -> Inject:
    def inject(lab: Lab) -> float:
        lab.reach_reboot()
        lab.wait(200)
        lab.dhcp(Message.DISCOVER, arch=None, options={12: name})
        lab.dhcp(
            Message.REQUEST, arch=None, options={12: name, 50: IPv4Address(ADDRESS).packed, 54: SERVER.packed}
        )
        return lab.clock.now + first_boot.PHONES

    return inject


def mode_changed(lab: Lab) -> float:
    lab.reach_reboot()
    lab.wait(120)
    lab.dhcp(Message.DISCOVER, arch=BIOS)
    return lab.clock.now


def not_restarted(lab: Lab) -> float:
    lab.reach_writing()
    lab.wait(60)
    lab.tell("written")
    return lab.clock.now + first_boot.DISK_IS_SET


def phone_refused(lab: Lab) -> float:
    lab.reach_reboot()
    lab.wait(200)
    assert lab.phone(token="of-an-older-deployment").status_code == 404
    return lab.clock.now


def nothing_reported(lab: Lab) -> float:
    lab.reach_reboot()
    return lab.clock.now + first_boot.FIRST_START


# over SSH


def ssh_says(words: str, limit: float = 0.0) -> Inject:
    def inject(lab: Lab) -> float:
        lab.reach_verifying()
        begun = lab.clock.now
        while lab.clock.now < begun + limit + 5:
            lab.wait(10)
            lab.unreachable(words)
        return lab.clock.now

    return inject


def ansible_hangs(lab: Lab) -> float:
    lab.reach_verifying()
    return lab.clock.now + verification_seconds(lab.clock.now, lab.row.deadline) + verification.RUN_ENDS


def finds(*, said: str = "", shown: str = "", **profile: Any) -> Inject:
    """The host prints these facts; its profile wants what `profile` says."""

    def inject(lab: Lab) -> float:
        wanted = Profile(name="cube", image="vault-os", **profile)
        lab.site.database.put_inventory([], [wanted], lab.site.settings.hosts_range)
        lab.reach_verifying()
        lab.wait(60)
        lab.ansible(ansible.PlayResult(outputs={"read facts": said or facts(), "read GPUs": shown or gpus()}))
        return lab.clock.now

    return inject


H100 = Gpu(id="10de:2330", count=2, name="H100", memory_min=80 << 30, link_width=16, ecc=True)
gpu_finding = partial(finds, gpus=(H100,), gpu_driver="580")


def sealing_unreachable(lab: Lab) -> float:
    lab.patch.setattr(ssh, "public_key", lambda target: "AAAA")
    lab.reach_verifying()
    lab.wait(60)
    lab.ansible(ansible.PlayResult(outputs={"read facts": facts()}))
    begun = lab.clock.now
    while lab.clock.now < begun + verification.WAS_REACHED:
        lab.wait(10)
        lab.unreachable("ssh: connect to host 10.77.0.64 port 22: Connection refused", sealing=True)
    return lab.clock.now


# ourselves


def disk_full(lab: Lab) -> float:
    has_address(lab)
    lab.patch.setattr(os, "statvfs", lambda path: small_disk())
    return lab.clock.now


def worker_dead(lab: Lab) -> float:
    has_address(lab)
    lab.has_worker = False
    return lab.clock.now + 60


BY_SIM = "IPMI simulator on loopback (pyghmi's server): "
BY_DHCP, BY_TFTP, BY_HTTP = "DHCP packets: ", "TFTP over a socket: ", "HTTP to the service: "
BY_SSH, BY_FACTS = "ssh's words, as recorded: ", "what the host's scripts print: "
REFUSED = "Failed to connect to the host via ssh: ssh: connect to host 10.77.0.64 port 22: Connection refused"
TIMED_OUT = (
    "Failed to connect to the host via ssh: ssh: connect to host 10.77.0.64 port 22: Connection timed out"
)
DENIED = "Failed to connect to the host via ssh: provision@10.77.0.64: Permission denied (publickey)."
CHANGED = "Failed to connect to the host via ssh: @@@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @@@"

INJECTIONS = (
    Injection("BMC unreachable", 201, BY_SIM + "none at its port", bmc("")),
    Injection("wrong password", 202, BY_SIM + "another password", bmc("Plain", ("provision", "wrong"))),
    Injection("cipher suites refused", 207, BY_SIM + "neither suite 17 nor 3", bmc("NoSuiteOfOurs")),
    Injection("BMC's user lacks rights", 213, BY_SIM + "privilege level user", bmc("UserOnly")),
    Injection("boot device not taken", 218, BY_SIM + "no boot options", boot_device_refused),
    Injection("booted its own disk", 217, BY_DHCP + "of a system, not of firmware", own_system),
    Injection("button not pressed", 219, "a host without a BMC, and silence", button),
    Injection("power lost while writing", 344, BY_DHCP + "of firmware, twice while it writes", power_lost),
    Injection("rogue DHCP server", 670, BY_DHCP + "another server's offer", rogue),
    Injection("another offer taken", 675, BY_DHCP + "a request to another server", other_offer),
    Injection("no boot file for it", 671, BY_DHCP + "architecture 6", no_boot_file),
    Injection("cable in port 2, near MAC", 216, BY_DHCP + "of the next MAC", by_near_mac),
    Injection(
        "cable in port 2, in inventory",
        216,
        BY_DHCP + "of the host's second MAC",
        asks_by(STRANGER, macs=(MAC, STRANGER)),
    ),
    Injection("cable in port 2, same UUID", 216, BY_DHCP + "of any MAC with the host's UUID", by_known_uuid),
    Injection(
        "cable in port 2, switch port", 216, BY_DHCP + "option 82 with the port of LLDP", by_switch_port
    ),
    Injection("no DHCP at all", 210, "silence after power-on", unheard),
    Injection("offers ignored", 225, BY_DHCP + "four discovers, no request", offers_ignored),
    Injection("TFTP never asked", 226, BY_DHCP + "then silence", nothing_fetched),
    Injection(
        "TFTP begun, never ended",
        222,
        BY_TFTP + "five packets, then silence",
        fetches("snponly.efi", 5, 20, ends="lost"),
    ),
    Injection(
        "TFTP answered, never heard", 222, BY_TFTP + "the size of snponly.efi, then silence", size_asked_only
    ),
    Injection(
        "TFTP of a wrong file", 223, BY_TFTP + "pxelinux.0", fetches("pxelinux.0", 1, 20, ends="refused")
    ),
    Injection(
        "iPXE never asks",
        224,
        BY_TFTP + "snponly.efi, then silence",
        fetches("snponly.efi", 1000, netboot.IPXE_STARTS, ends="done"),
    ),
    Injection("another machine at its MAC", 227, BY_HTTP + "a script with another serial", script_denied),
    Injection("iPXE loops", 221, BY_HTTP + "three scripts, no hello", loops),
    Injection("kernel never fetched", 228, BY_HTTP + "the script, no kernel", kernel_missing),
    Injection("ramdisk never fetched", 228, BY_HTTP + "the kernel, no ramdisk", ramdisk_missing),
    Injection("kernel fetched, agent silent", 220, BY_HTTP + "kernel and ramdisk, no hello", agent_silent),
    Injection("installer reads no seed", 229, BY_HTTP + "the installer's script, no seed", seed_unread),
    Injection("installer never reports", 230, BY_HTTP + "the seed, no report", installer_silent),
    Injection("installer's step fails", 350, BY_HTTP + "a report that failed", installer_unwinds),
    Injection(
        "disk missing",
        312,
        BY_HTTP + "the agent's report",
        agent_fails(312, "no disk fits: nvme0n1 is too small"),
    ),
    Injection(
        "disk ambiguous",
        313,
        BY_HTTP + "the agent's report",
        agent_fails(313, "two disks fit: nvme0n1, nvme1n1"),
    ),
    Injection(
        "disk foreign", 319, BY_HTTP + "the agent's report", agent_fails(319, "nvme0n1 is part of an LVM")
    ),
    Injection("agent falls silent", 342, BY_HTTP + "a report, then silence", agent_quiet),
    Injection("no byte moves", 343, BY_HTTP + "35 reports of the same bytes", stands_still),
    Injection("slow against siblings", 345, BY_HTTP + "reports of 10 MB/s beside 400", slow),
    Injection(
        "first boot: network again", 411, BY_HTTP + "three scripts after the reboot", boots_network_again
    ),
    Injection("first boot: disk not chosen", 412, "the BMC's refusal, then silence", disk_not_chosen),
    Injection(
        "first boot: another system", 413, BY_DHCP + "of a system with another name", system_asks(b"old-box")
    ),
    Injection("first boot: wrong mode", 414, BY_DHCP + "of BIOS after UEFI", mode_changed),
    Injection("first boot: not restarted", 415, BY_HTTP + "written, then no boot device", not_restarted),
    Injection(
        "first boot: no phone-home", 416, BY_DHCP + "of its own system, no report", system_asks(b"vc-1")
    ),
    Injection("first boot: old token", 417, BY_HTTP + "a phone-home with another token", phone_refused),
    Injection("first boot: nothing", 410, "silence after the reboot", nothing_reported),
    Injection("SSH host key changed", 511, BY_SSH + "identification has changed", ssh_says(CHANGED)),
    Injection("SSH key refused", 512, BY_SSH + "permission denied", ssh_says(DENIED, 30)),
    Injection(
        "Ansible unreachable: refused",
        510,
        BY_SSH + "connection refused",
        ssh_says(REFUSED, verification.SSH_STARTS),
    ),
    Injection(
        "Ansible unreachable: timeout",
        513,
        BY_SSH + "timed out",
        ssh_says(TIMED_OUT, verification.SSH_STARTS),
    ),
    Injection("Ansible does not end", 514, "silence of the verification", ansible_hangs),
    Injection("unreachable while sealed", 510, BY_SSH + "connection refused", sealing_unreachable),
    Injection("finding: image", 530, BY_FACTS + "another version", finds(said=facts(image_version="0"))),
    Injection(
        "finding: root disk",
        531,
        BY_FACTS + "another serial",
        finds(said=facts(root_disks=[{"name": "sda", "serial": "old"}])),
    ),
    Injection("finding: memory", 532, BY_FACTS + "64 of 128 GiB", finds(memory_min=128 << 30)),
    Injection("finding: network card", 533, BY_FACTS + "without its MAC", finds(said=facts(macs=[]))),
    Injection(
        "finding: PCI",
        534,
        BY_FACTS + "one GPU of two",
        finds(said=facts(pci=["10de:2330"]), gpus=(Gpu(id="10de:2330", count=2),)),
    ),
    Injection("finding: GPU driver", 535, BY_FACTS + "branch 550", gpu_finding(shown=gpus(driver="550.90"))),
    Injection(
        "finding: GPU count", 536, BY_FACTS + "one GPU of two", gpu_finding(shown=gpus(gpu(0), graphics=[]))
    ),
    Injection(
        "finding: GPU lost", 537, BY_FACTS + "one is on the bus alone", gpu_finding(shown=gpus(gpu(0)))
    ),
    Injection(
        "finding: GPU silent",
        538,
        BY_FACTS + "one tells no memory",
        gpu_finding(shown=gpus(gpu(0), gpu(1, memory=None))),
    ),
    Injection(
        "finding: GPU UUID twice",
        539,
        BY_FACTS + "one UUID twice",
        gpu_finding(shown=gpus(gpu(0), gpu(1, uuid="GPU-0"))),
    ),
    Injection(
        "finding: GPU memory",
        540,
        BY_FACTS + "40 GiB",
        gpu_finding(shown=gpus(gpu(0), gpu(1, memory=40 << 30))),
    ),
    Injection("finding: GPU link", 541, BY_FACTS + "x8", gpu_finding(shown=gpus(gpu(0), gpu(1, width=8)))),
    Injection(
        "finding: GPU ECC",
        542,
        BY_FACTS + "ECC off",
        gpu_finding(shown=gpus(gpu(0), gpu(1, ecc=False))),
    ),
    Injection("our own disk full", 609, "statvfs tells 4 kB", disk_full),
    Injection("our worker dead", 674, "its sign of life ends", worker_dead),
)
