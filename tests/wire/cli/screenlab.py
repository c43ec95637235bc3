"""A terminal whose screen is read while it changes, and a service whose hosts do what the test says."""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from provisioner import run
from provisioner import settings as settings_module
from provisioner.deployment.record import record
from provisioner.deployment.runs import arm_run
from provisioner.domain.claim import Claim
from provisioner.domain.deployment import Deployment, WrittenDisk
from provisioner.domain.events.agent import AgentHello, AgentProgress, AgentWritten
from provisioner.domain.events.netboot import DhcpSeen
from provisioner.domain.events.order import SlotGiven
from provisioner.domain.events.payload import Payload
from provisioner.domain.events.power import PowerAsked, PowerBegan, PowerOn
from provisioner.domain.events.system import DiskChosen, OsPhoned
from provisioner.domain.events.verification import SealDone, VerifyPassed
from provisioner.domain.host import Bmc, Host
from provisioner.domain.image import Image
from provisioner.domain.profile import Hints, Profile
from provisioner.domain.run import Run
from provisioner.power.manual import Manual
from provisioner.power.protocol import BmcAddress
from provisioner.site.site import Site
from provisioner.state import secret_keys
from provisioner.state.database import Database
from provisioner.state.notify import Listener
from provisioner.web.application import create_app

RUN = "r-01JD8K2Q9V"
PATIENCE = 120.0  # seconds for what comes at once on a machine that does nothing else
AND_THEN = """trap : INT; code=$1; shift; "$@"; echo $? >"$code.new"
stty -icanon -echo; printf '\\033[6n'; dd bs=32 count=1 >/dev/null 2>&1  # answered once all is drawn
mv "$code.new" "$code"; exec sleep 1000"""
NUMBERS = itertools.count()  # of terminals: a server that is just ending is not the next one's
T0 = 1_800_000_000.0
HINTS = Hints(min_size=1 << 40, rotational=False)


class _Handler(WSGIRequestHandler):
    """Tells the application, as gunicorn does, by which socket it was asked."""

    def make_environ(self) -> Any:
        return {**super().make_environ(), "gunicorn.socket": self.connection}

    def log(self, *_: object) -> None:
        pass


@dataclass
class Clock:
    """The service's time: it goes on by itself, and the test moves it."""

    now: float = T0
    began: float = field(default_factory=time.monotonic)

    def __call__(self) -> float:
        return self.now + time.monotonic() - self.began


class Rack:
    """The service's own API over a database whose events the test records; no network, no worker."""

    def __init__(self, site: Site, clock: Clock) -> None:
        self.site, self.clock = site, clock
        self.names: list[str] = []

    def add(self, count: int, *, by_hand: frozenset[int] = frozenset()) -> None:
        """Hosts vc-0001 and so on; those `by_hand` have no BMC."""
        hosts = [_host(number, by_hand=number in by_hand) for number in range(1, count + 1)]
        self.names = [host.name for host in hosts]
        profile = Profile(name="vault-cube", image="vault-os", disks=(HINTS,))
        self.site.database.put_inventory(hosts, [profile], self.site.settings.hosts_range)

    def order(self) -> None:
        """All of them in one run."""
        image = self.site.database.images.all()[0]
        hosts = [self.site.database.hosts.get(name) for name in self.names]
        arm_run(
            self.site,
            Run(id=RUN, created=self.site.clock(), by="ann", select=""),
            [(h, image) for h in hosts],
        )

    def row(self, number: int) -> Deployment:
        row = self.site.database.deployments.last_of(self.names[number - 1])
        assert row
        return row

    def tell(self, number: int, *events: Payload) -> None:
        for event in events:
            record(self.site, self.row(number).id, event, source="test")

    def power(self, number: int) -> None:
        """Its BMC has switched it on."""
        self.tell(number, SlotGiven(), PowerBegan(nonce=f"n{number}"))
        self.tell(number, PowerOn(act="on", boot="network", confirmed=True))

    def ask(self, number: int) -> None:
        """A person is to press the button, in the words of the driver for it."""
        request = Manual(BmcAddress("manual", "", 0, name=self.names[number - 1])).on().note
        self.tell(number, SlotGiven(), PowerBegan(nonce=f"n{number}"), PowerAsked(note=request))

    def netboot(self, number: int) -> None:
        self.tell(number, DhcpSeen(address=f"10.77.0.{number}"))

    def write(self, number: int, share: float) -> None:
        """So much of the image is written; the first time after its hello."""
        if self.row(number).stage != "writing":
            claim = Claim(_mac(number), is_own_address=True, nonce=f"n{number}", boot_id="b")
            tokens = {"token_hash": "t", "phone_hash": "p"}
            self.tell(number, AgentHello(claim=claim, nonce=f"n{number}", boot_id="b", **tokens))
        total = 712_000_000
        self.tell(
            number, AgentProgress(phase="writing", done=int(share * total), total=total, rate=12_300_000)
        )

    def boot(self, number: int) -> None:
        """All of it, and the system on the disk has come up."""
        self.write(number, 1)
        disk = WrittenDisk(name="nvme0n1", serial=f"S6XNE0T9{number:04}")
        self.tell(number, AgentWritten(disk=disk, seconds=45), DiskChosen())
        self.tell(number, OsPhoned(image_id="vault-os", image_version="2026.11.2"))

    def finish(self, number: int) -> None:
        """To ready, wherever it is."""
        if self.row(number).stage == "queued":
            self.power(number)
            self.netboot(number)
        self.boot(number)
        self.tell(number, VerifyPassed(), SealDone(mode="full"))


def _mac(number: int) -> str:
    return f"ac:1f:6b:0a:42:{number:02x}"


def _host(number: int, *, by_hand: bool) -> Host:
    bmc = Bmc(driver="manual") if by_hand else Bmc(driver="ipmi", address=f"10.20.0.{number}", secret="b3")
    return Host(
        name=f"vc-{number:04}", macs=(_mac(number),), profile="vault-cube", rack=f"B3/U{number:02}", bmc=bmc
    )


@contextmanager
def rack(state: Path) -> Iterator[Rack]:
    """The service at `state`/api.sock."""
    clock = Clock()
    plain = {"state": state, "interface": "lan0", "address": "10.77.0.1/24"}
    database = Database(state)
    database.migrate()
    image = {"name": "vault-os", "version": "2026.11.2", "raw_size": 712_000_000, "raw_sha256": "0" * 64}
    database.images.put(Image(**image, pack_size=134_700_000, signed_by="release-2026", added=T0))
    (state / "secrets").mkdir(exist_ok=True)
    (state / "keys").mkdir(exist_ok=True)
    (state / "keys" / "release-2026.pub").write_text("untrusted comment: a key of the tests\n")
    settings = settings_module.check(plain, source="test")
    secret_keys.unlock(settings, environment={})
    site = Site(settings, database, clock=clock, real_time=clock)
    with ExitStack() as stack:
        listener = stack.enter_context(Listener(state, "web"))
        server: BaseWSGIServer = make_server(
            f"unix://{state}/api.sock",
            0,
            create_app(site, listener, "api"),
            threaded=True,
            request_handler=_Handler,
        )
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield Rack(site, clock)
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
            database.close()


@dataclass
class Screens:
    """What a terminal shows, looked at again and again; `seen` are the screens that differed."""

    tmux: list[str | Path]
    code: Path
    seen: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)  # `seen` is in the order of looking

    @contextmanager
    def watched(self) -> Iterator[None]:
        """As long as the block lasts, the screen is looked at without a pause."""
        over = threading.Event()

        def look_on() -> None:
            while not over.is_set():
                self.look()

        thread = threading.Thread(target=look_on)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def look(self) -> str:
        """The screen as it is now."""
        with self.lock:
            shown = run.text([*self.tmux, "capture-pane", "-p", "-t", "0"]).rstrip("\n")
            if not self.seen or self.seen[-1] != shown:
                self.seen.append(shown)
        return shown

    def await_text(self, *wanted: str) -> str:
        """The screen once it has all these words, wherever its lines end; at most PATIENCE seconds."""
        until = time.monotonic() + PATIENCE
        shown = self.look()
        while not all(words in flat(shown) for words in wanted):
            assert time.monotonic() < until, f"{wanted} never came:\n{shown}"
            shown = self.look()
        return shown

    def await_absence(self, words: str) -> str:
        """The screen once these words have gone."""
        until = time.monotonic() + PATIENCE
        while words in flat(shown := self.look()):
            assert time.monotonic() < until, f"{words!r} is still there:\n{shown}"
        return shown

    def await_end(self, code: int) -> str:
        """The screen once the program has ended, which is with this exit code."""
        until = time.monotonic() + PATIENCE
        while not self.code.exists():
            assert time.monotonic() < until, f"it does not end:\n{self.look()}"
        assert int(self.code.read_text()) == code, self.look()
        return self.look()

    def type(self, *keys: str) -> None:
        run.run([*self.tmux, "send-keys", "-t", "0", *keys])

    def resize(self, columns: int, lines: int) -> None:
        run.run([*self.tmux, "resize-window", "-t", "0", "-x", str(columns), "-y", str(lines)])


def flat(screen: str) -> str:
    """The words of a screen, one blank between them."""
    return " ".join(screen.split())


@contextmanager
def terminal(folder: Path, columns: int, lines: int, *argv: str | Path, **env: str) -> Iterator[Screens]:
    """A program in tmux, whose screen stays to be looked at when it has ended."""
    place = folder / f"tmux{next(NUMBERS)}"
    code = place.with_suffix(".code")
    tmux: list[str | Path] = ["env", "LC_ALL=C.UTF-8", "tmux", "-u", "-f", "/dev/null", "-S", place]
    unset = ["-u", "LC_ALL", "-u", "COLUMNS", "-u", "LINES"]  # readline sets the last two in pytest's workers
    words = ["env", *unset, *(f"{name}={value}" for name, value in env.items())]
    size = ["-x", str(columns), "-y", str(lines)]
    shell = ["sh", "-c", AND_THEN, "sh", code, *words, *argv]
    run.run(
        [*tmux, "start-server", ";", "set", "-g", "status", "off", ";", "new-session", "-d", *size, *shell]
    )
    try:
        yield Screens(tmux, code)
    finally:
        run.run([*tmux, "kill-server"], check=False)
