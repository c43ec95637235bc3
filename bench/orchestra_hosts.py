"""Scripted machines: `python -m bench.orchestra_hosts HOSTS.json CERT KEY SECONDS LIMIT`; prints JSON.

One process of one event loop plays, for each host, a Redfish BMC (HTTPS, a port of its own, one request a
connection, as our driver asks) and what its power-on leads to: DHCP, boot script, hello, progress, written,
reboot, phone-home. What is said is said by the real protocols; no disk is written and no system boots.
"""

import argparse
import asyncio
import json
import random
import re
import resource
import socket
import ssl
import struct
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.storm_hosts import COOKIE, DEVICE, IPXE, SERVER, WANTS, options

SYSTEM = "/redfish/v1/Systems/1"
RESET = f"{SYSTEM}/Actions/ComputerSystem.Reset"
WAIT, TRIES = 2.0, 20  # seconds for one answer, and how often it is asked for
TOTAL = 64 << 30
# when each thing happens, as a share of the host's own time
HELLO, PROGRESS, WRITTEN, REBOOT = 0.2, (0.3, 0.4, 0.5), 0.6, 0.8
Json = Mapping[str, object]


@dataclass
class Machine:
    """One host as HOSTS.json has it, and what has become of it."""

    mac: str
    address: str
    port: int
    power: str = "Off"
    boot: str = "None"
    counts: Counter[str] = field(default_factory=Counter)
    began: float = 0.0
    ended: float = 0.0
    fault: str = ""


class Dhcp(asyncio.DatagramProtocol):
    """The socket of port 68 that all share; answers are told apart by their number."""

    def __init__(self) -> None:
        self._waiting: dict[int, asyncio.Future[tuple[int, str]]] = {}

    @classmethod
    async def open(cls) -> "Dhcp":
        """Bound to the device of the LAN."""
        line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for option in (socket.SO_BROADCAST, socket.SO_REUSEADDR):
            line.setsockopt(socket.SOL_SOCKET, option, 1)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, DEVICE.encode())
        line.bind(("", 68))
        _, protocol = await asyncio.get_running_loop().create_datagram_endpoint(cls, sock=line)
        return protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        waiting = self._waiting.get(int.from_bytes(data[4:8], "big"))
        kind = options(data).get(53, b"\0")[0]
        if waiting and not waiting.done():
            waiting.set_result((kind, socket.inet_ntoa(data[16:20])))

    async def lease(self, machine: Machine) -> str:
        """Discover, offer, request, acknowledgement: the address. Raises TimeoutError."""
        number = random.getrandbits(32)
        offered = await self._ask(number, machine, b"\x35\x01\x01" + IPXE, 2)
        wanted = b"\x32\x04" + socket.inet_aton(offered) + b"\x36\x04" + socket.inet_aton(SERVER)
        return await self._ask(number, machine, b"\x35\x01\x03" + wanted + IPXE, 5)

    async def _ask(self, number: int, machine: Machine, words: bytes, kind: int) -> str:
        head = struct.pack("!BBBBIHH", 1, 1, 6, 0, number, 0, 0x8000) + bytes(16)
        mac = bytes.fromhex(machine.mac.replace(":", ""))
        packet = (head + mac + bytes(202) + COOKIE + words + WANTS + b"\xff").ljust(300, b"\0")
        for _ in range(TRIES):
            waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
            self._transport.sendto(packet, ("255.255.255.255", 67))  # type: ignore[attr-defined]
            try:
                answer: tuple[int, str] = await asyncio.wait_for(waiting, WAIT)
            except TimeoutError:
                machine.counts["dhcp again"] += 1
                continue
            if answer[0] == kind:
                return answer[1]
        raise TimeoutError(f"no DHCP message {kind}")


async def http(machine: Machine, path: str, body: Json | None = None, token: str = "") -> tuple[int, bytes]:
    """One request from the host's own address, again where nobody answers: status and body."""
    text = b"" if body is None else json.dumps(body).encode()
    lines = [f"{'GET' if body is None else 'POST'} {path} HTTP/1.1", f"Host: {SERVER}", "Connection: close"]
    lines += ["Content-Type: application/json", f"Content-Length: {len(text)}"] * (body is not None)
    lines += [f"Authorization: Bearer {token}"] * bool(token)
    for _ in range(TRIES):
        try:
            reader, writer = await asyncio.open_connection(SERVER, 80, local_addr=(machine.address, 0))
            writer.write("\r\n".join([*lines, "", ""]).encode() + text)
            answer = await reader.read(-1)
            writer.close()
            head, _, rest = answer.partition(b"\r\n\r\n")
            status = int(head.split(b" ", 2)[1])
            if status != 503:
                return status, rest
        except (OSError, IndexError):
            pass
        machine.counts["http again"] += 1
        await asyncio.sleep(WAIT)
    raise TimeoutError(f"no answer at {path}")


class Play:
    """What the machines do from power-on to phone-home; each takes `seconds` of its own time."""

    def __init__(self, machines: list[Machine], dhcp: Dhcp, seconds: float) -> None:
        self._dhcp, self._seconds = dhcp, seconds
        self._left = len(machines)
        self.done = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def power_on(self, machine: Machine) -> None:
        """By its BMC."""
        machine.power = "On"
        machine.counts["power on"] += 1
        machine.began = machine.began or time.monotonic()
        task = asyncio.get_running_loop().create_task(self._run(machine))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, machine: Machine) -> None:
        began = time.monotonic()
        try:
            await self._boot(machine, began)
        except (OSError, ValueError, KeyError, TypeError) as fault:
            machine.fault = f"{machine.mac}: {fault!r}"
        machine.ended = time.monotonic()
        self._left -= 1
        if not self._left:
            self.done.set()

    async def _at(self, began: float, share: float) -> None:
        await asyncio.sleep(max(0.0, began + share * self._seconds - time.monotonic()))

    async def _boot(self, machine: Machine, began: float) -> None:
        if await self._dhcp.lease(machine) != machine.address:
            raise ValueError("another address was given")
        place = f"/boot/{machine.mac.replace(':', '-')}/boot.ipxe?platform=efi"
        _, script = await http(machine, place)
        nonce = re.search(rb"pv\.nonce=(\S+)", script)
        if not nonce:
            raise ValueError(f"no order in its script: {script[:80]!r}")
        await self._at(began, HELLO)
        hello = await _post(machine, "/agent/v1/hello", hello_of(machine, nonce[1].decode()))
        machine.counts["hello"] += 1
        token, order = str(hello["token"]), hello["order"]
        assert isinstance(order, dict)
        about = {"deployment": order["deployment"], "attempt": order["attempt"]}
        seq = 0
        for share in PROGRESS:
            await self._at(began, share)
            seq += 1
            moved = {"phase": "writing", "done": int(TOTAL * share), "total": TOTAL, "rate": 1e9}
            await _post(machine, "/agent/v1/progress", {**about, "seq": seq, **moved}, token)
        await self._at(began, WRITTEN)
        await self._written(machine, began, {**about, "seq": seq + 1}, token)
        await self._at(began, 1.0)
        await _post(machine, "/phone-home/v1", phoned(order))
        machine.counts["phone-home"] += 1

    async def _written(self, machine: Machine, began: float, about: Json, token: str) -> None:
        """Told once, then polled as the agent does until it may reboot."""
        said = {
            **about,
            "disk": disk(machine),
            "seconds": 1.0,
            "bytes_written": TOTAL,
            "bytes_fetched": TOTAL,
        }
        do = (await _post(machine, "/agent/v1/written", said, token))["do"]
        machine.counts["written"] += 1
        await self._at(began, REBOOT)
        while do != "reboot":
            do = (await _post(machine, "/agent/v1/written", said, token))["do"]
            if do == "stop":
                raise ValueError("told to stop")
            if do == "continue":
                machine.counts["reboot awaited"] += 1
                await asyncio.sleep(WAIT)


async def _post(machine: Machine, path: str, body: Json, token: str = "") -> dict[str, object]:
    status, answer = await http(machine, path, body, token)
    if status != 200:
        raise ValueError(f"{path}: {status} {answer[:80]!r}")
    known = json.loads(answer)
    assert isinstance(known, dict)
    return known


def disk(machine: Machine) -> Json:
    """The only one that it has."""
    return {"name": "vda", "size": TOTAL, "logical_sector": 512, "serial": f"disk-{machine.port}"}


def hello_of(machine: Machine, nonce: str) -> Json:
    """What its agent says first."""
    who = {"nonce": nonce, "boot_id": machine.mac, "mac": machine.mac, "macs": [machine.mac]}
    what = {"serial": "", "uuid": "", "memory": 1 << 34, "version": "0", "disks": [disk(machine)]}
    return {**who, **what}


def phoned(order: Mapping[str, object]) -> Json:
    """What the system on the disk says, with the token of its seed."""
    seed = order["seed"]
    assert isinstance(seed, dict)
    token = re.search(r"token\W+([\w-]{43})", seed["user-data"])
    if not token:
        raise ValueError("no token in its seed")
    image = {"image_id": order["image_name"], "image_version": order["image_version"]}
    return {"deployment": order["deployment"], "token": token[1], "host_keys": ["ssh-ed25519 AAAA"], **image}


class Bmc:
    """Redfish for one machine: no sessions, so that the login comes with each request."""

    def __init__(self, machine: Machine, play: Play) -> None:
        self._machine, self._play = machine, play

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = re.search(r"(?i)^content-length: (\d+)", head, re.MULTILINE)
            body = await reader.readexactly(int(length[1])) if length else b""
            method, path, _ = head.split(" ", 2)
            status, answer = self._answer(method, path.rstrip("/"), json.loads(body or b"{}"))
            text = json.dumps(answer).encode()
            kind = f"Content-Type: application/json\r\nContent-Length: {len(text)}"
            writer.write(f"HTTP/1.1 {status} X\r\n{kind}\r\nConnection: close\r\n\r\n".encode() + text)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            self._machine.counts["bmc broken off"] += 1
        finally:
            writer.close()

    def _answer(self, method: str, path: str, body: Mapping[str, object]) -> tuple[int, Json]:
        machine = self._machine
        machine.counts["bmc requests"] += 1
        if method == "PATCH" and path == SYSTEM:
            asked = body["Boot"]
            assert isinstance(asked, dict)
            machine.boot = str(asked["BootSourceOverrideTarget"])
            machine.counts[f"boot {machine.boot}"] += 1
            return 200, self._system()
        if method == "POST" and path == RESET:
            self._play.power_on(machine)
            return 200, {"ok": "1"}
        known: dict[str, Json] = {
            "/redfish/v1": {"Systems": {"@odata.id": "/redfish/v1/Systems"}},
            "/redfish/v1/Systems": {"Members": [{"@odata.id": SYSTEM}]},
            SYSTEM: self._system(),
        }
        return (200, known[path]) if path in known else (404, {"error": {"message": "there is none"}})

    def _system(self) -> Json:
        boot = {
            "BootSourceOverrideEnabled": "Disabled" if self._machine.boot == "None" else "Once",
            "BootSourceOverrideTarget": self._machine.boot,
            "BootSourceOverrideMode": "UEFI",
        }
        reset = {"target": RESET, "ResetType@Redfish.AllowableValues": ["On", "ForceOff", "ForceRestart"]}
        actions = {"#ComputerSystem.Reset": reset}
        return {"PowerState": self._machine.power, "Boot": boot, "Actions": actions}


async def play(machines: list[Machine], context: ssl.SSLContext, seconds: float, limit: float) -> None:
    """Until each has ended, or `limit` seconds are over; says `ready` when all BMCs listen."""
    show = Play(machines, await Dhcp.open(), seconds)
    for machine in machines:
        bmc = Bmc(machine, show)
        await asyncio.start_server(bmc.serve, SERVER_OF_BMCS, machine.port, ssl=context, backlog=8)
    print("ready", file=sys.stderr, flush=True)
    try:
        await asyncio.wait_for(show.done.wait(), limit)
    except TimeoutError:
        for machine in machines:
            machine.fault = machine.fault or ("" if machine.ended else f"{machine.mac}: has not ended")


SERVER_OF_BMCS = "10.78.0.2"


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.orchestra_hosts")
    for name in ("hosts", "certificate", "key"):
        parser.add_argument(name, type=Path)
    parser.add_argument("seconds", type=float)
    parser.add_argument("limit", type=float)
    arguments = parser.parse_args()
    machines = [Machine(**fields) for fields in json.loads(arguments.hosts.read_text())]
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(arguments.certificate, arguments.key)
    asyncio.run(play(machines, context, arguments.seconds, arguments.limit))
    counts: Counter[str] = Counter()
    for machine in machines:
        counts.update(machine.counts)
    wrong = [machine.fault for machine in machines if machine.fault]
    twice = sum(machine.counts["power on"] != 1 for machine in machines)
    print(
        json.dumps(
            {
                "ended": max(machine.ended for machine in machines),
                "first_power": min((one.began for one in machines if one.began), default=0.0),
                "last_power": max(one.began for one in machines),
                "wrong": wrong[:5],
                "failed": len(wrong),
                "not_powered_once": twice,
                "counts": counts,
            }
        )
    )
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
