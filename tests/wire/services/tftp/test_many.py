"""A thousand transfers at once: scripted clients, and real ones among them."""

import hashlib
import json
import sys
import threading
from collections import Counter
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from provisioner import run
from provisioner.services.tftp.loop import TftpLoop
from provisioner.services.tftp.metrics import TftpMetrics

ROOT = str(Path(__file__).parents[4])
CONTENT = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(256)) * 21  # as large as iPXE
CURLS = 40


@pytest.mark.parametrize(("block", "window"), [(512, 1), (1468, 4), (1468, 16)])
def test_a_thousand_clients_all_get_every_byte(tmp_path: Path, block: int, window: int) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    told: Counter[str] = Counter()
    metrics = TftpMetrics()
    loop = TftpLoop(
        [IPv4Address("127.0.0.1")],
        {"ipxe": tmp_path / "file"}.get,
        lambda name, client, result, seconds, size: told.update([result]),
        port=0,
        per_address=64,
        metrics=metrics,
    )
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        argv = [
            sys.executable,
            "-m",
            "bench.tftp_swarm",
            "127.0.0.1",
            str(loop.port),
            "ipxe",
            tmp_path / "file",
        ]
        sizes = ["--sessions", "1000", "--block", str(block), "--window", str(window)]
        swarm = run.start([*argv, *sizes], stdout=run.PIPE, env={"PYTHONPATH": ROOT})
        url = f"tftp://127.0.0.1:{loop.port}/ipxe"
        curl = ["curl", "-sS", "--interface", "127.0.0.1", "--tftp-blksize", str(block), "-o"]
        curls = [run.start([*curl, tmp_path / f"got{n}", url]) for n in range(CURLS)]
        assert [process.wait(100) for process in curls] == [0] * CURLS
        assert swarm.wait(100) == 0 and swarm.stdout
        said = json.loads(swarm.stdout.read())
        swarm.stdout.close()
    finally:
        loop.stop()
        thread.join(5)
        loop.close()
    assert (said["right"], said["wrong"]) == (1000, [])
    assert {(tmp_path / f"got{n}").read_bytes() for n in range(CURLS)} == {CONTENT}
    assert told["done"] == 1000 + CURLS, told
    assert metrics.registry.scalar("provision_transfers_total", result="done").value == 1000 + CURLS
