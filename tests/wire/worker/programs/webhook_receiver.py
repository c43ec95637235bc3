"""A receiver of webhooks: keeps each request as a line of JSON, and answers the status that a file says."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Receiver(BaseHTTPRequestHandler):
    """`kept` and `status` are files."""

    kept: Path
    status: Path
    lock = threading.Lock()

    def do_POST(self) -> None:
        """Keep it, then answer."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        status = int(self.status.read_text())
        with self.lock, self.kept.open("a") as kept:
            kept.write(json.dumps({"status": status, "headers": headers, "body": body}) + "\n")
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def main() -> None:
    """`webhook_receiver.py PORT KEPT STATUS`, until standard input closes."""
    port, kept, status = sys.argv[1:]
    Receiver.kept, Receiver.status = Path(kept), Path(status)
    server = ThreadingHTTPServer(("10.77.0.1", int(port)), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
