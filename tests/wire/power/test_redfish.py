"""The Redfish driver against OpenStack's emulator (sushy-tools) over TLS, against strangers and silence."""

import hashlib
import json
import os
import socket
import ssl
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import bcrypt
import pytest

from provisioner import run
from provisioner.errors import PowerError
from provisioner.power import process, protocol, registry
from provisioner.power.acts import Acts
from provisioner.power.protocol import BmcAddress
from tests.file_limit import room_for
from tests.ports import free_port

HERE = "127.0.0.1"
USER, PASSWORD = "provision", "lab-secret"
EMULATOR = Path(sys.executable).with_name("sushy-emulator")


def make_certificate(folder: Path) -> str:
    """A self-signed one, as BMCs have; its SHA-256."""
    run.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-days", "2", "-subj", "/CN=bmc", "-keyout", folder / "key", "-out", folder / "cert"),
        ]
    )
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert((folder / "cert").read_text())).hexdigest()


@contextmanager
def emulator(folder: Path) -> Iterator[BmcAddress]:
    """sushy-tools' own driver for a machine that is nothing but its state; it takes 1 to 11 s to obey."""
    (folder / "users").write_text(f"{USER}:{bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()}\n")
    (folder / "state").mkdir(exist_ok=True)
    (folder / "emulator.conf").write_text(
        f"SUSHY_EMULATOR_AUTH_FILE = {str(folder / 'users')!r}\n"
        f"SUSHY_EMULATOR_STATE_DIR = {str(folder / 'state')!r}\n"
        "SUSHY_EMULATOR_FAKE_DRIVER = True\n"
    )
    port = free_port()
    argv = [EMULATOR, "--fake", "--config", folder / "emulator.conf", "-i", HERE, "-p", str(port)]
    argv += ["--ssl-certificate", folder / "cert", "--ssl-key", folder / "key"]
    with run.running([sys.executable, *argv], log=folder / "emulator.log") as process:
        until = time.monotonic() + 30
        while "Running on" not in (folder / "emulator.log").read_text():
            assert process.poll() is None and time.monotonic() < until, (folder / "emulator.log").read_text()
            time.sleep(0.05)  # it tells of its port in its log alone
        yield BmcAddress("redfish", HERE, port, USER, PASSWORD, "vc-1", pin=str(folder / "pin"))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("redfish")
    return folder, make_certificate(folder)


@pytest.fixture(scope="module")
def bmc(certificate: tuple[Path, str]) -> Iterator[BmcAddress]:
    with emulator(certificate[0]) as address:
        yield address


@contextmanager
def old_tls(folder: Path, *options: str) -> Iterator[BmcAddress]:
    """OpenSSL's own server, which speaks what it is told and answers with a page."""
    port = free_port()
    argv = ["openssl", "s_server", "-accept", f"{HERE}:{port}", "-www", "-cert", folder / "cert"]
    with run.running([*argv, "-key", folder / "key", *options], log=folder / "s_server.log") as process:
        until = time.monotonic() + 30
        while "ACCEPT" not in (folder / "s_server.log").read_text():
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.05)  # it tells that it listens in its log alone
        yield BmcAddress("redfish", HERE, port, USER, PASSWORD, "vc-1", pin=str(folder / "p"), patience=0)


def rsa_certificate(folder: Path, bits: int) -> None:
    """As old BMCs have them."""
    key = ("-newkey", f"rsa:{bits}", "-nodes", "-keyout", folder / "key")
    run.run(["openssl", "req", "-x509", *key, "-days", "2", "-subj", "/CN=bmc", "-out", folder / "cert"])


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_a_bmc_that_speaks_only_old_tls_is_named_as_that(tmp_path: Path, version: str) -> None:
    rsa_certificate(tmp_path, 2048)
    options = (version, "-cipher", "DEFAULT:@SECLEVEL=0")
    with old_tls(tmp_path, *options) as address, pytest.raises(PowerError) as caught:
        registry.connect(address).state()
    assert caught.value.code == 203
    assert "speaks only TLS that is older than 1.2" in str(caught.value)
    assert "update the BMC's firmware" in caught.value.hint and "{driver: ipmi}" in caught.value.hint
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    "ciphers", ["DHE-RSA-AES256-SHA:AES256-SHA", "DHE-RSA-AES128-SHA:ECDHE-RSA-AES128-SHA"]
)
def test_a_bmc_that_prefers_a_small_group_of_diffie_hellman_speaks_tls(tmp_path: Path, ciphers: str) -> None:
    rsa_certificate(tmp_path, 1024)
    run.run(["openssl", "dhparam", "-dsaparam", "-out", tmp_path / "group", "1024"])
    small = ("-tls1_2", "-serverpref", "-dhparam", tmp_path / "group", "-cipher", f"{ciphers}:@SECLEVEL=0")
    with old_tls(tmp_path, *map(str, small)) as address, pytest.raises(PowerError) as caught:
        registry.connect(address).state()
    assert caught.value.code == 211 and "gives nothing readable at /redfish/v1/" in str(caught.value)


def boot(bmc: BmcAddress) -> dict[str, str]:
    """The system's boot settings, as another client than ours sees them."""
    place = f"https://{bmc.address}:{bmc.port}/redfish/v1/Systems"
    curl = ["curl", "--silent", "--insecure", "--user", f"{bmc.user}:{bmc.password}"]
    (system,) = json.loads(run.text([*curl, place]))["Members"]
    settings: dict[str, str] = json.loads(run.text([*curl, f"{place}/{Path(system['@odata.id']).name}"]))[
        "Boot"
    ]
    return settings


@pytest.fixture
def address(bmc: BmcAddress, tmp_path: Path) -> BmcAddress:
    """The emulator, with nothing pinned yet."""
    return replace(bmc, pin=str(tmp_path / "pin"))


def test_power_goes_on_is_reset_goes_off_and_is_read_back(address: BmcAddress) -> None:
    driver = registry.connect(address)
    assert driver.off() == protocol.PowerResult("off")
    assert driver.state().state == "off"
    assert driver.on() == protocol.PowerResult("on")
    assert driver.reset().state == "on"
    assert driver.state().state == "on"
    assert driver.off().state == "off"


@pytest.mark.parametrize(("device", "word"), [("network", "Pxe"), ("disk", "Hdd")])
def test_a_boot_device_is_set_and_read_back(
    address: BmcAddress, device: protocol.BootDevice, word: str
) -> None:
    driver = registry.connect(address)
    assert driver.set_boot(device, once=False) == protocol.BootResult(device)
    assert driver.get_boot().device == device
    assert boot(address)["BootSourceOverrideTarget"] == word


def test_a_bmc_that_makes_once_into_always_is_noted(address: BmcAddress) -> None:
    done = registry.connect(address).set_boot("network", once=True)
    assert done == protocol.BootResult(
        "network", note="asked for network once, the BMC holds it for every start"
    )


@pytest.mark.parametrize("uefi", [True, False])
def test_the_firmware_s_mode_is_asked_for(address: BmcAddress, uefi: bool) -> None:
    registry.connect(address).set_boot("network", uefi=uefi)
    assert boot(address)["BootSourceOverrideMode"] == ("UEFI" if uefi else "Legacy")


@pytest.mark.parametrize("wrong", [{"password": "guessed"}, {"user": "nobody"}])
def test_a_refused_login_is_202_without_the_password_and_pins_nothing(
    address: BmcAddress, wrong: dict[str, str]
) -> None:
    with pytest.raises(PowerError, match="refuses the login") as caught:
        registry.connect(replace(address, **wrong)).state()
    assert caught.value.code == 202
    assert "guessed" not in f"{caught.value} {caught.value.hint}"
    assert not Path(address.pin).exists()


def test_the_first_login_pins_the_certificate_and_only_we_may_read_it(
    address: BmcAddress, certificate: tuple[Path, str]
) -> None:
    for _ in range(2):
        registry.connect(address).state()
        assert Path(address.pin).read_text().strip() == certificate[1]
    assert stat.S_IMODE(Path(address.pin).stat().st_mode) == 0o600


@pytest.mark.parametrize("size", [0, 1, 64])
def test_a_pin_without_room_is_said_and_leaves_no_half_of_it(
    address: BmcAddress, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(address.pin).parent
    words = r"certificate of BMC .+ cannot be kept: .+ larger"
    with closing(Acts()) as acts, monkeypatch.context() as patch:
        patch.setattr(process, "ACTS", acts)  # what it starts inherits the limit
        with room_for(size), pytest.raises(PowerError, match=words) as caught:
            registry.connect(address).state()
    assert caught.value.code == 151 and ".partial" not in str(caught.value)
    assert not list(folder.iterdir())
    registry.connect(address).state()
    assert [path.name for path in folder.iterdir()] == ["pin"]


def test_another_certificate_than_the_pinned_one_is_208_and_gets_no_password(
    address: BmcAddress, certificate: tuple[Path, str]
) -> None:
    Path(address.pin).write_text("0" * 64 + "\n")
    asked = (certificate[0] / "emulator.log").read_text().count("GET /redfish")
    with pytest.raises(PowerError, match=f"shows the certificate {certificate[1]}, 0+ is pinned") as caught:
        registry.connect(address).state()
    assert caught.value.code == 208 and str(address.pin) in caught.value.hint
    assert (certificate[0] / "emulator.log").read_text().count("GET /redfish") == asked
    assert Path(address.pin).read_text() == "0" * 64 + "\n"


def test_the_inventory_s_fingerprint_goes_before_what_was_pinned(
    address: BmcAddress, certificate: tuple[Path, str]
) -> None:
    Path(address.pin).write_text("0" * 64 + "\n")
    assert registry.connect(replace(address, fingerprint=certificate[1])).state().state in ("on", "off")
    with pytest.raises(PowerError) as caught:
        registry.connect(replace(address, fingerprint="1" * 64, pin="")).state()
    assert caught.value.code == 208


def test_any_certificate_will_do_only_where_it_is_said(address: BmcAddress) -> None:
    Path(address.pin).write_text("0" * 64 + "\n")
    assert registry.connect(replace(address, verify=False)).state().state in ("on", "off")
    Path(address.pin).unlink()
    assert registry.connect(replace(address, verify=False)).state().state in ("on", "off")
    assert not Path(address.pin).exists()


def test_a_closed_port_is_201(address: BmcAddress) -> None:
    port = free_port()
    with pytest.raises(PowerError, match=f"{HERE} does not answer on TCP port {port}") as caught:
        registry.connect(replace(address, port=port)).state()
    assert caught.value.code == 201


def test_a_bmc_that_takes_connections_and_says_nothing_is_201_in_time(
    address: BmcAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server((HERE, 0)) as silent:
        began = time.monotonic()
        with pytest.raises(PowerError, match="does not answer on TCP port") as caught:
            registry.connect(replace(address, port=silent.getsockname()[1])).state()
        line, _ = silent.accept()
        with line:
            assert line.recv(1) == b"\x16", "no TLS hello came"
    assert caught.value.code == 201 and time.monotonic() - began < 45


def test_a_port_without_tls_is_203(address: BmcAddress) -> None:
    """An answer that is no TLS record."""
    with socket.create_server((HERE, 0)) as plain:
        port = plain.getsockname()[1]
        child = os.fork()
        if not child:
            line, _ = plain.accept()
            line.recv(4096)
            line.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")
            line.close()
            os._exit(0)
        with pytest.raises(PowerError, match=f"no TLS on port {port}") as caught:
            registry.connect(replace(address, port=port)).state()
        os.waitpid(child, 0)
    assert caught.value.code == 203
