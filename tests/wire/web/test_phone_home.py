"""The phone-home script against a real HTTP server."""

import http.server
import json
import sys
import threading
from pathlib import Path
from typing import ClassVar

from provisioner import run
from provisioner.system import shipped


class Service(http.server.BaseHTTPRequestHandler):
    """Refuses the first report and takes the second."""

    bodies: ClassVar[list[dict[str, object]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.bodies.append(json.loads(body))
        self.send_response(503 if len(self.bodies) == 1 else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_phone_home_tries_again_and_forgets_its_token_when_it_was_heard(tmp_path: Path) -> None:
    Service.bodies.clear()
    with http.server.HTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        order = tmp_path / "phone-home.json"
        url = f"http://127.0.0.1:{server.server_port}/phone-home/v1"
        order.write_text(json.dumps({"url": url, "deployment": "d-1", "token": "t"}))
        run.run([sys.executable, shipped.file("pxe", "phone-home.py"), order])
        server.shutdown()
    assert not order.exists()
    assert [body["deployment"] for body in Service.bodies] == ["d-1", "d-1"]
    assert set(Service.bodies[1]) > {"host_keys", "image_id", "root_disk", "machine_id", "boot_id"}
