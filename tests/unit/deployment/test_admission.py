"""What may be ordered: the plan, the run and the order refuse the same, for the same reason."""

import base64
from collections.abc import Callable
from itertools import combinations

import pytest

from provisioner.deployment import admission, plan
from provisioner.deployment.order import arm
from provisioner.deployment.runs import preview_run
from provisioner.domain.deployment import Terms, WrittenDisk
from provisioner.domain.hardware import DiskInfo, HardwareFacts
from provisioner.domain.host import Host
from provisioner.domain.image import Image
from provisioner.domain.stage import Stage
from provisioner.errors import InputError, ProvisionError, RefusedError
from provisioner.site.site import Site
from provisioner.state import image_files, image_folders
from provisioner.state.values import RogueServer
from provisioner.state.verifications import Verification
from tests.unit.conftest import put_installer, trust

OTHER = RogueServer("10.77.0.9", "52:54:00:00:00:09", "lan0", boots="x")


def host_of(site: Site) -> Host:
    return site.database.hosts.get("vc-1")


def image_of(site: Site) -> Image:
    return site.database.images.all()[0]


def wrong_kind(site: Site) -> None:
    pack = image_of(site)
    put_installer(site)
    profile = site.database.profiles.get("cube").model_copy(update={"image": pack.id})
    site.database.put_inventory([], [profile], site.settings.hosts_range)


def locked(site: Site) -> None:
    site.database.hosts.put(host_of(site).model_copy(update={"locked": True}))


def other_server(site: Site) -> None:
    site.database.values.put_rogue_servers([OTHER])


def under_way(site: Site) -> None:
    consent = Terms(erase_foreign=True, allow_downgrade=True)
    arm(site, host_of(site), image_of(site), by="ann", terms=consent)


def older(site: Site) -> None:
    newer = image_of(site).model_copy(update={"version": "2"})
    row = arm(site, host_of(site), newer, by="ann")
    done = row.changed(stage=Stage.READY, disk=WrittenDisk(serial="S1"))
    with site.database.writing():
        site.database.deployments.put(done)


def foreign(site: Site) -> None:
    disk = DiskInfo(name="sda", size=10**12, serial="Z1", foreign="LVM")
    site.database.hosts.put_hardware("vc-1", HardwareFacts(serial="C1", disks=(disk,)), site.clock())


def unreadable(site: Site) -> None:
    under_way(site)
    site.database.db.conn.execute("UPDATE deployments SET progress = '{'")


def untrusted(site: Site) -> None:
    (site.settings.state / "keys" / "release.pub").unlink()


def verified_by_key(site: Site) -> None:
    row = Verification(id="v-1", host="vc-1", deployment="d-1", created=1, user="ann", by="ann")
    with site.database.writing():
        site.database.verifications.add(row)


RULES: dict[int, Callable[[Site], None]] = {
    612: unreadable,
    127: wrong_kind,
    326: untrusted,
    131: locked,
    132: under_way,
    570: verified_by_key,
    139: foreign,
    141: older,
    670: other_server,
}


def test_every_rule_is_tried_here() -> None:
    assert len(RULES) == len(admission.RULES)


@pytest.mark.parametrize("code", RULES)
def test_the_plan_the_run_and_the_order_refuse_the_same(site: Site, code: int) -> None:
    image = image_of(site)
    assert admission.refusals(site, host_of(site), image, Terms()) == []
    RULES[code](site)
    before = site.database.deployments.newest()
    [refusal] = admission.refusals(site, host_of(site), image, Terms())
    assert refusal.code == code and refusal.sentence and refusal.hint
    _, [left_out] = preview_run(site, [host_of(site)], image.id)
    assert (left_out.why, left_out.refusals) == (refusal.sentence, (refusal,))
    with pytest.raises(ProvisionError) as caught:
        arm(site, host_of(site), image, by="ann")
    fault = caught.value
    assert (fault.code, str(fault), fault.hint) == (code, refusal.sentence, refusal.hint)
    assert isinstance(fault, InputError if code == 127 else RefusedError)
    assert site.database.deployments.newest() == before


# where several hold: what needs an order of its own is made first, while nothing forbids that
MAKING = (141, 132, 139, 127, 326, 131, 570, 670)


@pytest.mark.parametrize("codes", [set(codes) for size in (2, 3, 8) for codes in combinations(MAKING, size)])
def test_several_refusals_are_told_in_one_order_and_the_first_is_raised(site: Site, codes: set[int]) -> None:
    image = image_of(site)
    for code in MAKING:
        if code in codes:
            RULES[code](site)
    refusals = admission.refusals(site, host_of(site), image, Terms())
    assert [refusal.code for refusal in refusals] == [
        code for code in (127, 326, 131, 670, 132, 570, 141, 139) if code in codes
    ]
    plans, [left_out] = preview_run(site, [host_of(site)], image.id)
    assert plans == [] and left_out.refusals == tuple(refusals)
    with pytest.raises(ProvisionError) as caught:
        arm(site, host_of(site), image, by="ann")
    assert (caught.value.code, str(caught.value)) == (refusals[0].code, refusals[0].sentence)


def test_what_is_consented_to_is_not_refused(site: Site) -> None:
    older(site)
    foreign(site)
    image = image_of(site)
    assert [one.code for one in admission.refusals(site, host_of(site), image, Terms())] == [141, 139]
    consent = Terms(erase_foreign=True, allow_downgrade=True)
    assert admission.refusals(site, host_of(site), image, consent) == []


def test_the_host_is_read_again_when_the_order_is_armed(site: Site) -> None:
    stale = host_of(site)
    locked(site)
    with pytest.raises(RefusedError, match="vc-1 is locked"):
        arm(site, stale, image_of(site), by="ann")


@pytest.mark.parametrize("keys", [(), ("other",), ("release-2",)])
def test_an_image_whose_key_is_trusted_no_more_is_not_ordered(site: Site, keys: tuple[str, ...]) -> None:
    host, image = site.database.hosts.get("vc-1"), site.database.images.all()[0]
    assert plan.make(site, host, image, Terms()).image.trusted
    (site.settings.state / "keys" / "release.pub").unlink()
    for name in keys:
        trust(site.settings.state, name)
    made = plan.make(site, host, image, Terms())
    assert not made.image.trusted
    [refusal] = made.refusals
    assert refusal.code == 326 and "release, which is trusted no more" in refusal.sentence
    assert "provision image trust release.pub" in refusal.hint
    with pytest.raises(RefusedError) as caught:
        arm(site, host, image, by="ann")
    assert (caught.value.code, caught.value.exit) == (326, 6)
    plans, [left] = preview_run(site, [host], "")
    assert plans == [] and left.refusals == (refusal,)


def test_nobody_has_signed_an_installer(site: Site) -> None:
    image = put_installer(site).model_copy(update={"signed_by": ""})
    (site.settings.state / "keys" / "release.pub").unlink()
    host = site.database.hosts.get("vc-1")
    assert plan.make(site, host, image, Terms()).refusals == ()


KEYS = {name: base64.b64encode(b"Ed" + name.encode() * 8 + b"k" * 32).decode() for name in "ab"}


def test_a_key_is_known_by_its_number_and_not_by_its_name(site: Site) -> None:
    state, image = site.settings.state, site.database.images.all()[0]
    folder = image_folders.image_folder(state, image.id)
    folder.mkdir(parents=True)
    signed = base64.b64encode(b"ED" + b"a" * 8 + b"s" * 64).decode()
    (folder / "pack.json.minisig").write_text(f"untrusted comment: x\n{signed}\ntrusted comment: y\nz\n")
    for name, number, trusted in (("release", "a", True), ("release", "b", False), ("renamed", "a", True)):
        for old in (state / "keys").glob("*.pub"):
            old.unlink()
        (state / "keys" / f"{name}.pub").write_text(f"untrusted comment: key\n{KEYS[number]}\n")
        assert image_files.is_trusted(state, image) is trusted, (name, number)
