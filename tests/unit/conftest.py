"""A site in a folder, with a clock that the test moves."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from provisioner import settings as settings_module
from provisioner.domain.claim import Claim
from provisioner.domain.events.agent import AgentHello
from provisioner.domain.events.installer import InstallerBegan
from provisioner.domain.host import Bmc, Host
from provisioner.domain.image import Image
from provisioner.domain.person import Caller, Role
from provisioner.domain.profile import Profile
from provisioner.settings import Settings
from provisioner.site.site import Site
from provisioner.state import secret_keys
from provisioner.state.database import Database
from provisioner.state.sealed_secrets import CERTIFICATE_KEY, SITE

GOLDEN = Path(__file__).parents[1] / "golden"
MAC = "52:54:00:00:00:01"
IMAGE = Image(
    name="vault-os",
    version="1",
    raw_size=1 << 30,
    raw_sha256="0" * 64,
    pack_size=1 << 20,
    signed_by="release",
    added=1,
)
ADMIN = Caller(name="ann", role=Role.ADMIN, way="socket")


@dataclass
class Clock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def site(tmp_path: Path, clock: Clock) -> Iterator[Site]:
    """A service at 10.77.0.1 that knows host vc-1 with one MAC, its profile and one image."""
    for made, wanted in zip(folders(made_once().path), folders(tmp_path), strict=True):
        shutil.copytree(made, wanted, dirs_exist_ok=True)
    settings, database = settings_of(tmp_path), Database(tmp_path)
    opener = secret_keys.unlock(settings, environment={})
    yield Site(settings, database, clock=clock, real_time=clock, opener=opener)
    database.close()


def settings_of(state: Path) -> Settings:
    """For that state folder."""
    plain = {"state": state, "interface": "lan0", "address": "10.77.0.1/24"}
    return settings_module.check(plain, source="test")


def folders(state: Path) -> tuple[Path, Path]:
    """Where a site lies: its state folder, and that of the key to its secrets."""
    return state, state.with_name(f"{state.name}-keys")


@dataclass(frozen=True)
class Made:
    """A state folder that lasts as long as this process."""

    path: Path
    around: TemporaryDirectory[str]


@cache
def made_once() -> Made:
    """What `site` copies: all migrations for each of some thousand tests took half of their time."""
    around = TemporaryDirectory(prefix="site-")
    state = Path(around.name, "s")
    state.mkdir(mode=0o700)
    settings, database = settings_of(state), Database(state)
    database.migrate()
    profile = Profile(name="cube", image="vault-os")
    host = Host(name="vc-1", macs=(MAC,), profile="cube", bmc=Bmc(driver="manual"))
    database.put_inventory([host], [profile], settings.hosts_range)
    database.images.put(IMAGE)
    trust(state, "release")
    secret_keys.unlock(settings, environment={})
    with database.writing():
        database.secrets.put(CERTIFICATE_KEY, SITE, "a key of the tests", now=0)
    database.close()
    return Made(state, around)


def trust(state: Path, name: str) -> None:
    """Trust a key of this name, whatever it is."""
    (state / "keys").mkdir(exist_ok=True)
    (state / "keys" / f"{name}.pub").write_text("untrusted comment: a key of the tests\n")


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compares a whole text with a file of tests/golden; UPDATE_GOLDEN=1 renews the file."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if os.environ.get("UPDATE_GOLDEN"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.read_text() == text, f"{name} differs; UPDATE_GOLDEN=1 renews it"

    return compare


def hello_of(nonce: str, *, boot_id: str = "b", serial: str = "", mac: str = MAC) -> AgentHello:
    """The hello of the agent on a machine, vc-1 unless `mac` is another's, from its own address."""
    claim = Claim(mac, is_own_address=True, nonce=nonce, boot_id=boot_id, serial=serial)
    return AgentHello(
        claim=claim, nonce=nonce, boot_id=boot_id, serial=serial, token_hash="t", phone_hash="p"
    )


def began_of(nonce: str) -> InstallerBegan:
    """The first report of Ubuntu's installer on vc-1."""
    return InstallerBegan(claim=Claim(MAC, is_own_address=True, nonce=nonce), nonce=nonce, phone_hash="p")


def put_installer(site: Site) -> Image:
    """An installer's ISO in the catalogue, and host vc-1 as one that it installs."""
    profile = Profile(name="cube", image="ubuntu", method="autoinstall")
    site.database.put_inventory([], [profile], site.settings.hosts_range)
    image = site.database.images.all()[0].model_copy(
        update={"name": "ubuntu", "version": "24.04.1", "kind": "iso"}
    )
    site.database.images.put(image)
    return image
