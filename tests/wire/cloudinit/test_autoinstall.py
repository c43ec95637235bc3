"""Ubuntu's installer against the running service: its ISO, its seed, its question, its events, strangers.

The events in tests/golden/autoinstall have the shape that curtin posts and the names and order that
subiquity's own logs show; the installer itself did not run here.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from provisioner import ramdisk, run

if TYPE_CHECKING:
    from tests.wire.conftest import CommandResult, Puppet, Reply, World

ROOT = Path(__file__).parents[3]
EVENTS = ROOT / "tests" / "golden" / "autoinstall"
START = {"name": "subiquity/Early/run", "description": "", "event_type": "start", "origin": "curtin"}
DONE = {"name": "subiquity/Late/run", "event_type": "finish", "origin": "curtin", "result": "SUCCESS"}
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
PARTS = {"vmlinuz": b"kernel" * 1000, "initrd": b"ramdisk" * 2000}


def make_iso(folder: Path, info: str = "", **left_out: bool) -> Path:
    """A file system as Ubuntu's live ISO has it, as far as we look at it."""
    tree = folder / "tree"
    (tree / "casper").mkdir(parents=True)
    (tree / ".disk").mkdir()
    (tree / ".disk" / "info").write_text(
        info or 'Ubuntu-Server 24.04.1 LTS "Noble Numbat" - Release amd64 (20240827)'
    )
    for name, content in PARTS.items():
        if not left_out.get(name):
            (tree / "casper" / name).write_bytes(content)
    iso = folder / "live.iso"
    run.run(["xorriso", "-as", "mkisofs", "-quiet", "-r", "-J", "-o", iso, tree])
    return iso


@pytest.fixture(scope="module")
def ubuntu(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The ISO, added by the command line; the profile `installed` orders it."""
    iso = make_iso(tmp_path_factory.mktemp("iso"))
    [digest, _] = run.text(["sha256sum", iso]).split()
    said = world.provision("image", "add", "--iso", str(iso), "--sha256", digest)
    assert said.code == 0 and "ubuntu@24.04.1 added" in said.err and "as --sha256 says" in said.err, said.err
    world.apply([], [{"name": "installed", "image": "ubuntu", "method": "autoinstall"}])
    stream = {"flavour": "stream", "iso": "ubuntu"}
    world.apply(
        [], [{"name": "streamed", "image": "vault-os", "method": "autoinstall", "autoinstall": stream}]
    )
    yield iso
    with world.site.database.writing() as db:  # other tests expect to know every image
        db.execute("DELETE FROM images WHERE id = 'ubuntu@24.04.1'")
    found = world.client.image_garbage()
    assert [(stray.name, stray.why) for stray in found] == [("ubuntu-24.04.1", "no image of the catalogue")]
    world.client.remove_image_garbage(["ubuntu-24.04.1"])


@pytest.fixture
def host(world: World, ubuntu: Path) -> Iterator[Puppet]:
    """A machine whose profile says autoinstall, with an order; it is powered by hand."""
    with world.machine(profile="installed") as made:
        made.arm()
        yield made


@pytest.fixture(scope="module")
def nowhere(world: World) -> Reply:
    """The answer for what is not there."""
    return world.lan.http("/no/such/path")


def say(host: Puppet, **event: Any) -> Reply:
    return host.http(f"{host.seed}/events", body={**START, **event})


def ask(host: Puppet, **other: Any) -> Reply:
    return host.http(f"{host.seed}/gate", body=host.greeting(**other))


def replay(host: Puppet, name: str) -> list[Reply]:
    """Every event of a file, in order; the early command asks between its start and its end."""
    replies = []
    for line in (EVENTS / name).read_text().splitlines():
        event = json.loads(line)
        replies.append(host.http(f"{host.seed}/events", body=event))
        if event["name"] == "subiquity/Early/run/command_0" and event["event_type"] == "start":
            assert ask(host).json == {"do": "continue", "disk": "/dev/vda"}
    return replies


# the catalogue


def test_what_is_no_live_iso_or_another_one_is_refused(world: World, tmp_path: Path) -> None:
    other = make_iso(tmp_path, initrd=True)
    words = {
        ("--iso", str(other)): "holds no casper/initrd: it is no live-server ISO",
        ("--iso", str(other), "--sha256", "0" * 64): "has the SHA-256",
        ("--iso", str(ROOT / "README.md")): "does not say what it is",
        ("--iso", str(ROOT / "README.md"), "--name", "u", "--version", "1"): "it is no live-server ISO",
        ("--iso", "/no/such.iso"): "no such file",
        ("--iso", str(other), "--name", "Not A Name"): "name: is not of the form",
        (str(other), "--name", "u"): "are for --iso",
    }
    before = world.client.images()
    for argv, sentence in words.items():
        said = world.provision("image", "add", *argv)
        assert said.code == 2 and sentence in said.err, (argv, said.err)
    assert world.client.images() == before
    assert not list((world.state / "images").glob("tmp*"))


def test_the_stored_iso_can_be_read_again(world: World, ubuntu: Path) -> None:
    assert world.provision("image", "verify", "ubuntu").code == 0
    kept = world.state / "images" / "ubuntu-24.04.1" / "installer.iso"
    assert kept.read_bytes() == ubuntu.read_bytes()
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-1] + b"x")
    try:
        said = world.provision("image", "verify", "ubuntu")
        assert said.code == 6 and "was changed on the disk" in said.err
    finally:
        kept.write_bytes(whole)


def test_a_profile_is_given_the_kind_of_image_that_its_method_deploys(world: World, ubuntu: Path) -> None:
    with world.machine(profile="installed") as installed, world.machine() as written:
        for name, image, sentence in (
            (installed.name, "vault-os", "vault-os@1 is a packed image"),
            (written.name, "ubuntu", "ubuntu@24.04.1 is an installer's ISO"),
        ):
            said = world.provision("deploy", name, "--image", image, "--yes")
            assert said.code == 2 and sentence in said.err and "PV-127" in said.err, said.err
        assert installed.row is written.row is None


# what is booted


def test_an_armed_host_boots_the_installer_and_fetches_what_its_script_names(
    world: World, host: Puppet, ubuntu: Path
) -> None:
    script = host.http(f"/boot/{host.mac}/boot.ipxe").body.decode()
    assert "# Start Ubuntu's installer, which this machine was ordered to boot." in script
    place = f"/boot/{host.mac.replace(':', '-')}"
    assert f"ds=nocloud-net;s=http://10.77.0.1{host.seed}/ " in script
    for name, content in {**PARTS, "installer.iso": ubuntu.read_bytes()}.items():
        assert f"http://10.77.0.1{place}/{name}" in script
        assert host.http(f"{place}/{name}").body == content
    part = host.http(f"{place}/installer.iso", "-H", "Range: bytes=32769-32773")
    assert (part.status, part.body) == (206, b"CD001")
    size = host.http(f"{place}/installer.iso", method="HEAD").headers["content-length"]
    assert int(size) == ubuntu.stat().st_size
    served = world.await_event(host.row.id, "script.served")
    assert served.data.boots == "installer"


def test_the_installers_files_are_lent_to_the_armed_host_only(
    world: World, host: Puppet, nowhere: Reply, ubuntu: Path
) -> None:
    place = f"/boot/{host.mac.replace(':', '-')}/installer.iso"
    assert host.http(place, source="10.77.0.1") == nowhere, "another address"
    assert host.http(place.replace("installer.iso", "other.iso")) == nowhere
    assert host.http("/boot/52-54-00-99-99-99/installer.iso") == nowhere
    assert host.http("/boot/garbage/installer.iso") == nowhere
    world.client.cancel(host.row.id)
    assert host.http(place) == nowhere, "no order"
    with world.machine() as written:
        written.arm()
        assert written.http(f"/boot/{written.mac}/installer.iso") == nowhere, "it boots the ramdisk"


# the seed


def test_the_seed_is_served_to_the_armed_host_and_says_who_it_is(world: World, host: Puppet) -> None:
    meta = yaml.safe_load(host.http(f"{host.seed}/meta-data").body)
    assert meta == {"instance-id": host.row.id, "local-hostname": host.name}
    data = yaml.safe_load(host.http(f"{host.seed}/user-data").body)
    assert data["autoinstall"]["identity"]["hostname"] == host.name
    assert host.http(f"{host.seed}/vendor-data").body == b""
    network = yaml.safe_load(host.http(f"{host.seed}/network-config").body)
    assert network["ethernets"]["deploy"]["match"]["macaddress"] == host.mac
    world.await_event(host.row.id, "seed.served")
    assert host.row.stage == "netbooting"
    again = yaml.safe_load(host.http(f"{host.seed}/user-data").body)
    assert again == data, "until the first report cloud-init may try again"


def test_no_stranger_reads_a_seed(world: World, host: Puppet, nowhere: Reply) -> None:
    mac = host.mac.replace(":", "-")
    with world.machine() as other:
        for path in (
            f"/autoinstall/{mac}/wrong/user-data",
            f"/autoinstall/{mac}/{host.row.nonce}x/user-data",
            f"/autoinstall/{mac}//user-data",
            f"/autoinstall/{mac}/%C3%A9/user-data",
            f"/autoinstall/{other.mac}/{host.row.nonce}/user-data",
            f"/autoinstall/52-54-00-99-99-99/{host.row.nonce}/user-data",
            f"/autoinstall/garbage/{host.row.nonce}/user-data",
            f"{host.seed}/private-data",
            f"{host.seed}/../../provisioner.db",
            f"{host.seed}",
        ):
            assert host.http(path) == nowhere, path
        assert other.http(f"{host.seed}/user-data") == nowhere, "another address"
        assert other.http(f"/autoinstall/{other.mac}/x/user-data") == nowhere, "not armed"
    assert host.http(f"{host.seed}/user-data", source="10.77.0.1") == nowhere
    said = world.service.log.read_text()
    assert "the request comes from 10.77.0.1, not from the host's own address" in said
    assert host.row.nonce not in said
    assert host.row.stage == "powering" and "seed.served" not in world.kinds(host.row.id)


@pytest.mark.parametrize(
    ("other", "code", "seen"), [({}, 303, "disk-2"), ({"serial": "S-2"}, 301, "disk-1")], ids=str
)
def test_a_replaced_disk_is_kept_where_the_right_machine_shows_it(
    world: World, host: Puppet, other: dict[str, str], code: int, seen: str
) -> None:
    assert say(host).status == 200 and ask(host, serial="S-1").json["do"] == "continue"
    world.client.cancel(host.row.id)
    host.arm()
    assert say(host).status == 200
    disk = {"name": "vda", "size": 64 << 30, "logical_sector": 512, "serial": "disk-2"}
    said = {"boot_id": "boot-2", "serial": "S-1", "disks": [disk], **other}
    assert ask(host, **said).json["do"] == "stop"
    assert (host.row.stage, host.row.code) == ("failed", code)
    assert [each.serial for each in world.client.host(host.name).facts.disks] == [seen]
    assert world.client.plan(host.name).erases.serial == seen


def test_a_host_that_boots_the_ramdisk_has_no_seed_and_no_events(puppet: Puppet, nowhere: Reply) -> None:
    puppet.arm()
    assert puppet.http(f"{puppet.seed}/user-data") == nowhere
    assert say(puppet) == nowhere and ask(puppet) == nowhere
    assert puppet.row.stage == "powering"


def test_the_first_report_closes_the_seed_for_everybody(world: World, host: Puppet, nowhere: Reply) -> None:
    seed, place = host.seed, f"/boot/{host.mac}"
    assert host.http(f"{seed}/user-data").status == 200
    assert say(host).json == {"do": "continue"}
    assert host.row.stage == "writing"
    assert host.http(f"{seed}/user-data") == nowhere, "a second reader"
    assert host.http(f"{seed}/meta-data") == nowhere
    assert host.http(f"{place}/installer.iso") == nowhere
    assert b"# Boot this machine's own disk." in host.http(f"{place}/boot.ipxe").body
    assert world.kinds(host.row.id).count("installer.began") == 1


def test_an_expired_order_has_no_seed_and_takes_no_report(world: World, host: Puppet, nowhere: Reply) -> None:
    with world.site.database.writing():
        world.site.database.deployments.put(host.row.model_copy(update={"expires": 1.0, "deadline": 2e9}))
        row = host.row
        # the worker would end it at once: what is tested is that nobody needs to wait for the worker
    assert host.http(f"/autoinstall/{host.mac}/{row.nonce}/user-data") == nowhere
    assert host.http(f"/autoinstall/{host.mac}/{row.nonce}/events", body=START) == nowhere
    world.await_event(row.id, "deadline.passed")
    assert host.row.stage == "failed"


def test_a_cancelled_order_takes_no_report_and_the_gate_stays_shut(
    world: World, host: Puppet, nowhere: Reply
) -> None:
    seed = host.seed
    assert say(host).status == 200
    world.client.cancel(host.row.id)
    assert host.http(f"{seed}/gate", body=host.greeting()) == nowhere
    assert host.http(f"{seed}/events", body=START) == nowhere


# the question


def test_the_gate_names_the_one_disk_that_the_hints_mean_and_keeps_what_it_saw(
    world: World, host: Puppet
) -> None:
    assert ask(host, serial="S-1").json == {"do": "continue", "disk": "/dev/vda"}
    assert world.kinds(host.row.id)[-2:] == ["installer.began", "installer.disk"]
    assert (host.row.disk.serial, host.row.serial) == ("disk-1", "S-1")
    assert world.client.host(host.name).facts.memory == 1 << 30
    assert ask(host, serial="S-1").json["disk"] == "/dev/vda", "its answer may have been lost"
    assert ask(host, boot_id="boot-2").status == 404


@pytest.mark.parametrize(
    ("other", "code", "sentence"),
    [
        ({"disks": []}, 312, "no disk fits the hints"),
        (
            {"disks": [{"name": n, "size": 1 << 40, "logical_sector": 512} for n in ("sda", "sdb")]},
            313,
            "2 disks fit the hints",
        ),
    ],
)
def test_a_doubt_about_the_disk_ends_the_deployment_before_anything_is_written(
    host: Puppet, other: dict[str, Any], code: int, sentence: str
) -> None:
    reply = ask(host, **other)
    assert reply.json["do"] == "stop" and sentence in reply.json["sentence"]
    assert (host.row.stage, host.row.code) == ("failed", code)


def test_another_machine_than_the_ordered_one_is_refused(world: World, ubuntu: Path) -> None:
    with world.machine(profile="installed", serial="S-INSTALLED") as host:
        host.arm()
        assert "the order is for S-INSTALLED" in ask(host, serial="S-ANOTHER").json["sentence"]
        assert (host.row.stage, host.row.code) == ("failed", 301)


# the events


def test_the_events_of_an_installation_lead_to_the_first_boot_and_its_phone_home_to_verification(
    world: World, host: Puppet
) -> None:
    data = yaml.safe_load(host.http(f"{host.seed}/user-data").body)["autoinstall"]["user-data"]
    replies = replay(host, "events-installed.jsonl")
    assert {(reply.status, reply.body) for reply in replies} == {(200, replies[0].body)}
    assert host.row.stage == "restarting"
    kinds = world.kinds(host.row.id)
    assert kinds.count("installer.done") == 1 and kinds.count("installer.progress") > 80
    world.await_event(host.row.id, "disk.chosen")
    [order] = [json.loads(file["content"]) for file in data["write_files"] if file["permissions"] == "0600"]
    said = {"host_keys": [HOST_KEY], "image_id": "ubuntu", "image_version": "24.04.1"}
    evidence = {**said, "deployment": order["deployment"], "root_disk": {"serial": "disk-1"}}
    assert host.http("/phone-home/v1", body={**evidence, "token": "wrong"}).status == 404
    assert host.http("/phone-home/v1", body={**evidence, "token": order["token"]}).status == 200
    world.await_event(host.row.id, "os.phoned")


def test_a_system_that_came_up_from_another_disk_is_refused(host: Puppet) -> None:
    data = yaml.safe_load(host.http(f"{host.seed}/user-data").body)["autoinstall"]["user-data"]
    assert ask(host).status == 200
    assert say(host, **DONE).status == 200
    [order] = [json.loads(file["content"]) for file in data["write_files"] if file["permissions"] == "0600"]
    said = {"image_id": "ubuntu", "image_version": "24.04.1", "host_keys": [HOST_KEY]}
    body = {**said, "deployment": order["deployment"], "token": order["token"], "root_disk": {"serial": "x"}}
    assert host.http("/phone-home/v1", body=body).status == 404
    assert (host.row.stage, host.row.code) == ("failed", 420)


def test_an_installation_that_fails_says_what_failed_first(host: Puppet) -> None:
    replay_until_failed = (EVENTS / "events-failed.jsonl").read_text().splitlines()
    seed, stages = host.seed, []
    for line in replay_until_failed:
        host.http(f"{seed}/events", body=json.loads(line))
        stages.append(host.row.stage)
    assert stages[-1] == "failed" and stages.index("failed") < len(stages) - 1, "what comes later is 404"
    assert host.row.code == 350
    assert "install-grub: installing grub to target devices" in host.row.reason


def test_a_part_that_fails_need_not_end_the_installation(host: Puppet) -> None:
    say(host)
    say(host, name="subiquity/SnapList/loader", event_type="finish", result="FAIL")
    assert host.row.stage == "writing"
    say(host, name="provisioner/error", event_type="finish", result="FAIL", description="it stopped")
    assert host.row.stage == "failed"
    assert host.row.reason == "the installer failed: subiquity/SnapList/loader"


def test_an_event_without_a_content_type_counts_as_cloud_inits_webhook_sends_none(host: Puppet) -> None:
    text = json.dumps({**START, "origin": "cloudinit", "timestamp": 1.5})
    assert host.http(f"{host.seed}/events", "-H", "Content-Type:", "--data-binary", text).status == 200
    assert host.row.stage == "writing"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b"[" * 200_000,
        b'{"name": "\xff"}',
        b'{"name": 1, "event_type": "start"}',
    ]
    + [json.dumps({**START, **wrong}).encode() for wrong in ({"name": ""}, {"event_type": "begin"})]
    + [json.dumps({**START, "description": "x" * 5000}).encode()],
)
def test_what_is_no_event_is_refused_and_consumes_nothing(host: Puppet, body: bytes, nowhere: Reply) -> None:
    assert host.http(f"{host.seed}/events", body=body) == nowhere
    assert host.http(f"{host.seed}/gate", body=body) == nowhere
    assert host.row.stage == "powering"


# the scripts that run in the installer


def script(host: Puppet, name: str, folder: Path, **places: Path) -> tuple[str, Path]:
    """The seed's script and order as cloud-init writes them, with other places than the installer's."""
    data = yaml.safe_load(host.http(f"{host.seed}/user-data").body)
    files = {Path(file["path"]).name: file["content"] for file in data["write_files"]}
    text = files[name]
    for variable, place in places.items():
        assert f"{variable} = Path(" in text
        text = text.replace(f"{variable} = Path(", f"{variable} = Path({str(place)!r}) or Path(")
    (folder / name).write_text(text)
    (folder / "order.json").write_text(files["order.json"])
    (folder / "autoinstall.yaml").write_text(yaml.safe_dump(data["autoinstall"]))
    return str(folder / name), folder / "order.json"


def fake_sys(folder: Path) -> Path:
    """A machine with one disk, its serial and one card."""
    words = {
        "block/vda/size": str((64 << 30) // 512),
        "block/vda/serial": "disk-1",
        "block/vda/queue/logical_block_size": "512",
        "block/loop0/size": "2048",
        "class/dmi/id/product_serial": "S-9",
        "class/net/eth0/address": "52:54:00:77:01:99",
        "class/net/eth0/device/vendor": "0x1af4",
    }
    for name, text in words.items():
        (folder / "sys" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "sys" / name).write_text(text + "\n")
    return folder / "sys"


@contextmanager
def speaking_as(host: Puppet) -> Iterator[None]:
    """What runs in the service's network reaches it from the host's own address."""
    lan = host.world.lan
    lan.add_address(f"{host.address}/24")
    route = ("ip", "route", "replace", "local", "10.77.0.1", "dev", "lo", "table", "local", "src")
    lan.run(*route, host.address)
    try:
        yield
    finally:
        lan.run(*route, "10.77.0.1")


def run_as(host: Puppet, program: str, *words: str | Path) -> CommandResult:
    """The seed's script, from the host's own address."""
    with speaking_as(host):
        return host.world.lan.run(sys.executable, program, *words)


def test_the_gate_script_puts_the_named_disk_into_the_answers(host: Puppet, tmp_path: Path) -> None:
    answers = tmp_path / "autoinstall.yaml"
    program, order = script(host, "installer.py", tmp_path, ANSWERS=answers, SYS=fake_sys(tmp_path))
    said = run_as(host, program, "gate", order)
    assert said.code == 0, said.err + said.out
    assert yaml.safe_load(answers.read_text())["storage"]["layout"]["match"]["path"] == "/dev/vda"
    assert (host.row.stage, host.row.serial) == ("writing", "S-9")
    assert host.row.disk.serial == "disk-1"


def test_the_gate_script_fails_and_leaves_the_answers_when_the_order_is_gone(
    world: World, host: Puppet, tmp_path: Path
) -> None:
    answers = tmp_path / "autoinstall.yaml"
    program, order = script(host, "installer.py", tmp_path, ANSWERS=answers, SYS=fake_sys(tmp_path))
    before = answers.read_text()
    world.client.cancel(host.row.id)
    said = run_as(host, program, "gate", order)
    assert said.code == 1 and "no disk is touched" in said.err
    assert answers.read_text() == before and "/dev/no-disk" in before


def test_the_late_script_names_the_image_in_the_installed_system(host: Puppet, tmp_path: Path) -> None:
    target = tmp_path / "target"
    for folder in ("etc/sudoers.d", "usr/lib"):
        (target / folder).mkdir(parents=True)
    (target / "usr/lib/os-release").write_text('ID=ubuntu\nVERSION_ID="24.04"\n')
    (target / "etc/os-release").symlink_to("../usr/lib/os-release")
    program, order = script(host, "installer.py", tmp_path, TARGET=target)
    assert run_as(host, program, "late", order).code == 0
    text = (target / "etc/os-release").read_text()
    assert text.endswith('VERSION_ID="24.04"\nIMAGE_ID=ubuntu\nIMAGE_VERSION=24.04.1\n')
    assert "IMAGE_ID" not in (target / "usr/lib/os-release").read_text()
    assert (target / "etc/sudoers.d/90-cloud-init-users").stat().st_mode & 0o777 == 0o440


def test_the_error_script_tells_the_service(host: Puppet, tmp_path: Path) -> None:
    program, order = script(host, "installer.py", tmp_path)
    said = run_as(host, program, "error", order)
    assert said.code == 0, said.err
    assert (host.row.stage, host.row.code) == ("failed", 350)


# a pack from the installer's environment


def test_a_streamed_pack_is_the_agents_work_as_ever(world: World, ubuntu: Path, nowhere: Reply) -> None:
    with world.machine(profile="streamed") as host:
        host.arm()
        assert "autoinstall ds=nocloud-net" in host.http(f"/boot/{host.mac}/boot.ipxe").body.decode()
        data = yaml.safe_load(host.http(f"{host.seed}/user-data").body)
        [command] = data["autoinstall"]["early-commands"]
        assert command[2:] == ["http://10.77.0.1", host.mac, host.row.nonce]
        assert say(host) == nowhere and ask(host) == nowhere, "the agent's hello is its first word"
        assert host.hello().status == 200
        assert host.order["image_name"] == "vault-os"
        assert host.http(f"{host.seed}/user-data") == nowhere
        assert host.tell("written").json == {"do": "continue"}
        assert host.row.stage == "restarting"


# its own pid namespace, where a reboot ends the namespace only, and no disk in /dev
ALONE = """
set -e
mount -t tmpfs dev /mnt
touch /mnt/null
mount --bind /dev/null /mnt/null
mount --move /mnt /dev
exec "$@"
"""


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_ramdisks_agent_runs_below_another_system_and_says_hello(
    world: World, ubuntu: Path, tmp_path: Path
) -> None:
    cache = Path(os.environ.get("CACHE", Path.home() / ".cache" / "provisioner"))
    ramdisk.build(world.state / "ramdisk", cache=cache / "ramdisk", keys=[world.folder / "release.pub"])
    # no disk fits these hints, and none could be opened: it must be refused before any is touched
    with world.machine(profile="streamed", disk={"serial": "no-such-disk"}) as host:
        ident = host.arm()
        data = yaml.safe_load(host.http(f"{host.seed}/user-data").body)
        [file] = data["write_files"]
        [command] = data["autoinstall"]["early-commands"]
        text = file["content"].replace('Path("/run/provisioner/ramdisk")', f'Path("{tmp_path}/root")')
        (tmp_path / "stream.py").write_text(text)
        alone = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ALONE, "sh")
        argv = world.lan.argv(*alone, command[0], tmp_path / "stream.py", *command[2:])
        with speaking_as(host):
            agent = run.start(argv, log=tmp_path / "log")
            try:
                failed = world.await_event(ident, "agent.failed")
            finally:
                run.stop(agent, grace=2)
        said = (tmp_path / "log").read_text()
        assert failed.data.code == 312 and "no disk fits the hints" in failed.data.sentence, said
        assert "agent.hello" in world.kinds(ident) and f"order {ident}, attempt 1: vault-os@1" in said
