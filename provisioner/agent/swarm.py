"""This host's part in the swarm of those that write the same image: what it gives, and whom it asks."""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from provisioner.agent import facts
from provisioner.agent.frame_store import FrameStore, Medium
from provisioner.agent.peer_server import PeerServer, RateCap
from provisioner.agent.peers import Address, Peer, Peers, seed_of
from provisioner.agent.picker import Picker
from provisioner.agent.possession import PieceMap, Possession
from provisioner.imaging.manifest import Manifest

MOST_MEMORY = 256 << 20  # bytes of frames that are kept, and of the machine's memory at most
SHARE_OF_MEMORY = 8  # one part of so many
EXPECTED = 6.0  # seconds for which others that are expected are waited for before the line is all ours


class Swarm:
    """One image's, from the manifest to the reboot. Without `token` there is none: all is idle then."""

    def __init__(
        self,
        manifest: Manifest,
        *,
        token: str,
        address: str,
        others: int = 0,
        upload: float = 0.0,
        log: Callable[[str], None] = print,
        memory: int = 0,
    ) -> None:
        """`address` is ours, as the service's network sees it. `others` are expected to write it too.

        `upload` is how many bytes a second others get from us, 0 for all that the line takes; `memory` is
        the machine's in bytes. Of a host that cannot serve nobody hears, and the service gives it all.
        """
        self.pieces = PieceMap(manifest)
        self.possession = Possession(self.pieces)
        most = min(MOST_MEMORY, (memory or facts.memory()) // SHARE_OF_MEMORY)
        self.store = FrameStore(manifest, most)
        self.rate = RateCap(upload)
        self._began = time.monotonic()
        self._others, self._address = others, address
        self._picker: Picker | None = None
        self.peers = Peers(manifest, self.pieces, token, log=log, changed=self._news)
        self._server: PeerServer | None = None
        try:
            self._server = PeerServer(
                address, token, self.pieces, self.possession, self.store, self._claims, self.rate
            )
        except OSError as fault:
            log(f"this host gives nothing to others: no port at {address} ({fault.strerror})")

    def close(self) -> None:
        """Nothing is given and nobody is asked any more."""
        self.peers.close()
        if self._server:
            self._server.close()

    @property
    def seed(self) -> int:
        """What tells us from others when pieces are shared out."""
        return seed_of((self._address, self.port))

    @property
    def port(self) -> int:
        """Where others ask us; 0 where they cannot."""
        return self._server.port if self._server else 0

    @property
    def sent(self) -> int:
        """Bytes that others got from us."""
        return self._server.sent if self._server else 0

    @property
    def liars(self) -> list[str]:
        """Addresses of those that gave what is not the image's."""
        return list(self.peers.liars)

    def use(self, medium: Medium) -> None:
        """From this disk comes what is given to others later on."""
        self.store.use(medium)

    def on_disk(self, numbers: Iterable[int]) -> None:
        """These chunks lie on our disk."""
        self.possession.add(numbers)

    def tell(self, addresses: Iterable[Address], upload: float = 0.0) -> None:
        """Who writes this image now, and how many bytes a second they get from us."""
        self.rate.set(upload)
        self.peers.tell(addresses)
        self._news()

    def begin(self, picker: Picker) -> None:
        """From now on this one chooses what is fetched."""
        self._picker = picker

    def usable(self) -> list[Peer]:
        """Peers that may be asked now."""
        return self.peers.usable()

    @property
    def is_shared(self) -> bool:
        """Whether others write this image too, or are about to."""
        return self._others > 0 or self.peers.is_known()

    @property
    def is_expecting(self) -> bool:
        """Whether those that are expected may still come."""
        return self.is_shared and time.monotonic() - self._began < EXPECTED

    def _claims(self) -> list[int]:
        return self._picker.claims() if self._picker else []

    def _news(self) -> None:
        if picker := self._picker:
            with picker.changed, suppress(RuntimeError):
                picker.changed.notify_all()
