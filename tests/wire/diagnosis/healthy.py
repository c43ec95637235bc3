"""Healthy deployments, each with other timings, up to the slowest that hardware.md and the causes name."""

from random import Random

from provisioner.deployment.record import record
from provisioner.domain.events.power import PowerBegan, PowerDelayed, PowerOn
from provisioner.domain.events.system import DiskChosen
from provisioner.domain.host import Bmc
from provisioner.domain.progress import Progress
from provisioner.services.dhcp.packet import Message
from provisioner.verify import ansible, ssh
from tests.wire.diagnosis.lab import BIOS, HTTP_BOOT, PXE_WAITS, TOTAL, UEFI, Lab, facts

SEEDS = range(1, 31)
STEP = 10.0  # seconds between two looks
SIBLING, NEIGHBOUR, BMC_MAC = "52:54:00:00:00:02", "52:54:00:00:00:03", "52:54:00:00:00:04"
REFUSED = "Failed to connect to the host via ssh: ssh: connect to host 10.77.0.64 port 22: Connection refused"


class Healthy:
    """One deployment; `false` is what was named, with the stage."""

    def __init__(self, lab: Lab, seed: int) -> None:
        self.lab, self.random = lab, Random(seed)
        self.false: list[str] = []

    def pass_time(self, least: float, most: float) -> None:
        """Somewhere between so many seconds, looked at all the time; one in three is near the most."""
        most_likely = self.random.uniform(0.95 * most, most) if self.random.random() < 0.33 else 0.0
        left = max(most_likely, self.random.uniform(least, most))
        while left > 0:
            self.lab.wait(min(STEP, left))
            left -= STEP
            self.look()

    def pass_exactly(self, seconds: float) -> None:
        self.pass_time(seconds, seconds)

    def look(self) -> None:
        for cause in self.lab.causes():
            words = f"PV-{cause.code} at {self.lab.row.stage}: {cause.sentence}"
            if words not in self.false:
                self.false.append(words)

    def maybe(self) -> bool:
        return self.random.random() < 0.5

    def powered(self) -> None:
        """Its BMC may be busy for a moment, and unable to show the boot device."""
        lab = self.lab
        lab.arm()
        self.pass_time(0, 900)  # in the queue
        lab.slot()
        lab.nonce = "n-1"
        record(lab.site, lab.ident, PowerBegan(nonce=lab.nonce), source="worker")
        for _ in range(self.random.randrange(4)):
            busy = PowerDelayed(code=211, sentence="BMC 10.0.0.9 is busy", hint="wait", pause=10)
            record(lab.site, lab.ident, busy, source="worker")
            self.pass_time(5, 15)
        is_shown = self.maybe()
        note = "" if is_shown else "asked for network, the BMC says unknown"
        on = PowerOn(boot="network" if is_shown else "unknown", confirmed=is_shown, note=note)
        record(lab.site, lab.ident, on, source="bmc")

    def starts(self) -> int:
        """POST; others ask meanwhile; its first port may be tried before the right one. The architecture."""
        lab, arch = self.lab, self.random.choice([UEFI, UEFI, BIOS, HTTP_BOOT])
        self.pass_time(30, 560)
        lab.dhcp(Message.DISCOVER, mac=NEIGHBOUR)  # another host, known
        lab.dhcp(Message.DISCOVER, mac=BMC_MAC, arch=None)  # a BMC that nobody named
        if self.maybe():
            lab.ask_as_pxe(PXE_WAITS[:3], wait=self.pass_exactly, mac=SIBLING, arch=arch)
        lab.ask_as_pxe(PXE_WAITS[: self.random.randrange(4)], wait=self.pass_exactly, arch=arch)
        lab.get_address(arch=arch)
        return arch

    def boots(self, arch: int) -> None:
        """Boot file, iPXE, kernel, ramdisk, hello."""
        lab = self.lab
        if arch != HTTP_BOOT:
            self.pass_time(1, 30)
            if self.maybe():
                lab.fetch("snponly.efi", packets=3)
                self.pass_time(5, 15)
            assert lab.fetch("snponly.efi" if arch == UEFI else "undionly.kpxe") == "done"
        self.pass_time(5, 110)
        lab.get_address(arch=arch, ipxe=True)
        lab.script()
        if self.maybe():
            lab.script()
        if self.random.random() < 0.2:  # it is reset once
            self.pass_time(60, 110)
            lab.get_address(arch=arch)
            lab.script()
        self.pass_time(1, 110)
        lab.files("vmlinuz")
        self.pass_time(1, 250)
        lab.files("initrd.img")
        self.pass_time(10, 250)
        lab.dhcp(Message.REQUEST, arch=None)  # the ramdisk
        self.pass_time(5, 150)
        assert lab.hello().status_code == 200

    def writes(self) -> None:
        """It may wait for its turn; its speed goes up and down."""
        lab, done = self.lab, 0
        self.peers()
        lab.tell("progress", phase="preparing", done=0, rate=0.0)
        self.pass_time(2, 20)
        if self.maybe():
            for _ in range(self.random.randrange(3, 20)):
                note = "waiting for our turn: 3 hosts before us, it begins in about 60 s"
                lab.tell("progress", phase="writing", done=0, rate=0.0, note=note)
                self.pass_time(5, 10)
        speed = self.random.choice([110e6, 400e6, 900e6])
        while done < TOTAL:
            pause = self.random.choice([2, 2, 2, 5, 10, 25])
            now = speed * self.random.uniform(0.5, 1.5) if self.random.random() < 0.95 else 0.0
            done = min(TOTAL, done + int(now * pause))
            self.lab.wait(pause)
            lab.tell("progress", done=done, rate=now)
            self.look()
        lab.tell("progress", phase="reading back", done=0, rate=0.0)
        self.pass_time(2, 28)
        lab.tell("written")

    def peers(self) -> None:
        """Others of the profile that write, or have written, at 400 MB/s."""
        site, row = self.lab.site, self.lab.row
        for number in range(4):
            other = site.database.hosts.get("vc-1").model_copy(
                update={"name": f"vc-{number + 10}", "macs": (f"52:54:00:00:01:{number:02x}",)}
            )
            site.database.put_inventory([other], [], site.settings.hosts_range)
            names = {"id": f"d-peer{number}", "host": other.name, "mac": other.macs[0]}
            secrets = {"nonce_hash": f"{number}", "token_hash": f"{number}"}
            peer = row.model_copy(update={**names, **secrets})
            peer = peer.changed(progress=Progress(phase="writing", rate=4e8, speed=4e8, total=TOTAL))
            with site.database.writing():
                site.database.deployments.put(peer)

    def restarts(self, arch: int) -> None:
        """Its BMC may be slow, or refuse the disk; its firmware may try the network first, once."""
        lab = self.lab
        self.pass_time(1, 200)
        note = "the BMC did not set the boot device to disk: read-only" if self.maybe() else ""
        record(lab.site, lab.ident, DiskChosen(note=note), source="bmc")
        self.pass_time(1, 20)
        lab.tell("written")
        self.pass_time(30, 560)
        if self.maybe():
            lab.get_address(arch=arch)
            self.pass_time(5, 40)
            assert "pv.nonce" not in lab.script()
        self.pass_time(10, 60)
        lab.dhcp(
            Message.DISCOVER, arch=None, options={12: self.random.choice([b"vc-1", b"localhost", b"ubuntu"])}
        )
        self.pass_time(10, 270)
        assert lab.phone().status_code == 200

    def is_verified(self) -> None:
        lab = self.lab
        begun = lab.clock.now
        while lab.clock.now - begun < self.random.uniform(0, 160):
            lab.unreachable(REFUSED)
            self.pass_time(5, 10)
        self.pass_time(30, 450)
        lab.ansible(ansible.PlayResult(outputs={"read facts": facts()}))
        lab.patch.setattr(ssh, "public_key", lambda target: "AAAA")
        if self.maybe():
            lab.unreachable(REFUSED, sealing=True)
            self.pass_time(5, 40)
        self.pass_time(5, 120)
        lab.patch.setattr(ssh, "probe_login", lambda route: "denied")
        (lab.site.settings.state / "runs" / f"{lab.ident}.seal").mkdir(parents=True, exist_ok=True)
        (lab.site.settings.state / "runs" / f"{lab.ident}.seal" / "last-step-sent").touch()
        lab.ansible(ansible.PlayResult(), sealing=True)


def play(lab: Lab, seed: int) -> list[str]:
    """From the order to its end; what was named on the way."""
    neighbour = lab.site.database.hosts.get("vc-1").model_copy(
        update={"name": "vc-2", "macs": (NEIGHBOUR,), "bmc": Bmc(driver="manual")}
    )
    lab.site.database.put_inventory([neighbour], [], lab.site.settings.hosts_range)
    host = Healthy(lab, seed)
    host.powered()
    arch = host.starts()
    host.boots(arch)
    host.writes()
    host.restarts(arch)
    host.is_verified()
    host.look()
    return host.false
