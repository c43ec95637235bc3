"""systemd's units: one for each process, as exposed as is allowed, with words of systemd that it knows."""

import configparser
import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from provisioner import run
from provisioner.cli.serve import serve
from provisioner.daemon.parent import SILENCE_LIMIT
from provisioner.daemon.service import SERVICES
from tests.wire.daemon.test_reading import HIDDEN, documented

UNITS = Path(__file__).parents[3] / "systemd" / "units"
GENERATOR = UNITS.parent / "provisioner-generator"
MOST = {"dhcp": 2.5}  # of systemd's points for exposure, 0 to 10; 2.0 unless it is here
PROCESSES = (*SERVICES, "prepare")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree in which the units are installed, with the programs that they name."""
    made = tmp_path_factory.mktemp("root")
    shutil.copytree(UNITS, made / "usr" / "lib" / "systemd" / "system")
    for program in ("usr/bin/provision", "bin/kill", "usr/bin/kill"):
        (made / program).parent.mkdir(parents=True, exist_ok=True)
        (made / program).write_text("#!/bin/sh\n")
        (made / program).chmod(0o755)
    return made


def exposure(root: Path, unit: str) -> float:
    words = ("systemd-analyze", "security", "--offline=true", f"--root={root}", "--no-pager", unit)
    said = run.run(words, check=False).stdout.decode()
    match = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert match, said
    return float(match[1])


@pytest.mark.parametrize("name", PROCESSES)
def test_no_process_is_more_exposed_than_is_allowed(root: Path, name: str) -> None:
    points = exposure(root, f"provisioner-{name}.service")
    print(f"provisioner-{name}: {points}")
    assert points <= MOST.get(name, 2.0)


def test_the_limit_means_something(root: Path, tmp_path: Path) -> None:
    """Without what all have in common, none would do."""
    shutil.copytree(root, tmp_path / "bare")
    shutil.rmtree(tmp_path / "bare" / "usr/lib/systemd/system/provisioner-.service.d")
    assert exposure(tmp_path / "bare", "provisioner-web.service") > 5


def test_systemd_finds_no_fault_in_them(root: Path) -> None:
    units = [f"provisioner-{name}.service" for name in PROCESSES]
    done = run.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", "--man=no", f"--root={root}", *units],
        check=False,
    )
    said = done.stderr.decode()
    ours = [line for line in said.splitlines() if "provisioner" in line and "man page" not in line]
    assert not [line for line in ours if "Unknown" in line or "Failed to parse" in line], said


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys as they stand
    parser.read(UNITS / name)
    return parser


def test_each_process_has_a_unit_that_starts_it_and_the_target_wants_it() -> None:
    files = {path.name for path in UNITS.glob("*.service")}
    assert files == {f"provisioner-{name}.service" for name in PROCESSES}
    target = (UNITS / "provisioner.target").read_text()
    prepare = (UNITS / "provisioner-prepare.service").read_text()
    for name in SERVICES:
        body = unit(f"provisioner-{name}.service")["Service"]
        assert f"--process {name} --settings" in body["ExecStart"]
        assert f"--process {name} --is-wanted" in body["ExecCondition"]
        assert int(body["WatchdogSec"]) > SILENCE_LIMIT
        assert f"provisioner-{name}.service" in target and f"provisioner-{name}.service" in prepare


def test_the_units_use_options_that_there_are() -> None:
    known = {name for option in serve.params for name in option.opts}
    for path in UNITS.glob("*.service"):
        for line in path.read_text().splitlines():
            if line.startswith("Exec") and "/usr/bin/provision" in line:
                assert set(re.findall(r"--[a-z-]+", line)) <= known, line


def test_only_dhcp_may_send_frames_and_the_web_service_has_no_privilege() -> None:
    may = {
        name: unit(f"provisioner-{name}.service")["Service"].get("AmbientCapabilities", "")
        for name in SERVICES
    }
    port = "CAP_NET_BIND_SERVICE"
    assert may == {
        "dhcp": f"{port} CAP_NET_RAW",
        "tftp": port,
        "dns": port,
        "web": "",
        "api": port,
        "worker": "",
    }


@pytest.mark.parametrize("name", PROCESSES)
def test_what_systemd_makes_of_a_unit_has_the_privilege_that_is_written_there(root: Path, name: str) -> None:
    """What all have in common is read after the unit, and could take it away again."""
    words = ("systemd-analyze", "security", "--offline=true", f"--root={root}", "--json=short", "--no-pager")
    listed = json.loads(run.run([*words, f"provisioner-{name}.service"], check=False).stdout)
    may = {
        each["name"].removeprefix("CapabilityBoundingSet=~")
        for each in listed
        if each["name"].startswith("CapabilityBoundingSet=~") and not each["set"]
    }
    ports = {"CAP_NET_(BIND_SERVICE|BROADCAST|RAW)"}
    assert may == (ports if name in ("dhcp", "tftp", "dns", "api") else set())
    users = next(each for each in listed if each["name"].startswith("PrivateUsers"))
    assert users["set"] == (name in ("prepare", "web", "worker"))


def test_the_worker_alone_is_given_the_key_of_the_secrets() -> None:
    given = {name for name in PROCESSES if "LoadCredential" in unit(f"provisioner-{name}.service")["Service"]}
    assert given == {"worker"}
    common = (UNITS / "provisioner-.service.d" / "10-common.conf").read_text()
    assert "InaccessiblePaths=-/var/lib/provisioner-keys\n" in common
    for script in ("postinst", "postrm"):
        assert "/var/lib/provisioner-keys" in (UNITS.parents[1] / "debian/maintainer" / script).read_text()


def test_linux_says_to_the_api_who_calls_by_its_socket() -> None:
    """In a user namespace of its own it would hear `nobody` of all but root and itself."""
    body = unit("provisioner-api.service")["Service"]
    assert "PrivateUsers" not in body
    assert (body["RuntimeDirectory"], body["RuntimeDirectoryMode"]) == ("provisioner", "0755")


def test_each_sees_the_secret_files_that_the_page_says_and_no_other() -> None:
    """Of those that are plain: what is for everybody is left, and what lies in the database is encrypted."""
    folder = "-/var/lib/provisioner/secrets"
    allowed = documented()
    for name in SERVICES:
        hidden = unit(f"provisioner-{name}.service")["Service"].get("InaccessiblePaths", "").split()
        if name in HIDDEN:
            assert folder in hidden, name
        else:
            plain = {"https.key", "seed.key"} - allowed[name].files
            found = {path.removeprefix(f"{folder}/") for path in hidden if path.startswith(f"{folder}/")}
            assert found == plain, name


def generated(folder: Path, settings: str) -> tuple[dict[str, str], str]:
    """What the generator writes, and says."""
    (folder / "units").mkdir(parents=True)
    (folder / "provisioner.toml").write_text(settings)
    out = folder / "units"
    done = run.run(["/usr/bin/python3", "-I", GENERATOR, out, out, out, folder / "provisioner.toml"])
    files = {str(path.relative_to(out)): path.read_text() for path in out.rglob("*") if path.is_file()}
    return files, done.stderr.decode()


def test_the_socket_of_the_web_service_has_the_addresses_of_the_settings(tmp_path: Path) -> None:
    networks = '[[networks]]\naddress = "10.78.0.1/24"\n[[networks]]\nsubnet = "10.79.0.0/24"\n'
    files, said = generated(tmp_path, f'address = "10.77.0.1/24"\nhttp_port = 8080\n{networks}')
    listens = re.findall("^ListenStream=(.*)$", files["provisioner-web.socket"], flags=re.MULTILINE)
    assert listens == ["10.77.0.1:8080", "10.78.0.1:8080"] and said == ""
    assert "Requires=provisioner-web.socket" in files["provisioner-web.service.d/socket.conf"]


def test_the_settings_that_are_shipped_give_a_socket(tmp_path: Path) -> None:
    files, _ = generated(tmp_path, (UNITS.parent / "provisioner.toml").read_text())
    assert "ListenStream=10.77.0.1:80\n" in files["provisioner-web.socket"]


@pytest.mark.parametrize(
    "settings",
    [
        "",
        "address = \n",
        'address = "x"\n',
        "address = [7]\n",
        'address = "10.0.0.1/8"\nnetworks = 3\n',
        "\x00",
    ],
)
def test_settings_that_cannot_be_used_give_none_and_hold_up_no_boot(tmp_path: Path, settings: str) -> None:
    files, said = generated(tmp_path, settings)
    assert files == {} and "the web service has no socket" in said


def test_without_the_web_service_there_is_no_socket(tmp_path: Path) -> None:
    assert generated(tmp_path, 'address = "10.77.0.1/24"\nservices = ["dhcp"]\n') == ({}, "")


def test_whether_a_process_is_wanted_is_told_from_the_settings_alone() -> None:
    """systemd asks for all of them at once, before it starts any: it must not be as dear as a start."""
    words = ("serve", "--process", "dns", "--is-wanted", "--interface", "lo", "--address", "127.0.0.1/8")
    said = run.run([sys.executable, "-X", "importtime", "-m", "provisioner", *words]).stderr.decode()
    assert "provisioner.settings" in said
    for name in ("provisioner.daemon", "provisioner.state", "sqlite_utils", "jinja2"):
        assert f" {name}" not in said
