"""A mirror over HTTP where no service runs: inside the air gap, and nowhere else."""

import shutil
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from provisioner.mirror import layout


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # apt keeps its connection

    def __init__(self, root: Path, *rest: object) -> None:
        self._root = root
        super().__init__(*rest)  # type: ignore[arg-type]  # as socketserver calls it

    def do_GET(self) -> None:
        """Answer 200 with a whole file, or 404."""
        path = layout.find(self._root, unquote(urlsplit(self.path).path).lstrip("/"))
        if path is None:
            self.send_error(404, "not found")
            return
        with path.open("rb") as file:
            self.send_response(200)
            self.send_header("Content-Type", layout.media_type(path))
            self.send_header("Content-Length", str(path.stat().st_size))
            self.end_headers()
            if self.command == "GET":
                shutil.copyfileobj(file, self.wfile, 1 << 18)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: only what goes elsewhere matters, and nftables counts that."""


class Server(ThreadingHTTPServer):
    """Serves a mirror's folder; `serve_forever` in a thread, `shutdown` to end."""

    daemon_threads = True

    def __init__(self, root: Path, address: str, port: int = 80) -> None:
        super().__init__((address, port), partial(_Handler, root))

    def handle_error(self, *_: object) -> None:
        """Say nothing about a client that has closed its connection."""
