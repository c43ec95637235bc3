"""What is known is removed or renamed only where nothing needs it, and nothing else is lost with it."""

from contextlib import nullcontext

import pytest

from provisioner.deployment import host_names, inventory_update, logins, plan, removal, rendering
from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.deployment import Deployment, WrittenDisk
from provisioner.domain.event import Event
from provisioner.domain.events.inventory import HostChanged, HostMoved, HostRemoved, HostRenamed
from provisioner.domain.events.order import OrderCancelled
from provisioner.domain.hardware import HardwareFacts
from provisioner.domain.host import Bmc, Host
from provisioner.domain.profile import Hints, Installer, Profile
from provisioner.domain.stage import Stage
from provisioner.errors import NotFoundError, ProvisionError, RefusedError
from provisioner.settings import AddressRange
from provisioner.site.site import Site
from provisioner.state import image_folders, secrets
from tests.logins import ORIGIN, put_login

MAC, OTHER = "52:54:00:00:00:01", "52:54:00:00:00:02"


@pytest.fixture
def site(site: Site) -> Site:
    """With a second host, folders for secrets and images, and a pinned certificate of vc-1's BMC."""
    state = site.settings.state
    (state / "images").mkdir()
    bmc = Bmc(driver="redfish", address="10.77.0.9", secret="rack-b", mac="52:54:00:00:0b:01")  # type: ignore[arg-type]
    first = site.database.hosts.get("vc-1").model_copy(update={"bmc": bmc, "serial": "SN-1"})
    second = Host(name="vc-2", macs=(OTHER,), profile="cube", bmc=Bmc(driver="manual"))
    site.database.put_inventory([first, second], [], site.settings.hosts_range)
    site.database.hosts.put_hardware("vc-1", HardwareFacts(serial="SN-1", memory=1 << 30), 7.0)
    put_login(site, "rack-b", "ADMIN", "pw")
    secrets.certificate_pin(state, "vc-1").write_text("ab\n")
    return site


def order(site: Site, name: str = "vc-1") -> Deployment:
    return arm(site, site.database.hosts.get(name), site.database.images.all()[0], by="ann")


def end(site: Site, row: Deployment) -> None:
    record(site, row.id, OrderCancelled(by="ann"), source="operator")


def notes(site: Site, name: str) -> list[Event]:
    return site.database.events.of_host(name, 10)


def test_a_host_that_is_removed_is_a_stranger_and_its_history_stays(site: Site) -> None:
    row = order(site)
    end(site, row)
    before = site.database.events.of(row.id)
    address = site.database.macs.get(OTHER)
    gone = removal.remove_host(site, "SN-1", by="bob")
    assert gone.name == "vc-1" and gone.bmc.secret == "rack-b"
    with pytest.raises(NotFoundError):
        plan.find_host(site, MAC)
    assert [mac.host for mac in site.database.macs.all()] == ["vc-2"], "its BMC's MAC is gone, too"
    assert site.database.macs.get(OTHER) == address
    assert site.database.events.of(row.id) == before and site.database.deployments.get(row.id).host == "vc-1"
    assert not secrets.certificate_pin(site.settings.state, "vc-1").exists(), "another BMC may come"
    (note,) = notes(site, "vc-1")
    assert isinstance(note.data, HostRemoved) and note.data.host == gone
    assert note.describe() == f"removed by bob: {MAC}, serial SN-1, profile cube"
    site.database.put_inventory([note.data.host], [], site.settings.hosts_range)
    assert site.database.hosts.get("vc-1") == gone, "all that it takes to undo it"


def test_a_host_that_is_renamed_keeps_all_that_it_had(site: Site) -> None:
    row = order(site)
    end(site, row)
    had, before = site.database.macs.get(MAC), site.database.events.of(row.id)
    secrets.certificate_pin(site.settings.state, "vc-9").write_text("of a host that was removed by hand\n")
    renamed = removal.rename_host(site, "vc-1", "vc-9", by="bob")
    assert renamed == site.database.hosts.get("vc-9") and renamed.serial == "SN-1"
    assert had and site.database.macs.get(MAC) == had._replace(host="vc-9")
    facts = site.database.hosts.hardware("vc-9")
    assert facts and facts.memory == 1 << 30 and site.database.hosts.hardware_at("vc-9") == 7.0
    last = site.database.deployments.last_of("vc-9")
    assert last == row.model_copy(update=dict(site.database.deployments.get(row.id))) and last.host == "vc-9"
    assert [event.data for event in site.database.events.of(row.id)] == [event.data for event in before]
    assert secrets.certificate_pin(site.settings.state, "vc-9").read_text() == "ab\n"
    assert not secrets.certificate_pin(site.settings.state, "vc-1").exists()
    (note,) = notes(site, "vc-9")
    assert isinstance(note.data, HostRenamed) and note.data.before == "vc-1"
    assert site.database.deployments.last_of("vc-1") is None
    assert order(site, "vc-9").host == "vc-9", "and it can be deployed"


def test_to_call_a_host_what_it_is_called_changes_nothing(site: Site) -> None:
    assert removal.rename_host(site, "vc-1", "vc-1", by="bob") == site.database.hosts.get("vc-1")
    assert notes(site, "vc-1") == []


def refused(code: int, words: str, act: object, *arguments: object, **named: str) -> None:
    assert callable(act)
    with pytest.raises(RefusedError, match=words) as caught:
        act(*arguments, **named)
    assert caught.value.code == code and caught.value.hint


def test_no_two_hosts_have_one_name(site: Site) -> None:
    refused(144, "another host is called vc-2", removal.rename_host, site, "vc-1", "vc-2", by="bob")
    assert {host.name for host in site.database.hosts.all()} == {"vc-1", "vc-2"} and not notes(site, "vc-1")


def test_what_is_deployed_is_neither_removed_nor_renamed(site: Site) -> None:
    row = order(site)
    words = f"vc-1 is being deployed \\({row.id}, queued\\)"
    refused(132, words, removal.remove_host, site, "vc-1", by="bob")
    refused(132, words, removal.rename_host, site, "vc-1", "vc-3", by="bob")
    assert site.database.hosts.get("vc-1") and site.database.macs.get(MAC)
    assert secrets.certificate_pin(site.settings.state, "vc-1").exists() and not notes(site, "vc-1")
    assert removal.remove_host(site, "vc-2", by="bob").name == "vc-2"


def test_a_host_whose_order_nobody_can_read_stays(site: Site) -> None:
    row = order(site)
    with site.database.writing() as db:
        db.execute("UPDATE deployments SET host_keys = '{' WHERE id = ?", [row.id])
    for act in (
        lambda: removal.remove_host(site, "vc-1", by="bob"),
        lambda: removal.rename_host(site, "vc-1", "x", by="bob"),
    ):
        with pytest.raises(ProvisionError) as caught:
            act()
        assert caught.value.code == 612 and site.database.hosts.get("vc-1")


def test_a_profile_goes_only_with_its_last_host(site: Site) -> None:
    words = "the profile cube is needed by vc-1, vc-2; nothing was removed"
    refused(144, words, removal.remove_profile, site, "cube")
    removal.remove_host(site, "vc-1", by="bob")
    refused(144, "needed by vc-2;", removal.remove_profile, site, "cube")
    removal.remove_host(site, "vc-2", by="bob")
    assert removal.remove_profile(site, "cube").name == "cube"
    with pytest.raises(NotFoundError):
        removal.remove_profile(site, "cube")


def test_of_many_that_need_it_some_are_named(site: Site) -> None:
    hosts = [Host(name=f"n-{n:02}", macs=(f"52:54:00:00:01:{n:02}",), profile="cube") for n in range(20)]
    site.database.put_inventory(hosts, [], site.settings.hosts_range)
    refused(144, "n-00, .* and 12 more; nothing", removal.remove_profile, site, "cube")


def store(site: Site, version: str, *, name: str = "vault-os") -> str:
    image = site.database.images.all()[0].model_copy(update={"name": name, "version": version})
    folder = image_folders.image_folder(site.settings.state, image.id)
    folder.mkdir(exist_ok=True)
    (folder / "pack").write_bytes(b"x" * 100_000)
    site.database.images.put(image)
    return image.id


def ids(site: Site) -> list[str]:
    return [image.id for image in site.database.images.all()]


def test_an_image_is_removed_with_its_files(site: Site) -> None:
    old, new = store(site, "1"), store(site, "2")
    image, freed = removal.remove_image(site, old, ORIGIN)
    assert image.id == old and freed >= 100_000 and ids(site) == [new]
    folders = site.settings.state / "images"
    assert [path.name for path in folders.iterdir()] == [image_folders.image_folder(folders.parent, new).name]
    with pytest.raises(NotFoundError):
        removal.remove_image(site, old, ORIGIN)


def test_which_version_is_meant_must_be_said(site: Site) -> None:
    store(site, "1"), store(site, "2")
    refused(144, "vault-os has several versions", removal.remove_image, site, "vault-os", ORIGIN)
    assert len(ids(site)) == 2


def test_an_image_that_a_profile_needs_stays(site: Site) -> None:
    """Its name alone means the newest: any version will do, so the last one stays."""
    old, new = store(site, "1"), store(site, "2")
    site.database.put_inventory([], [Profile(name="pinned", image=old)], site.settings.hosts_range)
    refused(144, "vault-os@1 is needed by the profile pinned", removal.remove_image, site, old, ORIGIN)
    removal.remove_image(site, new, ORIGIN)
    refused(144, "the profile cube, the profile pinned", removal.remove_image, site, "vault-os", ORIGIN)
    iso = store(site, "24.04", name="ubuntu")
    installer = Installer(flavour="stream", iso="ubuntu")
    profile = Profile(name="metal", image="vault-os", method="autoinstall", autoinstall=installer)
    site.database.put_inventory([], [profile], site.settings.hosts_range)
    refused(144, "ubuntu@24.04 is needed by the profile metal", removal.remove_image, site, iso, ORIGIN)
    assert ids(site) == [iso, old]


def test_an_image_that_a_deployment_needs_stays_until_it_has_ended(site: Site) -> None:
    store(site, "1")
    row = order(site)
    store(site, "2")
    refused(144, f"needed by {row.id} of vc-1", removal.remove_image, site, "vault-os@1", ORIGIN)
    assert image_folders.image_folder(site.settings.state, "vault-os@1").is_dir()
    end(site, row)
    removal.remove_image(site, "vault-os@1", ORIGIN)


def test_no_image_goes_while_another_comes(site: Site) -> None:
    store(site, "1"), store(site, "2")
    with image_folders.changing(site.settings.state):
        refused(130, "being added or removed", removal.remove_image, site, "vault-os@1", ORIGIN)
    assert len(ids(site)) == 2


def test_a_login_stays_while_a_bmc_needs_it(site: Site) -> None:
    put_login(site, "spare", "root", "pw")
    assert logins.names(site) == ["rack-b", "spare"]
    refused(144, "the login rack-b is needed by vc-1", removal.remove_login, site, "rack-b", ORIGIN)
    removal.remove_login(site, "spare", ORIGIN)
    removal.remove_host(site, "vc-1", by="bob")
    removal.remove_login(site, "rack-b", ORIGIN)
    assert logins.names(site) == []


@pytest.mark.parametrize("name", ["nobody", "", "../operator", "deploy_ed25519", "a/b", "x" * 300])
def test_only_logins_are_removed(site: Site, name: str) -> None:
    before = sorted((site.settings.state / "secrets").iterdir())
    with pytest.raises(NotFoundError) as caught:
        removal.remove_login(site, name, ORIGIN)
    assert caught.value.code == 120 and sorted((site.settings.state / "secrets").iterdir()) == before


def test_a_machine_that_moved_takes_with_it_what_is_its_own(site: Site) -> None:
    disk = Host(name="vc-3", macs=("52:54:00:00:00:03",), profile="cube", rack="B3", serial="OLD")
    site.database.put_inventory([disk], [], site.settings.hosts_range)
    site.database.hosts.put_hardware("vc-3", HardwareFacts(serial="OLD"), 3.0)
    address = site.database.macs.get(MAC)
    moved = removal.move_host(site, "vc-1", "vc-3", by="bob")
    assert (moved.name, moved.rack) == ("vc-3", "B3"), "its place is its own"
    assert (moved.macs, moved.serial, moved.bmc.secret) == ((MAC,), "SN-1", "rack-b"), "the machine is not"
    facts = site.database.hosts.hardware("vc-3")
    assert facts and facts.serial == "SN-1" and site.database.hosts.hardware_at("vc-3") == 7.0
    assert site.database.macs.get("52:54:00:00:00:03") is None and site.database.macs.get(MAC)
    assert address
    with pytest.raises(NotFoundError):
        site.database.hosts.get("vc-1")
    assert secrets.certificate_pin(site.settings.state, "vc-3").read_text() == "ab\n"
    (note,) = notes(site, "vc-3")
    assert isinstance(note.data, HostMoved) and note.data.machine == disk
    assert isinstance(notes(site, "vc-1")[0].data, HostRemoved)


def test_a_machine_that_nobody_has_seen_leaves_no_hardware_of_another(site: Site) -> None:
    removal.move_host(site, "vc-2", "vc-1", by="bob")
    assert site.database.hosts.hardware("vc-1") is None and site.database.hosts.hardware_at("vc-1") == 0
    assert not secrets.certificate_pin(site.settings.state, "vc-1").exists(), "it was another BMC's"


def test_neither_of_the_two_is_moved_while_it_is_deployed(site: Site) -> None:
    order(site, "vc-2")
    for source, target in (("vc-1", "vc-2"), ("vc-2", "vc-1")):
        refused(132, "vc-2 is being deployed", removal.move_host, site, source, target, by="bob")
    with pytest.raises(ProvisionError, match="are one host"):
        removal.move_host(site, "vc-1", MAC, by="bob")
    assert {host.name for host in site.database.hosts.all()} == {"vc-1", "vc-2"}


def test_what_an_inventory_changes_is_in_the_host_s_history(site: Site) -> None:
    host = site.database.hosts.get("vc-2")
    changed, new = (
        host.model_copy(update={"rack": "C1"}),
        host.model_copy(update={"name": "vc-4", "macs": ("52:54:00:00:00:04",)}),
    )
    inventory_update.replace(site, [changed, new], [], inventory_update.Removals(), by="bob")
    inventory_update.replace(site, [changed], [], inventory_update.Removals(), by="bob")
    (note,) = notes(site, "vc-2")
    assert isinstance(note.data, HostChanged) and note.describe() == "changed by bob: rack nothing → C1"
    assert [event.describe() for event in notes(site, "vc-4")] == ["added by bob"]


def test_of_many_changes_none_is_made_where_one_cannot_be(site: Site) -> None:
    order(site)
    new = Host(name="vc-4", macs=("52:54:00:00:00:04",), profile="p9")
    for gone, code in (
        (inventory_update.Removals(hosts=("vc-1",)), 132),
        (inventory_update.Removals(profiles=("cube",)), 144),
    ):
        with pytest.raises(RefusedError) as caught:
            inventory_update.replace(site, [new], [Profile(name="p9")], gone, by="bob")
        assert caught.value.code == code
    assert {host.name for host in site.database.hosts.all()} == {"vc-1", "vc-2"} and not notes(site, "vc-4")


@pytest.mark.parametrize("is_full", [True, False], ids=["full range", "room"])
def test_a_dry_run_refuses_what_would_be_refused_and_changes_nothing(site: Site, is_full: bool) -> None:
    first = site.settings.hosts_range.first
    pool = AddressRange(first=first, last=first if is_full else first + 9)
    dhcp = site.settings.dhcp.model_copy(update={"hosts": pool})
    site.settings = site.settings.model_copy(update={"dhcp": dhcp})
    before = site.database.hosts.all(), site.database.macs.all(), site.database.profiles.all()
    new = [
        Host(name=f"vc-{number}", macs=(f"52:54:00:00:00:{number:02x}",), profile="p9") for number in (8, 9)
    ]
    profiles, gone = [Profile(name="p9")], inventory_update.Removals(hosts=("vc-1",))
    for dry_run in (True, False):
        with pytest.raises(RefusedError, match="no address is free") if is_full else nullcontext():
            inventory_update.replace(site, new, profiles, gone, by="bob", dry_run=dry_run)
        after = site.database.hosts.all(), site.database.macs.all(), site.database.profiles.all()
        assert (after == before) == (dry_run or is_full)
        assert secrets.certificate_pin(site.settings.state, "vc-1").exists() == (dry_run or is_full)
    assert bool(notes(site, "vc-8")) != is_full


def test_a_host_knows_its_former_names_until_another_has_them(site: Site) -> None:
    def names(name: str) -> list[str]:
        return host_names.of(site, site.database.hosts.get(name))

    assert names("vc-1") == ["vc-1"]
    removal.rename_host(site, "vc-1", "vc-5", by="bob")
    removal.rename_host(site, "vc-5", "vc-6", by="bob")
    assert names("vc-6") == ["vc-6", "vc-5", "vc-1"]
    new = Host(name="vc-1", macs=("52:54:00:00:00:07",), profile="cube")
    inventory_update.replace(site, [new], [], inventory_update.Removals(), by="bob")
    assert names("vc-6") == ["vc-6", "vc-5"] and names("vc-1") == ["vc-1"]
    removal.move_host(site, "vc-6", "vc-2", by="bob")
    assert names("vc-2") == ["vc-2", "vc-6"], "its disk came with the board"
    removal.remove_host(site, "vc-2", by="bob")
    stranger = Host(name="vc-2", macs=("52:54:00:00:00:08",), profile="cube")
    inventory_update.replace(site, [stranger], [], inventory_update.Removals(), by="bob")
    assert names("vc-2") == ["vc-2"], "what was removed is another host"


def test_what_a_host_was_served_goes_with_it(site: Site) -> None:
    folder = site.settings.state / rendering.FOLDER
    for name in ("vc-1", "vc-2"):
        (folder / name).mkdir(parents=True)
        (folder / name / "boot.ipxe").write_text(name)
    removal.rename_host(site, "vc-1", "vc-5", by="bob")
    assert (folder / "vc-5" / "boot.ipxe").read_text() == "vc-1"
    removal.move_host(site, "vc-5", "vc-2", by="bob")
    assert [path.name for path in folder.iterdir()] == ["vc-2"]
    removal.remove_host(site, "vc-2", by="bob")
    assert not list(folder.iterdir())


def written_by(site: Site, name: str = "vc-1") -> Deployment:
    """A deployment of a host that has written its disk, and is ready."""
    row = arm(site, site.database.hosts.get(name), site.database.images.all()[0], by="ann")
    with site.database.writing():
        done = row.changed(stage=Stage.READY, consumed=1.0, disk=WrittenDisk(name="sda", serial="S1"))
        site.database.deployments.put(done)
    return done


def test_the_deployments_of_a_host_that_was_removed_are_not_those_of_its_name(site: Site) -> None:
    host, table = site.database.hosts.get("vc-1"), site.database.deployments
    old = written_by(site)
    last = (table.last_of, table.last_readable, table.last_written, table.last_consumed)
    assert [of("vc-1") for of in last] == [old] * 4 and table.completed("vc-1") == [old.id]
    removal.remove_host(site, "vc-1", by="ann")
    site.database.put_inventory([host], [], site.settings.hosts_range)
    assert [of("vc-1") for of in last] == [None] * 4 and table.completed("vc-1") == []
    assert table.get(old.id).host == "vc-1" and [row.id for row in table.newest()] == [old.id]
    new = written_by(site)
    assert [of("vc-1") for of in last] == [new] * 4


def test_a_rename_takes_along_what_the_machine_did_and_nothing_of_another(site: Site) -> None:
    table, one = site.database.deployments, site.database.hosts.get("vc-1")
    former = written_by(site)
    removal.remove_host(site, "vc-1", by="ann")
    site.database.put_inventory([one], [], site.settings.hosts_range)
    own = written_by(site)
    removal.rename_host(site, "vc-1", "vc-9", by="ann")
    assert table.last_of("vc-1") is None and table.get(former.id).host == "vc-1"
    found = table.last_written("vc-9")
    assert found is not None and found.id == own.id
    kinds = {
        name: [event.kind for event in site.database.events.history(name, 9)] for name in ("vc-1", "vc-9")
    }
    assert kinds == {"vc-1": ["host.removed", "order.armed"], "vc-9": ["host.renamed", "order.armed"]}
    third = Host(name="vc-1", macs=("52:54:00:00:00:07",), profile="cube")
    site.database.put_inventory([third], [], site.settings.hosts_range)
    assert table.last_of("vc-1") is None


def test_the_last_of_a_host_is_kept_though_it_was_removed(site: Site) -> None:
    """What a machine holds that was moved is known by its former host's deployment."""
    host, table = site.database.hosts.get("vc-1"), site.database.deployments
    old = written_by(site)
    removal.remove_host(site, "vc-1", by="ann")
    site.database.put_inventory([host], [], site.settings.hosts_range)
    new = written_by(site)
    site.clock.now += 10**9  # type: ignore[attr-defined]
    assert table.prune(site.clock(), 99) == 0
    assert {row.id for row in table.newest()} == {old.id, new.id}


def test_a_lock_is_lost_by_nothing_but_unlock(site: Site) -> None:
    removal.set_lock(site, "vc-1", locked=True, by="ann")
    gone = inventory_update.Removals(hosts=("vc-1",))
    for act in (
        lambda: removal.remove_host(site, "vc-1", by="bob"),
        lambda: removal.remove_host(site, "vc-1", by="bob", dry_run=True),
        lambda: removal.move_host(site, "vc-1", "vc-2", by="bob"),
        lambda: removal.move_host(site, "vc-2", "vc-1", by="bob"),
        lambda: inventory_update.replace(site, [], [], gone, by="bob"),
    ):
        with pytest.raises(RefusedError, match="vc-1 is locked") as caught:
            act()
        assert caught.value.code == 131 and "provision host unlock vc-1" in caught.value.hint
    opened = site.database.hosts.get("vc-1").model_copy(update={"locked": False, "rack": "C1"})
    inventory_update.replace(site, [opened], [], inventory_update.Removals(), by="bob")
    assert site.database.hosts.get("vc-1").locked and site.database.hosts.get("vc-1").rack == "C1"
    assert removal.rename_host(site, "vc-1", "vc-7", by="bob").locked
    removal.set_lock(site, "vc-7", locked=False, by="bob")
    removal.set_lock(site, "vc-7", locked=False, by="bob")
    said = [event.describe() for event in notes(site, "vc-7")]
    assert said[0] == "unlocked by bob" and said[-1] == "locked by ann" and said.count(said[0]) == 1
    assert removal.remove_host(site, "vc-7", by="bob").name == "vc-7"


@pytest.mark.parametrize(
    "change",
    [
        {"macs": ("52:54:00:00:00:99",)},
        {"serial": "SN-9"},
        {"uuid": "6f1a5e3e-0000-4000-8000-000000000001"},
        {"bmc": Bmc()},
        {"disk": Hints(serial="D9")},
        {"profile": "other"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_a_deployment_relies_on_stays_until_it_has_ended(site: Site, change: dict[str, object]) -> None:
    site.database.put_inventory([], [Profile(name="other")], site.settings.hosts_range)
    row = order(site)
    before = site.database.hosts.get("vc-1")
    after, none = before.model_copy(update=change), inventory_update.Removals()
    with pytest.raises(RefusedError, match=f"its {next(iter(change))} cannot be changed") as caught:
        inventory_update.replace(site, [after], [], none, by="bob")
    assert caught.value.code == 132 and site.database.hosts.get("vc-1") == before
    inventory_update.replace(site, [before.model_copy(update={"rack": "C7"})], [], none, by="bob")
    end(site, row)
    inventory_update.replace(site, [after], [], none, by="bob")
    assert site.database.hosts.get("vc-1") == after


def test_only_new_hosts_are_taken_where_none_may_be_replaced(site: Site) -> None:
    known = site.database.hosts.get("vc-1")
    bare = Host(name="vc-1", macs=("52:54:00:00:00:99",), profile="cube")
    with pytest.raises(ProvisionError, match="there is a host vc-1 already") as caught:
        inventory_update.replace(site, [bare], [], inventory_update.Removals(), by="bob", only_new=True)
    assert caught.value.code == 110 and "provision host edit vc-1" in caught.value.hint
    assert site.database.hosts.get("vc-1") == known


def test_what_was_not_shown_is_not_moved(site: Site) -> None:
    shown = (site.database.hosts.get("vc-1"), site.database.hosts.get("vc-2"))
    site.database.put_inventory(
        [shown[1].model_copy(update={"serial": "X-2"})], [], site.settings.hosts_range
    )
    words = "vc-2 is not what was confirmed: since it was shown, serial was changed"
    with pytest.raises(RefusedError, match=words) as caught:
        removal.move_host(site, "vc-1", "vc-2", by="bob", shown=shown)
    assert caught.value.code == 133 and site.database.hosts.get("vc-1") == shown[0]
    now = (shown[0], site.database.hosts.get("vc-2"))
    assert removal.move_host(site, "vc-1", "vc-2", by="bob", shown=now).serial == "SN-1"


def test_what_is_only_tried_takes_nothing_away(site: Site) -> None:
    old, new = store(site, "1"), store(site, "2")
    assert old != new
    removal.remove_image(site, old, ORIGIN, dry_run=True)
    removal.remove_host(site, "vc-1", by="bob", dry_run=True)
    removal.move_host(site, "vc-1", "vc-2", by="bob", dry_run=True)
    refused(144, "is needed by vc-1", removal.remove_profile, site, "cube")
    put_login(site, "spare", "root", "pw")
    removal.remove_login(site, "spare", ORIGIN, dry_run=True)
    assert "spare" in logins.names(site) and len(ids(site)) == 2
    assert image_folders.image_folder(site.settings.state, old).is_dir()
    assert secrets.certificate_pin(site.settings.state, "vc-1").exists() and not notes(site, "vc-1")
