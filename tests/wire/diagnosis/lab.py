"""One host that is deployed, played at protocol level; the service's own handlers answer, time is moved.

DHCP packets are bytes that are parsed and answered as on the wire, TFTP goes over a socket, HTTP through the
application, the BMC is a simulator, and what Ansible would print comes from here.
"""

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask.testing import FlaskClient
from werkzeug.wsgi import FileWrapper

from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.diagnosis.judges import causes_of
from provisioner.domain.cause import Cause
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.order import SlotGiven
from provisioner.domain.events.power import PowerBegan, PowerOn
from provisioner.domain.events.system import DiskChosen
from provisioner.domain.image import Image
from provisioner.imaging import signature
from provisioner.services.dhcp.boot import refusal_reason
from provisioner.services.dhcp.host_cache import HostCache
from provisioner.services.dhcp.networks import ServedNetworks
from provisioner.services.dhcp.packet import Message, Option, Packet
from provisioner.services.dhcp.policy import ClientRoles, answer
from provisioner.services.dhcp.sighting_recorder import SightingRecorder
from provisioner.services.tftp import transfer
from provisioner.services.tftp.loop import TftpLoop
from provisioner.services.tftp.service import TransferRecorder
from provisioner.site.site import Site
from provisioner.state.alive import mark_alive
from provisioner.state.sealed_secrets import CERTIFICATE_KEY, SITE
from provisioner.verify import ansible, ssh
from provisioner.worker import verification
from tests.unit.conftest import Clock

MAC, ADDRESS, SERVER = "52:54:00:00:00:01", "10.77.0.64", IPv4Address("10.77.0.1")
UUID = "00112233-4455-6677-8899-aabbccddee01"
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
UEFI, BIOS, HTTP_BOOT = 7, 0, 16
DISK = {"name": "nvme0n1", "size": 64 << 30, "logical_sector": 512, "serial": "disk-1"}
HERE, TFTP_WAIT = "127.0.0.1", 20.0
TOTAL = 24 << 30  # bytes of the image that is written
PXE_WAITS = (4, 8, 16, 32)  # seconds between a firmware's packets (PXE 2.1, 2.2)
Wait = Callable[[float], None]


@dataclass
class TftpServer:
    """The loop on loopback; what it tells of transfers is taken from `events`."""

    loop: TftpLoop
    events: list[tuple[str, str, str, float, int]] = field(default_factory=list)
    told: threading.Condition = field(default_factory=threading.Condition)

    def tell(self, *event: Any) -> None:
        with self.told:
            self.events.append(event)
            self.told.notify_all()

    def next_event(self) -> tuple[str, str, str, float, int]:
        """The end of the transfer that was begun last."""
        with self.told:
            assert self.told.wait_for(lambda: self.events, TFTP_WAIT), "TFTP told nothing"
            return self.events.pop()


@contextmanager
def tftp_server(folder: Path) -> Iterator[TftpServer]:
    """Lends snponly.efi and undionly.kpxe; a client that is silent for half a second has gone."""
    for name in ("snponly.efi", "undionly.kpxe"):
        (folder / name).write_bytes(name.encode() * 4000)
    with pytest.MonkeyPatch.context() as quick:
        quick.setattr(transfer, "PROGRESS_TIMEOUT", 0.5)
        quick.setattr(transfer, "MAX_PROGRESS_TIMEOUT", 0.5)
        made: list[TftpServer] = []

        def lookup(name: str) -> Path | None:
            return folder / name if (folder / name).exists() else None

        def tell(*event: Any) -> None:
            made[0].tell(*event)

        loop = TftpLoop([IPv4Address(HERE)], lookup, tell, port=0)
        made.append(TftpServer(loop))
        thread = threading.Thread(target=loop.run)
        thread.start()
        try:
            yield made[0]
        finally:
            loop.stop()
            thread.join()
            loop.close()


@dataclass
class Lab:
    """The host vc-1, its deployment, and all that machines do to it."""

    site: Site
    clock: Clock
    http: FlaskClient
    tftp: TftpServer
    patch: pytest.MonkeyPatch
    powers: Callable[[str, tuple[str, str]], Deployment]  # by a BMC's dialect and login: how far it comes
    ident: str = ""
    token: str = ""
    order: dict[str, Any] = field(default_factory=dict)
    nonce: str = "n-1"
    image: Image | None = None  # the usual one where none is named
    has_worker: bool = True
    sequence: int = 0

    def __post_init__(self) -> None:
        state = self.site.settings.state
        (state / "secrets").mkdir(exist_ok=True)
        (state / "secrets" / "seed.key").write_bytes(bytes(32))
        key, _ = signature.keygen(state / "secrets", "site")
        with self.site.database.writing():
            self.site.database.secrets.put(CERTIFICATE_KEY, SITE, key.read_text(), now=0)
        (state / "ramdisk").mkdir(exist_ok=True)
        for name in ("vmlinuz", "initrd.img", "snponly.efi", "undionly.kpxe"):
            (state / "ramdisk" / name).write_bytes(name.encode() * 100)
        self._hosts = HostCache(self.site.database)
        self._hosts.refresh(now=True)
        self._dhcp = SightingRecorder(self.site, self._hosts)
        self._network = ServedNetworks(self.site, self._hosts).main
        self._transfers = TransferRecorder(self.site)

    # time, and what is said

    def wait(self, seconds: float) -> None:
        """So many seconds later, in which the worker was alive."""
        self.clock.now += seconds
        if self.has_worker:
            mark_alive(self.site.settings.state, self.clock.now)

    @property
    def row(self) -> Deployment:
        return self.site.database.deployments.get(self.ident)

    def causes(self) -> tuple[Cause, ...]:
        """What is named now."""
        return causes_of(self.site, self.row)

    # the order, and its power

    def arm(self, **host: Any) -> None:
        """Order it; its host is changed so before."""
        known = self.site.database.hosts.get("vc-1").model_copy(update=host)
        self.site.database.put_inventory([known], [], self.site.settings.hosts_range)
        self._hosts.refresh(now=True)
        image = self.image or self.site.database.images.all()[0]
        iso = image.id if image.kind == "iso" else ""
        self.ident = arm(self.site, known, image, by="ann", iso=iso).id

    def slot(self) -> None:
        record(self.site, self.ident, SlotGiven(), source="worker")

    def power(self, report: PowerOn | None = None) -> None:
        """The worker tells its BMC, which does it."""
        self.nonce = f"n-{int(self.clock.now)}"
        record(self.site, self.ident, PowerBegan(nonce=self.nonce), source="worker")
        self.wait(4)
        done = report or PowerOn(boot="network", confirmed=True, state="on")
        record(self.site, self.ident, done, source="bmc")

    def start(self, report: PowerOn | None = None, **host: Any) -> None:
        """Ordered and powered."""
        self.arm(**host)
        self.slot()
        self.power(report)

    # DHCP

    def dhcp(
        self,
        kind: Message = Message.DISCOVER,
        *,
        mac: str = MAC,
        arch: int | None = UEFI,
        ipxe: bool = False,
        options: dict[int, bytes] | None = None,
    ) -> Packet | None:
        """One packet of a card, and what it is answered; `arch` None: a system asks."""
        sent = {int(Option.MESSAGE): bytes([kind])}
        if arch is not None:
            maker = b"HTTPClient" if arch == HTTP_BOOT else b"PXEClient"
            sent |= {93: arch.to_bytes(2, "big"), 60: maker + f":Arch:{arch:05}:UNDI:003000".encode()}
        if ipxe:
            sent[77] = b"iPXE"
        packet = Packet(
            op=1, xid=7, chaddr=bytes.fromhex(mac.replace(":", "")), options=sent | (options or {})
        )
        request = Packet.parse(packet.build())
        self._hosts.refresh(now=True)
        config, roles = self._network.config, ClientRoles(is_bmc=self._hosts.is_bmc)
        reply = answer(request, config, self._network.leases, roles, self.clock.now)
        note = refusal_reason(request, config.files)
        self._dhcp.observe(request, self.clock.now, reply.packet if reply else None, note)
        for write in self._dhcp.take_batches():
            write()
        return reply.packet if reply else None

    def ask_as_pxe(
        self, waits: tuple[float, ...] = PXE_WAITS, *, wait: Wait | None = None, **how: Any
    ) -> None:
        """A firmware asks, after each time it waits so long for an offer, and takes none."""
        for pause in waits:
            self.dhcp(**how)
            (wait or self.wait)(pause)

    def get_address(self, **how: Any) -> None:
        """Discover and request."""
        offer = self.dhcp(Message.DISCOVER, **how)
        assert offer
        self.wait(1)
        asked = {50: offer.yiaddr.packed, 54: SERVER.packed, **how.pop("options", {})}
        assert self.dhcp(Message.REQUEST, options=asked, **how)

    # TFTP

    def fetch(self, name: str, *, packets: int = 1000) -> str:
        """Read a file by TFTP and acknowledge so many packets of it; how that ended."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(TFTP_WAIT)
            client.bind((HERE, 0))
            client.sendto(b"\0\1" + name.encode() + b"\0octet\0", (HERE, self.tftp.loop.port))
            for _ in range(packets):
                data, peer = client.recvfrom(2048)
                if data[:2] == b"\0\5":
                    break
                client.sendto(b"\0\4" + data[2:4], peer)
                if len(data) < 516:
                    break
            told = self.tftp.next_event()  # its end; while a lost one is waited for, the port stays open
        self._transfers.record(told[0], ADDRESS, told[2], told[4])
        self._transfers.write()
        return told[2]

    def probe_size(self, name: str) -> Callable[[], str]:
        """Ask by TFTP how large a file is, and never come back by that port; when the service gives that up,
        by the lab's time, is said by calling what is returned: how that ended.
        """
        began, wanted = self.clock.now, b"\0\1" + name.encode() + b"\0octet\0tsize\x000\0"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(TFTP_WAIT)
            client.bind((HERE, 0))
            client.sendto(wanted, (HERE, self.tftp.loop.port))
            answer, _ = client.recvfrom(2048)
            assert answer.startswith(b"\0\6tsize\0"), answer
            told = self.tftp.next_event()

        def given_up() -> str:
            self._transfers.record(told[0], ADDRESS, told[2], told[4], self.clock.now - began)
            self._transfers.write()
            return told[2]

        return given_up

    # HTTP

    def get(self, path: str, address: str = ADDRESS) -> Any:
        """One request; what is noted of it is noted when its answer has left."""
        served = {"REMOTE_ADDR": address, "wsgi.file_wrapper": FileWrapper}  # as the server gives it
        reply = self.http.get(path, environ_base=served)
        reply.get_data()
        reply.close()
        self.http.application.config["REFUSALS"].write()
        return reply

    def post(self, path: str, body: Any, address: str = ADDRESS) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        reply = self.http.post(path, json=body, headers=headers, environ_base={"REMOTE_ADDR": address})
        reply.close()
        self.http.application.config["REFUSALS"].write()
        return reply

    def script(self, query: str = f"?arch=x86_64&uuid={UUID}", address: str = ADDRESS) -> str:
        """iPXE asks for its script."""
        return str(self.get(f"/boot/{MAC.replace(':', '-')}/boot.ipxe{query}", address).text)

    def files(self, *names: str) -> None:
        """iPXE fetches what its script names."""
        for name in names or ("vmlinuz", "initrd.img"):
            assert self.get(f"/boot/files/{name}").status_code == 200

    def hello(self, **other: Any) -> Any:
        """The agent's first word."""
        about = {"serial": "", "uuid": UUID, "memory": 64 << 30, "version": "0", "disks": [DISK], "nics": []}
        body = {"nonce": self.nonce, "boot_id": f"boot-{self.nonce}", "mac": MAC, "macs": [MAC], **about}
        self.token = ""
        reply = self.post("/agent/v1/hello", {**body, **other})
        if reply.status_code == 200:
            self.token, self.order = reply.json["token"], reply.json["order"]
        return reply

    def tell(self, kind: str, **other: Any) -> Any:
        """One of the agent's messages."""
        self.sequence += 1
        base = {"deployment": self.ident, "attempt": self.row.attempt, "seq": self.sequence}
        more: dict[str, dict[str, Any]] = {
            "progress": {"phase": "writing", "done": 1 << 30, "total": TOTAL, "rate": 4e8},
            "written": {"disk": DISK, "seconds": 60.0, "bytes_written": 1, "bytes_fetched": 1},
            "failed": {"code": 312, "sentence": "no disk fits", "hint": ""},
        }
        reply = self.post(f"/agent/v1/{kind}", {**base, **more[kind], **other})
        assert reply.status_code == 200, reply.text
        return reply.json

    def phone(self, **other: Any) -> Any:
        """The system on the disk reports."""
        written = yaml.safe_load(self.order["seed"]["user-data"])["write_files"]
        [secret] = [json.loads(each["content"]) for each in written if each["permissions"] == "0600"]
        self.token = ""
        system = {"image_id": "vault-os", "image_version": "1", "root_disk": {"serial": "disk-1"}}
        body = {"deployment": self.ident, "token": secret["token"], "host_keys": [HOST_KEY], **system}
        return self.post("/phone-home/v1", {**body, **other})

    # a host that has come so far without a fault

    def reach_script(self, arch: int = UEFI) -> None:
        """Powered, with an address, iPXE's script."""
        self.start()
        self.wait(120)
        self.get_address(arch=arch)
        assert self.fetch("snponly.efi") == "done"
        self.wait(10)
        assert "pv.nonce" in self.script()

    def reach_writing(self) -> None:
        self.reach_script()
        self.files()
        self.wait(60)
        assert self.hello().status_code == 200

    def reach_reboot(self, note: str = "") -> None:
        """Written, and on its way into its disk."""
        self.reach_writing()
        self.wait(60)
        assert self.tell("written")["do"] == "continue"
        record(self.site, self.ident, DiskChosen(note=note), source="bmc")
        self.wait(2)
        assert self.tell("written")["do"] == "reboot"
        assert self.row.last_event == "agent.rebooting"

    def reach_verifying(self) -> None:
        self.reach_reboot()
        self.wait(150)
        assert self.phone().status_code == 200

    # Ansible

    def ansible(self, play: ansible.PlayResult, *, sealing: bool = False) -> None:
        """The worker runs a playbook, which ends so."""
        self.patch.setattr(ansible, "run_playbook", lambda *words, **options: play)
        (verification.seal if sealing else verification.verify)(self.site, self.row)

    def unreachable(self, words: str, **how: Any) -> None:
        """ssh fails in these words."""
        with verification._target(self.site, self.row) as target:
            sentence = ssh.explain_unreachable(target, words)
        self.ansible(ansible.PlayResult("unreachable", sentence), **how)


def facts(**other: Any) -> str:
    """What ansible/files/facts.py prints on a host that is as it should be."""
    good = {
        "image_id": "vault-os",
        "image_version": "1",
        "root_disks": [{"name": "nvme0n1", "serial": "disk-1"}],
        "memory": 64 << 30,
        "macs": [MAC],
        "pci": ["10de:2330", "10de:2330"],
        "machine_id": "m",
        "kernel": "6.8",
        "cloud_init": "done",
    }
    return json.dumps({**good, **other})


def gpu(number: int, **other: Any) -> dict[str, Any]:
    """One GPU as ansible/files/gpus.py prints it."""
    known = {"index": number, "bus": f"0000:{number + 1}7:00.0", "id": "10de:2330", "uuid": f"GPU-{number}"}
    return {**known, "memory": 81559 << 20, "width": 16, "width_max": 16, "ecc": True, **other}


def gpus(*shown: dict[str, Any], **other: Any) -> str:
    """What that script prints of two GPUs on the bus."""
    bus = [
        {"bus": f"0000:{n + 1}7:00.0", "id": "10de:2330", "driver": "nvidia", "pci_class": "030200"}
        for n in (0, 1)
    ]
    good = {"state": "ok", "driver": "580.65", "library": "580.65", "module": "580.65", "graphics": bus}
    return json.dumps({**good, "gpus": list(shown or (gpu(0), gpu(1))), **other})


def small_disk() -> os.statvfs_result:
    """A file system that has 4 kB left."""
    return os.statvfs_result((4096, 4096, 1000, 1, 1, 10, 10, 10, 0, 255))
