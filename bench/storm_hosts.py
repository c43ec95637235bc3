"""Hundreds of scripted hosts that are powered on at once: `python -m bench.storm_hosts HOSTS.json FILES`.

Each does what firmware, iPXE and agent do, one after the other: DHCP for the boot file, TFTP, DHCP as iPXE,
the script, kernel and ramdisk by HTTP, the hello. Every byte is compared with FILES. Prints JSON.
"""

import argparse
import json
import queue
import random
import re
import select
import socket
import struct
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from bench.tftp_swarm import SILENCE, Client, request

SERVER, DEVICE = "10.78.0.1", "bv1"
COOKIE = b"\x63\x82\x53\x63"
PXE = b"\x3c\x20PXEClient:Arch:00007:UNDI:003016\x5d\x02\x00\x07\x5e\x03\x01\x03\x10"
IPXE = PXE + b"\x4d\x04iPXE\xaf\x03\xb1\x01\x01"
WANTS = b"\x37\x07\x01\x03\x06\x36\x42\x43\xaf"
TRIES, WAIT = 10, 2.0  # of one DHCP message, seconds for its answer
CHUNK = 1 << 20


@dataclass(frozen=True)
class StormHost:
    """As HOSTS.json has it."""

    mac: str
    address: str


class Dhcp:
    """The socket of port 68 that all hosts share; answers are broadcast and told apart by their number."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, DEVICE.encode())
        self._socket.bind(("", 68))
        self._waiting: dict[int, queue.SimpleQueue[tuple[int, str]]] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            data = self._socket.recv(4096)
            kind = options(data).get(53, b"\0")[0]
            waiting = self._waiting.get(int.from_bytes(data[4:8], "big"))
            if waiting:
                waiting.put((kind, socket.inet_ntoa(data[16:20])))

    def lease(self, host: StormHost, words: bytes) -> str:
        """Discover, offer, request, acknowledgement: the address. Raises TimeoutError."""
        number = random.getrandbits(32)
        answers = self._waiting[number] = queue.SimpleQueue()
        try:
            offered = self._ask(number, host, b"\x35\x01\x01" + words, 2, answers)
            again = (
                b"\x35\x01\x03\x32\x04" + socket.inet_aton(offered) + b"\x36\x04" + socket.inet_aton(SERVER)
            )
            return self._ask(number, host, again + words, 5, answers)
        finally:
            del self._waiting[number]

    def _ask(
        self,
        number: int,
        host: StormHost,
        words: bytes,
        kind: int,
        answers: "queue.SimpleQueue[tuple[int, str]]",
    ) -> str:
        head = struct.pack("!BBBBIHH", 1, 1, 6, 0, number, 0, 0x8000) + bytes(16)
        mac = bytes.fromhex(host.mac.replace(":", ""))
        packet = head + mac + bytes(202) + COOKIE + words + WANTS + b"\xff"
        for _ in range(TRIES):
            self._socket.sendto(packet.ljust(300, b"\0"), ("255.255.255.255", 67))
            until = time.monotonic() + WAIT
            while (left := until - time.monotonic()) > 0:
                try:
                    answered, address = answers.get(timeout=left)
                except queue.Empty:
                    break
                if answered == kind:
                    return address
        raise TimeoutError(f"no DHCP message {kind} for {host.mac}")


def options(data: bytes) -> dict[int, bytes]:
    """Of a DHCP answer."""
    known, at = {}, 240
    while at < len(data) and data[at] != 255:
        if data[at]:
            known[data[at]] = data[at + 2 : at + 2 + data[at + 1]]
            at += 1 + data[at + 1]
        at += 1
    return known


def tftp(host: StormHost, name: str, content: bytes) -> None:
    """With the options of OVMF. Raises TimeoutError, ValueError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as link:
        link.bind((host.address, 0))
        client = Client(link, request(name, 1468, 4), (SERVER, 69), content, 4)
        poll = select.poll()  # select() takes no descriptor above 1023
        poll.register(link, select.POLLIN)
        client.begin()
        until = time.monotonic() + 120
        while not client.result:
            if time.monotonic() > until:
                raise TimeoutError(f"TFTP: at block {client.next}")
            if poll.poll(SILENCE * 1000):
                client.receive()
            else:
                client.retransmit(time.monotonic() + SILENCE)
    if client.result != "right":
        raise ValueError(client.result)


def http(host: StormHost, path: str, wanted: bytes | None = None, body: bytes | None = None) -> bytes:
    """One request from the host's address; `wanted` is compared as it comes. Raises ValueError, OSError."""
    method = "GET" if body is None else "POST"
    more = "" if body is None else f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    head = f"{method} {path} HTTP/1.1\r\nHost: {SERVER}\r\nConnection: close\r\n{more}\r\n".encode()
    with socket.create_connection((SERVER, 80), timeout=120, source_address=(host.address, 0)) as link:
        link.sendall(head + (body or b""))
        got = b""
        while b"\r\n\r\n" not in got:
            more_of_it = link.recv(4096)
            if not more_of_it:
                raise ValueError(f"{path}: ended in its head")
            got += more_of_it
        answer, _, first = got.partition(b"\r\n\r\n")
        if b" 200 " not in answer.split(b"\r\n", 1)[0]:
            raise ValueError(f"{path}: {answer[:60]!r}")
        return _compare(link, path, first, wanted) if wanted is not None else _all(link, first)


def _all(link: socket.socket, got: bytes) -> bytes:
    while more := link.recv(65536):
        got += more
    return got


def _compare(link: socket.socket, path: str, first: bytes, wanted: bytes) -> bytes:
    buffer, at = bytearray(CHUNK), len(first)
    view, whole = memoryview(buffer), memoryview(wanted)
    right = wanted.startswith(first)
    while length := link.recv_into(buffer):
        right = right and bytes(view[:length]) == bytes(whole[at : at + length])
        at += length
    if not right or at != len(wanted):
        raise ValueError(f"{path}: {at} of {len(wanted)} bytes, {'right' if right else 'wrong'}")
    return b""


def boot(host: StormHost, dhcp: Dhcp, files: dict[str, bytes]) -> None:
    """From power-on to hello."""
    for words in (PXE, IPXE):
        address = dhcp.lease(host, words)
        if address != host.address:
            raise ValueError(f"{host.mac} was given {address}")
        if words is PXE:
            tftp(host, "snponly.efi", files["snponly.efi"])
    script = http(host, f"/boot/{host.mac.replace(':', '-')}/boot.ipxe?platform=efi").decode()
    kernel = re.search(r"^kernel http://[^/]+(\S+) .*?pv\.nonce=(\S+)", script, re.MULTILINE)
    ramdisk = re.search(r"^initrd --name initrd.img http://[^/]+(\S+)", script, re.MULTILINE)
    if not kernel or not ramdisk:
        raise ValueError(f"no order in the script: {script[:100]!r}")
    http(host, kernel[1], files["vmlinuz"])
    http(host, ramdisk[1], files["initrd.img"])
    disk = {"name": "vda", "size": 64 << 30, "logical_sector": 512, "serial": "disk-1"}
    hello = {
        "nonce": kernel[2],
        "boot_id": host.mac,
        "mac": host.mac,
        "macs": [host.mac],
        "serial": "",
        "uuid": "",
    }
    body = json.dumps({**hello, "memory": 1 << 30, "version": "0", "disks": [disk]}).encode()
    http(host, "/agent/v1/hello", body=body)


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.storm_hosts")
    parser.add_argument("hosts", type=Path)
    parser.add_argument("files", type=Path)
    arguments = parser.parse_args()
    hosts = [StormHost(**fields) for fields in json.loads(arguments.hosts.read_text())]
    files = {name: (arguments.files / name).read_bytes() for name in ("snponly.efi", "vmlinuz", "initrd.img")}
    dhcp, results, times = Dhcp(), Counter[str](), []

    def power_on(host: StormHost) -> None:
        try:
            boot(host, dhcp, files)
            results["right"] += 1
        except (OSError, ValueError) as fault:
            results[repr(fault)[:120]] += 1
        times.append(time.monotonic() - began)

    threading.stack_size(256 << 10)
    threads = [threading.Thread(target=power_on, args=(host,)) for host in hosts]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    right = results.pop("right", 0)
    print(json.dumps({"seconds": max(times), "right": right, "wrong": dict(results.most_common(5))}))
    return int(bool(results))


if __name__ == "__main__":
    sys.exit(main())
