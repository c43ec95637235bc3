"""A mirror for the tests: packages in a signed suite, wheels beside it, served on loopback."""

import email.utils
import functools
import hashlib
import http.server
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from provisioner import run

KEYRING = "site-mirror.gpg"


@dataclass(frozen=True)
class Mirror:
    """Where it is reached, the public key that vouches for it, and what was asked of it."""

    url: str
    key: Path
    asked: list[str]


def make(root: Path, debs: list[Path], wheels: list[Path], suites: tuple[str, ...]) -> Path:
    """Lay packages and wheels out under `root` as a site's mirror does; returns the public key."""
    pool = root / "apt" / "pool"
    pool.mkdir(parents=True)
    for deb in debs:
        shutil.copy(deb, pool / deb.name.replace("%3a", "_"))  # an epoch's colon; a URL would unquote it
    (root / "wheels").mkdir()
    for wheel in wheels:
        shutil.copy(wheel, root / "wheels")
    home, key = _key(root)
    index = "".join(_stanza(deb) for deb in sorted(pool.iterdir())).encode()
    for suite in suites:
        _suite(root / "apt" / "dists" / suite, suite, index, home)
    return key


def _key(root: Path) -> tuple[Path, Path]:
    home, public = root / "gnupg", root / KEYRING
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", home, "--batch", "--quiet"]
    run.run(
        [*gpg, "--passphrase", "", "--quick-generate-key", "Mirror of the tests", "ed25519", "sign", "never"]
    )
    public.write_bytes(run.run([*gpg, "--export"]).stdout)
    return home, public


def _stanza(deb: Path) -> str:
    with deb.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    control = run.text(["dpkg-deb", "--field", deb])
    return f"{control}\nFilename: pool/{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {digest}\n\n"


def _suite(folder: Path, suite: str, index: bytes, home: Path) -> None:
    place = folder / "main" / "binary-amd64"
    place.mkdir(parents=True)
    (place / "Packages").write_bytes(index)
    entry = f" {hashlib.sha256(index).hexdigest()} {len(index)} main/binary-amd64/Packages"
    head = f"Codename: {suite}\nSuite: {suite}\nComponents: main\nArchitectures: amd64\n"
    release = f"{head}Date: {email.utils.formatdate(usegmt=True)}\nSHA256:\n{entry}\n"
    (folder / "Release").write_text(release)
    command = [
        "gpg",
        "--homedir",
        home,
        "--batch",
        "--quiet",
        "--clearsign",
        "--output",
        folder / "InRelease",
    ]
    run.run([*command, folder / "Release"])


class _LoggingHandler(http.server.SimpleHTTPRequestHandler):
    asked: list[str] = []

    def log_message(self, form: str, *values: object) -> None:
        self.asked.append(form % values)


@contextmanager
def served(root: Path, key: Path) -> Iterator[Mirror]:
    """Serve the folder until the block ends."""
    asked: list[str] = []
    handler = type("Handler", (_LoggingHandler,), {"asked": asked})
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=str(root))
    )
    assert server.socket.family == socket.AF_INET
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        # a name, as at a site: /etc/hosts must tell where it is
        yield Mirror(f"http://apt.vaultcube.local:{server.server_address[1]}", key, asked)
    finally:
        server.shutdown()
        server.server_close()
