"""What a host would be served is what it is served; what is kept of that holds no secret."""

import pytest

from provisioner.cloudinit import autoinstall
from provisioner.deployment import boot, rendering
from provisioner.deployment.order import arm
from provisioner.domain.boot_plan import Autoinstall, Firmware
from provisioner.domain.deployment import Deployment
from provisioner.errors import FileError
from provisioner.site.site import Site
from provisioner.state.folder import prepare_folder
from provisioner.state.sealed_secrets import SSH_KEY
from provisioner.state.sightings import ClientPacket, NewSighting
from tests.unit.conftest import MAC, put_installer

TOKEN, PRETEND = "phone-home-token-7", "nonce-of-this-order"
URL = "http://10.77.0.1"


@pytest.fixture
def prepared(site: Site) -> Site:
    prepare_folder(site.settings.state)
    return site


def ordered(site: Site) -> Deployment:
    """An armed order of vc-1 with a nonce, as its script is served."""
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[-1], by="ann")
    return row.changed(nonce=PRETEND)


def serve(site: Site, row: Deployment) -> None:
    """All that the machine fetches, as the web service keeps it."""
    planned = boot.ordered(URL, row)
    script = boot.render(site, planned, reason="", firmware=Firmware.UEFI, url=URL)
    rendering.keep(site, row, {rendering.SCRIPT: script}, secrets={})
    if isinstance(planned, Autoinstall):
        texts = rendering.installer_seed(site, row, planned, server=URL, token=TOKEN)
        texts = {f"autoinstall/{name}": text for name, text in texts.items() if text}
    else:
        found = rendering.seed(site, row, server=URL, token=TOKEN)
        texts = {f"seed/{name}": text for name, text in found.items()}
    rendering.keep(site, row, texts, secrets={TOKEN: rendering.TOKEN})


def files(site: Site) -> dict[str, rendering.RenderedFile]:
    return {file.name: file for file in rendering.of_host(site, site.database.hosts.get("vc-1"))}


@pytest.mark.parametrize("method", ["image", "autoinstall"])
def test_what_would_be_served_is_what_was(prepared: Site, method: str) -> None:
    if method == "autoinstall":
        image = put_installer(prepared)
        assert prepared.database.images.all()[0].id == image.id
    before = files(prepared)
    assert {file.last for file in before.values()} == {None}
    images = {image.name: image for image in prepared.database.images.all()}
    image = images["ubuntu" if method == "autoinstall" else "vault-os"]
    row = arm(
        prepared,
        prepared.database.hosts.get("vc-1"),
        image,
        by="ann",
        iso=image.id if method == "autoinstall" else "",
    ).changed(nonce=PRETEND)
    serve(prepared, row)
    after = files(prepared)
    assert {name: file.last for name, file in after.items()} == {
        name: file.text for name, file in before.items()
    }
    assert all(file.served for file in after.values())
    kept = [path.read_text() for path in (prepared.settings.state / "served").rglob("*") if path.is_file()]
    assert kept and not [text for text in kept for secret in (PRETEND, TOKEN, row.id) if secret in text]


def test_an_installers_host_has_the_installers_files(prepared: Site) -> None:
    put_installer(prepared)
    names = set(files(prepared))
    assert names <= {rendering.SCRIPT, *(f"autoinstall/{name}" for name in autoinstall.FILES)}
    assert {"autoinstall/user-data", "autoinstall/meta-data", rendering.SCRIPT} <= names


def test_a_change_of_the_profile_shows(prepared: Site) -> None:
    serve(prepared, ordered(prepared))
    settings = prepared.settings
    dhcp = settings.dhcp.model_copy(update={"domain": "other.local"})
    prepared.settings = settings.model_copy(update={"dhcp": dhcp})
    changed = {name for name, file in files(prepared).items() if file.last != file.text}
    assert changed == {"seed/network-config"}


def test_the_script_is_for_the_firmware_that_was_seen(prepared: Site) -> None:
    assert "sanboot" not in files(prepared)[rendering.SCRIPT].text
    before = files(prepared)[rendering.SCRIPT].text
    prepared.database.sightings.put([NewSighting(MAC, 5.0, 1, "10.77.0.64", ClientPacket(MAC, arch=0))])
    assert files(prepared)[rendering.SCRIPT].text != before


def test_what_cannot_be_kept_hinders_nothing(prepared: Site) -> None:
    (prepared.settings.state / "served").write_text("in the way")
    serve(prepared, ordered(prepared))
    assert {file.last for file in files(prepared).values()} == {None}


def test_a_deployment_without_its_key_says_so(prepared: Site) -> None:
    row = ordered(prepared)
    with prepared.database.writing():
        prepared.database.secrets.remove(SSH_KEY, row.id)
    with pytest.raises(FileError, match="lacks the SSH key") as caught:
        rendering.seed(prepared, row, server=URL, token=TOKEN)
    assert caught.value.code == 150 and "provision retry vc-1" in caught.value.hint
