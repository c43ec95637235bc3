"""The command line against the running service: what it says, where, and how it ends."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provisioner import run
from provisioner.power.protocol import BmcAddress
from provisioner.site import opened_secrets
from provisioner.state import site_certificate
from provisioner.system import shipped
from tests.wire.conftest import CommandResult

if TYPE_CHECKING:
    from tests.wire.conftest import Puppet, World


def check(said: CommandResult, code: int, number: int, *words: str) -> None:
    """An error for people: sentence, code and hint on stderr, nothing on stdout, the documented exit code."""
    assert (said.code, said.out) == (code, ""), said.err
    sentence, *hint = said.err.splitlines()[-2:]
    assert sentence.startswith("✗ ") and sentence.endswith(f"(PV-{number})"), said.err
    assert hint and re.match(r"  → \S", hint[0]), said.err
    for word in words:
        assert word in said.err


# what is typed


def test_a_name_with_dashes_is_no_bad_mac(world: World) -> None:
    check(world.provision("status", "vc-b3-0042"), 2, 121, "vc-b3-0042")
    check(world.provision("deploy", "gpu-server-1", "--yes"), 2, 121, "gpu-server-1")


@pytest.mark.parametrize(
    "mac", ["52:54:00:00:00", "zz:54:00:00:00:01", "5254.0000.00012", "525400000-01", "ff:ff:ff:ff:ff:ff"]
)
def test_a_wrong_mac_is_refused_by_its_text(world: World, mac: str) -> None:
    check(world.provision("deploy", "--mac", mac, "--yes"), 2, 101, mac)
    check(world.provision("status", mac), 2, 101, mac)


@pytest.mark.parametrize(
    "words", [("deploy", "nobody", "--yes"), ("status", "nobody"), ("watch", "nobody")], ids=" ".join
)
def test_an_unknown_host_is_named(world: World, words: tuple[str, ...]) -> None:
    check(world.provision(*words), 2, 121, "no host has the name or serial nobody", "provision host list")


@pytest.mark.parametrize("text", ["", "a/b", "/", ".", "ä b?#%2f", "x" * 300])
def test_a_name_that_no_url_can_carry_is_not_found_either(world: World, text: str) -> None:
    said = world.provision("host", "show", text)
    assert said.code == 2 and "Traceback" not in said.err and "PV-621" not in said.err, said.err
    assert re.search("no host has|names nothing", said.err)


def test_a_host_is_found_by_its_serial_though_it_has_a_slash(world: World) -> None:
    puppet = world.add_host(serial="SN/7 b")
    assert world.provision("host", "show", "SN/7 b", "-o", "name").out == f"{puppet.name}\n"
    assert world.provision("host", "lock", "SN/7 b").code == 0
    check(world.provision("status", "SN/7 b"), 2, 123, "was never deployed")


def test_an_unknown_image_is_named_with_the_known_ones(world: World, puppet: Puppet) -> None:
    said = world.provision("deploy", puppet.name, "--image", "vault-os@9", "--yes")
    check(said, 2, 125, "no image is called 'vault-os@9'", "known images: vault-os@1")


def test_a_wrong_option_is_a_usage_error(world: World) -> None:
    said = world.provision("status", "--colour")
    usage = "Usage: provision status [OPTIONS] [HOST|RUN]"
    check(said, 2, 105, usage, "No such option '--colour'", "→ provision status --help")


# who does not answer


def test_a_service_that_does_not_run_is_said(world: World, tmp_path: Path) -> None:
    for words in (("status",), ("host", "list"), ("deploy", "vc-1", "--yes"), ("cancel", "vc-1")):
        check(world.provision(*words, "--state", str(tmp_path)), 5, 620, f"{tmp_path}/api.sock", "--state")
    known = {"PROVISION_FINGERPRINT": "ab" * 32, "PROVISION_TOKEN": "guessed"}
    said = world.lan.provision("status", "--server", "https://10.77.0.1:81", env=known)
    check(said, 5, 620, "no service answers at https://10.77.0.1:81: Connection refused")


@pytest.mark.parametrize(
    "url", ["http://[::1", "http://10.77.0.1:http", "http://a b", "http://", "http://a:0", "ftp://a"]
)
def test_a_server_that_is_no_url_is_refused(world: World, url: str) -> None:
    check(world.provision("status", "--server", url), 2, 102, url)


def test_a_state_folder_of_somebody_else_is_said(world: World, tmp_path: Path) -> None:
    (tmp_path / "s").mkdir(mode=0o000)
    try:  # in a user namespace of its own, nobody is privileged over this folder
        argv = ["unshare", "--user", "python3", "-m", "provisioner", "status", "--state", tmp_path / "s"]
        argv[2:3] = [world.python]
        done = run.run(argv, check=False)
    finally:
        (tmp_path / "s").chmod(0o700)
    assert done.returncode == 6 and b"(PV-622)" in done.stderr, done.stderr.decode()


def test_another_machine_needs_a_token_and_the_certificate(world: World) -> None:
    def ask(**env: str) -> CommandResult:
        return world.lan.provision("host", "list", "-o", "name", "--server", "https://10.77.0.1", env=env)

    puppet = world.add_host()
    check(ask(), 6, 705, "nothing was sent", "provision login https://10.77.0.1")
    known = {"PROVISION_FINGERPRINT": site_certificate.fingerprint(world.state)}
    check(ask(**known), 6, 601, "no token was shown", "provision login https://10.77.0.1")
    check(ask(**known, PROVISION_TOKEN="guessed"), 6, 601, "does not know this token")
    other = {"PROVISION_FINGERPRINT": "ab" * 32, "PROVISION_TOKEN": world.token()}
    check(ask(**other), 6, 706, "nothing was sent")
    for text in ("gues\nsed", "gue€sed"):
        check(said := ask(**known, PROVISION_TOKEN=text), 6, 601, "what PROVISION_TOKEN holds is no token")
        assert "sed" not in said.err
    token = world.token()
    for text in (token, f"{token}\n"):
        said = ask(**known, PROVISION_TOKEN=text)
        assert (said.code, said.err) == (0, "") and puppet.name in said.out.splitlines()


# BMCs


def give_login(world: World, folder: Path, password: str, name: str = "lab") -> CommandResult:
    (folder / "password").write_text(password + "\n")
    return world.provision(
        "bmc", "secret", name, "--user", "provision", "--password-file", folder / "password"
    )


@pytest.fixture(scope="module", autouse=True)
def off_the_air(world: World) -> Iterator[Callable[[str], CommandResult]]:
    """Two BMCs that do not answer take their time: they are asked first, and looked at last."""
    world.client.put_secret("dead", "provision", "whatever-1")
    asked: dict[str, tuple[run.Process, Path]] = {}
    for name, address in (("no-neighbour", "10.77.0.250"), ("no-route", "10.99.0.1")):
        bmc = {"driver": "ipmi", "address": address, "secret": "dead"}
        host, log = world.add_host(bmc=bmc).name, world.folder / f"{name}.log"
        argv = [world.python, "-m", "provisioner", "bmc", "test", host, "--state", str(world.state)]
        asked[name] = (run.start(argv, log=log), log)

    def look(name: str) -> CommandResult:
        process, log = asked[name]
        code = process.wait(60)
        return CommandResult(code, "", log.read_text())

    yield look
    for process, _ in asked.values():
        run.stop(process)


def test_a_bmc_is_tested_switched_and_told_what_to_boot(
    world: World, bmc_host: Puppet, tmp_path: Path
) -> None:
    assert give_login(world, tmp_path, "lab-secret").code == 0
    said = world.provision("bmc", "test", bmc_host.name)
    assert (said.code, said.err) == (0, "") and said.out.startswith(f"{bmc_host.name}: BMC ok, power off")
    assert "boot device network" in world.provision("bmc", "boot", bmc_host.name, "network").out


def test_a_wrong_password_is_202_and_is_not_repeated(world: World, bmc_host: Puppet, tmp_path: Path) -> None:
    give_login(world, tmp_path, "guessed-77")
    said = world.provision("bmc", "power", bmc_host.name, "on")
    check(said, 5, 202, "BMC 10.77.1.1 refuses the login of user 'provision'", "provision bmc secret")
    assert "guessed-77" not in said.err


def test_a_deployment_whose_bmc_refuses_fails_with_its_words(
    world: World, bmc_host: Puppet, tmp_path: Path
) -> None:
    give_login(world, tmp_path, "guessed-78")
    said = world.provision("deploy", bmc_host.name, "--yes")
    assert (said.code, said.out) == (3, "")
    assert f"{bmc_host.name} failed: BMC 10.77.1.1 refuses the login" in said.err and "(PV-202)" in said.err


def test_a_dry_run_says_what_the_bmc_says(world: World, bmc_host: Puppet, tmp_path: Path) -> None:
    give_login(world, tmp_path, "lab-secret")
    said = world.provision("deploy", bmc_host.name, "--dry-run")
    assert said.code == 0 and f"{bmc_host.name}: BMC ok, power off" in said.err, said.err
    many = world.provision("deploy", "--select", f"name={bmc_host.name}", "--dry-run")
    assert many.code == 0 and f"{bmc_host.name}: BMC ok, power off" in many.err, many.err


def test_a_dry_run_names_what_a_bmc_would_end_a_deployment_by(
    world: World, bmc_host: Puppet, tmp_path: Path
) -> None:
    give_login(world, tmp_path, "guessed-79")
    unknown = world.add_host(bmc={"driver": "ipmi", "address": "10.77.1.3", "secret": "never"})
    for host, code, words in ((bmc_host, 202, "refuses the login"), (unknown, 205, "was never given")):
        before = host.row
        said = world.provision("deploy", host.name, "--dry-run", "-o", "json")
        refusals = json.loads(said.out)["plan"]["refusals"]
        assert said.code == 6 and [refusal["code"] for refusal in refusals] == [code], said
        assert f"refused: {host.name}: " in said.err and words in said.err and host.row == before


def test_a_login_that_was_never_given_is_205(world: World) -> None:
    bmc = {"driver": "ipmi", "address": "10.77.1.2", "secret": "never"}
    check(
        world.provision("bmc", "test", world.add_host(bmc=bmc).name),
        5,
        205,
        "'never'",
        "provision bmc secret never",
    )


def test_a_host_without_a_bmc_is_204(world: World, puppet: Puppet) -> None:
    check(world.provision("bmc", "power", puppet.name, "on"), 2, 204, f"{puppet.name} has no BMC")


def test_a_bmc_s_login_comes_from_file_environment_or_terminal_and_is_never_shown(
    world: World, tmp_path: Path
) -> None:
    def kept() -> str:
        return opened_secrets.bmc_login(world.site, "b3", "no host").password

    command = ("bmc", "secret", "b3", "--user", "root")
    said = [give_login(world, tmp_path, "from-file-1", name="b3")]
    assert kept() == "from-file-1"
    said.append(world.provision(*command, env={"PROVISION_BMC_PASSWORD": "from-env-2"}))
    assert kept() == "from-env-2"
    with world.terminal(*command) as terminal:
        terminal.await_text("Password")
        terminal.type("typed-3\n")
        said.append(CommandResult(terminal.end(), "", terminal.seen))
    assert kept() == "typed-3"
    for one in said:
        assert one.code == 0 and not re.search("from-file-1|from-env-2|typed-3", one.out + one.err)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("b3", "--user", "root", "--password-file", "empty"), "no password can be read"),
        (("b3", "--user", "root", "--password-file", "missing"), "no password can be read"),
        (("b3", "--user", "r" * 17, "--password-file", "good"), "user: at most 16 characters are allowed"),
        (("../b3", "--user", "root", "--password-file", "good"), "is not a name for a secret"),
        (("", "--user", "root", "--password-file", "good"), "is not a name for a secret"),
        (("b3", "--user", "root", "--password-file", "long"), "password: at most 20 characters are allowed"),
    ],
)
def test_a_login_that_cannot_be_one_is_refused_without_repeating_it(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in (("empty", ""), ("good", "secret-99"), ("long", "secret-99" * 3)):
        (tmp_path / name).write_text(content)
    said = world.provision("bmc", "secret", *words)
    assert said.code == 2 and text in said.err and "(PV-" in said.err and "secret-99" not in said.err, (
        said.err
    )


# inventory


def test_the_shipped_inventory_is_applied_whole(world: World) -> None:
    said = world.provision("host", "apply", shipped.folder("inventory"))
    assert (said.code, said.out, said.err) == (0, "", "3 hosts and 1 profile are known now\n")
    names = world.provision("host", "list", "-o", "name").out.split()
    assert {"vc-0042", "vc-0043", "vc-0044"} <= set(names)
    said = world.provision("host", "show", "AC1F.6B0A.4210", "-o", "name")
    assert said.out == "vc-0042\n"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('macs: ["52:54:00:99:00"]', "bad-2: macs.0: '52:54:00:99:00' is not a MAC address"),
        ('macs: ["52:54:00:99:00:01"]', "bad-2 and bad-1 have the same MAC 52:54:00:99:00:01"),
        ('{macs: ["52:54:00:99:00:02"], profile: nope}', "bad-2: unknown profile 'nope'"),
        ('{macs: ["52:54:00:99:00:02"], colour: red}', "bad-2: colour: is not a known key"),
        ("{macs: [KNOWN]}", "have the same MAC"),
    ],
)
def test_an_inventory_with_an_error_names_the_host_and_applies_nothing(
    world: World, puppet: Puppet, tmp_path: Path, line: str, sentence: str
) -> None:
    body = line.strip("{}").replace("KNOWN", f'"{puppet.mac}"')
    (tmp_path / "hosts.yml").write_text(
        'all:\n  vars: {profile: p}\n  hosts:\n    bad-1: {macs: ["52:54:00:99:00:01"]}\n    bad-2: {'
        + body
        + "}\n"
    )
    (tmp_path / "profiles.yml").write_text("p: {image: vault-os}\n")
    said = world.provision("host", "apply", tmp_path)
    assert said.code == 2 and sentence in said.err and "bad-2" in said.err and "(PV-110)" in said.err, (
        said.err
    )
    assert not [host for host in world.client.hosts() if host.name.startswith("bad-")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("? [a, b]\n: c\n", "hosts.yml: line 1: a list is used as a key"),
        ("all:\n\thosts: a\n", "hosts.yml: line 2: not YAML: a tab where blanks are expected"),
        ("[" * 100_000, "hosts.yml: line 1: more than 40 lists and mappings within each other"),
        ("a:\n  host: {b: }\n", "hosts.yml: line 2: a: 'host' is none of vars, hosts, children"),
    ],
)
def test_an_inventory_that_cannot_be_meant_is_refused_with_file_and_line(
    world: World, tmp_path: Path, text: str, sentence: str
) -> None:
    (tmp_path / "hosts.yml").write_text(text)
    (tmp_path / "profiles.yml").write_text("p: {image: vault-os}\n")
    said = world.provision("host", "apply", tmp_path)
    assert said.code == 2 and said.err.startswith(f"✗ {sentence}") and "(PV-110)" in said.err, said.err


UNSAID = "all:\n  vars: {profile: p}\n  hosts:\n    bad-1: {macs: ['52:54:00:99:00:01'], disk: DISK}\n"


@pytest.mark.parametrize(
    ("disk", "sentence"),
    [
        ("disks: []", "disks: no disk is named"),
        ("disks: [{wwn: wwn-0x600508b1001c7ef0}]", "disks.0.wwn: wwn-0x600508b1001c7ef0 is the first half"),
        ("disks: [{serial: /dev/sda}]", "disks.0.serial: /dev/sda is a device: write it as name"),
        ("disks: [{by_path: slot 3}]", "disks.0.by_path: slot 3 is no place at a bus"),
        ("disks: [{name: nvme0n1p1}]", "disks.0.name: nvme0n1p1 is a partition"),
        ("disks: [{min_size: '>= 900GB'}]", "disks.0.min_size: '>= 900GB' is not a size"),
        ("disks: [{size: 1TB}]", "disks.0.size: is not a known key"),
    ],
)
def test_a_disk_that_no_host_can_have_is_refused_with_file_and_line(
    world: World, tmp_path: Path, disk: str, sentence: str
) -> None:
    (tmp_path / "hosts.yml").write_text(UNSAID.replace(", disk: DISK", ""))
    (tmp_path / "profiles.yml").write_text(f"p:\n  image: vault-os\n  {disk}\n")
    check(world.provision("host", "apply", tmp_path), 2, 110, "profiles.yml: line 3: profile p: ", sentence)
    if disk.startswith("disks: [{"):
        said = disk.removeprefix("disks: [").removesuffix("]")
        (tmp_path / "hosts.yml").write_text(UNSAID.replace("DISK", said))
        (tmp_path / "profiles.yml").write_text("p: {image: vault-os}\n")
        sentence = sentence.replace("disks.0.", "disk.")
        check(world.provision("host", "apply", tmp_path), 2, 110, "hosts.yml: line 4: bad-1: ", sentence)
    assert not [host for host in world.client.hosts() if host.name.startswith("bad-")]


def test_a_serial_by_its_reserved_name_is_applied_with_a_word_of_advice(world: World, tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(
        'g: {hosts: {old-1: {macs: ["52:54:00:99:01:01"], profile: p, serial: OLD1}}}\n'
    )
    (tmp_path / "profiles.yml").write_text("p: {image: vault-os}\n")
    said = world.provision("host", "apply", tmp_path)
    assert said.code == 0 and "write `serial_number` for `serial` of old-1" in said.err, said.err
    assert world.client.host("OLD1").host.name == "old-1"


def test_all_faults_of_an_inventory_are_told_and_a_dry_run_changes_nothing(
    world: World, tmp_path: Path
) -> None:
    (tmp_path / "profiles.yml").write_text("p: {image: vault-os}\nq:\n  imag: x\n")
    right = 'g:\n  hosts:\n    dry-1: {macs: ["52:54:00:99:02:01"], profile: p}\n'
    (tmp_path / "hosts.yml").write_text(f"{right}    dry-2: {{macs: [x], profile: p}}\n")
    for more in ((), ("--dry-run",)):
        said = world.provision("host", "apply", tmp_path, *more)
        assert said.code == 2 and said.err.count("(PV-110)") == 2, said.err
        assert "✗ hosts.yml: line 4: dry-2: macs.0: 'x' is not a MAC address" in said.err
        assert (
            "✗ profiles.yml: line 3: profile q: imag: is not a known key (PV-110)\n  → is image meant?"
            in said.err
        )
    (tmp_path / "hosts.yml").write_text(right)
    (tmp_path / "profiles.yml").write_text("p: {image: vault-os}\n")
    world.apply([], [{"name": "p", "image": "vault-os"}])
    said = world.provision("host", "apply", tmp_path, "--dry-run")
    assert (said.code, said.out) == (0, "+ dry-1\n")
    assert said.err == "1 host and 1 profile are right; nothing was changed\n"
    assert "dry-1" not in [host.name for host in world.client.hosts()]


def test_a_dry_run_says_that_no_address_is_left(world: World, tmp_path: Path) -> None:
    macs = ", ".join(f'"52:54:01:00:00:{n:02x}"' for n in range(256))  # more than the network has addresses
    (tmp_path / "hosts.yml").write_text(f"g: {{hosts: {{vast-1: {{macs: [{macs}], profile: p}}}}}}\n")
    (tmp_path / "profiles.yml").write_text("p: {image: vault-os}\n")
    for more in (["--dry-run"], []):
        said = world.provision("host", "apply", tmp_path, *more)
        assert said.code == 6 and said.out == "" and "no address is free" in said.err, said.err
        assert "(PV-614)" in said.err and "enlarge dhcp.hosts" in said.err
    assert "vast-1" not in [host.name for host in world.client.hosts()]


@pytest.mark.parametrize(
    ("number", "mac"),
    [
        ("11", "AC-1F-6B-77-00-{}"),
        ("12", "ac1f.6b77.00{}"),
        ("13", "AC1F6B7700{}"),
        ("14", "ac 1f 6b 77 00 {}"),
    ],
)
def test_a_host_is_added_by_a_mac_as_it_stands_on_the_label(world: World, number: str, mac: str) -> None:
    said = world.provision("host", "add", f"odd-{number}", "--mac", mac.format(number), "--profile", "cube")
    assert (said.code, said.err) == (0, f"odd-{number} is known now\n")
    assert world.client.host(f"odd-{number}").host.macs == (f"ac:1f:6b:77:00:{number}",)
    assert world.provision("host", "show", mac.format(number), "-o", "name").out == f"odd-{number}\n"


# BMCs again, which had their time


@pytest.mark.parametrize("name", ["no-neighbour", "no-route"])
def test_a_bmc_off_the_air_is_201_in_time(off_the_air: Callable[[str], CommandResult], name: str) -> None:
    assert BmcAddress("ipmi", "10.0.0.1", 623).answer_within < 20
    check(off_the_air(name), 5, 201, "does not answer on UDP port 623", "is it cabled, is the address right?")
