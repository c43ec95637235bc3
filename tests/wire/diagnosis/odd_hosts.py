"""Healthy hosts that behave in ways that look like a fault: nothing may be named for them."""

from collections.abc import Callable
from typing import Any

from provisioner.deployment.record import record
from provisioner.diagnosis.overdue import overdue
from provisioner.domain.events.agent import AgentSilent
from provisioner.domain.events.power import PowerAsked, PowerBegan
from provisioner.domain.events.system import DiskChosen
from provisioner.domain.events.verification import SealDone, VerifyPassed
from provisioner.domain.host import Bmc
from provisioner.domain.profile import Profile
from provisioner.domain.stage import Stage
from provisioner.services.dhcp.packet import Message
from provisioner.verify import ansible
from tests.wire.diagnosis.lab import BIOS, HTTP_BOOT, MAC, PXE_WAITS, TOTAL, UEFI, Lab, facts

SIBLING, NEIGHBOUR = "52:54:00:00:00:02", "52:54:00:00:00:06"
STEP = 5.0  # seconds between two looks


class Watched:
    """A lab that is looked at as its time passes; `false` is what was named."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.false: list[str] = []

    def wait(self, seconds: float) -> None:
        while seconds > 0:
            self.lab.wait(min(STEP, seconds))
            seconds -= STEP
            self.false += [f"PV-{cause.code}: {cause.sentence}" for cause in self.lab.causes()]

    def ask_as_pxe(self, *waits: float, **how: Any) -> None:
        """A firmware asks four times, or as often as `waits` says, and is looked at meanwhile."""
        self.lab.ask_as_pxe(waits or PXE_WAITS, wait=self.wait, **how)


Odd = Callable[[Watched], None]


def neighbour_asks_since_before(one: Watched) -> None:
    """A card that nobody knows, of the next MAC, has asked every minute for an hour before the power-on."""
    lab = one.lab
    lab.arm()
    for _ in range(60):
        lab.dhcp(mac=SIBLING)
        lab.wait(60)
    lab.slot()
    lab.power()
    one.ask_as_pxe(*[60] * 9, mac=SIBLING)
    lab.get_address()
    one.wait(STEP)


def neighbour_starts_in_post(one: Watched) -> None:
    """A new neighbour asks four times while the host tests its memory, and gives up."""
    lab = one.lab
    lab.start()
    one.wait(120)
    one.ask_as_pxe(mac=NEIGHBOUR)
    one.wait(600)
    lab.get_address()
    one.wait(STEP)


def ipv6_between_ports(one: Watched) -> None:
    """Its firmware asks by its other port, by IPv4 and IPv6, before its own."""
    lab = one.lab
    lab.start(macs=(MAC, SIBLING))
    one.wait(120)
    one.ask_as_pxe(mac=SIBLING)
    one.wait(90)
    lab.get_address()
    one.wait(STEP)


def slow_first_boot(one: Watched) -> None:
    """Four times in turn eight minutes from address to report; cloud-init sets the name only at its end."""
    lab = one.lab
    for _ in range(4):
        lab.reach_reboot()
        one.wait(60)
        lab.dhcp(arch=None, options={12: b"ubuntu"})
        one.wait(480)
        assert lab.phone().status_code == 200
        one.wait(30)
        record(lab.site, lab.ident, VerifyPassed(), source="t")
        record(lab.site, lab.ident, SealDone(mode="full"), source="t")
        lab.sequence, lab.token = 0, ""
        lab.wait(60)


def slow_line(one: Watched) -> None:
    """The initramfs takes 400 s."""
    one.lab.reach_script()
    one.lab.files("vmlinuz")
    one.wait(400)
    one.lab.files("initrd.img")
    one.wait(STEP)


def dual_mode(one: Watched) -> None:
    """Its firmware tries legacy PXE first and boots by UEFI, before the reboot and after it."""
    lab = one.lab
    lab.start()
    one.wait(100)
    one.ask_as_pxe(4, 8, 16, arch=BIOS)
    lab.get_address(arch=UEFI)
    lab.fetch("snponly.efi")
    one.wait(STEP)
    lab.script()
    lab.files()
    one.wait(60)
    assert lab.hello().status_code == 200
    lab.tell("written")
    record(lab.site, lab.ident, DiskChosen(note=""), source="bmc")
    lab.tell("written")
    one.wait(120)
    for arch in (BIOS, UEFI):
        one.ask_as_pxe(20, arch=arch)


def other_architectures_first(one: Watched) -> None:
    """It asks for what has no boot file, as 18 and as 6, before it asks as x64."""
    lab = one.lab
    lab.start()
    one.wait(100)
    for arch in (18, 6):
        one.ask_as_pxe(4, 8, arch=arch)
    lab.get_address(arch=UEFI)
    one.wait(STEP)


def old_system_renews(one: Watched) -> None:
    """The system that goes down renews its lease after the power-on; POST takes five minutes."""
    lab = one.lab
    lab.start()
    one.wait(10)
    lab.dhcp(Message.REQUEST, arch=None, options={12: b"vc-1", 50: bytes([10, 77, 0, 64])})
    one.wait(300)
    lab.get_address()
    one.wait(STEP)


def long_post(one: Watched) -> None:
    """It tests its memory for almost a quarter of an hour."""
    one.lab.start()
    one.wait(825)
    one.lab.get_address()
    one.wait(STEP)


def neighbour_asks_all_the_time(one: Watched) -> None:
    """A new neighbour is powered after the host, and asks every minute of its POST."""
    one.lab.start()
    for _ in range(12):
        one.wait(60)
        one.lab.dhcp(mac=NEIGHBOUR)
    one.lab.get_address()
    one.wait(STEP)


def own_bmc_asks(one: Watched) -> None:
    """Its BMC, of the next MAC, asks for an address in POST."""
    one.lab.start()
    one.wait(30)
    one.lab.dhcp(mac=SIBLING, arch=None)
    one.wait(600)
    one.lab.get_address()
    one.wait(STEP)


def other_port_by_http_too(one: Watched) -> None:
    """By its other port it tries IPv4, IPv6 and HTTP, a minute each, and then its own."""
    lab = one.lab
    lab.start(macs=(MAC, SIBLING))
    one.wait(200)
    for arch in (UEFI, HTTP_BOOT):
        one.ask_as_pxe(mac=SIBLING, arch=arch)
        one.wait(60)
    lab.get_address()
    one.wait(STEP)


def person_comes_late(one: Watched) -> None:
    """Its button is pressed after 13 minutes."""
    lab = one.lab
    lab.arm(bmc=Bmc(driver="manual"))
    lab.slot()
    record(lab.site, lab.ident, PowerBegan(nonce=lab.nonce), source="worker")
    record(lab.site, lab.ident, PowerAsked(note="press it"), source="bmc")
    one.wait(800)
    lab.get_address()
    one.wait(STEP)


def old_system_shuts_down(one: Watched) -> None:
    """It is reset softly: its old system takes a minute to go down, and asks until then."""
    lab = one.lab
    lab.start()
    for _ in range(4):
        one.wait(20)
        lab.dhcp(Message.REQUEST, arch=None, options={12: b"old-system"})
    one.wait(500)
    lab.get_address()
    one.wait(STEP)


def second_attempt_tests_memory(one: Watched) -> None:
    """Its agent was lost once; the second start takes 13 minutes."""
    lab = one.lab
    lab.reach_writing()
    lab.tell("progress")
    lab.wait(61)
    record(lab.site, lab.ident, AgentSilent(seconds=61, who="agent"), source="worker")
    lab.power()
    one.wait(780)
    lab.get_address()
    one.wait(STEP)


def ipxe_tries_other_cards(one: Watched) -> None:
    """iPXE asks by its other ports first, at a switch that holds each back."""
    lab = one.lab
    lab.start()
    lab.wait(60)
    lab.get_address()
    assert lab.fetch("snponly.efi") == "done"
    one.wait(220)
    lab.script()
    one.wait(STEP)


def slow_kernel(one: Watched) -> None:
    """Its line is so slow that the kernel takes more than three minutes."""
    one.lab.reach_script()
    one.wait(220)
    one.lab.files("vmlinuz")
    one.wait(STEP)


def boots_by_http_after_legacy(one: Watched) -> None:
    """It asks as BIOS and then boots by HTTP, before the reboot and after it."""
    lab = one.lab
    lab.start()
    one.wait(100)
    lab.dhcp(arch=BIOS)
    one.wait(30)
    lab.get_address(arch=HTTP_BOOT)
    one.wait(10)
    lab.script()
    lab.files()
    one.wait(60)
    assert lab.hello().status_code == 200
    lab.tell("written")
    record(lab.site, lab.ident, DiskChosen(note=""), source="bmc")
    lab.tell("written")
    one.wait(200)
    lab.dhcp(arch=BIOS)
    one.wait(30)
    lab.dhcp(arch=HTTP_BOOT)
    one.wait(30)


def first_boot_of(seconds: float, name: bytes) -> Odd:
    def odd(one: Watched) -> None:
        lab = one.lab
        lab.reach_reboot()
        one.wait(400)
        lab.dhcp(arch=None, options={12: name})
        one.wait(seconds)
        assert lab.phone().status_code == 200
        one.wait(STEP)

    odd.__name__ = f"first_boot_of_{name.decode()}"
    return odd


def network_first_then_slow(one: Watched) -> None:
    """Its firmware tries the network once, is sent to its disk, and starts anew for twelve minutes."""
    lab = one.lab
    lab.reach_reboot()
    one.wait(400)
    lab.get_address()
    lab.script()
    one.wait(720)
    lab.dhcp(arch=None, options={12: b"vc-1"})
    one.wait(200)
    assert lab.phone().status_code == 200


def restarts_once_more(one: Watched) -> None:
    """Its system installs a driver and restarts by itself before it reports."""
    lab = one.lab
    lab.reach_reboot()
    one.wait(200)
    lab.dhcp(arch=None, options={12: b"vc-1"})
    one.wait(200)
    lab.get_address()
    lab.script()
    one.wait(300)
    lab.dhcp(arch=None, options={12: b"vc-1"})
    one.wait(300)
    assert lab.phone().status_code == 200


def sshd_starts_late(one: Watched) -> None:
    """Its sshd waits for host keys and entropy."""
    lab = one.lab
    lab.reach_verifying()
    words = "Failed to connect to the host via ssh: ssh: connect to host 10.77.0.64 port 22: "
    for _ in range(22):
        lab.unreachable(words + "Connection refused")
        one.wait(10)


def tests_terabytes(one: Watched) -> None:
    """Its profile says 4 TiB of memory: it tests them for 25 minutes, at the first start and at the next."""
    large = Profile(name="cube", image="vault-os", memory_min=4 << 40)
    one.lab.site.database.put_inventory([], [large], one.lab.site.settings.hosts_range)
    starts_for(one, 1500)
    lab = one.lab
    lab.fetch("snponly.efi")
    lab.script()
    lab.files()
    one.wait(60)
    assert lab.hello().status_code == 200
    lab.tell("written")
    record(lab.site, lab.ident, DiskChosen(note=""), source="bmc")
    lab.tell("written")
    one.wait(1500)
    lab.dhcp(arch=None, options={12: b"vc-1"})
    one.wait(600)
    assert lab.phone().status_code == 200


def profile_says_so(one: Watched) -> None:
    """Its profile allows 40 minutes of POST, and it needs 35."""
    patient = Profile(name="cube", image="vault-os", deadlines={Stage.POWERING: 2400})
    one.lab.site.database.put_inventory([], [patient], one.lab.site.settings.hosts_range)
    starts_for(one, 2100)


def starts_for(one: Watched, seconds: float) -> None:
    """Until its first packet, which comes before the stage has ended."""
    one.lab.start()
    one.wait(seconds)
    assert one.lab.clock.now < one.lab.row.deadline
    one.lab.get_address()
    one.wait(STEP)


def was_too_slow_once(one: Watched) -> None:
    """Its first order failed after a quarter of an hour; its firmware asked after twenty minutes. So the
    second order waits, and the third, which has only the second's word.
    """
    lab = one.lab
    lab.start()
    lab.wait(1000)
    record(lab.site, lab.ident, overdue(lab.site, lab.row), source="worker")
    assert lab.row.stage == Stage.FAILED
    lab.wait(200)
    lab.get_address()
    for _ in range(2):
        lab.wait(300)
        starts_for(one, 1200)
        lab.fetch("snponly.efi")
        lab.script()
        lab.files()
        assert lab.hello().status_code == 200
        lab.tell("written")
        record(lab.site, lab.ident, DiskChosen(note=""), source="bmc")
        lab.tell("written")
        assert lab.phone().status_code == 200
        record(lab.site, lab.ident, VerifyPassed(), source="t")
        record(lab.site, lab.ident, SealDone(mode="full"), source="t")
        lab.sequence, lab.token = 0, ""


def flushes(speed: float, seconds: float) -> Odd:
    """Its agent is not heard while the disk takes what it was given."""

    def odd(one: Watched) -> None:
        lab = one.lab
        lab.reach_writing()
        for number in range(30):
            lab.tell("progress", done=int((number + 1) * 2 * speed), rate=speed)
            one.wait(2)
        one.wait(seconds - 2)
        lab.tell("progress", phase="reading back", done=TOTAL, rate=0.0)
        one.wait(STEP)

    odd.__name__ = f"flushes_for_{seconds:.0f}_s"
    return odd


def verified_for_long(one: Watched) -> None:
    """Ansible needs twenty minutes, after four in which sshd starts."""
    lab = one.lab
    lab.reach_verifying()
    words = "Failed to connect to the host via ssh: ssh: connect to host 10.77.0.64 port 22: "
    for _ in range(22):
        lab.unreachable(words + "Connection refused")
        one.wait(10)
    one.wait(1200)
    assert lab.clock.now < lab.row.deadline
    lab.ansible(ansible.PlayResult(outputs={"read facts": facts()}))
    assert lab.row.stage == Stage.SEALING


def vanishes_after_size(one: Watched) -> None:
    """Its firmware asks how large its file is, and fetches it by another port; iPXE waits for its switch."""
    lab = one.lab
    lab.start()
    lab.wait(60)
    lab.get_address()
    given_up = lab.probe_size("snponly.efi")
    one.wait(3)
    assert lab.fetch("snponly.efi") == "done"
    one.wait(17)
    assert given_up().startswith("lost")
    one.wait(150)
    lab.script()
    one.wait(STEP)


def vanishes_and_thinks(one: Watched) -> None:
    """Its firmware asks how large its file is, tries its other ways to boot, and then fetches it."""
    lab = one.lab
    lab.start()
    lab.wait(60)
    lab.get_address()
    given_up = lab.probe_size("snponly.efi")
    one.wait(20)
    assert given_up().startswith("lost")
    one.wait(60)
    assert lab.fetch("snponly.efi") == "done"
    one.wait(60)
    lab.script()
    one.wait(STEP)


def queued_for_hours(one: Watched) -> None:
    """Others of its run are under way."""
    one.lab.arm()
    one.wait(7200)


ODD_HOSTS: tuple[Odd, ...] = (
    neighbour_asks_since_before,
    neighbour_starts_in_post,
    ipv6_between_ports,
    slow_first_boot,
    slow_line,
    dual_mode,
    other_architectures_first,
    old_system_renews,
    long_post,
    neighbour_asks_all_the_time,
    own_bmc_asks,
    other_port_by_http_too,
    person_comes_late,
    old_system_shuts_down,
    second_attempt_tests_memory,
    ipxe_tries_other_cards,
    slow_kernel,
    boots_by_http_after_legacy,
    first_boot_of(690, b"ubuntu"),
    first_boot_of(700, b"vc-1"),
    first_boot_of(600, b"localhost"),
    network_first_then_slow,
    restarts_once_more,
    sshd_starts_late,
    tests_terabytes,
    profile_says_so,
    was_too_slow_once,
    flushes(4e8, 36),
    flushes(8e6, 85),
    verified_for_long,
    vanishes_after_size,
    vanishes_and_thinks,
    queued_for_hours,
)
