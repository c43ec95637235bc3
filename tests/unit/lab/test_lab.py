"""The lab's building blocks without QEMU: arguments, the chassis, the monitor's client, disks, refusals."""

import itertools
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.errors import ServiceError
from provisioner.lab import chassis, machine, network, qemu
from provisioner.lab.qmp import Monitor
from provisioner.lab.simulators import SIMULATORS
from provisioner.power import registry

GREETING = b'{"QMP": {"version": {}, "capabilities": []}}\r\n'
TIMESTAMP, CAUSE = '"timestamp": {"seconds": 1, "microseconds": 0}', '"guest": true, "reason": "guest-reset"'
WIRING = qemu.Wiring(tap="tap1", qmp=7)


def described(**changes: object) -> qemu.MachineSpec:
    disks = (qemu.Disk(Path("/d/a,b.raw"), "D1"), qemu.Disk(Path("/d/n.raw"), "D2", bus="nvme"))
    return qemu.MachineSpec(**{"name": "vc-1", "mac": "52:54:00:00:00:01", "disks": disks, **changes})


def options(argv: list[str], option: str, start: str = "") -> list[str]:
    pairs = itertools.pairwise(argv)
    return [value for word, value in pairs if word == option and value.startswith(start)]


def bootindex(argv: list[str], model: str) -> int:
    (device,) = options(argv, "-device", model)
    return int(dict(word.split("=", 1) for word in device.split(",")[1:] if "=" in word)["bootindex"])


def test_network_first_puts_the_card_before_the_disks() -> None:
    argv = qemu.arguments(described(), WIRING, "tcg", "network")
    assert [bootindex(argv, model) for model in ("virtio-net-pci", "virtio-blk-pci", "nvme")] == [1, 2, 3]


def test_disk_first_puts_the_disks_before_the_card() -> None:
    argv = qemu.arguments(described(), WIRING, "tcg", "disk")
    assert [bootindex(argv, model) for model in ("virtio-blk-pci", "nvme", "virtio-net-pci")] == [1, 2, 3]


def test_a_comma_in_a_file_name_does_not_begin_an_option() -> None:
    argv = qemu.arguments(described(), WIRING, "tcg", "disk")
    (drive,) = options(argv, "-drive", "if=none,id=disk0")
    assert drive.endswith("cache=writeback,discard=unmap,file=/d/a,,b.raw")


def test_ipv6_pxe_is_switched_off_unless_it_is_wanted() -> None:
    off = qemu.arguments(described(), WIRING, "tcg", "network")
    on = qemu.arguments(described(ipv6_pxe=True), WIRING, "tcg", "network")
    assert options(off, "-fw_cfg") == ["name=opt/org.tianocore/IPv6PXESupport,string=no"]
    assert options(on, "-fw_cfg") == []


def test_the_firmware_pxe_is_tested_and_not_a_rom() -> None:
    (uefi,) = options(qemu.arguments(described(), WIRING, "tcg", "disk"), "-device", "virtio-net")
    bios_argv = qemu.arguments(described(firmware="bios"), WIRING, "tcg", "disk")
    (bios,) = options(bios_argv, "-device", "virtio-net")
    assert uefi.endswith(",romfile=") and "romfile" not in bios
    assert options(bios_argv, "-drive", "if=pflash") == []


def test_a_machine_keeps_its_uuid_and_shows_its_serial_number() -> None:
    (first,) = options(
        qemu.arguments(described(serial_number="SN-9"), WIRING, "kvm", "disk"), "-smbios", "type=1"
    )
    assert f"serial=SN-9,uuid={described().uuid}" in first
    assert described().uuid != described(name="vc-2").uuid


def test_ahci_disks_get_a_port_each_and_extra_cards_are_plugged_in() -> None:
    disks = tuple(qemu.Disk(Path(f"/d/{n}"), f"S{n}", bus="ahci") for n in range(2))
    argv = qemu.arguments(described(disks=disks, extra_pci=("edu", "pci-testdev")), WIRING, "tcg", "disk")
    assert [word.rsplit(",", 1)[1] for word in options(argv, "-device", "ide-hd")] == [
        "bus=ide.0",
        "bus=ide.1",
    ]
    assert options(argv, "-device", "edu") == ["edu"]
    assert options(argv, "-device", "pci-testdev") == ["pci-testdev"]


def test_a_bios_host_shows_its_screen_on_the_serial_line() -> None:
    argv = qemu.arguments(described(firmware="bios"), WIRING, "tcg", "disk")
    assert options(argv, "-machine") == ["q35", "graphics=off"]
    assert options(qemu.arguments(described(), WIRING, "tcg", "disk"), "-machine") == ["q35"]


@pytest.mark.parametrize("bus", ["virtio", "nvme"])
def test_large_sectors_are_both_logical_and_physical_and_others_are_left_to_qemu(bus: qemu.Bus) -> None:
    def device(sector: int) -> str:
        disks = (qemu.Disk(Path("/d/a"), "D1", bus, sector),)
        argv = qemu.arguments(described(disks=disks), WIRING, "tcg", "disk")
        return next(word for word in options(argv, "-device") if "drive=disk0" in word)

    assert device(4096).endswith(",logical_block_size=4096,physical_block_size=4096")
    assert "block_size" not in device(512)


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """KVM that can be opened but hangs; the list of probes made."""
    made: list[str] = []
    monkeypatch.setattr(qemu, "KVM", Path("/dev/null"))
    monkeypatch.setattr(qemu, "boots", lambda accelerator, limit: bool(made.append(accelerator)))
    return made


def test_kvm_that_opens_but_does_not_boot_is_not_used_and_probed_once(
    probes: list[str], tmp_path: Path
) -> None:
    cache = tmp_path / "deep" / "kvm.json"
    assert [qemu.choose_accelerator(cache) for _ in range(2)] == ["tcg", "tcg"]
    assert probes == ["kvm"]


def test_another_kernel_or_a_damaged_memory_is_probed_again(probes: list[str], tmp_path: Path) -> None:
    cache = tmp_path / "kvm.json"
    for text in ("no json", "[1]", json.dumps({"here": "another kernel", "kvm": True})):
        cache.write_text(text)
        assert qemu.choose_accelerator(cache) == "tcg"
    assert probes == ["kvm"] * 3


def test_working_kvm_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(qemu, "KVM", Path("/dev/null"))
    monkeypatch.setattr(qemu, "boots", lambda accelerator, limit: True)
    assert [qemu.choose_accelerator(tmp_path / "kvm.json") for _ in range(2)] == ["kvm", "kvm"]


class Recorded:
    """A chassis whose machine only writes down, with a clock that the test moves."""

    def __init__(self) -> None:
        self.acts: list[str] = []
        self.now, self.on = 100.0, False
        self.chassis = chassis.Chassis(self.acts.append, lambda: self.on, clock=lambda: self.now)

    def at(self, seconds: float, request: str) -> str:
        self.now = 100 + seconds
        return self.chassis.handle(request)


@pytest.mark.parametrize(("request_", "act"), [("set reset 1", "reset"), ("set power 0", "off")])
def test_a_repeat_within_three_seconds_is_dropped(request_: str, act: str) -> None:
    recorded = Recorded()
    for seconds in (0, 1.2, 2.9, 3.0):
        recorded.at(seconds, request_)
    assert recorded.acts == [act, act]
    assert recorded.chassis.orders == [(100.0, act), (103.0, act)]
    assert [at for at, _ in recorded.chassis.dropped] == [101.2, 102.9]


def test_a_late_repeat_of_off_does_not_hit_the_machine_that_was_switched_on_since() -> None:
    recorded = Recorded()
    recorded.at(0, "set power 0")
    recorded.at(0.5, "set power 1")
    recorded.at(1.3, "set power 0")
    assert recorded.acts == ["off", "on"]


def test_off_and_reset_and_on_are_not_repeats_of_each_other() -> None:
    recorded = Recorded()
    for request in ("set power 0", "set reset 1", "set power 1", "set power 1", "set shutdown 1"):
        recorded.at(0, request)
    assert recorded.acts == ["off", "reset", "on", "on", "shutdown"]


def test_the_power_state_is_the_machine_s_own() -> None:
    recorded = Recorded()
    assert recorded.at(0, "get power") == "power:0"
    recorded.at(0, "set power 1")
    assert recorded.at(0, "get power") == "power:0", "an order is not yet a fact"
    recorded.on = True
    assert recorded.at(0, "get power\n") == "power:1"


@pytest.mark.parametrize(("word", "device"), [("pxe", "network"), ("default", "disk"), ("none", None)])
def test_a_boot_device_is_read_back_and_lapses_with_one_start(word: str, device: str | None) -> None:
    recorded = Recorded()
    recorded.at(0, f"set boot {word}")
    assert recorded.at(0, "get boot") == f"boot:{word}"
    assert recorded.chassis.take_boot() == device
    assert recorded.at(0, "get boot") == "boot:none" and recorded.chassis.take_boot() is None


@pytest.mark.parametrize("request_", ["set boot cdrom", "set boot", "get identify", "", "set power 7"])
def test_what_the_bmc_cannot_do_is_refused(request_: str) -> None:
    recorded = Recorded()
    with pytest.raises(ServiceError, match="cannot"):
        recorded.at(0, request_)
    assert recorded.acts == []


@pytest.fixture
def qemu_end() -> Iterator[tuple[Monitor, socket.socket]]:
    """A client that has been greeted, and the end of the line where QEMU would be."""
    ours, its = socket.socketpair()
    with its:
        client = Monitor(ours)
        answer(its, {})
        its.sendall(GREETING)
        client.negotiate(5)
        yield client, its
        client.close()


def answer(line: socket.socket, *replies: dict[str, object]) -> None:
    """Answer that many commands, in a thread, with their ids; the first has none."""

    def work() -> None:
        for reply in replies:
            order = json.loads(line.recv(4096))  # the library sends a command whole, and no line feed
            body = {"return": {}, **reply} if "error" not in reply else reply
            known = {"id": order["id"]} if "id" in order else {}
            line.sendall(json.dumps(body | known).encode() + b"\r\n")

    threading.Thread(target=work, daemon=True).start()


def test_the_monitor_counts_the_writes_of_a_drive(qemu_end: tuple[Monitor, socket.socket]) -> None:
    client, line = qemu_end
    stats = [{"device": name, "stats": {"wr_operations": n}} for name, n in (("pflash1", 9), ("disk0", 4))]
    answer(line, {"return": stats}, {"return": stats})
    assert client.block_writes("disk0") == 4
    with pytest.raises(ServiceError, match="no drive 'disk7'"):
        client.block_writes("disk7")


def test_a_refused_command_carries_the_reason(qemu_end: tuple[Monitor, socket.socket]) -> None:
    client, line = qemu_end
    answer(line, {"error": {"class": "GenericError", "desc": "no such thing"}})
    with pytest.raises(ServiceError, match="refuses nonsense: no such thing"):
        client.execute("nonsense")


def test_events_are_kept_and_the_reason_of_the_end_is_known() -> None:
    ours, its = socket.socketpair()
    ended = threading.Event()
    client = Monitor(ours, on_close=lambda monitor: ended.set())
    answer(its, {})
    its.sendall(GREETING)
    client.negotiate(5)
    for event in ('{"event": "RESUME", %s}', '{"event": "SHUTDOWN", %s, "data": {%s}}'):
        its.sendall((event.replace("%s", TIMESTAMP, 1).replace("%s", CAUSE) + "\r\n").encode())
    its.sendall(b'{"cut o')
    its.close()
    assert ended.wait(30) and client.reason == "guest-reset"
    with pytest.raises(ServiceError, match="ended"):
        client.execute("query-status")


def test_a_machine_that_does_not_greet_is_an_error_in_words() -> None:
    ours, its = socket.socketpair()
    with its, pytest.raises(ServiceError, match="did not greet: nothing within"):
        Monitor(ours).negotiate(0.05)


def test_a_filled_disk_has_no_holes_and_no_zeros(tmp_path: Path) -> None:
    disk, size = tmp_path / "disk", (3 << 20) + 512
    machine.fill(disk, size)
    os.sync()
    assert disk.stat().st_size == size and disk.stat().st_blocks * 512 >= size
    assert disk.read_bytes() == b"\xa5" * size


def test_a_disk_from_an_image_ends_in_old_data(tmp_path: Path) -> None:
    image, disk = tmp_path / "image", tmp_path / "disk"
    image.write_bytes(b"image" * 1000)
    machine.copy(image, disk, 8192)
    assert disk.read_bytes() == b"image" * 1000 + b"\xa5" * 3192
    with pytest.raises(ServiceError, match="more than a disk of 4096"):
        machine.copy(image, disk, 4096)


def needs_nothing_but(monkeypatch: pytest.MonkeyPatch, tun: Path) -> None:
    monkeypatch.setattr(network, "FILES", {})
    monkeypatch.setattr(network, "PROGRAMS", {})
    monkeypatch.setattr(network, "TUN", tun)


def test_all_that_is_missing_is_said_at_once_with_its_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(network, "FILES", {tmp_path / "OVMF.fd": "ovmf"})
    monkeypatch.setattr(
        network, "PROGRAMS", {"no-qemu": "qemu-system-x86", "no-bmc": "openipmi", "true": "x"}
    )
    with pytest.raises(ServiceError) as caught:
        network.check()
    assert str(caught.value) == f"the lab misses {tmp_path}/OVMF.fd, no-qemu, no-bmc"
    assert caught.value.hint == "as root: apt-get install openipmi ovmf qemu-system-x86"
    assert caught.value.code == 640


def test_a_missing_tun_device_is_said_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    needs_nothing_but(monkeypatch, tun=tmp_path / "tun")
    with pytest.raises(ServiceError, match="No such file") as caught:
        network.check()
    assert "udev" in caught.value.hint and caught.value.code == 641


def test_forbidden_user_namespaces_are_said_with_their_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    needs_nothing_but(monkeypatch, tun=Path("/dev/null"))
    fake = tmp_path / "unshare"
    fake.write_text("#!/bin/sh\necho 'unshare failed: Operation not permitted' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(ServiceError, match="Operation not permitted") as caught:
        network.check()
    assert "unprivileged_userns_clone" in caught.value.hint and caught.value.code == 642


def test_the_lab_runs_the_same_command_again_in_its_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []
    environment = {name: value for name, value in os.environ.items() if name != network.MARK}
    monkeypatch.setattr(network.os, "environ", environment)
    monkeypatch.setattr(network.sys, "argv", ["provision", "rehearse", "--faults"])
    monkeypatch.setattr(network.os, "execvp", lambda program, argv: ran.append(argv))
    monkeypatch.setattr(network, "check", lambda: None)
    network.enter()
    (argv,) = ran
    assert argv[:3] == ["unshare", "--user", "--map-root-user"]
    assert argv[-4:] == ["-m", "provisioner", "rehearse", "--faults"]
    assert environment[network.MARK] == "1"


def test_an_exported_mark_does_not_let_the_lab_touch_the_machine_s_own_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(network.MARK, "1")
    with pytest.raises(ServiceError, match="own namespace only") as caught, network.Lan():
        pytest.fail("the lab made a bridge on the machine itself")
    assert caught.value.code == 643


def test_every_simulated_bmc_has_a_driver_that_reaches_it() -> None:
    assert {name for name in SIMULATORS if registry.DRIVERS[name].has_bmc} == set(SIMULATORS)


def test_a_machine_that_ends_before_it_greets_is_an_end_in_words() -> None:
    ours, its = socket.socketpair()
    ended = threading.Event()
    client = Monitor(ours, on_close=lambda monitor: ended.set())
    its.close()
    assert ended.wait(30) and client.reason == ""
    with pytest.raises(ServiceError, match="did not greet: it has ended"):
        client.negotiate(5)
