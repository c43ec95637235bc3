"""Hosts that write one image at once, in threads of this process: each an ImageWriter, a file its disk."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from provisioner.agent.block_device import BlockDevice
from provisioner.agent.link import Link
from provisioner.agent.peer_server import RateCap
from provisioner.agent.peers import Address
from provisioner.agent.swarm import Swarm
from provisioner.agent.swarm_stream import SwarmStream
from provisioner.agent.writer import ImageWriter
from tests.wire.agentlab import MIB, ORDER, SEED, TOKEN, Service, Supply

TOKEN_OF_SWARM = "swarm-token"
MEMORY = 1 << 30  # bytes, of each machine


@dataclass
class Swarmed:
    """One host. `result` is empty while it writes, then `whole`, or its fault in words."""

    name: str
    disk: Path
    swarm: Swarm
    stream: SwarmStream
    lines: list[str] = field(default_factory=list)
    result: str = ""
    seconds: float = 0.0
    thread: threading.Thread | None = None
    device: BlockDevice | None = None

    @property
    def said(self) -> str:
        return "\n".join(self.lines)


@dataclass
class Site:
    """A service and its hosts; who joins is told to all, as the board of the service does."""

    service: Service
    supply: Supply
    folder: Path
    hosts: list[Swarmed] = field(default_factory=list)
    extra: list[Address] = field(default_factory=list)  # strangers that the board names

    def host(
        self,
        *,
        others: int = 3,
        upload: float = 0.0,
        memory: int = MEMORY,
        method: str = "full",
        slow_disk: Callable[[], None] = lambda: None,
        silence: float = 1.0,
        disk: Path | None = None,
    ) -> Swarmed:
        """One more host, which begins at once."""
        name = f"host{len(list(self.folder.iterdir()))}"
        disk = disk or self.folder / name
        if not disk.exists():
            disk.write_bytes(b"\xa5" * (self.supply.manifest.raw_size + 8 * MIB))
        lines: list[str] = []
        link = Link(
            f"http://127.0.0.1:{self.service.port}",
            log=lines.append,
            patience=20,
            silence=silence,
            back_off=(0.05, 0.1, 0.3),
        )
        link.token = TOKEN
        swarm = Swarm(
            self.supply.manifest,
            token=TOKEN_OF_SWARM,
            address="127.0.0.1",
            others=others,
            upload=upload,
            log=lines.append,
            memory=memory,
        )
        stream = SwarmStream(link, ORDER.pack_url, self.supply.manifest, swarm, connections=2)
        host = Swarmed(name, disk, swarm, stream, lines)
        self.hosts.append(host)
        self.tell(upload)
        host.thread = threading.Thread(target=self._write, args=(host, method, slow_disk), daemon=True)
        host.thread.start()
        return host

    def remove(self, host: Swarmed) -> None:
        """It is switched off; its disk stays as it is."""
        host.swarm.close()
        assert host.device
        host.device.__exit__(None, None, None)
        self.hosts.remove(host)

    def tell(self, upload: float = 0.0) -> None:
        addresses = [("127.0.0.1", host.swarm.port) for host in self.hosts] + self.extra
        for host in self.hosts:
            own = ("127.0.0.1", host.swarm.port)
            host.swarm.tell([address for address in addresses if address != own], upload)

    def _write(self, host: Swarmed, method: str, slow_disk: Callable[[], None]) -> None:
        began = time.monotonic()
        device = host.device = BlockDevice(host.disk)  # stays open: it gives to others after it has finished
        host.swarm.use(device)

        def tell(*_: object) -> None:
            slow_disk()

        writer = ImageWriter(
            device,
            self.supply.manifest,
            tell,
            host.lines.append,
            method=method,  # type: ignore[arg-type]  # one of three words
            on_disk=host.swarm.on_disk,
        )
        try:
            writer.write(host.stream, SEED)
            host.result = "whole"
        except Exception as fault:
            host.result = repr(fault)
        host.seconds = time.monotonic() - began

    def join(self, *hosts: Swarmed, seconds: float = 60) -> None:
        for host in hosts or self.hosts:
            assert host.thread
            host.thread.join(seconds)
            assert not host.thread.is_alive(), f"{host.name} does not end:\n{host.said}"

    def await_pieces(self, hosts: Sequence[Swarmed], count: int) -> None:
        """Until each of these hosts holds so many pieces."""
        until = time.monotonic() + 30
        while any(host.swarm.possession.mask.bit_count() < count for host in hosts):
            assert time.monotonic() < until, [host.said for host in hosts]
            time.sleep(0.01)

    def copies(self) -> float:
        """How many times the image the service has sent."""
        data = [c for c in self.supply.manifest.chunks if c.kind == "data"]
        return self.service.sent / sum(c.pack_length for c in data)


@contextmanager
def site(service: Service, supply: Supply, folder: Path, *, line: float = 0.0) -> Iterator[Site]:
    """`line` is the service's in bytes a second; 0: as quick as it goes."""
    cap, ended = RateCap(line), threading.Event()

    def wait(place: int) -> bool:
        cap.take(64 << 10, ended)
        return not ended.is_set()

    service.on_pack = wait
    made = Site(service, supply, folder)
    try:
        yield made
    finally:
        ended.set()
        for host in made.hosts:
            host.swarm.close()
