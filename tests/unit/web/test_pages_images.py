"""The pages of images: what is told of each, how two differ, and how one is removed."""

import json
from collections.abc import Iterator
from hashlib import sha256

import pytest
from flask.testing import FlaskClient

from provisioner.deployment.order import arm
from provisioner.domain.deployment import WrittenDisk
from provisioner.domain.image import Image
from provisioner.domain.person import Role
from provisioner.domain.stage import Stage
from provisioner.imaging.digests import digest_of_zeros
from provisioner.imaging.manifest import Chunk, Manifest, Partition
from provisioner.site.site import Site
from provisioner.state.folder import prepare_folder
from provisioner.state.image_folders import image_folder
from tests.browser import Ask, asking, browser, content, words

CHUNK = 1 << 20


@pytest.fixture
def client(site: Site) -> Iterator[FlaskClient]:
    prepare_folder(site.settings.state)
    with browser(site) as made:
        yield made


@pytest.fixture
def ask(client: FlaskClient) -> Ask:
    return asking(client)


def put_image(site: Site, version: str, *, changed: int = 0, packages: dict[str, str] | None = None) -> str:
    """A pack of 40 chunks with data, the first `changed` of which are its own; and ten of zeros."""
    chunks, at = [], 0
    for number in range(50):
        own = version if number < changed else "all"
        digest = digest_of_zeros(CHUNK) if number >= 40 else sha256(f"{own} {number}".encode()).hexdigest()
        length = 30 if number >= 40 else 1000
        kind = "zero" if number >= 40 else "data"
        checksum = digest[:32] if kind == "data" else ""
        chunks.append(Chunk(number * CHUNK, CHUNK, kind, at, length, digest, checksum))
        at += length
    guid = "0fc63daf-8483-4772-8e79-3d69d8477de4"
    root = Partition("root", guid, f"r-{changed}", CHUNK, 40 * CHUNK)
    raw = f"{changed:064x}"
    manifest = Manifest(
        "vault-os", version, "2026-11-02", 50 * CHUNK, 512, CHUNK, tuple(chunks), (root,), raw
    )
    image = Image(
        name="vault-os",
        version=version,
        raw_size=manifest.raw_size,
        raw_sha256=raw,
        pack_size=at,
        signed_by="release",
        added=site.clock() + changed,
    )
    folder = image_folder(site.settings.state, image.id)
    folder.mkdir()
    (folder / "pack.json").write_bytes(manifest.dump())
    (folder / "pack").write_bytes(b"x" * 10_000)
    if packages is not None:
        hashes = [{"alg": "SHA-256", "content": raw}]
        listed = [
            {"name": name, "version": number, "purl": f"pkg:deb/ubuntu/{name}@{number}?arch=amd64"}
            for name, number in packages.items()
        ]
        bill = {"metadata": {"component": {"hashes": hashes}}, "components": listed}
        (folder / "sbom.cdx.json").write_text(json.dumps(bill))
    site.database.images.put(image)
    return image.id


def test_the_catalogue_shows_versions_signatures_sizes_and_where_each_runs(site: Site, ask: Ask) -> None:
    put_image(site, "2026.10", changed=1)
    newest = put_image(site, "2026.11", changed=2)
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[-1], by="ann")
    with site.database.writing():
        done = row.changed(stage=Stage.READY, consumed=1.0, disk=WrittenDisk(name="sda", size=1))
        site.database.deployments.put(done)
    text = content(ask("/images"))
    places = [text.index(f">{version}</a>") for version in ("2026.11", "2026.10", "1")]
    assert places == sorted(places), "the newest first, by number"
    rows = {version: text[at : text.index("</tr>", at)] for version, at in zip("nom", places, strict=True)}
    assert "/hosts/vc-1" in rows["n"] and "/hosts/vc-1" not in rows["o"]
    assert "cube" in rows["n"] and "cube" not in rows["m"]  # its profile names no version
    assert "signed by release" in rows["n"] and "52.4 MB" in rows["n"]
    assert "/hosts/vc-1" in content(ask(f"/images/{newest}"))


def test_a_key_that_is_trusted_no_more_is_told(site: Site, ask: Ask) -> None:
    (site.settings.state / "keys" / "release.pub").unlink()
    said = words(ask("/images"))
    assert "signed by release, no longer trusted" in said and "Compare two" not in said, "there is one"
    assert "no longer trusted, so it is not deployed" in words(ask("/images/vault-os@1"))


def test_an_empty_catalogue_says_what_to_do_first(site: Site, ask: Ask) -> None:
    with site.database.writing():
        site.database.images.remove("vault-os@1")
    said = words(ask("/images"))
    assert "No image was added yet" in said and "provision image add" in said
    assert "There is no second image" in words(ask("/images/diff"))


def test_without_the_folder_of_images_the_catalogue_is_still_shown(site: Site, ask: Ask) -> None:
    (site.settings.state / "images").rmdir()
    assert "signed by release" in words(ask("/images")) and ask("/images/vault-os@1").status_code == 200
    reply = ask("/images/vault-os@1/verify", Role.TECHNICIAN, {})
    assert "vault-os@1 is not as it was signed" in words(reply)


def test_one_image_is_shown_in_full(site: Site, ask: Ask) -> None:
    ident = put_image(site, "2", changed=5, packages={"bash": "5", "openssl": "3"})
    said = words(ask(f"/images/{ident}"))
    for each in ("root", "r-5", "data 40 41.9 MB 40.0 kB", "zero 10", "2, by its bill of materials"):
        assert each in said
    assert "Its manifest cannot be shown" in words(ask("/images/vault-os@1"))  # it has no file


def test_a_bill_of_another_image_is_not_believed(site: Site, ask: Ask) -> None:
    first = put_image(site, "2", changed=5, packages={"bash": "5"})
    other = put_image(site, "3", changed=6, packages={"bash": "6"})
    folders = [image_folder(site.settings.state, each) / "sbom.cdx.json" for each in (first, other)]
    folders[0].write_bytes(folders[1].read_bytes())
    assert "is another image" in words(ask(f"/images/{first}"))
    for text in ("[", "[]", '{"metadata": {"component": {}}, "components": [1]}', "[" * 100_000):
        folders[0].write_text(text)
        reply = ask(f"/images/{first}")
        assert reply.status_code == 200 and "no bill of materials that can be read" in words(reply)


def test_two_images_are_compared_by_what_a_delta_write_moves(site: Site, ask: Ask) -> None:
    old = put_image(site, "2", changed=10, packages={"bash": "5", "telnet": "0", "same": "1"})
    new = put_image(site, "3", changed=4, packages={"bash": "6", "curl": "8", "same": "1"})
    said = words(ask(f"/images/diff?a={old}&b={new}"))
    assert "On the wire 10.0 kB in 10 chunks" in said  # the ten that the first had of its own
    assert "31.5 MB in 30 chunks of 40" in said
    for each in ("bash deb changed 5 6", "curl deb added – 8", "telnet deb removed 0 –", "r-10", "r-4"):
        assert each in said
    assert "same deb" not in said
    assert "On the wire 0 B in 0 chunks" in words(ask(f"/images/diff?a={old}&b={old}"))


def test_what_cannot_be_compared_is_told_beside_the_choice(site: Site, ask: Ask) -> None:
    ident = put_image(site, "2")
    for other, status in (("vault-os@1", 404), ("none", 404), ("<script>", 404)):
        reply = ask(f"/images/diff?a={ident}&b={other}")
        text = content(reply)
        assert reply.status_code == status and 'role="alert"' in text and "<script" not in text
        assert f'<option value="{ident}" selected>' in text
    assert "No bill of materials can be read of vault-os@2" in words(ask(f"/images/diff?a={ident}&b={ident}"))


def test_verifying_reads_what_is_stored_and_tells_what_is_wrong(site: Site, ask: Ask) -> None:
    ident = put_image(site, "2")
    page = content(ask(f"/images/{ident}", Role.TECHNICIAN))
    assert "/verify" in page and "takes a while" in page
    assert "/verify" not in content(ask(f"/images/{ident}")), "a viewer has no button for it"
    reply = ask(f"/images/{ident}/verify", Role.TECHNICIAN, {})  # it has no signature
    assert reply.status_code >= 400 and "is not as it was signed" in words(reply)
    assert ask(f"/images/{ident}/verify", Role.VIEWER, {}).status_code == 403


def test_an_image_is_removed_once_its_id_is_typed(site: Site, ask: Ask) -> None:
    ident = put_image(site, "2")
    path = f"/images/{ident}/remove"
    shown = words(ask(path, Role.OPERATOR))
    assert "Frees" in shown and f"Type {ident} to continue" in shown
    for typed in ("", "vault-os", "vault-os@1"):
        reply = ask(path, Role.OPERATOR, {"confirmation": typed})
        assert reply.status_code == 409 and "it was not confirmed" in words(reply)
    assert image_folder(site.settings.state, ident).exists()
    reply = ask(path, Role.OPERATOR, {"confirmation": ident})
    assert reply.status_code == 200 and f"{ident} is removed" in words(reply)
    assert not image_folder(site.settings.state, ident).exists()
    assert [image.id for image in site.database.images.all()] == ["vault-os@1"]


def test_an_image_that_is_needed_stays_and_it_is_told_by_whom(site: Site, ask: Ask) -> None:
    shown = ask("/images/vault-os@1/remove", Role.OPERATOR)
    assert "needed by the profile cube" in words(shown) and 'name="confirmation"' not in content(shown)
    reply = ask("/images/vault-os@1/remove", Role.OPERATOR, {"confirmation": "vault-os@1"})
    assert reply.status_code == 409 and "PV-144" in words(reply)
    assert ask("/images/vault-os@1/remove", Role.TECHNICIAN).status_code == 403
    assert ask("/images/vault-os@1/remove", Role.TECHNICIAN, {"confirmation": "x"}).status_code == 403


def test_what_belongs_to_no_image_is_removed_when_it_is_ticked(site: Site, ask: Ask) -> None:
    folder = site.settings.state / "images"
    for name in ("left", "kept", '"><script>'):
        (folder / name).mkdir()
        (folder / name / "pack").write_bytes(b"x" * 5000)
    kept = put_image(site, "2")
    page = content(ask("/images", Role.OPERATOR))
    assert page.count('type="checkbox"') == 3 and "<script" not in page
    assert 'type="checkbox"' not in content(ask("/images"))
    names = ["left", "vault-os-2", "../keys"]
    reply = ask("/images/garbage/remove", Role.OPERATOR, {"names": names})
    assert "1 of 3 that were ticked is removed" in words(reply)
    assert not (folder / "left").exists() and (folder / "kept").exists()
    assert image_folder(site.settings.state, kept).exists() and (site.settings.state / "keys").exists()
    assert ask("/images/garbage/remove", Role.OPERATOR, {}).location == "/images#strays"
    assert ask("/images/garbage/remove", Role.TECHNICIAN, {"names": ["kept"]}).status_code == 403
    assert (folder / "kept").exists()
