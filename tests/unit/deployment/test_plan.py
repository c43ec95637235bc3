"""What a plan says of the disk that would be erased, and how it is confirmed."""

import pytest

from provisioner.deployment import plan
from provisioner.deployment.order import arm
from provisioner.domain.deployment import Terms
from provisioner.domain.hardware import DeviceInfo, DiskInfo, HardwareFacts
from provisioner.domain.host import Bmc
from provisioner.domain.plan import Plan
from provisioner.domain.profile import Gpu, Hints, Profile
from provisioner.errors import InputError, RefusedError
from provisioner.site.site import Site
from tests.logins import put_login

DISK = DiskInfo(name="sda", size=10**12, logical_sector=512, serial="Z1", content="GPT")


def make(site: Site, **facts: str) -> Plan:
    site.database.hosts.put_hardware("vc-1", HardwareFacts(disks=(DISK,), **facts), 1234.5)
    return plan.make(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], Terms())


@pytest.mark.parametrize(("facts", "by"), [({"boot_id": "b"}, "deployment"), ({}, "inventory")])
def test_a_plan_says_when_and_by_what_the_disk_was_seen(site: Site, facts: dict[str, str], by: str) -> None:
    disk = make(site, **facts).erases
    assert (disk.seen, disk.serial, disk.seen_at, disk.seen_by) == (True, "Z1", 1234.5, by)


def test_a_disk_that_was_never_seen_is_its_hints_alone(site: Site) -> None:
    host, image = site.database.hosts.get("vc-1"), site.database.images.all()[0]
    made = plan.make(site, host, image, Terms())
    assert made.model_dump(mode="json")["erases"] == {"seen": False, "hints": {}, "foreign": ""}


TWINS = tuple(
    DiskInfo(name=name, size=10**12, serial=serial) for name, serial in (("sda", "Z1"), ("sdb", "Z2"))
)
STICK = DiskInfo(name="sdc", size=10**10, serial="4C53", medium="a USB medium")


@pytest.mark.parametrize(
    ("disks", "doubt"),
    [
        ((), "no disk fits the hints. Seen: no disk at all (PV-312)"),
        (TWINS, "2 disks fit the hints, and only one may: sda 1 TB serial Z1; sdb 1 TB serial Z2 (PV-313)"),
        (
            (STICK,),
            "this machine shows no disk that could be meant. Seen: "
            "sdc 10 GB serial 4C53: it is a USB medium, and no hint names it (PV-312)",
        ),
    ],
)
def test_a_plan_says_why_no_disk_that_was_seen_is_meant(
    site: Site, disks: tuple[DiskInfo, ...], doubt: str
) -> None:
    site.database.hosts.put_hardware("vc-1", HardwareFacts(disks=disks, boot_id="b"), 1234.5)
    host, image = site.database.hosts.get("vc-1"), site.database.images.all()[0]
    erased = plan.make(site, host, image, Terms()).erases
    assert (erased.seen, erased.doubt, erased.seen_at, erased.seen_by) == (False, doubt, 1234.5, "deployment")


@pytest.mark.parametrize(
    ("size", "sector", "doubt"),
    [
        (10**12, 512, ""),
        (10**12, 4096, "the image was made for 512: its partition table would be invisible there (PV-314)"),
        (1000, 512, "is too small: the image needs 4 kB (PV-311)"),
    ],
)
def test_a_plan_says_that_the_disk_cannot_take_the_image(
    site: Site, size: int, sector: int, doubt: str
) -> None:
    disk = DISK.model_copy(update={"size": size, "logical_sector": sector})
    site.database.hosts.put_hardware("vc-1", HardwareFacts(disks=(disk,)), 1234.5)
    image = site.database.images.all()[0].model_copy(update={"raw_size": 4000})
    erased = plan.make(site, site.database.hosts.get("vc-1"), image, Terms()).erases
    assert erased.seen and erased.doubt.endswith(doubt) and bool(erased.doubt) is bool(doubt)
    iso = image.model_copy(update={"kind": "iso"})
    assert plan.make(site, site.database.hosts.get("vc-1"), iso, Terms()).erases.doubt == ""


H100, NIC = DeviceInfo(id="10de:2330", kind="030200"), DeviceInfo(id="8086:1592", kind="020000")
CUBE = Profile(name="cube", gpus=(Gpu(id="10de:2330", count=2, name="H100 SXM"),), memory_min=512 << 30)


@pytest.mark.parametrize(
    ("devices", "gib", "deviations"),
    [
        ((H100, NIC, H100), 512, ()),
        ((H100, NIC, H100), 480, ()),  # firmware and kernel keep 7 % at most
        ((H100, NIC), 512, ("2 PCI devices 10de:2330 (H100 SXM) expected, 1 found",)),
        ((H100,) * 3, 512, ("2 PCI devices 10de:2330 (H100 SXM) expected, 3 found",)),
        (
            (NIC,),
            256,
            (
                "2 PCI devices 10de:2330 (H100 SXM) expected, 0 found",
                "memory 256 GiB, the profile wants at least 512 GiB",
            ),
        ),
        ((), 0, ()),  # the installer reports neither
    ],
)
def test_a_plan_says_what_of_the_hardware_would_be_rejected(
    site: Site, devices: tuple[DeviceInfo, ...], gib: int, deviations: tuple[str, ...]
) -> None:
    site.database.put_inventory([], [CUBE], site.settings.hosts_range)
    facts = HardwareFacts(disks=(DISK,), devices=devices, memory=gib << 30)
    site.database.hosts.put_hardware("vc-1", facts, 1234.5)
    host, image = site.database.hosts.get("vc-1"), site.database.images.all()[0]
    made = plan.make(site, host, image, Terms())
    assert (made.deviations, made.refusals) == (deviations, ())


def test_a_host_that_was_never_seen_deviates_in_nothing(site: Site) -> None:
    site.database.put_inventory([], [CUBE], site.settings.hosts_range)
    host, image = site.database.hosts.get("vc-1"), site.database.images.all()[0]
    assert plan.make(site, host, image, Terms()).deviations == ()


def test_a_plan_is_the_same_after_it_was_sent(site: Site) -> None:
    made = make(site)
    assert Plan.model_validate_json(made.model_dump_json()) == made


def test_the_last_4_of_the_serial_confirm_it(site: Site) -> None:
    made = make(site, serial="SN-AB12")
    assert (made.challenge, made.question) == ("AB12", "the last 4 of the serial")
    plan.confirm(made, " ab12 ", yes=False)
    plan.confirm(made, "", yes=True)
    with pytest.raises(RefusedError) as caught:
        plan.confirm(made, "ab13", yes=False)
    assert caught.value.code == 133


@pytest.mark.parametrize("word", ["To be filled by O.E.M.", "0123456789", ""])
def test_what_is_no_serial_confirms_nothing(site: Site, word: str) -> None:
    made = make(site, serial=word)
    assert (made.challenge, made.question, made.serial) == ("0001", "the last 4 of the MAC", "")


def test_a_serial_that_blades_share_neither_confirms_nor_finds_one(site: Site) -> None:
    one = site.database.hosts.get("vc-1").model_copy(update={"serial": "CHASSIS7"})
    site.database.hosts.put(one)
    assert plan.find_host(site, "chassis7") == one and make(site).challenge == "SIS7"
    site.database.hosts.put(one.model_copy(update={"name": "vc-2", "serial": "chassis7 "}))
    assert make(site).question == "the last 4 of the MAC"
    with pytest.raises(InputError, match="several hosts have the serial CHASSIS7: vc-1, vc-2"):
        plan.find_host(site, "CHASSIS7")
    assert plan.find_host(site, "vc-1") == one


def test_what_means_two_hosts_finds_neither(site: Site) -> None:
    one = site.database.hosts.get("vc-1").model_copy(update={"serial": "AB12"})
    other = one.model_copy(update={"name": "ab12", "serial": "", "macs": ("52:54:00:00:77:01",)})
    third = one.model_copy(update={"name": "525400007701", "serial": "", "macs": ("52:54:00:00:77:02",)})
    for host in (one, other, third):
        site.database.hosts.put(host)
    for text, names in (("ab12", "ab12, vc-1"), ("525400007701", "525400007701, ab12")):
        with pytest.raises(InputError, match="name, serial or MAC of several hosts") as caught:
            plan.find_host(site, text)
        assert names in str(caught.value) and "MAC" in caught.value.hint
    assert plan.find_host(site, "52:54:00:00:77:02") == third


def test_a_login_that_was_never_given_is_a_warning_and_no_refusal(site: Site) -> None:
    host, image = site.database.hosts.get("vc-1"), site.database.images.all()[0]
    assert plan.make(site, host, image, Terms()).warnings == (), "it is powered by hand"
    bmc = Bmc.model_validate({"driver": "ipmi", "address": "10.77.1.2", "secret": "rack-b3"})
    host = host.model_copy(update={"bmc": bmc})
    made = plan.make(site, host, image, Terms())
    [warning] = made.warnings
    assert (warning.code, warning.hint) == (205, "provision bmc secret rack-b3 --user USER")
    assert made.refusals == ()
    put_login(site, "rack-b3", "provision", "lab-secret")
    assert plan.make(site, host, image, Terms()).warnings == ()


def test_an_image_too_large_for_the_disk_that_was_seen_is_a_warning(site: Site) -> None:
    small = DiskInfo(name="sda", size=1 << 20, logical_sector=512, serial="Z1")
    site.database.hosts.put_hardware("vc-1", HardwareFacts(disks=(small,), boot_id="b"), 1234.5)
    host, image = site.database.hosts.get("vc-1"), site.database.images.all()[0]
    [warning] = plan.make(site, host, image, Terms()).warnings
    assert warning.code == 311 and "too small" in warning.sentence and warning.hint


def test_a_plan_that_was_shown_and_is_otherwise_by_now_is_not_armed(site: Site) -> None:
    """Also where it becomes so after everything was looked at: in the transaction that arms it."""
    site.database.hosts.put_hardware("vc-1", HardwareFacts(disks=TWINS), 1234.5)
    host, image = site.database.hosts.get("vc-1"), site.database.images.all()[0]
    first, second = (host.model_copy(update={"disk": Hints(serial=serial)}) for serial in ("Z1", "Z2"))
    site.database.hosts.put(first)
    shown = plan.make(site, first, image, Terms())
    site.database.hosts.put(second)
    with pytest.raises(RefusedError, match=r"since it was shown, something is otherwise.* sdb Z2") as caught:
        arm(site, shown.host, image, by="ann", shown=shown.digest)
    assert (caught.value.code, caught.value.exit) == (146, 6) and "--dry-run" in caught.value.hint
    assert site.database.deployments.last_of("vc-1") is None
    site.database.hosts.put(shown.host)
    assert arm(site, shown.host, image, by="ann", shown=shown.digest).target.serial == "Z1"


def test_a_digest_holds_as_long_as_only_times_change(site: Site) -> None:
    first = make(site)
    site.database.hosts.put_hardware("vc-1", HardwareFacts(disks=(DISK,)), 9999.5)
    host, image = site.database.hosts.get("vc-1"), site.database.images.all()[0]
    again = plan.make(site, host, image, Terms())
    assert again.erases.seen_at != first.erases.seen_at and again.digest == first.digest != ""
    plan.require_shown(again, first.digest)
    plan.require_shown(again, "")
    assert plan.make(site, host, image, Terms(write_mode="full")).digest != first.digest
